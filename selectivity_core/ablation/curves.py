"""Cumulative ablation: units clamped one after the other, in random or given orders."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from ..evaluation import evaluating
from ..progress import bar
from .chain import ChainEvaluator
from .decisions import BATCH, Evaluator, right
from .inputs import Numbering, Value, checked_images, checked_orderings, numbering
from .masked import MaskedEvaluator

if TYPE_CHECKING:
    import pandas as pd


def cumulative_ablation(
    model: nn.Module,
    images: Tensor | np.ndarray,
    labels: Tensor | np.ndarray,
    *,
    layers: str | Sequence[str],
    orderings: int | Sequence[Sequence[int]] | np.ndarray | Tensor,
    value: Value = "zero",
) -> pd.DataFrame:
    """Accuracy as units are clamped after their non-linearity, one more at each step (Morcos et al. 2018, 2.2).

    The accuracies are those of one plain forward pass for each mask, in batches of 500 images in evaluation mode and
    the model's own precision, at a small part of the cost where the network is a chain of layers. The model is left as
    it was.

    Args:
        model: any module that gives logits (samples, classes).
        images: (samples, ...) floating point, as the model takes them.
        labels: (samples,) integers.
        layers: names of modules whose outputs are the units (or "all", "first3", "last3"). Units of several layers are
            numbered one layer after the other, in this order.
        orderings: how many random orderings, the same ones each time, or (orderings, units) with every unit's number
            once in each row.
        value: what units are clamped to: "zero", or layer -> (units,) one value for each, such as its mean.

    Returns:
        columns ordering, step (units clamped, 0 to N), fraction (step / N) and accuracy in [0, 1].

    Raises:
        UnitError: layers, orderings or values that do not fit, before any pass; for a network from elsewhere, whose
            layers' sizes are not known, after a pass of one image.
        ActivityError: images or labels that do not fit.
    """
    import pandas as pd

    pixels, targets = checked_images(model, images, labels)
    with evaluating(model):
        numbers = numbering(model, layers, value, pixels[:1])
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
