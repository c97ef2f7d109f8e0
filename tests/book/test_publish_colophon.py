"""What stands at the end of every executed notebook."""

import pytest

from selectivity_core import machine
from selectivity_core.book.publish import colophon

ASKED = {
    "notebook": "notebooks/a.ipynb",
    "command": "papermill notebooks/a.ipynb out.ipynb -y '{seeds: 2}'",
    "parameters": {"seeds": 2, "on": "x"},
}


def test_buttons_are_there_where_the_repository_is_known(monkeypatch):
    monkeypatch.setenv("SELECTIVITY_REPOSITORY", "https://github.com/someone/selectivity")
    said = colophon.cell(**ASKED, seconds=1.0).source
    assert "[Binder](https://mybinder.org/v2/gh/someone/selectivity/main?labpath=notebooks/a.ipynb)" in said
    assert "%pip install git+https://github.com/someone/selectivity`" in said


def test_no_other_host_is_named_where_it_is_not(monkeypatch):
    monkeypatch.setenv("SELECTIVITY_REPOSITORY", "/somewhere")
    assert "http" not in colophon.cell(**ASKED, seconds=1.0).source


@pytest.mark.parametrize(
    ("commit", "words"),
    [("abc123", "commit `abc123`,"), ("abc123+", "commit `abc123` and changes to it,"), ("", "commit unknown,")],
)
def test_it_names_command_parameters_time_and_commit(commit, words, monkeypatch):
    monkeypatch.setattr(machine, "commit", lambda: commit)
    cell = colophon.cell(**ASKED, seconds=12.34)
    assert cell.cell_type == "markdown"
    assert "```bash\npapermill notebooks/a.ipynb out.ipynb -y '{seeds: 2}'\n```" in cell.source
    assert "`seeds = 2`, `on = 'x'`" in cell.source
    assert f"Made in 12 s, {words} torch 2." in cell.source
