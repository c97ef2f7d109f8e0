"""The area under ablation curves: how much of the accuracy outlives its units."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ..errors import ParameterError

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = ("ordering", "step", "fraction", "accuracy")
NORMALISATIONS = ("initial", "none", "chance")


def ablation_auc(curve: pd.DataFrame, *, normalise: str = "initial", chance: float | None = None) -> np.ndarray:
    """Area under each ordering's accuracy over the fraction of units clamped, by the trapezoid rule.

    Args:
        curve: one network's, as `cumulative_ablation` gives it; rows in any order.
        normalise: "initial" divides accuracy by that at step 0 (near 1 for an untrained network, whose accuracy is
            chance throughout); "none" leaves it; "chance" takes (accuracy − chance) / (accuracy at step 0 − chance).
        chance: accuracy by chance, in (0, 1); used by "chance" alone, which needs it.

    Returns:
        (orderings,) float64, in order of `ordering`. NaN where it is not defined, "initial" with accuracy 0 at step 0
        and "chance" with accuracy at step 0 under twice chance.

    Raises:
        ParameterError: a table that is not such a curve, another normalisation, or no usable chance.
    """
    if normalise not in NORMALISATIONS:
        raise ParameterError(f"normalise: {normalise!r} given; one of {', '.join(NORMALISATIONS)} is allowed")
    if normalise == "chance" and not (isinstance(chance, int | float) and 0 < chance < 1):
        raise ParameterError(f"chance: {chance!r} given; a number between 0 and 1 is needed")
    return areas_under(curve, (normalise,), chance)[normalise]


def areas_under(curve: pd.DataFrame, normalisations: Sequence[str], chance: float | None) -> dict[str, np.ndarray]:
    """What `ablation_auc` gives, for several of its normalisations at once: the table is looked through once."""
    _check(curve)
    found: dict[str, list[float]] = {how: [] for how in normalisations}
    for _, rows in curve.sort_values("step").groupby("ordering", sort=True):
        accuracy, fraction = (rows[name].to_numpy(np.float64) for name in ("accuracy", "fraction"))
        for how, areas in found.items():
            areas.append(float(np.trapezoid(_normalised(accuracy, how, chance), fraction)))
    return {how: np.array(areas, dtype=np.float64) for how, areas in found.items()}


def _normalised(accuracy: np.ndarray, normalise: str, chance: float | None) -> np.ndarray:
    if normalise == "none":
        return accuracy
    if normalise == "initial":
        return accuracy / accuracy[0] if accuracy[0] > 0 else np.full_like(accuracy, np.nan)
    if accuracy[0] < 2 * chance:  # type: ignore[operator]
        return np.full_like(accuracy, np.nan)
    return (accuracy - chance) / (accuracy[0] - chance)


def _check(curve: pd.DataFrame) -> None:
    missing = [name for name in COLUMNS if name not in curve]
    if missing:
        raise ParameterError(f"curve: no column {missing[0]!r}; {', '.join(COLUMNS)} are needed")
    if curve.empty:
        raise ParameterError("curve: no rows; a curve from cumulative_ablation is needed")
    if curve[list(COLUMNS)].isna().any(axis=None):
        raise ParameterError("curve: missing values; every row needs a number in each column")
    if curve.duplicated(["ordering", "step"]).any():
        twice = curve[curve.duplicated(["ordering", "step"])].iloc[0]
        raise ParameterError(
            f"curve: step {twice['step']:g} of ordering {twice['ordering']:g} twice; give one network's curve at a time"
        )
    ends = curve.groupby("ordering")["fraction"].agg(["min", "max"])
    if (ends["min"] != 0).any() or (ends["max"] != 1).any():
        raise ParameterError("curve: an ordering does not run from fraction 0 to 1")
