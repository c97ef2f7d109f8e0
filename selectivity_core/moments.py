"""Mean and standard deviation of units over samples and positions: what ablation and noise take."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from .ablation.inputs import checked_images
from .ablation.masked import BATCH
from .arithmetic import evaluating
from .errors import UnitError
from .progress import bar
from .watching import Call, UnitDim, Watch

SAMPLES_AT_ONCE = 64  # samples whose activity is held in float64 at a time


@dataclass
class Moments:
    """Running mean and sum of squared deviations, (units,) float64, of `count` values for each unit."""

    count: int
    mean: Tensor
    squares: Tensor

    def add(self, activity: Tensor) -> None:
        """Merges activity (units, values), without ever subtracting large sums from each other (Chan et al. 1983)."""
        values = activity.double()
        count, mean = values.shape[1], values.mean(1)
        apart = mean - self.mean
        total = self.count + count
        self.squares += (values - mean[:, None]).square().sum(1) + apart.square() * (self.count * count / total)
        self.mean += apart * (count / total)
        self.count = total


def unit_means(
    model: nn.Module, images: Tensor | np.ndarray, layers: str | Sequence[str] = "all", *, unit_dim: UnitDim = None
) -> dict[str, Tensor]:
    """layer -> (units,) float64 mean activity over samples and positions: what `value` of an ablation takes.

    Args:
        model: any module; it is evaluated in evaluation mode and left as it was.
        images: (samples, ...) as the model takes them; the training set's, for the papers' use.
        layers: as for `unit_layers`.
        unit_dim: as for `record`.

    Returns:
        layer -> (units,) float64 CPU tensor; an entry for each use of a module that a pass uses several times, as
        `record` names them.

    Raises:
        UnitError: a layer that the model lacks, does not use in every batch, or whose units cannot be told.
        ActivityError: images that are not finite floating-point numbers, or numbers of tokens.
    """
    return {name: found.mean.cpu() for name, found in _moments(model, images, layers, unit_dim).items()}


def unit_deviations(
    model: nn.Module, images: Tensor | np.ndarray, layers: str | Sequence[str] = "all", *, unit_dim: UnitDim = None
) -> dict[str, Tensor]:
    """layer -> (units,) float64 standard deviation over samples and positions (population: no Bessel correction).

    Args:
        model, images, layers, unit_dim: as for `unit_means`.

    Returns:
        as `unit_means` does, in the unit of the activity.

    Raises:
        UnitError, ActivityError: as `unit_means` does.
    """
    found = _moments(model, images, layers, unit_dim)
    return {name: (m.squares / m.count).sqrt().cpu() for name, m in found.items()}


class _Moments(Watch):
    """Moments of the units of every use of some layers."""

    def __init__(self, model: nn.Module, layers: str | Sequence[str], unit_dim: UnitDim) -> None:
        super().__init__(model, layers, unit_dim)
        self.found: dict[tuple[str, int], Moments] = {}
        self.passes = Counter[tuple[str, int]]()

    def see(self, call: Call) -> None:
        key = call.layer, call.number
        self.passes[key] += 1
        for some in call.output.split(SAMPLES_AT_ONCE):
            activity = some.movedim(call.dim, 0).flatten(1)
            if key not in self.found:
                zeros = torch.zeros(len(activity), dtype=torch.float64, device=activity.device)
                self.found[key] = Moments(0, zeros, zeros.clone())
            self.found[key].add(activity)

    def ended(self, _output: object, failed: bool) -> None:
        if not failed:
            self.check_used()


def _moments(
    model: nn.Module, images: Tensor | np.ndarray, layers: str | Sequence[str], unit_dim: UnitDim
) -> dict[str, Moments]:
    pixels = checked_images(model, images)
    batches = pixels.split(BATCH)
    shown = bar("unit statistics", len(pixels), "image", delay=2)
    with evaluating(model), _Moments(model, layers, unit_dim) as seen, shown:
        for some in batches:
            model(some.clone())  # its first module may work in place
            shown.update(len(some))
    for (layer, number), passes in seen.passes.items():
        if passes < len(batches):
            raise UnitError(f"layer '{layer}:{number}': the model uses it in {passes} of {len(batches)} batches")
    return seen.named(seen.found, as_asked=True)
