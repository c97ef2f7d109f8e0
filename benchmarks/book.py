"""`make book` after one notebook was touched, against the last full one, whose time `make book` keeps."""

from __future__ import annotations

import json
import subprocess
import sys

from selectivity_core.book.publish import staleness
from selectivity_core.book.publish.__main__ import ROOT, full_build
from selectivity_core.book.publish.job import prepare
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
    kept = full_build()
    if not kept.exists():
        raise NotMeasured("no `make book` has run every notebook yet; run it once")
    for notebook in sorted((ROOT / "notebooks").glob("*.ipynb")):
        job = prepare(notebook, ROOT / "book" / "executed" / notebook.name, {})
        reason = staleness.why_stale(job.out, job.made_from)
        if reason is not None:
            raise NotMeasured(f"the book is not current ({notebook.stem}: {reason}); run `make book` first")
    return float(json.loads(kept.read_text(encoding="utf-8"))["seconds"])


def touch() -> None:
    """Makes one executed notebook look as if its source had changed since."""
    path = staleness.stamp_path(ROOT / "book" / "executed" / f"{TOUCHED}.ipynb")
    stamp = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps(stamp | {"notebook": "touched"}), encoding="utf-8")


def build() -> None:
    """`make book`, less the check of the environment.

    Raises:
        SelectivityError: it fails.
    """
    command = [sys.executable, "-m", "selectivity_core.book.publish", "build"]
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
