"""The notebooks' sources: thin, typed, without outputs."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
import yaml

from selectivity_core.book.parameters import check, declared, read_notebook

NOTEBOOKS = sorted((Path(__file__).resolve().parents[2] / "notebooks").glob("*.ipynb"))
FIGURE_4 = next(p for p in NOTEBOOKS if p.stem == "05_figure_4")
CHECK = "from selectivity_core.book.parameters import check_injected\n\ncheck_injected()"
each_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)


def code_cells(path):
    return [c for c in nbformat.read(path, 4).cells if c.cell_type == "code"]


TRAINED = {"seeds", "epochs"}


def known_of(path):
    return declared(read_notebook(path), path.stem)


def tree(path):
    return ast.parse("\n".join(c.source for c in code_cells(path)))


def test_there_are_notebooks():
    assert len(NOTEBOOKS) >= 5


@each_notebook
def test_the_parameters_that_figures_share_are_there(path):
    # A tutorial's networks are no runs: there is no spec to override fields of, and no store. A plan trains nothing.
    others = {"33_tutorial_torchvision": TRAINED, "34_tutorial_transformer": TRAINED, "35_full_grids": {"workers"}}
    assert others.get(path.stem, {"seeds", "overrides", "on_missing"}) <= set(known_of(path))


@each_notebook
def test_the_check_comes_before_anything_else(path):
    cells = code_cells(path)
    assert "parameters" in cells[0].metadata.tags
    assert cells[1].source == CHECK


@each_notebook
def test_nothing_is_kept_of_a_run(path):
    notebook = nbformat.read(path, 4)
    nbformat.validate(notebook)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            assert (cell.outputs, cell.execution_count) == ([], None)
        assert set(cell.metadata) <= {"tags"}
    assert notebook.metadata.kernelspec.name == "python3"
    assert set(notebook.metadata) <= {"kernelspec", "language_info"}
    done = subprocess.run(
        [Path(sys.executable).with_name("nbstripout"), "--verify", path], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout


@each_notebook
def test_no_function_is_over_five_lines(path):
    defined = [n for n in ast.walk(tree(path)) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)]
    assert [n.name for n in defined if n.end_lineno - n.lineno + 1 > 5] == []


@each_notebook
def test_no_notebook_trains(path):
    imported, called, loops = set(), set(), []
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            imported |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported |= {(node.module or "").split(".")[0], *(alias.name for alias in node.names)}
        elif isinstance(node, ast.Attribute):
            called.add(node.attr)
        elif isinstance(node, ast.For | ast.While):
            loops.append(ast.unparse(node).splitlines()[0])
    assert imported.isdisjoint({"torch", "torchvision", "sklearn", "train", "training", "Trainer", "optim", "sweep"})
    assert called.isdisjoint({"backward", "step", "zero_grad", "train", "SGD", "Adam", "sweep"})
    assert loops == []


@each_notebook
def test_cells_are_short(path):
    assert [c.source for c in code_cells(path) if len(c.source.splitlines()) > 25] == []


def test_the_readmes_parameters_are_the_notebooks():
    """`make figure … PARAMS='…'` of the README and the pages names parameters that there are, with allowed values."""
    root = FIGURE_4.parents[1]
    given = []
    for page in (root / "README.md", root / "book" / "rerun.md"):
        given += re.findall(r"(?:PARAMS=|-y )'([^']*)'", page.read_text(encoding="utf-8"))
    assert given
    for parameters in given:
        check(known_of(FIGURE_4), yaml.safe_load(parameters))
