"""Progress shown one way everywhere: a bar on a terminal or in a notebook, a line now and then elsewhere."""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path
from typing import Any

import tqdm.auto
import tqdm.std

_SELDOM = {"mininterval": 10.0, "maxinterval": 30.0, "ncols": 100}  # seconds, letters


class _Bar(tqdm.auto.tqdm):
    """A bar with a lock of its own process.

    tqdm's lock is a semaphore that forked processes share: one that is killed while it holds it (in any bar's first
    or last microseconds, shown or not) would leave all its siblings waiting for ever.
    """


class _InFile(tqdm.std.tqdm):
    """The same, as lines of a file that the bar opened itself."""

    def close(self) -> None:
        super().close()
        self.fp.close()


def _own_lock() -> None:
    for kind in (_Bar, _InFile):
        kind.set_lock(threading.RLock())


_own_lock()
os.register_at_fork(after_in_child=_own_lock)


def bar(title: str, total: int | None, unit: str, **options: Any) -> tqdm.std.tqdm:
    """A tqdm bar; where the output is not a terminal it prints at most one line every ten seconds.

    SELECTIVITY_PROGRESS=none, which notebooks run for the book have, shows none: a page has no use for it. With a
    file's path, which `selectivity figure` sets, lines go to the end of that file.
    """
    where = os.environ.get("SELECTIVITY_PROGRESS", "")
    if where not in ("", "none") and not options.get("disable"):
        file = Path(where).open("a", encoding="utf-8")  # noqa: SIM115  # the bar closes it
        return _InFile(desc=title, total=total, unit=unit, file=file, **_SELDOM | options)
    if where == "none":
        options["disable"] = True
    if not sys.stderr.isatty() and "ipykernel" not in sys.modules:
        options = _SELDOM | options
    return _Bar(desc=title, total=total, unit=unit, **options)


def duration(seconds: float) -> str:
    """A length of time in words: "40 s", "5 minutes", "1,100 hours"."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} minutes" if seconds < 5400 else f"{three_digits(seconds / 3600)} hours"


def three_digits(value: float) -> str:
    """Three digits that count, written out: "441,000"."""
    return f"{float(f'{value:.3g}'):,.12g}"
