"""Accuracy with noise added to the units (Morcos et al. 2018, 2.2)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from ..arithmetic import evaluating
from ..errors import ActivityError, UnitError
from ..moments import unit_deviations
from ..perturbation import PerUnit, unit_noise
from ..progress import bar
from ..seeds import generator
from ..units import unit_layers
from ..watching import UnitDim
from .inputs import checked_pairs
from .masked import BATCH, plainly_right
from .numbering import number_units
from .parts import parts_around, run

if TYPE_CHECKING:
    import pandas as pd


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
        model: any module that gives logits (samples, classes).
        images: (samples, ...) floating point, as the model takes them.
        labels: (samples,) integers; samples of -100 are left out.
        scales: sizes of the noise in units of `std`, each 0 or more.
        layers: names of modules whose outputs are the units (or "all", "first3", "last3"); by default those of `std`,
            or all.
        std: layer -> (units,) deviation of each unit over samples and positions, as `unit_deviations` measures it on
            the training set; by default measured on `images`.
        draws: how often the noise is drawn.
        seed: of the noise.
        unit_dim: as for `record`.

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
    unit_layers(model, asked)
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
