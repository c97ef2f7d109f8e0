"""What a figure's finished runs are asked for beside their own tables."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from ..runs.analyses import ANALYSES, bound_tasks
from ..runs.derived import Task
from ..runs.profiles import Bound
from ..spec import RunSpec
from .paper.entries import FigureEntry
from .representations import pair_tasks


def tasks_by_table(
    entry: FigureEntry,
    specs: Sequence[RunSpec],
    finished: Collection[str],
    bound: Bound | None,
    *,
    chosen: bool,
    every: bool = False,
) -> dict[str, list[Task]]:
    """All that must be worked out for a figure, by the derived table that it goes to.

    Args:
        entry: the figure.
        specs: all its runs.
        finished: ids of those that are there.
        bound: for which runs and layers the off-axis bound is wanted; None for all.
        chosen: whether the α values were asked for, so that none of them is left out of the bound.
        every: take the closer analyses for every variant too, not only for each network's first.
    """
    found: dict[str, list[Task]] = {}
    for model in dict.fromkeys(spec.model for spec in specs):
        wanted = [spec for spec in specs if spec.model == model]
        there = [spec for spec in wanted if spec.id in finished]
        first = wanted[0]
        like = [s for s in there if every or s.replace(alpha=first.alpha, seed=first.seed) == first]
        for task in _tasks(entry, there, like, bound, chosen):
            found.setdefault(task.analysis.table, []).append(task)
    return found


def _tasks(
    entry: FigureEntry, there: list[RunSpec], like: list[RunSpec], bound: Bound | None, chosen: bool
) -> Iterator[Task]:
    if "pairs" in entry.derived:
        yield from pair_tasks(there)
    if "bounds" in entry.derived:
        yield from bound_tasks(there, bound, chosen)
    yield from (Task(ANALYSES[name], (spec,)) for name in entry.analyses for spec in there)
    yield from (Task(ANALYSES[name], (spec,)) for name in entry.closer for spec in like)
