"""The seeds of a figure: how many are wanted where nobody says, and which of them stand at α = 0 alone."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count
from typing import Any

import pandas as pd

from ..errors import ParameterError
from ..runs.derived import ledger_results
from ..runs.profiles import PLAIN, find_profile
from ..spec import VARIED, RunSpec, spec_of
from ..tables import Tables
from .paper.figures import find_figure, grid
from .tasks import tasks_by_table


def wanted_runs(
    profile_name: str, figure: str, kept: Tables, *, seeds: int | Sequence[int] = 0, **ask: Any
) -> list[RunSpec]:
    """The runs that a figure is drawn from.

    Args:
        profile_name: a profile.
        figure: a figure's id.
        kept: the ledger.
        seeds: a count or a list; where 0 or empty as many as `seeds_for` says, and those that the profile has at
            α = 0 alone.
        ask: α values, networks and overrides as for `paper.figures.grid`.

    Raises:
        SpecError: as `grid` does.
    """
    if seeds:
        return grid(profile_name, figure, seeds=seeds, **ask)
    specs = grid(profile_name, figure, seeds=seeds_for(profile_name, figure, kept, **ask), **ask)
    return list(dict.fromkeys([*specs, *grid(profile_name, figure, **ask)]))


def seeds_for(
    profile_name: str,
    figure: str,
    kept: Tables,
    *,
    alphas: Sequence[float] | None = None,
    models: Sequence[str] | None = None,
    **overrides: Any,
) -> int:
    """The number of seeds, counted from 0, of which the ledger has all runs of a figure and all worked out of them.

    So a ledger that grows widens every figure that reads it, while what must be trained stays the profile's own number.

    Args:
        profile_name: a profile.
        figure: a figure's id.
        kept: the ledger.
        alphas, models, overrides: as for `paper.figures.grid`.

    Returns:
        that number; the profile's own where the ledger has fewer.

    Raises:
        SpecError: as `grid` does.
    """
    entry, scale = find_figure(figure), find_profile(profile_name)
    least = scale.seeds_for(entry.grid)
    runs = kept.runs
    finished = set(runs["run"]) if len(runs) else set()
    results: dict[str, set[tuple[str, ...]]] = {}
    for seeds in count(least + 1):
        ask = {"alphas": alphas, "models": models, **overrides}
        if not all(spec.id in finished for spec in grid(profile_name, figure, seeds=[seeds - 1], **ask)):
            return seeds - 1
        specs = grid(profile_name, figure, seeds=seeds, **ask)
        for table, tasks in tasks_by_table(entry, specs, finished, scale.bound, chosen=bool(alphas)).items():
            if table not in results:
                results[table] = ledger_results(table, kept)
            if not all(task.name in results[table] for task in tasks):
                return seeds - 1
    raise AssertionError("a ledger ends")


def new_seeds(specs: Sequence[RunSpec], kept: Tables, count: int) -> list[int]:
    """The first seeds that come after all which a ledger has of some settings, and after those asked for.

    Args:
        specs: the runs asked for.
        kept: the ledger.
        count: how many seeds.

    Raises:
        ParameterError: a count below 1.
    """
    if count < 1:
        raise ParameterError(f"new seeds: {count} given; at least 1 is needed")
    like = {spec.replace(seed=0) for spec in specs}
    rows = kept.runs[kept.runs["model"].isin({s.model for s in specs})] if len(kept.runs) else kept.runs
    known = [spec_of(row) for row in rows.to_dict("records")]
    last = max([*(s.seed for s in specs), *(s.seed for s in known if s.replace(seed=0) in like)], default=-1)
    return list(range(last + 1, last + 1 + count))


def alone(runs: pd.DataFrame) -> pd.Series:
    """Which runs stand at α = 0 with a seed that no other α has, where others have some of the seeds there.

    A mean at α = 0 over more seeds than elsewhere would show the seeds' differences as if α had made them: the same
    seeds give the same initial weights and batches at every α.

    Args:
        runs: model, alpha, seed; and the fields of `VARIED`, as far as they are there. Runs of another network or
            setting do not count; what only the regulariser reads is no setting at α = 0.

    Returns:
        true for these; none where α = 0 was run only, or shares no seed with another α.
    """
    setting = ["model", *(f for f in VARIED if f in runs and f not in PLAIN)]
    plain = runs["alpha"] == 0
    elsewhere = (~plain).groupby([runs[f] for f in (*setting, "seed")]).transform("any")
    matched = (plain & elsewhere).groupby([runs[f] for f in setting]).transform("any")
    return plain & ~elsewhere & matched


def further_in_words(runs: pd.DataFrame) -> str:
    """What a caption says behind n of the runs that are `alone`; nothing where there is none."""
    if not len(runs):
        return ""
    are, whose = ("is", "its seed") if len(runs) == 1 else ("are", "their seeds")
    return f" ({len(runs)} more at α = 0 {are} in no mean: no other α has {whose})"
