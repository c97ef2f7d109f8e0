"""Studies with tables made up by hand, so that figures can be held against known numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np
import pandas as pd

from selectivity_core.book.paper.figures import find_figure, grid
from selectivity_core.book.representations import FORMS, pair_tasks
from selectivity_core.book.study import Study
from selectivity_core.runs.analyses import KINDS, bound_tasks
from selectivity_core.runs.profiles import find_profile
from selectivity_core.spec import RunSpec
from selectivity_core.tables import COLUMNS, MEASURES, Tables

LAYERS = ("stem", "stage1.0", "stage2.0", "stage3.0")
UNITS = 6
DATA = "digits made up"
SHUFFLED = 0.1
# Of a bound's kinds, over the index of the unit axes.
ABOVE_AXIS = dict(zip(KINDS, (0.0, 0.02, 0.01, 0.05, 0.03), strict=True))


def accuracy_of(alpha: float, seed: int) -> float:
    """Falls by two points a unit of α; seeds differ, and a little of it differently at each α."""
    return 0.9 - 0.02 * alpha + 0.004 * seed + 0.001 * ((seed * 7 + round(alpha * 10)) % 3)


def index_of(alpha: float) -> float:
    """Rises with α, within (0, 1)."""
    return float(0.3 + 0.2 * np.tanh(alpha))


def measure_of(name: str, alpha: float) -> float:
    """Any measure of a unit or layer: the index, each measure a little higher than the one before."""
    return index_of(alpha) + 0.01 * MEASURES.index(name)


def distance_of(first: RunSpec, second: RunSpec) -> float:
    """0.2 within an α; 0.3 and more between an α and 0, 0.05 less for networks of one start."""
    if first.alpha == second.alpha:
        return 0.2
    return float(0.3 + 0.1 * np.tanh(abs(first.alpha)) - 0.05 * (first.seed == second.seed))


def run_row(spec: RunSpec, accuracy: float, index: float) -> dict[str, object]:
    """A row of `runs`: of a complete run, or with NaN for its figures of one that diverged."""
    fields = spec.as_dict() | {"milestones": " ".join(map(str, spec.milestones))}
    row = dict.fromkeys(COLUMNS["runs"], np.nan) | fields | {"run": spec.id, "provenance_data": DATA}
    row |= {"status": "diverged" if np.isnan(accuracy) else "complete", "seconds": 10.0}
    row |= {"test_accuracy": accuracy, "test_loss": 1 - accuracy, "si_units": index, "si_layers": index}
    return row | {"t95": np.round(10 - spec.alpha) if abs(spec.alpha) < 10 else np.nan}


def unit_rows(spec: RunSpec) -> Iterable[tuple[dict, list[dict], list[dict]]]:
    """For each layer its row, its units' and their responses."""
    index, high = index_of(spec.alpha), spec.alpha > 0
    measures = {m: measure_of(m, spec.alpha) for m in MEASURES} | {f"{m}_shuffled": SHUFFLED for m in MEASURES}
    for depth, layer in enumerate(LAYERS):
        place = {"run": spec.id, "layer": layer}
        shares = {"active_samples": 0.9, "active_positions": 0.6, "switches": 2.0 - high}
        more = {"si_living": index + 0.05, "si_last": index, "dead": 0.25 * high, "switched": 0.5 - 0.25 * high}
        row = place | {"depth": depth, "units": UNITS} | measures | shares | more
        units, responses = [], []
        for unit in range(UNITS):
            # Spread evenly around the mean, so that each layer's mean is the network's.
            own = index + 0.02 * (unit - (UNITS - 1) / 2)
            units.append(place | {"unit": unit, "mean": 1.0, "sd": 0.5} | measures | shares)
            units[-1] |= {"si": own, "dprime": own**2, "dead": False, "weight_l1": 1.0, "preferred": unit}
            units[-1] |= {"active_samples": 0.4 if unit == 0 else 0.9}
            for label in range(10):
                mean = (1 + own) / (1 - own) if label == unit else 1.0
                responses.append(place | {"unit": unit, "class": label, "mean": mean})
        yield row, units, responses


def pair_rows(specs: Sequence[RunSpec]) -> list[dict]:
    """Distances as `distance_of` says in every layer and form; rows shuffled are at 0.8."""
    rows = []
    for task in pair_tasks(specs):
        first, second = task.runs
        row = {"run": first.id, "other": second.id, "analysis": task.analysis.label}
        found = dict.fromkeys(FORMS, distance_of(first, second)) | {"paper, shuffled": 0.8, "textbook, shuffled": 0.8}
        for depth, layer in enumerate(LAYERS):
            rows += [row | {"layer": layer, "depth": depth, "form": f, "distance": d} for f, d in found.items()]
    return rows


def bound_rows(specs: Sequence[RunSpec], chosen: bool) -> list[dict]:
    """Bounds of every layer, over the index of the unit axes by `ABOVE_AXIS`."""
    rows = []
    for task in bound_tasks(specs, find_profile("digits").bound, chosen):
        row = {"run": task.runs[0].id, "analysis": task.analysis.label}
        for depth, layer in enumerate(LAYERS):
            for kind, above in ABOVE_AXIS.items():
                value = index_of(task.runs[0].alpha) + above
                rows.append(row | {"layer": layer, "depth": depth, "kind": kind, "value": value})
    return rows


def made_up_study(
    alphas: Sequence[float] = (-1.0, 0.0, 1.0),
    seeds: int = 3,
    *,
    figure: str = "fig4",
    profile: str = "digits",
    accuracy: Callable[[float, int], float] = accuracy_of,
    diverged: Sequence[tuple[float, int]] = (),
    missing: Sequence[tuple[float, int]] = (),
    **overrides: object,
) -> Study:
    """A study whose figures are those of `accuracy`, `index_of` and the functions above, to the digit."""
    entry, specs = find_figure(figure), grid(profile, figure, alphas=list(alphas), seeds=seeds, **overrides)
    frames: dict[str, list[dict]] = {name: [] for name in COLUMNS}
    complete = []
    for spec in specs:
        place = (spec.alpha, spec.seed)
        if place in missing:
            continue
        if place in diverged:
            frames["runs"].append(run_row(spec, np.nan, np.nan))
            continue
        complete.append(spec)
        frames["runs"].append(run_row(spec, accuracy(*place), index_of(spec.alpha)))
        for layer, units, responses in unit_rows(spec):
            frames["layers"].append(layer)
            frames["units"] += units
            frames["responses"] += responses
    for model in dict.fromkeys(spec.model for spec in complete):
        own = [spec for spec in complete if spec.model == model]
        frames["pairs"] += pair_rows(own) if "pairs" in entry.derived else []
        frames["bounds"] += bound_rows(own, bool(alphas)) if "bounds" in entry.derived else []
    tables = {k: pd.DataFrame(v, columns=list(COLUMNS[k])) for k, v in frames.items()}
    return Study(entry, profile, specs, Tables(**tables))
