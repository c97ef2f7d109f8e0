"""Notebooks of a few cells for the tests of running them."""

from pathlib import Path

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
