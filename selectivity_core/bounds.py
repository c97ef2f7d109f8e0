"""Which layers' off-axis bound a figure needs, and its rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from .derived import Analysis, Task
from .rotation import off_axis_scores
from .spec import RunSpec
from .trained import TrainedRuns

if TYPE_CHECKING:
    import pandas as pd

    from .profiles import Bound

# The rows of `off_axis_scores` that are kept: of a bound the start that was best on validation activity.
KINDS = ("axis", "axis_shifted", "random", "bound", "bound_shuffled")


def bound_rows(runs: TrainedRuns, spec: RunSpec, layers: int = 0) -> pd.DataFrame:
    """Mean selectivity of some layers' units on the test set: as they are, shifted, rotated at random and at best.

    Args:
        runs: gives the activity.
        spec: whose.
        layers: how many, evenly spread over the depth; 0 for all.
    """
    import pandas as pd

    validation, test = (runs.activity(spec, which) for which in ("validation", "test"))
    labels = [runs.labels(spec, which) for which in ("validation", "test")]
    names = list(test)
    rows = []
    for depth in spread(len(names), layers):
        layer = names[depth]
        scores = off_axis_scores(validation[layer], labels[0], test[layer], labels[1], seed=spec.seed)
        for kind in KINDS:
            rows.append({"layer": layer, "depth": depth, "kind": kind, "value": float(scores.units[kind].mean())})
    return pd.DataFrame(rows)


def spread(count: int, wanted: int) -> list[int]:
    """`wanted` places out of `count`, first and last among them and evenly spread; all for 0."""
    if not wanted or wanted >= count:
        return list(range(count))
    return sorted({int(k) for k in np.linspace(0, count - 1, wanted).round()})


def analysis(layers: int) -> Analysis:
    """The off-axis bound of so many layers (0 for all)."""
    return Analysis("bounds", "off-axis", 1, bound_rows, (("layers", layers),))


def bound_tasks(specs: Sequence[RunSpec], limit: Bound | None, chosen: bool = False) -> Iterator[Task]:
    """The fits that a figure needs of one network: within the profile's limit, at the α values asked for.

    Args:
        specs: the figure's runs.
        limit: of the profile.
        chosen: whether the α values were asked for, so that those of the limit do not count.
    """
    if limit is None:
        yield from (Task(analysis(0), (spec,)) for spec in specs)
        return
    seeds = sorted({spec.seed for spec in specs}, key=lambda seed: (seed < limit.first, seed))[: limit.seeds]
    for spec in specs:
        if spec.seed in seeds and spec.alpha <= 0 and (chosen or spec.alpha in limit.alphas):
            yield Task(analysis(limit.layers), (spec,))
