"""A sweep of digits runs against the same runs one after another in one process."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from selectivity_core import RunSpec, RunStore, profile, sweep, train
from selectivity_core.runs.profiles import expand

from .timing import Paired, compare

RUNS, THREADS, JOBS = 40, 2, 2
# A tenth of the profile's epochs, and as many measurements: with all 40 this row alone takes a quarter of an hour.
SCHEDULE = {"epochs": 4, "milestones": (2, 3)}


def specs(runs: int = RUNS) -> list[RunSpec]:
    """Runs of the digits profile on a shorter schedule: four α values, as many seeds as it takes."""
    base = profile("digits").replace(milestones=()).replace(**SCHEDULE)
    return expand(base, alphas=(-1.0, 0.0, 0.4, 1.0), seeds=range(-(-runs // 4)))[:runs]


def one_after_another(wanted: Sequence[RunSpec], folder: Path, threads: int = THREADS) -> RunStore:
    """The straightforward peer: trains and stores runs here, each with `threads` threads."""
    store = RunStore(folder)
    for spec in wanted:
        store.add(train(spec.replace(threads=threads), progress=False))
    return store


def swept(wanted: Sequence[RunSpec], folder: Path, jobs: int = JOBS) -> RunStore:
    """The library's sweep into an empty store."""
    store = RunStore(folder)
    _ = sweep(wanted, store, jobs=jobs, progress=False).runs
    return store


def in_empty_folder(work: Callable[[Path], object]) -> None:
    """Calls `work` with a folder that is then removed."""
    with tempfile.TemporaryDirectory(prefix="selectivity-bench-") as folder:
        work(Path(folder) / "runs")


def measure() -> dict[str, Paired]:
    """The ratio."""
    wanted = specs()
    found = compare(
        lambda: in_empty_folder(partial(swept, wanted)), lambda: in_empty_folder(partial(one_after_another, wanted))
    )
    return {"sweep": found}
