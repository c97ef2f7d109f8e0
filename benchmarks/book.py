"""`make book` after one notebook was touched, against the last full one, whose time `make book` keeps."""

from __future__ import annotations

import json
import subprocess
import sys

import nbformat

from selectivity_core.book.build.__main__ import EXECUTED, FULL, ROOT
from selectivity_core.book.build.execution import STAMP, prepare, why_stale
from selectivity_core.errors import SelectivityError

from .timing import Paired, timed

TOUCHED = "05_figure_4"
BUILDS = 2


class NotMeasured(SelectivityError):
    """A row that cannot be measured as things are, and why."""


def full_seconds() -> float:
    """Seconds of the last `make book` that ran every notebook.

    Raises:
        NotMeasured: there was none yet, or notebooks are out of date since.
    """
    if not FULL.exists():
        raise NotMeasured("no `make book` has run every notebook yet; run it once")
    for notebook in sorted((ROOT / "notebooks").glob("*.ipynb")):
        reason = why_stale(prepare(notebook, EXECUTED / notebook.name, {}))
        if reason is not None:
            raise NotMeasured(f"the book is not current ({notebook.stem}: {reason}); run `make book` first")
    return float(json.loads(FULL.read_text(encoding="utf-8"))["seconds"])


def touch() -> None:
    """Makes one executed notebook look as if its source had changed since."""
    path = EXECUTED / f"{TOUCHED}.ipynb"
    copy = nbformat.read(path, 4)
    copy.metadata[STAMP]["notebook"] = "touched"
    nbformat.write(copy, path)


def build() -> None:
    """`make book`, less the check of the environment.

    Raises:
        SelectivityError: it fails.
    """
    command = [sys.executable, "-m", "selectivity_core.book.build", "build"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SelectivityError(f"book: exit code {done.returncode}: {done.stderr.strip()[-500:]}")


def measure() -> dict[str, Paired]:
    """The ratio; each build takes about a minute, so there are two.

    Raises:
        NotMeasured: as `full_seconds` says.
    """
    full, seconds = full_seconds(), []
    for _ in range(BUILDS):
        touch()
        seconds.append(timed(build))
    return {"book": Paired(tuple(seconds), (full,) * BUILDS)}
