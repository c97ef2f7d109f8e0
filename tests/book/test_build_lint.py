"""What the sources of notebooks may hold."""

import nbformat
import pytest
from nbformat.v4 import new_markdown_cell
from tiny_notebooks import CHECK, PARAMETERS, write_notebook

from selectivity_core.book.build.check import problems

GOOD = """# A title

A [link](b.ipynb#part), a [page](../book/reading.md), the [paper](https://example.org/x), `{cite}` and
`[](empty)` as code, $x^2$, {a set}, and

$$ y = x $$
"""


def found(folder, text=GOOD, parameters=PARAMETERS, checks=(CHECK,)):
    path = write_notebook(folder / "notebooks" / "a.ipynb", *checks, parameters=(parameters,))
    (folder / "notebooks" / "b.ipynb").touch()
    (folder / "book").mkdir(exist_ok=True)
    (folder / "book" / "reading.md").touch()
    notebook = nbformat.read(path, 4)
    notebook.cells.append(new_markdown_cell(text))
    nbformat.write(notebook, path)
    return list(problems(path))


def test_what_jupyterlab_shows_right_passes(tmp_path):
    assert found(tmp_path) == []


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("see {cite}`key`", "a role of MyST, '{cite}`'"),
        ("see {py:class}`~x.Y`", "a role of MyST"),
        ("```{note}\nx\n```", "a directive of MyST"),
        (":::{note}\nx\n:::", "a directive of MyST"),
        ("(here)=\n# x", "a target of MyST"),
        ("$$\nx\n$$ (eq)", "a label of an equation of MyST"),
        ("[](b.ipynb)", "the link to b.ipynb has no text"),
        ("[x](../reading.md)", "the link to ../reading.md points to no file of the repository"),
    ],
)
def test_what_it_shows_wrong_is_named(tmp_path, text, problem):
    (line,) = found(tmp_path, text)
    assert line.startswith(f"a.ipynb, cell 3: {problem}")


@pytest.mark.parametrize(
    ("cell", "problem"),
    [
        ("n = 1  # how many", "a.ipynb: the parameter n has no type"),
        ("n: int = 1", "a.ipynb: the parameter n has no comment"),
        ("n: list[int] = [\n    1,  # one\n]", "a.ipynb: the parameter n has no comment"),
        ("n: int = 'x'  # how many", "a.ipynb: n: 'x' (str) given; int is needed"),
        ("n: int = f()  # how many", "a.ipynb: n: 'f()' (str) given; int is needed"),
        ("on_missing: str = 'maybe'  # x", "a.ipynb: on_missing: 'maybe' (str) given"),
    ],
)
def test_parameters_are_typed_explained_and_allowed(tmp_path, cell, problem):
    (line,) = found(tmp_path, parameters=cell)
    assert line.startswith(problem)


def test_parameters_are_checked_in_the_kernel_too(tmp_path):
    (line,) = found(tmp_path, checks=())
    assert line.startswith("a.ipynb: no cell checks the parameters; write check_parameters(globals())")
