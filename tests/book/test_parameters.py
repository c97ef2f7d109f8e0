"""What a notebook declares, what it may be given, and what a cell may make of it."""

import re

import nbformat
import numpy as np
import pytest
from IPython.core.interactiveshell import InteractiveShell
from tiny_notebooks import write_notebook
from traitlets.config import Config

from selectivity_core.book import NotebookError
from selectivity_core.book.parameters import Parameter, check, check_parameters, declared, read_notebook
from selectivity_core.errors import ParameterError

CELL = """
profile: str = "digits"  # at which scale
alphas: list[float] = [
    -1,
    2,
]  # regulariser scales
seeds: int = 0  # how many, or which
overrides: dict = {}  # fields of RunSpec
on_missing: str = "train"  # runs that are not there
lr: float = 0.1  # a learning rate
layer: str | None = None  # the layer shown
save: str = ""  # a folder
"""


def notebook_of(*cells):
    tagged = [nbformat.v4.new_code_cell(cell, metadata={"tags": ["parameters"]}) for cell in cells]
    return nbformat.v4.new_notebook(cells=tagged)


KNOWN = declared(notebook_of(CELL), "a")


def test_declared():
    assert list(KNOWN) == ["profile", "alphas", "seeds", "overrides", "on_missing", "lr", "layer", "save"]
    assert KNOWN["alphas"] == Parameter("list[float]", [-1, 2])
    bare = declared(notebook_of("a = [2 * x for x in range(2)]\n"), "a")
    assert bare == {"a": Parameter("Any", "[2 * x for x in range(2)]")}


@pytest.mark.parametrize(
    ("cells", "message"),
    [((), "0 cells are tagged"), (("a = 1", "b = 1"), "2 cells are tagged"), (("a = (",), "parameters cell, line 1")],
)
def test_one_cell_of_python_declares_parameters(cells, message):
    with pytest.raises(ParameterError, match=f"notebook a: {message}"):
        declared(notebook_of(*cells), "a")


def test_values_take_the_form_of_their_types():
    values = check(KNOWN, {"alphas": (1, np.float32(0.5)), "seeds": [3, 4], "overrides": {"epochs": 20}})
    assert values["alphas"] == [1.0, 0.5] and isinstance(values["alphas"][0], float)
    assert (values["seeds"], values["lr"], values["layer"]) == ([3, 4], 0.1, None)
    assert check(KNOWN, {"alphas": np.linspace(0, 1, 3)})["alphas"] == [0.0, 0.5, 1.0]


REFUSED = [
    ({"alpha": [1]}, "alpha: no such parameter; did you mean alphas? allowed are profile, alphas"),
    ({"zzz": 1}, "zzz: no such parameter; allowed are profile"),
    ({"profile": "digit"}, "profile: 'digit' given; one of digits, "),
    ({"profile": 3}, "profile: 3 (int) given; str is needed"),
    ({"seeds": -3}, "seeds: -3 given; a count from 0 on, or a list of seeds, is needed"),
    ({"seeds": [1, 1]}, "seeds: [1, 1] given; a seed is repeated, and each is needed once"),
    ({"seeds": [-1]}, "seed: -1 given"),
    ({"seeds": 1.5}, "seeds: 1.5 (float) given; a count, or a list of seeds such as [3, 4], is needed"),
    ({"seeds": True}, "seeds: True (bool) given"),
    ({"on_missing": "maybe"}, "on_missing: 'maybe' (str) given; train, skip or raise is needed"),
    (
        {"alphas": "[1, 2]"},
        "alphas: '[1, 2]' (str) given; a list of numbers, such as [-1, 0, 1], is needed; it arrived as text: pass it ",
    ),
    ({"alphas": -1}, "alphas: -1 (int) given; a list of numbers, such as [-1, 0, 1], is needed"),
    (
        {"alphas": [0, "1e-4"]},
        "alphas: '1e-4' (str) given; a list of numbers, such as [-1, 0, 1], is needed; '1e-4' arrived as text: in ",
    ),
    ({"alphas": [2e6]}, "alpha: 2000000.0 given; [-1e+06, 1e+06] is allowed"),
    ({"alphas": [-np.inf]}, "alphas[0]: -inf given; a finite number is needed"),
    ({"lr": "1e-5"}, "lr: '1e-5' (str) given; float is needed; '1e-5' arrived as text: in YAML write 1.0e-05"),
    ({"lr": "fast"}, "lr: 'fast' (str) given; float is needed"),
    ({"lr": True}, "lr: True (bool) given; float is needed"),
    ({"lr": 10**400}, "lr: 1000000000"),
    ({"layer": 3}, "layer: 3 (int) given; str | None is needed"),
    ({"overrides": {"epoch": 1}}, "overrides: 'epoch' given, which is no field of a run"),
    ({"overrides": {"epochs": 0}}, "overrides: epochs: 0 given; [1, 100000] is allowed"),
    (
        {"overrides": {"lr": "1e-4"}},
        "overrides: lr: '1e-4' (str) given; a number is needed; '1e-4' arrived as text: in ",
    ),
    ({"overrides": {"lr": np.nan}}, "overrides['lr']: nan given; a finite number is needed"),
    ({"overrides": {1: 1}}, "overrides: 1 (int) given"),
    ({"save": __file__}, f"save: '{__file__}' given, which is a file; a folder is needed"),
]


@pytest.mark.parametrize(("given", "message"), REFUSED)
def test_what_is_refused_is_named_in_one_line(given, message):
    with pytest.raises(ParameterError) as caught:
        check(KNOWN, given)
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 400


@pytest.fixture
def shell():
    """A function that runs cells as a kernel does, and gives its names."""

    def run(*cells):
        running = InteractiveShell(user_ns={}, config=Config({"HistoryManager": {"hist_file": ":memory:"}}))
        for cell in cells:
            running.run_cell(cell, store_history=True).raise_error()
        return running.user_ns

    yield run
    InteractiveShell.clear_instance()


CHECKED = "from selectivity_core.book.parameters import check_parameters\ncheck_parameters(globals())"


@pytest.mark.parametrize(
    "edited",
    ["alphas = [-1, 0, 1]", "alphas: list[float] = [k - 1 for k in range(3)]", "alphas = (-1, 0, 1)",
     "import numpy as np\nalphas = np.array([-1, 0, 1])"],
)  # fmt: skip
def test_a_cell_may_be_edited_as_one_edits_python(shell, edited):
    assert shell(edited + "\nlayer: str | None = None", CHECKED)["alphas"] == [-1.0, 0.0, 1.0]


@pytest.mark.parametrize(
    ("edited", "message"),
    [
        ('alphas = ["a"]', "alphas: 'a' (str) given; a list of numbers"),
        ("seeds = -3", "seeds: -3 given"),
        ("lr: float = 'x'", "lr: 'x' (str) given; float is needed"),
        ('profile = "digits"\noverrides = {"epochs": 0}', "overrides: epochs: 0 given"),
    ],
)
def test_its_values_are_checked(shell, edited, message):
    with pytest.raises(ParameterError, match=re.escape(message)):
        shell(edited, CHECKED)


def test_what_papermill_was_given_is_checked_and_its_own_paths_are_not(shell):
    own = "alphas: list[float] = []  # x"
    with pytest.raises(ParameterError, match="alpha: no such parameter; did you mean alphas"):
        shell(own, "# Parameters\nalpha = [1]\n", CHECKED)
    paths = 'PAPERMILL_INPUT_PATH = "a"\nPAPERMILL_OUTPUT_PATH = "b"\n'
    found = shell(own, f"# Parameters\nalphas = [1]\n{paths}", CHECKED, "other = 1", CHECKED)
    assert found["alphas"] == [1.0]


def test_a_refusal_is_shown_without_a_traceback():
    with pytest.raises(ParameterError) as caught:
        check_parameters({"seeds": -3})
    (line,) = caught.value._render_traceback_()
    assert line.startswith("ParameterError: seeds: -3 given")


@pytest.mark.parametrize("content", ["", "no notebook", "[]", "{}", '{"nbformat": 4, "nbformat_minor": 5, "cells": 3}'])
def test_what_is_no_notebook_is_refused(tmp_path, content):
    path = tmp_path / "a.ipynb"
    with pytest.raises(NotebookError, match=r"a\.ipynb: No such file"):
        read_notebook(path)
    path.write_text(content)
    with pytest.raises(NotebookError, match=r"a\.ipynb: not a Jupyter notebook"):
        read_notebook(path)
    assert len(read_notebook(write_notebook(path)).cells) == 1
