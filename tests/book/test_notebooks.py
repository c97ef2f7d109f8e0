"""The notebooks' sources: typed parameters, visible work, no outputs, no training."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import matplotlib.pyplot as plt
import nbformat
import pytest
from tiny_notebooks import run_cells

from selectivity_core.book.build.check import problems
from selectivity_core.book.papers.figures import FIGURES
from selectivity_core.book.parameters import declared
from selectivity_core.book.verdicts import HOLDS, STATUSES

FOLDER = Path(__file__).resolve().parents[2] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
each_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
# Pages without figures of runs.
OTHERS = {"00_findings", "31_figure_index", "32_scoreboard", "35_full_grids", "37_what_holds"}
# Pages that need the weights of a network, which the ledger has not; `skip` cannot give them any.
TRAINING = {"21_which_pwcca", "22_how_others_differ", "36_live"}
OF_RUNS = [p for p in NOTEBOOKS if {"profile", "alphas", "seeds"} <= set(declared(nbformat.read(p, 4), p.stem))]
GIVEN = [{"alphas": [-1, 0, 1]}, {"seeds": [3]}, {"alphas": [-1, 0, 1], "seeds": [3]}]


def cells(path):
    return [c for c in nbformat.read(path, 4).cells if c.cell_type == "code"]


def test_every_figure_has_its_notebook():
    assert {figure.notebook for figure in FIGURES.values()} <= {path.stem for path in NOTEBOOKS}


@each_notebook
def test_it_reads_well_where_it_is_opened(path):
    assert list(problems(path)) == []


def test_nothing_is_kept_of_a_run():
    done = subprocess.run(
        [Path(sys.executable).with_name("nbstripout"), "--verify", *NOTEBOOKS],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


@each_notebook
def test_a_figure_is_drawn_in_sight(path):
    """Every picture comes from a cell of visible code; only text and claims are folded."""
    if path.stem in OTHERS:
        return
    drawing = [c for c in cells(path) if "plots.show(" in c.source]
    assert drawing
    for cell in drawing:
        assert not {"hide-input", "hide-cell", "remove-input", "remove-cell"} & set(cell.metadata.get("tags", []))


@each_notebook
def test_a_readers_folder_gets_every_figure_and_its_tables(path):
    """`save`, the parameter, reaches each picture; PDF, PNG and CSV are written by `plots.show`."""
    calls = [n for n in ast.walk(ast.parse("\n".join(c.source for c in cells(path)))) if isinstance(n, ast.Call)]
    for call in calls:
        named = {k.arg: ast.unparse(k.value) for k in call.keywords}
        if ast.unparse(call.func) in ("plots.show", "plots.claims"):
            assert named.get("save") == "save" and ("tables" in named or call.func.attr == "claims"), ast.unparse(call)
    assert "save" in declared(nbformat.read(path, 4), path.stem) or path.stem in OTHERS


@each_notebook
def test_a_title_says_the_topic_and_no_verdict(path):
    title = nbformat.read(path, 4).cells[0].source.splitlines()[0]
    words = set(STATUSES) - {HOLDS}  # "What holds" asks
    assert title.startswith("# ") and not any(status in title.lower() for status in words)
    topic = re.sub(r"Morcos et al\.,|\b(Figures?|to|and|[AB]?\d+)\b|[#:,]", "", title)
    assert len(topic.split()) >= 1 and re.search(r"[a-z]{3}|VGG16|ResNet", topic)


@each_notebook
def test_it_trains_nothing_itself(path):
    tree = ast.parse("\n".join(c.source for c in cells(path)))
    called = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    assert called.isdisjoint({"backward", "zero_grad", "SGD", "Adam", "write_text", "write_bytes"})


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::PendingDeprecationWarning")  # of libraries' calls
@pytest.mark.parametrize("given", GIVEN, ids=str)
@pytest.mark.parametrize("path", [path for path in OF_RUNS if path.stem not in TRAINING], ids=lambda p: p.stem)
def test_other_parameters_are_no_error(path, given, tmp_path, monkeypatch):
    """Most sentences are about the default runs; a page without them still comes to its end."""
    monkeypatch.setenv("SELECTIVITY_RUNS", str(tmp_path))
    monkeypatch.delenv("SELECTIVITY_LEDGER")
    run_cells(path, on_missing="skip", **given)
    plt.close("all")
