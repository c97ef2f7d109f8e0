"""Progress shown one way everywhere: a bar on a terminal or in a notebook, a line now and then elsewhere."""

from __future__ import annotations

import os
import sys
import threading
from functools import lru_cache
from pathlib import Path
from typing import Any, TextIO

import tqdm.auto
import tqdm.std

# "none", since pages of the book have no use for bars; or a file that takes them, for whoever waits for a notebook.
VARIABLE = "SELECTIVITY_PROGRESS"


class _Bar(tqdm.std.tqdm if os.environ.get(VARIABLE) else tqdm.auto.tqdm):  # type: ignore[misc]
    """A bar with a lock of its own process.

    tqdm's lock is a semaphore that forked processes share: one that is killed while it holds it (in any bar's first
    or last microseconds, shown or not) would leave all its siblings waiting for ever.
    """


def _own_lock() -> None:
    _Bar.set_lock(threading.RLock())


_own_lock()
os.register_at_fork(after_in_child=_own_lock)


@lru_cache(maxsize=1)
def _file(path: str) -> TextIO:
    return Path(path).open("a", encoding="utf-8")


def bar(title: str, total: int | None, unit: str, **options: Any) -> tqdm.std.tqdm:
    """A tqdm bar; where the output is not a terminal it is printed at most every ten seconds."""
    where = os.environ.get(VARIABLE)
    if where == "none":
        options["disable"] = True
    elif where:
        options["file"] = _file(where)
    if where or (not sys.stderr.isatty() and "ipykernel" not in sys.modules):
        options = {"mininterval": 10.0, "maxinterval": 30.0, "ncols": 100} | options
    return _Bar(desc=title, total=total, unit=unit, **options)


def duration(seconds: float) -> str:
    """A length of time in words: "40 s", "5 minutes", "1,100 hours"."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} minutes" if seconds < 5400 else f"{three_digits(seconds / 3600)} hours"


def three_digits(value: float) -> str:
    """Three digits that count, written out: "441,000"."""
    return f"{float(f'{value:.3g}'):,.12g}"
