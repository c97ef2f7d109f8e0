"""Three of the notebooks run for real with tiny networks; `make book` runs all of them."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from bs4 import BeautifulSoup

from selectivity_core.book.build.execution import execute_all, prepare
from selectivity_core.book.build.pages import make_figure
from selectivity_core.book.parameters import declared, read_notebook
from selectivity_core.cli import main

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]
ROOT = Path(__file__).parents[2]
NOTEBOOKS = [ROOT / "notebooks" / f"{name}.ipynb" for name in ("01_index", "02_figure_1", "05_figure_4")]
FIGURE_4 = NOTEBOOKS[2]
TINY = {"epochs": 2, "milestones": [1], "train_size": 50, "width": 2}
WANTED = {"profile": "digits", "alphas": [-1, 0, 1], "seeds": 2, "overrides": TINY}


def values(path, **changed):
    """The tiny run of a notebook: those of the wanted parameters that it has."""
    known = declared(read_notebook(path), path.stem)
    return {name: value for name, value in (WANTED | changed).items() if name in known}


@pytest.fixture(scope="module")
def places(tmp_path_factory):
    """Environment of tiny runs, shared by the notebooks below as the book's are: the second finds the first's."""
    folder = tmp_path_factory.mktemp("notebooks")
    with pytest.MonkeyPatch.context() as patch:
        for name in ("RUNS", "DATA", "CACHE"):
            patch.setenv(f"SELECTIVITY_{name}", str(folder / name))
        patch.setenv("SELECTIVITY_LEDGER", "none")
        patch.setenv("SELECTIVITY_DEVICE", "cpu")
        execute_all([prepare(path, folder / "out" / path.name, values(path)) for path in NOTEBOOKS], 2)
    return folder


def outputs(path):
    return [output for cell in read_notebook(path).cells for output in cell.get("outputs", [])]


def html(path):
    return "\n".join(output.get("data", {}).get("text/html", "") for output in outputs(path))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_a_notebook_runs_without_a_warning(path, places):
    out = places / "out" / path.name
    assert {o.output_type for o in outputs(out)} <= {"display_data", "execute_result", "stream"}
    assert [o.text for o in outputs(out) if o.get("name") == "stderr"] == []
    captions = BeautifulSoup(html(out), "html.parser").find_all("figcaption")
    assert not any(re.search(r"\bnan\b", caption.get_text(), re.IGNORECASE) for caption in captions)


def test_runs_that_are_missing_can_be_left_out(places, tmp_path, monkeypatch):
    monkeypatch.setenv("SELECTIVITY_RUNS", str(places / "RUNS"))
    before = sorted((places / "RUNS").iterdir())
    given = values(FIGURE_4, alphas=[-1, 0, 7], on_missing="skip")
    copy, page = make_figure(str(FIGURE_4), given, tmp_path / "out" / "a.ipynb")
    assert html(copy) != html(places / "out" / FIGURE_4.name)
    assert page.is_file()
    assert sorted((places / "RUNS").iterdir()) == before


@pytest.mark.parametrize(
    ("name", "given", "message"),
    [
        ("05_figure_4", "alpha: [1]", "alpha: no such parameter; did you mean alphas?"),
        ("05_figure_4", "profile: digit", "profile: 'digit' given; one of digits"),
        ("05_figure_4", "{profile: digits, overrides: {epochs: 0}}", "epochs: 0 given; [1, 100000] is allowed"),
        ("05_figure_4", "overrides: {lr: fast}", "lr: 'fast' (str) given; a number is needed"),
        ("05_figur_4", "", "did you mean 05_figure_4?"),
    ],
)
def test_the_command_refuses_before_a_kernel_starts(name, given, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["figure", name, "-y", given]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert message in line
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["-y", "alpha: [1]"], "ParameterError: alpha: no such parameter; did you mean alphas?"),
        (["-p", "alphas", "[1, 2]"], "it arrived as text: pass it as YAML, -y 'alphas: [1, 2]', not with -p"),
        (["-y", "overrides: {lr: 1e-4}"], "'1e-4' arrived as text: in YAML write 0.0001"),
        (["-y", "on_missing: maybe", "--inject-paths"], "ParameterError: on_missing: 'maybe' (str) given"),
    ],
)
def test_plain_papermill_refuses_before_anything_is_trained(given, message, tmp_path):
    command = [Path(sys.executable).with_name("papermill"), FIGURE_4, "out.ipynb", "--no-progress-bar", *given]
    done = subprocess.run(command, cwd=tmp_path, env=os.environ, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert message in done.stderr


def test_progress_is_shown_while_a_figure_is_made(tmp_path):
    """On the terminal, not in the notebook."""
    environment = os.environ | {"SELECTIVITY_RUNS": str(tmp_path / "runs")}
    given = json.dumps(values(FIGURE_4, seeds=1))
    command = [sys.executable, "-m", "selectivity_core.cli", "figure", "05_figure_4", "-y", given]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert re.search(r"training \d+ runs, about \d+ \w+: +\d+%.*<", done.stderr)  # the cost, and the time left
    copy, page = map(Path, done.stdout.splitlines())
    assert copy.is_file() and page.is_file() and copy.parent == tmp_path / "figures"
    assert "training" not in "".join(o.get("text", "") for o in outputs(copy))


def test_the_readmes_figure_is_made_from_the_archived_tables(tmp_path):
    """README's command with its parameters; nothing is trained, and the page shows what was asked for."""
    name, given = re.search(r"make figure NB=(\w+) PARAMS='([^']*)'", (ROOT / "README.md").read_text()).groups()
    environment = os.environ | {"SELECTIVITY_RUNS": str(tmp_path / "runs"), "SELECTIVITY_LEDGER": str(ROOT / "results")}
    command = [sys.executable, "-m", "selectivity_core.cli", "figure", name, "-y", given]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    said = done.stderr.splitlines()
    assert said[0].startswith(f"{name}: running with {{")
    assert "training" not in done.stderr
    assert not (tmp_path / "runs").exists()
    page = Path(done.stdout.splitlines()[1])
    alt = BeautifulSoup(page.read_text(encoding="utf-8"), "html.parser").select_one("#figure-4 img")["alt"]
    assert sorted(set(re.findall(r"(−?[\d.]+): ", alt))) == ["0", "1", "−1"]
