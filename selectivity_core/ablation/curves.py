"""Accuracy as units are ablated one after the other, one alone, or made noisy (Morcos et al. 2018, 2.2 and 3.4)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..arithmetic import evaluating
from ..errors import ActivityError, ParameterError, UnitError
from ..perturbation import BATCH, PerUnit, checked_pairs, unit_deviations, unit_noise
from ..progress import bar
from ..seeds import generator
from ..watching import UnitDim
from .fast import ChainEvaluator
from .masked import (
    AblationValue,
    MaskedEvaluator,
    Numbering,
    number_units,
    parts_around,
    plainly_right,
    right,
    run,
)

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
        first = accuracy[0]
        for how, areas in found.items():
            if how == "initial":
                scaled = accuracy / (first if first > 0 else np.nan)
            elif how == "chance":
                assert chance is not None
                scaled = (accuracy - chance) / (first - chance if first >= 2 * chance else np.nan)
            else:
                scaled = accuracy
            areas.append(float(np.trapezoid(scaled, fraction)))
    return {how: np.array(areas, dtype=np.float64) for how, areas in found.items()}


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
        counts = torch.zeros(len(orders), len(numbers) + 1, dtype=torch.int64)  # samples classified rightly
        way = evaluator(model, numbers)
        batches = list(zip(pixels.split(BATCH), targets.split(BATCH), strict=True))
        with bar("ablation", len(batches) * counts.numel(), "mask", delay=2) as shown:
            for some, wanted in batches:
                way.load(some)
                for k, order in enumerate(orders):
                    step = 0
                    for block in way.cumulative(order):
                        found = right(block, wanted, way.plain).sum(1).cpu()
                        counts[k, step : step + len(found)] += found
                        step += len(found)
                        shown.update(len(found))
    steps = np.arange(len(numbers) + 1)
    return pd.DataFrame(
        {
            "ordering": np.repeat(np.arange(len(orders)), len(steps)),
            "step": np.tile(steps, len(orders)),
            "fraction": np.tile(steps / len(numbers), len(orders)),
            "accuracy": (counts.double() / len(targets)).flatten().numpy(),
        }
    )


def evaluator(model: nn.Module, numbers: Numbering) -> ChainEvaluator | MaskedEvaluator:
    """The fastest way to evaluate a network's masks."""
    return ChainEvaluator.of(model, numbers) or MaskedEvaluator(model, numbers)


def checked_orderings(given: int | Sequence[Sequence[int]] | np.ndarray | Tensor, units: int) -> Tensor:
    """(orderings, units) int64, each row every number from 0 to units − 1 once; anything else is a `UnitError`.

    A count draws random orderings, the same ones whenever they are asked for (the first few of more). A row that leaves
    units out is refused: a curve ends where no unit is left.
    """
    if isinstance(given, int | np.integer) and not isinstance(given, bool):
        if given < 1:
            raise UnitError(f"orderings: {given} given; a count of 1 or more is needed")
        return torch.stack([torch.randperm(units, generator=generator(0, "ablation", k)) for k in range(int(given))])
    if isinstance(given, Tensor):
        given = given.detach().cpu().numpy()
    if not isinstance(given, Sequence | np.ndarray) or not len(given):
        raise UnitError(f"orderings: {given!r} given; a count, or rows of unit numbers, is needed")
    if isinstance(given, np.ndarray) and given.ndim != 2:
        raise UnitError(f"orderings: shape {given.shape} given; (orderings, units) is needed")
    rows = []
    for k, row in enumerate(map(np.asarray, given)):
        name = f"orderings: row {k}"
        if row.ndim != 1 or row.dtype.kind not in "iu":
            raise UnitError(f"{name} is not a list of whole numbers")
        row = row.astype(np.int64)
        wrong = row[(row < 0) | (row >= units)]
        if len(wrong):
            raise UnitError(f"{name} has unit {wrong[0]}; 0 to {units - 1} is allowed")
        if len(row) != units:
            raise UnitError(f"{name} has {len(row)} units; every row needs each of the {units} once")
        counts = np.bincount(row)
        if counts.max() > 1:
            raise UnitError(f"{name} has unit {counts.argmax()} {counts.max()} times; once is allowed")
        rows.append(row)
    return torch.from_numpy(np.stack(rows))


def unit_importance(
    model: nn.Module,
    images: Tensor | np.ndarray,
    labels: Tensor | np.ndarray,
    *,
    layers: str | Sequence[str],
    value: AblationValue = "zero",
    unit_dim: UnitDim = None,
) -> pd.DataFrame:
    """Accuracy and loss with each unit alone ablated after its non-linearity.

    Accuracies are those of one plain forward pass for each unit, in batches of 500 images in evaluation mode; losses
    agree with such passes up to rounding. The model is left as it was.

    Args:
        model, images, labels, layers, value, unit_dim: as for `cumulative_ablation`, which refuses the same.

    Returns:
        a row a unit, layers in the order given, with columns layer, unit, accuracy in [0, 1], loss (mean cross-entropy
        in nats), and accuracy_change and loss_change: less those of the intact network, so that a unit which helps has
        a negative accuracy_change and a positive loss_change.
    """
    import pandas as pd

    pixels, targets = checked_pairs(model, images, labels)
    with evaluating(model):
        numbers = number_units(model, layers, value, pixels[:2], unit_dim)
        way = evaluator(model, numbers)
        intact = torch.zeros(2, 1, dtype=torch.float64)
        found = torch.zeros(2, len(numbers), dtype=torch.float64)
        batches = list(zip(pixels.split(BATCH), targets.split(BATCH), strict=True))
        with bar("importance", len(batches) * len(numbers), "unit", delay=2) as shown:
            for some, wanted in batches:
                way.load(some)
                logits = way.plain(torch.zeros(len(numbers), dtype=torch.bool))[None]
                hits = plainly_right(logits, wanted).sum(1).double()
                intact += torch.stack([hits, _losses(logits, wanted)]).cpu()
                unit = 0
                for block in way.singles():
                    hits = right(block, wanted, way.plain).sum(1).double()
                    chosen = slice(unit, unit + len(hits))
                    found[:, chosen] += torch.stack([hits, _losses(block.logits, wanted)]).cpu()
                    unit = chosen.stop
                    shown.update(len(hits))
    means, changes = (found / len(targets)).numpy(), ((found - intact) / len(targets)).numpy()
    units = numbers.units()
    return pd.DataFrame(
        {
            "layer": [layer for layer, _ in units],
            "unit": [unit for _, unit in units],
            "accuracy": means[0],
            "loss": means[1],
            "accuracy_change": changes[0],
            "loss_change": changes[1],
        }
    )


def _losses(logits: Tensor, labels: Tensor) -> Tensor:
    """(masks,) summed cross-entropy of logits (masks, samples, classes)."""
    each = F.cross_entropy(logits.double().flatten(0, 1), labels.repeat(len(logits)), reduction="none")
    return each.view(len(logits), -1).sum(1)


def noise_curve(
    model: nn.Module,
    images: Tensor | np.ndarray,
    labels: Tensor | np.ndarray,
    *,
    scales: Sequence[float] | np.ndarray,
    layers: str | Sequence[str] | None = None,
    std: Mapping[str, PerUnit] | None = None,
    draws: int = 10,
    seed: int = 0,
    unit_dim: UnitDim = None,
) -> pd.DataFrame:
    """Accuracy with Gaussian noise on all units of some layers at once, for several sizes of the noise.

    Within a draw every scale multiplies the same noise, so that a curve is not roughened by new draws; draws are
    independent of each other. The model is left as it was.

    Args:
        model, images, labels, unit_dim: as for `cumulative_ablation`.
        scales: sizes of the noise in units of `std`, each 0 or more.
        layers: names of modules whose outputs are the units (or "all", "first3", "last3"); by default those of `std`,
            or all.
        std: layer -> (units,) deviation of each unit over samples and positions, as `unit_deviations` measures it on
            the training set; by default measured on `images`.
        draws: how often the noise is drawn.
        seed: of the noise.

    Returns:
        a row for each draw and, in the order given, scale, with columns draw, scale and accuracy in [0, 1].

    Raises:
        UnitError: before any pass: a negative or non-finite scale, no scales, fewer than one draw, layers or deviations
            that do not fit. Units whose dimension cannot be told.
        ActivityError: images or labels that do not fit, or logits that do not fit the labels.
    """
    import pandas as pd

    sizes = _checked_scales(model, scales)
    if isinstance(draws, bool) or not isinstance(draws, int) or draws < 1:
        raise UnitError(f"draws: {draws!r} given; a whole number of 1 or more is needed")
    asked = layers if layers is not None else list(std) if std is not None else "all"
    pixels, targets = checked_pairs(model, images, labels)
    if std is None:
        std = unit_deviations(model, pixels, asked, unit_dim=unit_dim)
        asked = list(std)
    with evaluating(model):
        numbers = number_units(model, asked, std, pixels[:2], unit_dim, name="std")
    deviations = numbers.constants
    assert deviations is not None
    counts = torch.zeros(draws, len(sizes), dtype=torch.int64)
    before, rest = parts_around(model, deviations)
    batches = list(zip(pixels.split(BATCH), targets.split(BATCH), strict=True))
    with evaluating(model), bar("noise", len(batches) * counts.numel(), "pass", delay=2) as shown:
        for k, (some, wanted) in enumerate(batches):
            entering = run(before, some)
            for draw in range(draws):
                for column, scale in enumerate(sizes):
                    with unit_noise(
                        model, scale, deviations, generator(seed, "unit noise", draw, k), unit_dim=numbers.dims
                    ):
                        logits = run(rest, entering)
                    if not isinstance(logits, Tensor):
                        raise ActivityError(f"model: output {type(logits).__name__}; (samples, classes) is needed")
                    counts[draw, column] += plainly_right(logits[None], wanted).sum().cpu()
                    shown.update()
    return pd.DataFrame(
        {
            "draw": np.repeat(np.arange(draws), len(sizes)),
            "scale": np.tile(sizes, draws),
            "accuracy": (counts.double() / len(targets)).flatten().numpy(),
        }
    )


def _checked_scales(model: nn.Module, scales: Sequence[float] | np.ndarray) -> list[float]:
    try:
        sizes = [float(scale) for scale in scales]
    except (TypeError, ValueError):
        raise UnitError(f"scales: {scales!r} given; a list of numbers of 0 or more is needed") from None
    if not sizes:
        raise UnitError("scales: none given; at least one number of 0 or more is needed")
    for scale in sizes:
        with unit_noise(model, scale, {}):
            pass
    return sizes
