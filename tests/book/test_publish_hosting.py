"""Where the repository is hosted."""

import subprocess

import pytest

from selectivity_core.book.publish import hosting


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("https://github.com/someone/selectivity.git", "someone/selectivity"),
        ("https://github.com/some.one/selec-tivity/", "some.one/selec-tivity"),
        ("https://token@github.com/someone/selectivity", "someone/selectivity"),
        ("git@github.com:someone/selectivity.git\n", "someone/selectivity"),
        ("ssh://git@github.com/someone/selectivity.git", "someone/selectivity"),
        ("https://example.org/someone/selectivity.git", None),
        ("https://github.com.example.org/someone/selectivity", None),
        ("/somewhere/selectivity", None),
    ],
)
def test_the_address_is_known_on_github_alone(address, name, monkeypatch):
    monkeypatch.setenv("SELECTIVITY_REPOSITORY", address)
    assert hosting.repository() == name


def test_without_the_variable_it_is_the_checkouts_origin(tmp_path, monkeypatch):
    monkeypatch.delenv("SELECTIVITY_REPOSITORY", raising=False)
    monkeypatch.setattr(hosting, "ROOT", tmp_path)
    assert hosting.repository() is None  # no checkout
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    assert hosting.repository() is None  # no remote
    command = ["git", "-C", str(tmp_path), "remote", "add", "origin", "https://github.com/someone/selectivity.git"]
    subprocess.run(command, check=True)
    assert hosting.repository() == "someone/selectivity"


def test_links_lead_to_the_source_and_not_to_the_executed_copy():
    assert hosting.links("someone/selectivity", "notebooks/05_figure_4.ipynb") == {
        "Binder": "https://mybinder.org/v2/gh/someone/selectivity/main?labpath=notebooks/05_figure_4.ipynb",
        "Colab": "https://colab.research.google.com/github/someone/selectivity/blob/main/notebooks/05_figure_4.ipynb",
    }
