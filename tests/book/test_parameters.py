import math
import re
import subprocess
import sys

import nbformat
import pytest
from tiny_notebooks import CHECK, PARAMETERS, write_notebook

from selectivity_core.book.parameters import Parameter, check, check_injected, declared, from_notebook
from selectivity_core.errors import NotebookError, ParameterError

KNOWN = declared(
    "alphas: list[float] = [-1, 0]  # regulariser scales\n"
    "lr: float = 0.1  # learning rate\n"
    "layer: str | None = None  # the layer shown\n"
)


def test_declared():
    source = """
# what to run
alphas: list[float] = [
    -1,  # reduces selectivity
    2,
]  # regulariser scales
overrides: dict = {}  # spec fields #1
"""
    assert list(declared(source).values()) == [
        Parameter("alphas", "list[float]", [-1.0, 2.0], "regulariser scales"),
        Parameter("overrides", "dict", {}, "spec fields #1"),
    ]


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("", "declares nothing"),
        ("# only a comment", "declares nothing"),
        ("a: int = 1  # x\nb = 2  # y", "line 2: `b = 2` must read"),
        ("a: int  # x", "line 1: `a: int` must read"),
        ("import torch  # x", "line 1: `import torch` must read"),
        ("a.b: int = 1  # x", "must read"),
        ("a: int = 1", "has no comment"),
        ("a: int = 1  #", "has no comment"),
        ("a: float = f()  # x", "not a literal"),
        ("a: tuple = (1,)  # x", "has the type tuple; allowed: str, int"),
        ("a: int = 1  # x\na: int = 2  # x", "declares a a second time"),
        ("a: int = 'x'  # x", "parameter a: got 'x' (str); allowed for a: int"),
        ("a: float = 1e999  # x", "only finite numbers"),
        ("a: int = (", "line 1: not Python"),
    ],
)
def test_declared_refuses(source, message):
    with pytest.raises(ParameterError, match=re.escape(message)):
        declared(source)


def test_check_fills_in_the_defaults_and_makes_floats_of_ints():
    values = check(KNOWN, {"alphas": [1]})
    assert values == {"alphas": [1.0], "lr": 0.1, "layer": None}
    assert isinstance(values["alphas"][0], float)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"alpha": [1]}, "unknown parameter alpha: did you mean alphas? allowed: alphas, lr, layer"),
        ({"zzz": 1}, "unknown parameter zzz: allowed: alphas, lr, layer"),
        (
            {"alphas": "[1, 2]"},
            "parameter alphas: got '[1, 2]' (str); allowed for alphas: list[float]; it arrived as text: "
            "pass it as YAML, -y 'alphas: [1, 2]', not with -p",
        ),
        ({"alphas": 1}, "parameter alphas: got 1 (int); allowed for alphas: list[float]"),
        ({"alphas": [0, "1e-4"]}, "parameter alphas[1]: got '1e-4' (str); allowed for alphas: list[float]; "),
        (
            {"lr": "1e-4"},
            "parameter lr: got '1e-4' (str); allowed for lr: float; it arrived as text: "
            "in YAML write 1.0e-4, without quotes",
        ),
        ({"lr": "fast"}, "parameter lr: got 'fast' (str); allowed for lr: float"),
        ({"lr": math.nan}, "parameter lr: got nan (float); allowed for lr: float; only finite numbers"),
        ({"alphas": [-math.inf]}, "parameter alphas[0]: got -inf (float)"),
        ({"lr": True}, "parameter lr: got True (bool); allowed for lr: float"),
        ({"lr": None}, "parameter lr: got None (NoneType); allowed for lr: float"),
        ({"layer": 3}, "parameter layer: got 3 (int); allowed for layer: str | None"),
    ],
)
def test_check_refuses(given, message):
    with pytest.raises(ParameterError) as caught:
        check(KNOWN, given)
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


def test_from_notebook(tmp_path):
    path = write_notebook(tmp_path / "a.ipynb", CHECK)
    assert list(from_notebook(path)) == ["alphas", "profile"]


@pytest.mark.parametrize(("cells", "count"), [((), 0), ((PARAMETERS, PARAMETERS), 2)])
def test_from_notebook_wants_one_parameters_cell(tmp_path, cells, count):
    path = write_notebook(tmp_path / "a.ipynb", CHECK, parameters=cells)
    with pytest.raises(ParameterError, match=f"a.ipynb: {count} cells are tagged `parameters`; there must be one"):
        from_notebook(path)


def test_from_notebook_names_the_notebook(tmp_path):
    path = write_notebook(tmp_path / "a.ipynb", parameters=("x = 1",))
    with pytest.raises(ParameterError, match=r"a\.ipynb: parameters cell, line 1"):
        from_notebook(path)


@pytest.mark.parametrize("content", ["", "no notebook", "[]", "{}", '{"nbformat": 4, "nbformat_minor": 5, "cells": 3}'])
def test_from_notebook_refuses_what_is_no_notebook(tmp_path, content):
    path = tmp_path / "a.ipynb"
    path.write_text(content)
    with pytest.raises(NotebookError, match=r"a\.ipynb: not a Jupyter notebook"):
        from_notebook(path)


def test_from_notebook_without_a_file(tmp_path):
    with pytest.raises(NotebookError, match=r"a\.ipynb: No such file"):
        from_notebook(tmp_path / "a.ipynb")


def test_check_injected_outside_a_notebook():
    with pytest.raises(ParameterError, match="only works inside a running notebook"):
        check_injected()


@pytest.fixture
def shell(monkeypatch):
    """A stand-in for IPython's shell: tests run cells in it by `run_cells`, as a kernel would."""

    class Shell:
        def __init__(self):
            self.user_ns = {"In": [""]}

        def run_cells(self, *cells):
            for cell in cells:
                self.user_ns["In"].append(cell)
                exec(cell, self.user_ns)

    instance = Shell()
    monkeypatch.setattr("IPython.get_ipython", lambda: instance)
    return instance


def test_check_injected_lets_good_parameters_pass(shell):
    shell.run_cells("import os", PARAMETERS, "# Parameters\nalphas = [2]\n", CHECK)


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        ((PARAMETERS, "# Parameters\nalpha = [2]\n"), "unknown parameter alpha: did you mean alphas?"),
        ((PARAMETERS, "# Parameters\nalphas = '[2]'\n"), "parameter alphas: got '[2]' (str)"),
        ((PARAMETERS, "# Parameters\nalphas = [float('nan')]\n"), "parameter alphas[0]: got nan"),
        ((PARAMETERS, "profile = 3"), "parameter profile: got 3 (int)"),
        ((PARAMETERS, "del profile"), "parameter profile is declared but has no value"),
        (("x = 1",), "no cell before this one declares parameters"),
        (
            ("alphas: list[float] = [1]",),
            "parameters cell, line 1: `alphas: list[float] = [1]` has no comment",
        ),
    ],
)
def test_check_injected_refuses(shell, cells, message):
    with pytest.raises(ParameterError) as caught:
        shell.run_cells(*cells, CHECK)
    assert str(caught.value).startswith(message)
    assert caught.value._render_traceback_() == [f"ParameterError: {caught.value}"]


def test_check_injected_goes_by_the_latest_declarations(shell):
    """As when a reader edits the parameters cell and runs on: an injected cell of before no longer counts."""
    shell.run_cells("old: int = 1  # gone", "# Parameters\nold = 2", PARAMETERS, CHECK)


def papermill(notebook, out, *arguments):
    command = [sys.executable, "-m", "papermill", str(notebook), str(out), "--no-progress-bar", *arguments]
    return subprocess.run(command, capture_output=True, text=True)


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (
            ["-y", "alpha: [1]"],
            "ParameterError: unknown parameter alpha: did you mean alphas? allowed: alphas, profile",
        ),
        (
            ["-p", "alphas", "[1, 2]"],
            "ParameterError: parameter alphas: got '[1, 2]' (str); allowed for alphas: list[float]; "
            "it arrived as text: pass it as YAML, -y 'alphas: [1, 2]', not with -p",
        ),
    ],
)
def test_plain_papermill_is_refused_in_the_kernel_before_anything_else_runs(tmp_path, arguments, line):
    trained = tmp_path / "trained"
    notebook = write_notebook(tmp_path / "a.ipynb", CHECK, f"open({str(trained)!r}, 'w').close()")
    result = papermill(notebook, tmp_path / "out.ipynb", *arguments)
    assert result.returncode == 1
    assert result.stderr.strip().splitlines()[-1] == line
    assert not trained.exists()


def test_plain_papermill_runs_with_good_parameters(tmp_path):
    """Its log calls a `str | None` parameter unknown, since it cannot read that type; the value arrives."""
    parameters = (PARAMETERS + "\nlayer: str | None = None  # the layer shown",)
    notebook = write_notebook(tmp_path / "a.ipynb", CHECK, "print(alphas, layer)", parameters=parameters)
    result = papermill(notebook, tmp_path / "out.ipynb", "-y", "{alphas: [0.5], layer: stem}")
    assert result.returncode == 0, result.stderr
    assert nbformat.read(tmp_path / "out.ipynb", 4).cells[-1].outputs[0].text == "[0.5] stem\n"
