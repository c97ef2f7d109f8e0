"""How much single units matter: what is lost when one alone is ablated (Morcos et al. 2018, 3.4)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..arithmetic import evaluating
from ..progress import bar
from ..watching import UnitDim
from .curves import evaluator
from .inputs import checked_pairs
from .masked import BATCH, plainly_right, right, settled
from .numbering import AblationValue, number_units

if TYPE_CHECKING:
    import pandas as pd


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
        model: any module that gives logits (samples, classes).
        images: (samples, ...) floating point, as the model takes them.
        labels: (samples,) integers; samples of -100 are left out.
        layers: as for `cumulative_ablation`.
        value: what a unit is set to: "zero", or layer -> (units,) one value for each, such as its mean.
        unit_dim: as for `record`.

    Returns:
        a row a unit, layers in the order given, with columns layer, unit, accuracy in [0, 1], loss (mean cross-entropy
        in nats), and accuracy_change and loss_change: less those of the intact network, so that a unit which helps has
        a negative accuracy_change and a positive loss_change.

    Raises:
        UnitError: layers or values that do not fit, or units whose dimension cannot be told.
        ActivityError: images or labels that do not fit, or an output that is not (samples, classes).
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
                for some_masks in way.singles():
                    block = settled(some_masks, way.plain)
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
