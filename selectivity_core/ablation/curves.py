"""The area under ablation curves: how much of the accuracy outlives its units."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from ..arithmetic import evaluating
from ..errors import ParameterError, UnitError
from ..progress import bar
from ..seeds import generator
from ..watching import UnitDim
from .fast import ChainEvaluator
from .inputs import checked_pairs
from .masked import BATCH, Evaluator, MaskedEvaluator, right
from .numbering import AblationValue, Numbering, number_units

if TYPE_CHECKING:
    import pandas as pd

CURVE_COLUMNS = ("ordering", "step", "fraction", "accuracy")
NORMALISATIONS = ("initial", "none", "chance")


def ablation_auc(curve: pd.DataFrame, *, normalise: str = "initial", chance: float | None = None) -> np.ndarray:
    """Area under each ordering's accuracy over the fraction of units ablated, by the trapezoid rule.

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
    missing = [name for name in CURVE_COLUMNS if name not in curve]
    if missing:
        raise ParameterError(f"curve: no column {missing[0]!r}; {', '.join(CURVE_COLUMNS)} are needed")
    if curve.empty:
        raise ParameterError("curve: no rows; a curve from cumulative_ablation is needed")
    if curve[list(CURVE_COLUMNS)].isna().any(axis=None):
        raise ParameterError("curve: missing values; every row needs a number in each column")
    if curve.duplicated(["ordering", "step"]).any():
        twice = curve[curve.duplicated(["ordering", "step"])].iloc[0]
        raise ParameterError(
            f"curve: step {twice['step']:g} of ordering {twice['ordering']:g} twice; give one network's curve at a time"
        )
    ends = curve.groupby("ordering")["fraction"].agg(["min", "max"])
    if (ends["min"] != 0).any() or (ends["max"] != 1).any():
        raise ParameterError("curve: an ordering does not run from fraction 0 to 1")


def cumulative_ablation(
    model: nn.Module,
    images: Tensor | np.ndarray,
    labels: Tensor | np.ndarray,
    *,
    layers: str | Sequence[str],
    orderings: int | Sequence[Sequence[int]] | np.ndarray | Tensor,
    value: AblationValue = "zero",
    unit_dim: UnitDim = None,
) -> pd.DataFrame:
    """Accuracy as units are ablated after their non-linearity, one more at each step (Morcos et al. 2018, 2.2).

    The accuracies are those of one plain forward pass for each mask, in batches of 500 images in evaluation mode and
    the model's own precision, at a small part of the cost where the network is a chain of layers. The model is left as
    it was.

    Args:
        model: any module that gives logits (samples, classes).
        images: (samples, ...) floating point, as the model takes them.
        labels: (samples,) integers; samples of -100 are left out.
        layers: names of modules whose outputs are the units (or "all", "first3", "last3"). Units of several layers are
            numbered one layer after the other, in this order; each use of a module that a pass uses several times is
            a layer of its own ("name:1" names the second alone).
        orderings: how many random orderings, the same ones each time, or (orderings, units) with every unit's number
            once in each row.
        value: what ablated units are set to: "zero", or layer -> (units,) one value for each, such as its mean.
        unit_dim: as for `record`.

    Returns:
        columns ordering, step (units ablated, 0 to N), fraction (step / N) and accuracy in [0, 1].

    Raises:
        UnitError: layers, orderings or values that do not fit, before any pass; for a network from elsewhere, whose
            layers' sizes are not known, after a pass of two images. Units whose dimension cannot be told.
        ActivityError: images or labels that do not fit, or an output that is not (samples, classes).
    """
    import pandas as pd

    pixels, targets = checked_pairs(model, images, labels)
    with evaluating(model):
        numbers = number_units(model, layers, value, pixels[:2], unit_dim)
        orders = checked_orderings(orderings, len(numbers))
        counts = _counts(evaluator(model, numbers), pixels, targets, orders)
    steps = np.arange(len(numbers) + 1)
    return pd.DataFrame(
        {
            "ordering": np.repeat(np.arange(len(orders)), len(steps)),
            "step": np.tile(steps, len(orders)),
            "fraction": np.tile(steps / len(numbers), len(orders)),
            "accuracy": (counts.double() / len(targets)).flatten().numpy(),
        }
    )


def evaluator(model: nn.Module, numbers: Numbering) -> Evaluator:
    """The fastest way to evaluate a network's masks."""
    return ChainEvaluator.of(model, numbers) or MaskedEvaluator(model, numbers)


def _counts(way: Evaluator, images: Tensor, labels: Tensor, orders: Tensor) -> Tensor:
    """(orderings, steps) int64: samples classified rightly."""
    counts = torch.zeros(len(orders), orders.shape[1] + 1, dtype=torch.int64)
    batches = list(zip(images.split(BATCH), labels.split(BATCH), strict=True))
    with bar("ablation", len(batches) * counts.numel(), "mask", delay=2) as shown:
        for pixels, targets in batches:
            way.load(pixels)
            for k, order in enumerate(orders):
                step = 0
                for block in way.cumulative(order):
                    found = right(block, targets, way.plain).sum(1).cpu()
                    counts[k, step : step + len(found)] += found
                    step += len(found)
                    shown.update(len(found))
    return counts


def checked_orderings(given: int | Sequence[Sequence[int]] | np.ndarray | Tensor, units: int) -> Tensor:
    """(orderings, units) int64, each row every number from 0 to units − 1 once.

    Args:
        given: a count of random orderings, the same ones whenever they are asked for (the first few of more), or the
            orderings themselves. A row that leaves units out is refused: a curve ends where no unit is left.
        units: how many there are.

    Raises:
        UnitError: anything else, named.
    """
    if isinstance(given, int | np.integer) and not isinstance(given, bool):
        if given < 1:
            raise UnitError(f"orderings: {given} given; a count of 1 or more is needed")
        drawn = [torch.randperm(units, generator=generator(0, "ablation", k)) for k in range(int(given))]
        return torch.stack(drawn)
    rows = [torch.as_tensor(np.asarray(row)) for row in _rows(given)]
    for k, row in enumerate(rows):
        _check_ordering(k, row, units)
    return torch.stack([row.long() for row in rows])


def _rows(given: object) -> list:
    if isinstance(given, Tensor):
        given = given.detach().cpu().numpy()
    if not isinstance(given, Sequence | np.ndarray) or isinstance(given, str) or not len(given):
        raise UnitError(f"orderings: {given!r} given; a count, or rows of unit numbers, is needed")
    if isinstance(given, np.ndarray) and given.ndim != 2:
        raise UnitError(f"orderings: shape {given.shape} given; (orderings, units) is needed")
    return list(given)


def _check_ordering(k: int, row: Tensor, units: int) -> None:
    name = f"orderings: row {k}"
    if row.ndim != 1 or row.is_floating_point() or row.dtype == torch.bool or row.is_complex():
        raise UnitError(f"{name} is not a list of whole numbers")
    wrong = row[(row < 0) | (row >= units)]
    if len(wrong):
        raise UnitError(f"{name} has unit {int(wrong[0])}; 0 to {units - 1} is allowed")
    if len(row) != units:
        raise UnitError(f"{name} has {len(row)} units; every row needs each of the {units} once")
    counts = torch.bincount(row.long(), minlength=units)
    if counts.max() > 1:
        raise UnitError(f"{name} has unit {int(counts.argmax())} {int(counts.max())} times; once is allowed")
