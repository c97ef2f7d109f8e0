"""The notebooks run for real with tiny networks, and what they refuse."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from bs4 import BeautifulSoup

from selectivity_core.book.paper import FIGURES
from selectivity_core.book.parameters import from_notebook
from selectivity_core.book.publish.job import STAGE
from selectivity_core.book.publish.runner import execute, execute_all
from selectivity_core.book.study import gather
from selectivity_core.cli import main
from selectivity_core.errors import SpecError
from selectivity_core.runs.profiles import PROFILES
from selectivity_core.runs.store import RunStore

pytestmark = pytest.mark.timeout(2400)  # the first test waits until every notebook has run
NOTEBOOKS = sorted((Path(__file__).resolve().parents[2] / "notebooks").glob("*.ipynb"))
FIGURE_4 = next(p for p in NOTEBOOKS if p.stem == "05_figure_4")
TINY = {"epochs": 2, "milestones": [1], "train_size": 50, "width": 2}
each_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)


def values(path, **changed):
    """The tiny run of a notebook: those of the wanted parameters that it has."""
    # The bound of a single layer: each layer costs seconds whatever the network's size.
    wanted = {"profiles": ["digits"], "alphas": [-1, 0, 1], "seeds": 2, "overrides": TINY, "bound_layers": 1}
    wanted |= {"epochs": 1, "train_size": 50} | changed  # the tutorials', which have no specs
    return {name: value for name, value in wanted.items() if name in from_notebook(path)}


@pytest.fixture(scope="module")
def places(tmp_path_factory):
    """Environment of tiny runs, shared by the notebooks below as the book's are: the second finds the first's."""
    folder = tmp_path_factory.mktemp("notebooks")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SELECTIVITY_RUNS", str(folder / "runs"))
        patch.setenv("SELECTIVITY_LEDGER", "none")
        patch.setenv("SELECTIVITY_DATA", str(folder / "data"))
        patch.setenv("SELECTIVITY_CACHE", str(folder / "cache"))
        patch.setenv("SELECTIVITY_DEVICE", "cpu")
        execute_all(NOTEBOOKS, folder / "out", parameters={p.stem: values(p) for p in NOTEBOOKS}, jobs=2)
    return folder


@pytest.fixture
def tiny_runs(places, monkeypatch):
    monkeypatch.setenv("SELECTIVITY_RUNS", str(places / "runs"))
    return RunStore(places / "runs")


def outputs(path):
    return [o for cell in nbformat.read(path, 4).cells if cell.cell_type == "code" for o in cell.outputs]


def shown(path, kind="text/markdown"):
    return "\n\n".join(o.data[kind] for o in outputs(path) if kind in o.get("data", {}))


def figures_of(path):
    """Anchor -> caption of every figure on an executed notebook's page."""
    page = BeautifulSoup(shown(path, "text/html"), "html.parser")
    return {f["id"]: f.figcaption.get_text() for f in page.select("figure.selectivity-figure")}


@pytest.mark.slow
@each_notebook
def test_a_notebook_runs(path, places):
    out = places / "out" / path.name
    assert {o.output_type for o in outputs(out)} <= {"display_data", "execute_result", "stream"}
    assert [o.text for o in outputs(out) if o.get("name") == "stderr"] == []
    said = shown(out) + re.sub(r"<img[^>]*>", "", shown(out, "text/html"))
    assert re.search(r"\bnan\b", said, re.IGNORECASE) is None
    captions = figures_of(out)
    for entry in (e for e in FIGURES.values() if e.notebook == path.stem):
        caption = captions.pop(entry.anchor)
        assert caption.startswith(f"Figure {entry.number} ({entry.paper}). ")
        assert "scaled down" in caption
        assert re.search(r"n = [12]\b", caption)
        assert "epochs 2 instead of" in caption
    assert all(
        anchor.startswith(("figure-", "morcos-figure-")) for anchor in captions
    )  # pictures beside the register's


@pytest.mark.slow
def test_the_index_by_hand_is_the_tables(places):
    said = shown(places / "out" / "01_index.ipynb")
    by_hand, in_table = re.search(r"= \*\*(\d\.\d+)\*\*; in the table: (\d\.\d+)", said).groups()
    assert float(by_hand) == pytest.approx(float(in_table), abs=6e-4)


def pictures(path):
    return re.findall(r'src="(data:image/svg[^"]*)"', shown(path, "text/html"))


@pytest.mark.slow
def test_other_alphas_and_missing_runs_draw_what_is_there_and_say_what_is_not(places, tiny_runs, tmp_path):
    held = tiny_runs.ids()
    done = execute(FIGURE_4, tmp_path / "out.ipynb", values(FIGURE_4, alphas=[-1, 0, 7], on_missing="skip"))
    html = shown(done.out, "text/html")
    said = BeautifulSoup(html, "html.parser").get_text()
    assert "2 of 6 runs are missing, the first: ResNet18 at α = 7, seed 0." in said
    command = "selectivity sweep --profile digits --figure fig4 --alphas=-1,0,7 --seeds 0,1 --set epochs=2"
    assert f"{command} --set 'milestones=[1]' --set width=2 --set train_size=50" in said
    assert re.search(r"That would take about \d+ s of one core", said)
    assert "No size of α was run with both signs" in said
    assert "Figure 4 (Leavitt & Morcos)" in said
    before, after = pictures(places / "out" / FIGURE_4.name), pictures(done.out)
    assert (len(before), len(after)) == (1, 1)
    assert before != after
    assert tiny_runs.ids() == held


@pytest.mark.slow
def test_the_command_that_the_page_names_trains_exactly_those_runs(tmp_path, monkeypatch, capsys):
    """Copied from the page of a figure that lacks everything, it leaves nothing missing."""
    monkeypatch.setenv("SELECTIVITY_RUNS", str(tmp_path / "runs"))
    ask = {"profile": "digits", "alphas": [-1.0], "seeds": 1, "overrides": TINY}
    study = gather("fig1", **ask, on_missing="skip")
    assert len(study.missing) == 2
    words = shlex.split(study.command())
    assert words[0] == "selectivity"
    assert main([*words[1:], "--jobs", "1"]) == 0
    assert gather("fig1", **ask, on_missing="raise").missing == []


BEFORE_A_KERNEL = {
    "unknown": ("alpha: [1]", "unknown parameter alpha: did you mean alphas? allowed: profile, alphas, seeds,"),
    "wrong type": ("seeds: 1.5", "parameter seeds: got 1.5 (float); allowed for seeds: int"),
    "list as string": ("alphas: '[1, 2]'", "parameter alphas: got '[1, 2]' (str); allowed for alphas: list[float]"),
    "NaN": ("alphas: [.nan]", "parameter alphas[0]: got nan (float); allowed for alphas: list[float]; only finite"),
}
IN_THE_NOTEBOOK = {
    "epochs": ("overrides: {epochs: 0}", "epochs: 0 given; [1, 100000] is allowed"),
    "profile": ("profile: digit", f"profile: 'digit' given; one of {', '.join(PROFILES)} is allowed"),
    "raise": ("{on_missing: raise, seeds: 1}", "MissingRunsError: 11 of 11 runs are missing"),
}


@pytest.mark.slow
@pytest.mark.parametrize("stem", ["03_figure_2", "05_figure_4", "08_dead_units", "23_ablation"])
def test_a_page_without_any_run_says_so_and_draws_nothing(stem, tmp_path, monkeypatch):
    monkeypatch.setenv("SELECTIVITY_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("SELECTIVITY_LEDGER", "none")
    path = next(p for p in NOTEBOOKS if p.stem == stem)
    done = execute(path, tmp_path / "out.ipynb", {"on_missing": "skip"})
    html = shown(done.out, "text/html")
    assert pictures(done.out) == []
    for entry in (e for e in FIGURES.values() if e.notebook == stem):
        assert f'id="{entry.anchor}"' in html
    assert "runs are missing" in html and "selectivity sweep --profile digits" in html


@pytest.fixture
def no_runs(tmp_path, monkeypatch):
    """Where runs would go, were any trained."""
    monkeypatch.setenv("SELECTIVITY_RUNS", str(tmp_path / "runs"))
    return tmp_path / "runs"


def held(folder):
    return [p for p in folder.rglob("*") if p.is_file()] if folder.exists() else []


@pytest.mark.parametrize(("given", "message"), BEFORE_A_KERNEL.values(), ids=BEFORE_A_KERNEL)
def test_figure_refuses_before_a_kernel_starts(given, message, no_runs, tmp_path, capsys):
    assert main(["figure", "05_figure_4", "-y", given, "--out", str(tmp_path / "out" / "a.ipynb")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert message in line
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
@pytest.mark.parametrize(("given", "message"), IN_THE_NOTEBOOK.values(), ids=IN_THE_NOTEBOOK)
def test_figure_refuses_before_anything_is_trained(given, message, no_runs, tmp_path, capsys):
    out = tmp_path / "out" / "a.ipynb"
    assert main(["figure", "05_figure_4", "-y", given, "--out", str(out)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert message in line
    assert sorted(p.name for p in out.parent.rglob("*")) == [STAGE, "a.ipynb", "failed"]
    assert (out.parent / "failed" / "a.ipynb").is_file()
    assert held(no_runs) == []


PLAIN = BEFORE_A_KERNEL | {
    "field": ("overrides: {epoch: 1}", "overrides: 'epoch' given, which is no field of a run; allowed: dataset,")
}


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        ({"profile": "digit"}, "profile: 'digit' given; one of digits, "),
        ({"overrides": {"epochs": 0}}, "epochs: 0 given; [1, 100000] is allowed"),
        ({"overrides": {"epoch": 1}}, "overrides: 'epoch' given, which is no field of a run; allowed: dataset, index,"),
        ({"overrides": {1: 1}}, "overrides: 1 given, which is no field of a run"),
        ({"overrides": {"model": "mlp"}}, "overrides: model given; it is set by the figure or --model"),
        ({"overrides": {"alpha": 5}}, "overrides: alpha given; it is set by alphas"),
        ({"overrides": {"dataset": "mnst"}}, "dataset: 'mnst' given; one of 'digits', "),
        ({"seeds": -1}, "seeds: -1 given; a count of at least 1"),
        ({"alphas": [2e6]}, "alpha: 2000000.0 given; [-1e+06, 1e+06] is allowed"),
    ],
)
def test_what_the_notebooks_ask_for_is_refused_in_the_same_words(ask, message, no_runs):
    with pytest.raises(SpecError, match=re.escape(message)):
        gather("fig4", **{"profile": "digits"} | ask)
    assert held(no_runs) == []


@pytest.mark.slow
@pytest.mark.parametrize(("given", "message"), PLAIN.values(), ids=PLAIN)
def test_plain_papermill_refuses_before_anything_is_trained(given, message, no_runs, tmp_path):
    command = [Path(sys.executable).with_name("papermill"), FIGURE_4, "out.ipynb", "--no-progress-bar", "-y", given]
    done = subprocess.run(command, cwd=tmp_path, env=os.environ, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert message in done.stderr
    assert held(no_runs) == []


@pytest.mark.slow
def test_plain_papermill_with_a_list_passed_by_p(no_runs, tmp_path):
    """papermill's -p gives a string; the message says how to pass a list."""
    command = [Path(sys.executable).with_name("papermill"), FIGURE_4, "out.ipynb", "--no-progress-bar"]
    done = subprocess.run(
        [*command, "-p", "alphas", "[1, 2]"], cwd=tmp_path, env=os.environ, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "it arrived as text: pass it as YAML, -y 'alphas: [1, 2]', not with -p" in done.stderr
