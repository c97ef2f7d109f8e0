"""How selective a layer could look along other axes than its units: the off-axis upper bound (Leavitt & Morcos, 2c).

An orthonormal W (units, units) is sought that maximises the mean selectivity index of the columns of A·W on validation
activity A, each column less its own minimum; its columns are then scored on test activity in the same way.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from .errors import ActivityError
from .metrics import checked, selectivity_index
from .orthonormal import best_fit, fit_projections, random_projection
from .seeds import generator

Values = Tensor | np.ndarray
Side = tuple[Tensor, Tensor]  # activity (samples, units) and labels (samples,)

if TYPE_CHECKING:
    import pandas as pd

RANDOM_PROJECTIONS = 10
COLUMNS = ("kind", "start", "steps", "first", "validation", "value", "chosen")


@dataclass(frozen=True)
class OffAxisScores:
    """The bound of one layer and what it is to be held against; see `off_axis_scores`.

    Attributes:
        units: kind -> (units,) float64 index on test activity: of each unit, or of each column of the projection.
        rows: one a kind, and for the bounds one a start. `kind`; `start`; `steps` taken; mean index over units
            `first` at the start and `validation` in the end, both on validation activity, and `value` on test
            activity; `chosen`, whether `units` holds this row (of a bound's starts the best on validation activity).
    """

    units: dict[str, Tensor]
    rows: pd.DataFrame


def projected_index(activity: Tensor, labels: Tensor, projection: Tensor) -> Tensor:
    """(units,) float64 index of the columns of A·W, each less its minimum over these samples.

    Args:
        activity: A, (samples, units).
        labels: (samples,) integers.
        projection: W, (units, columns) float64.

    Raises:
        ActivityError: labels that do not fit the samples, or non-finite values.
    """
    values = activity.double()
    # Less the units' means: the shift undoes it, and a large constant would cost the small differences their digits.
    return selectivity_index((values - values.mean(0)) @ projection, labels, shift=True)


def max_off_axis_selectivity(
    val_activity: Tensor | np.ndarray,
    val_labels: Tensor | np.ndarray,
    test_activity: Tensor | np.ndarray,
    test_labels: Tensor | np.ndarray,
    *,
    steps: int = 3500,
    lr: float = 1e-3,
    seed: int = 0,
) -> Tensor:
    """Upper bound of a layer's selectivity along any orthonormal axes (Leavitt & Morcos, Fig. 2c).

    The search starts from the identity and from two random projections (columns turned round where that is better),
    and the projection that reached the highest mean index on validation activity is scored on test activity. A local
    search gives no certificate: the true maximum may be higher. Classes may occur on one side only; each side's index
    is over the classes that it has. The time grows with samples · units²: seconds for 64 units and 5,000 samples on one
    core, about a quarter of an hour for 512 units.

    Args:
        val_activity: (samples, units) or (samples, units, H, W), of which the spatial mean is taken; any sign.
        val_labels: (samples,) integers, two classes or more.
        test_activity: the same units on other samples.
        test_labels: (samples,) integers, two classes or more.
        steps: at most so many for each start.
        lr: Adam's learning rate.
        seed: of the random starts.

    Returns:
        (units,) float64 CPU tensor, the index of each column of the projection, in no order that belongs to units.

    Raises:
        ActivityError: by argument: shapes that do not fit, non-finite values, no units, fewer than two classes,
            numbers of units that differ, or steps and lr out of range.
    """
    (values, targets), (test_values, test_targets) = _sides(val_activity, val_labels, test_activity, test_labels)
    _check_numbers(steps, lr)
    best = best_fit(fit_projections(values, targets, steps=steps, lr=lr, seed=seed))
    return projected_index(test_values, test_targets, best.projection)


def off_axis_scores(
    val_activity: Tensor | np.ndarray,
    val_labels: Tensor | np.ndarray,
    test_activity: Tensor | np.ndarray,
    test_labels: Tensor | np.ndarray,
    *,
    steps: int = 3500,
    lr: float = 1e-3,
    seed: int = 0,
) -> OffAxisScores:
    """The bound of a layer beside what tells shift, rotation and overfitting apart.

    Kinds, each an index on test activity:

    * axis: the units themselves; NaN where a layer has negative activity, for which it is not defined.
    * axis_shifted: the units, each less its minimum: what the shift alone does.
    * random: columns of random orthonormal projections with the shift, the mean of ten: what any rotation does.
    * bound: `max_off_axis_selectivity` with the same arguments.
    * bound_shuffled: the bound for validation labels dealt out at random, scored on test labels that are dealt out at
      random too: what the search finds where there is nothing. Its value on test is the index's level by chance on such
      directions; what validation has above it is overfitting.

    Args:
        val_activity, val_labels, test_activity, test_labels: as for `max_off_axis_selectivity`.
        steps, lr: as for `max_off_axis_selectivity`.
        seed: of the random starts, the labels dealt out and the projections.

    Raises:
        ActivityError: as for `max_off_axis_selectivity`.
    """
    val, test = _sides(val_activity, val_labels, test_activity, test_labels)
    _check_numbers(steps, lr)
    from pandas import DataFrame

    count = val[0].shape[1]
    identity = torch.eye(count, dtype=torch.float64)
    drawn = [random_projection(count, generator(seed, "projection", k)) for k in range(RANDOM_PROJECTIONS)]
    units, rows = {}, []
    for kind, start, score in (
        ("axis", "identity", _plain_index),
        ("axis_shifted", "identity", partial(projected_index, projection=identity)),
        ("random", "random", lambda a, y: torch.stack([projected_index(a, y, w) for w in drawn]).mean(0)),
    ):
        units[kind] = score(*test)
        validation = score(*val).mean().item()
        rows.append((kind, start, 0, validation, validation, units[kind].mean().item(), True))
    dealt = _dealt(*val, seed, 0), _dealt(*test, seed, 1)
    for kind, (fitted, scored) in {"bound": (val, test), "bound_shuffled": dealt}.items():
        fits = fit_projections(*fitted, steps=steps, lr=lr, seed=seed)
        best = best_fit(fits)
        units[kind] = projected_index(*scored, best.projection)
        for fit in fits:
            value = projected_index(*scored, fit.projection).mean().item()
            rows.append((kind, fit.start, fit.steps, fit.first, fit.reached, value, fit is best))
    return OffAxisScores(units, DataFrame(rows, columns=list(COLUMNS)))


def _plain_index(activity: Tensor, labels: Tensor) -> Tensor:
    if (activity < 0).any():
        return torch.full(activity.shape[1:], torch.nan, dtype=torch.float64)
    return selectivity_index(activity.double(), labels)


def _dealt(activity: Tensor, labels: Tensor, seed: int, place: int) -> tuple[Tensor, Tensor]:
    return activity, labels[torch.randperm(len(labels), generator=generator(seed, "deal", place))]


def _side(activity: Values, labels: Values, name: str) -> Side:
    try:
        values, targets = checked(activity, labels)
    except ActivityError as error:  # its message begins with "activity" or "labels"
        raise ActivityError(f"{name}_{error}") from None
    if not values.shape[1]:
        raise ActivityError(f"{name}_activity: no units given; at least one is needed")
    if len(targets.unique()) < 2:
        raise ActivityError(f"{name}_labels: one class given; two or more are needed")
    return values.detach().cpu(), targets.cpu()


def _sides(val_activity: Values, val_labels: Values, test_activity: Values, test_labels: Values) -> tuple[Side, Side]:
    val, test = _side(val_activity, val_labels, "val"), _side(test_activity, test_labels, "test")
    if val[0].shape[1] != test[0].shape[1]:
        raise ActivityError(f"test_activity: {test[0].shape[1]} units given; val_activity has {val[0].shape[1]}")
    return val, test


def _check_numbers(steps: int, lr: float) -> None:
    if not (isinstance(steps, int) and steps >= 0):
        raise ActivityError(f"steps: {steps!r} given; a whole number of 0 or more is needed")
    if not (isinstance(lr, int | float) and math.isfinite(lr) and lr > 0):
        raise ActivityError(f"lr: {lr!r} given; a finite number above 0 is needed")
