"""Studies whose tables hold every measure of their units, so that pages on measures can be held against known numbers.

A unit of run (α, seed) answers its own class with `top` and all others with 1, with an SD of `sd`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd

from selectivity_core.book.offset import COMPARED
from selectivity_core.book.paper.figures import find_figure, grid
from selectivity_core.book.study import Study
from selectivity_core.spec import RunSpec, field_names
from selectivity_core.tables import Tables, empty

LAYERS = ("stem", "stage1.0", "stage2.0")
UNITS = 4
CHANCE = 0.05
Measure = Callable[[RunSpec], float]


def same_sd(_: RunSpec) -> float:
    return 1.0


def measured_study(
    figure: str,
    alphas: Sequence[float],
    seeds: int,
    *,
    index: Measure,
    sd: Measure = same_sd,
    accuracy: Measure = lambda spec: 0.9,
    missing: Callable[[RunSpec], bool] = lambda spec: False,
    models: Sequence[str] = ("resnet20",),
    **overrides: object,
) -> Study:
    """All units of a run have the index `index(spec)`; d′ and η² are worked out of it, the rest are equal to it."""
    specs = grid("digits", figure, alphas=list(alphas), seeds=seeds, models=models, **overrides)
    runs, layers, units, responses = [], [], [], []
    for spec in specs:
        if missing(spec):
            continue
        si, spread = index(spec), sd(spec)
        top = (1 + si) / (1 - si)
        fields = {f: getattr(spec, f) for f in field_names()}
        runs.append({"run": spec.id, **fields, "status": "complete", "provenance_data": "digits made up"})
        runs[-1] |= {"test_accuracy": accuracy(spec), "si_units": si}
        measures = dict.fromkeys(COMPARED, si + CHANCE) | {"dprime": (top - 1) / spread + CHANCE, "si": si}
        chance = {f"{m}_shuffled": 0.0 if m == "si" else CHANCE for m in COMPARED}
        for depth, layer in enumerate(LAYERS):
            layers.append({"run": spec.id, "layer": layer, "depth": depth, "units": UNITS, "dead": 0.0})
            layers[-1] |= measures | chance
            for unit in range(UNITS):
                place = {"run": spec.id, "layer": layer, "unit": unit}
                units.append({**place, **measures, **chance, "mean": (top + 9) / 10, "sd": spread})
                means = np.where(np.arange(10) == unit, top, 1.0)
                responses += [{**place, "class": k, "mean": float(m)} for k, m in enumerate(means)]
    frames = {"runs": runs, "layers": layers, "units": units, "responses": responses}
    return Study(find_figure(figure), "digits", specs, Tables(**{k: _frame(k, rows) for k, rows in frames.items()}))


def _frame(name: str, rows: list[dict[str, object]]) -> pd.DataFrame:
    return pd.DataFrame(rows) if rows else empty(name)
