"""Studies with tables made up by hand, so that figures can be held against known numbers."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd

from selectivity_core.paper.figures import find_figure, grid
from selectivity_core.study import Study
from selectivity_core.tables import Tables

LAYERS = ("stem", "stage1.0", "stage2.0", "stage3.0")
UNITS = 6
DATA = "digits made up"


def accuracy_of(alpha: float, seed: int) -> float:
    """Falls by two points a unit of α; seeds differ, and a little of it differently at each α."""
    return 0.9 - 0.02 * alpha + 0.004 * seed + 0.001 * ((seed * 7 + round(alpha * 10)) % 3)


def index_of(alpha: float) -> float:
    """Rises with α, within (0, 1)."""
    return float(0.3 + 0.2 * np.tanh(alpha))


def made_up_study(
    alphas: Sequence[float] = (-1.0, 0.0, 1.0),
    seeds: int = 3,
    *,
    figure: str = "fig4",
    accuracy: Callable[[float, int], float] = accuracy_of,
    diverged: Sequence[tuple[float, int]] = (),
    missing: Sequence[tuple[float, int]] = (),
    **overrides: object,
) -> Study:
    """A study of the digits profile whose figures are those of `accuracy` and `index_of`, to the digit."""
    specs = grid("digits", figure, alphas=list(alphas), seeds=seeds, **overrides)
    runs, layers, units, responses = [], [], [], []
    for spec in specs:
        place = (spec.alpha, spec.seed)
        if place in missing:
            continue
        complete = place not in diverged
        row = {"run": spec.id, "model": spec.model, "alpha": spec.alpha, "seed": spec.seed, "provenance_data": DATA}
        value = accuracy(spec.alpha, spec.seed) if complete else np.nan
        index = index_of(spec.alpha) if complete else np.nan
        row |= {"status": "complete" if complete else "diverged"}
        row |= {"test_accuracy": value, "test_loss": 1 - value, "si_units": index, "si_layers": index}
        runs.append(row)
        if not complete:
            continue
        for depth, layer in enumerate(LAYERS):
            layers.append({"run": spec.id, "layer": layer, "depth": depth, "si": index, "si_shuffled": 0.1})
            for unit in range(UNITS):
                # Spread evenly around the mean, so that each layer's mean is the network's.
                own = index + 0.02 * (unit - (UNITS - 1) / 2)
                units.append({"run": spec.id, "layer": layer, "unit": unit, "si": own, "si_shuffled": 0.1})
                for label in range(10):
                    mean = (1 + own) / (1 - own) if label == unit else 1.0
                    responses.append({"run": spec.id, "layer": layer, "unit": unit, "class": label, "mean": mean})
    frames = {"runs": runs, "layers": layers, "units": units, "responses": responses}
    return Study(find_figure(figure), "digits", specs, Tables(**{k: pd.DataFrame(v) for k, v in frames.items()}))
