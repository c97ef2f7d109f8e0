"""What Binder and Colab read: files that are there, requirements that the project has, code that is Python."""

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import nbformat
import pytest
from IPython.core.inputtransformer2 import TransformerManager
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[2]
BINDER = ROOT / ".binder"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def test_binder_installs_the_book_at_the_pinned_versions():
    lines = [line.split("#")[0].strip() for line in (BINDER / "requirements.txt").read_text().splitlines()]
    (constraints,) = (line.removeprefix("-c ") for line in lines if line.startswith("-c "))
    assert (BINDER / constraints).resolve() == ROOT / "constraints.txt"
    (extra,) = (re.fullmatch(r"-e \.\[(\w+)\]", line)[1] for line in lines if line.startswith("-e "))
    assert extra in PROJECT["optional-dependencies"]
    assert all(Requirement(line) for line in lines if line and not line.startswith("-"))
    version = (BINDER / "runtime.txt").read_text().strip().removeprefix("python-")
    assert f"python={version}\n" in (ROOT / "environment.yml").read_text()


@pytest.mark.slow
def test_binders_last_step_runs_where_the_book_is_installed(tmp_path):
    """Its commands, with this Python's beside it first on the path."""
    script = BINDER / "postBuild"
    assert os.access(script, os.X_OK)
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    given = os.environ | {"PATH": path, "PYTHONPATH": str(ROOT), "SELECTIVITY_LEDGER": str(ROOT / "results")}
    done = subprocess.run([script], cwd=ROOT, env=given, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("digits: ")
    assert re.search(r"^[1-9]\d+ archived runs$", done.stdout, flags=re.MULTILINE)


def test_colab_runs_python():
    notebook = nbformat.read(BINDER / "colab.ipynb", 4)
    nbformat.validate(notebook)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            compile(TransformerManager().transform_cell(cell.source), "cell", "exec")
