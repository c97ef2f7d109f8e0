"""Notebooks of a few cells for the tests of running them, and the cells of a notebook run without a kernel."""

import ast
from pathlib import Path
from typing import Any

import nbformat

PARAMETERS = "alphas: list[float] = [-1, 0, 1]  # regulariser scales\nprofile: str = 'digits'  # which base spec"
CHECK = "from selectivity_core.book.parameters import check_parameters\ncheck_parameters(globals())"
KERNEL = {"name": "python3", "display_name": "Python 3", "language": "python"}


def write_notebook(path: Path, *sources: str, parameters: tuple[str, ...] = (PARAMETERS,)) -> Path:
    """Write a notebook of code cells: first those of `parameters`, tagged so, then those of `sources`."""
    notebook = nbformat.v4.new_notebook(metadata={"kernelspec": KERNEL})
    for source in parameters:
        notebook.cells.append(nbformat.v4.new_code_cell(source, metadata={"tags": ["parameters"]}))
    notebook.cells += [nbformat.v4.new_code_cell(source) for source in sources]
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook, path)
    return path


def run_cells(path: Path, **parameters: Any) -> None:
    """Run the code cells of a notebook in this process, in a namespace of their own, as a kernel would.

    Of the value that a cell ends with the HTML is made, as Jupyter makes it to show it.
    """
    names: dict[str, Any] = {"__name__": "__main__", "display": lambda value: None}
    for cell in nbformat.read(path, 4).cells:
        if cell.cell_type != "code":
            continue
        tree = ast.parse(cell.source)
        last = ast.Expression(tree.body.pop().value) if isinstance(tree.body[-1], ast.Expr) else None
        exec(compile(tree, f"{path.stem}, {cell.id}", "exec"), names)
        if last:
            value = eval(compile(last, f"{path.stem}, {cell.id}", "eval"), names)
            getattr(value, "_repr_html_", str)()
        if "parameters" in cell.metadata.get("tags", []):
            names.update(parameters)
