"""Mean and standard deviation of every unit over samples and positions, gathered in one pass."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from .ablation.decisions import BATCH
from .ablation.inputs import checked_images
from .ablation.stages import run
from .errors import UnitError
from .evaluation import evaluating
from .progress import bar
from .units import unit_dimension, unit_layers

CHUNK = 64  # samples whose activity is held in float64 at a time


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


def unit_means(model: nn.Module, images: Tensor | np.ndarray, layers: str | Sequence[str] = "all") -> dict[str, Tensor]:
    """layer -> (units,) float64 mean activity over samples and positions: what `value` of an ablation takes.

    Args:
        model: any module; it is evaluated in evaluation mode and left as it was.
        images: (samples, ...) floating point, as the model takes them; the training set's, for the papers' use.
        layers: as for `unit_layers`.

    Returns:
        layer -> (units,) float64 CPU tensor.

    Raises:
        UnitError: a layer that the model lacks or does not use.
        ActivityError: images that are not finite floating-point numbers.
    """
    return {name: found.mean.cpu() for name, found in _moments(model, images, layers).items()}


def unit_deviations(
    model: nn.Module, images: Tensor | np.ndarray, layers: str | Sequence[str] = "all"
) -> dict[str, Tensor]:
    """layer -> (units,) float64 standard deviation over samples and positions (population: no Bessel correction).

    Args:
        model: any module; it is evaluated in evaluation mode and left as it was.
        images: (samples, ...) floating point, as the model takes them; the training set's, for the papers' use.
        layers: as for `unit_layers`.

    Returns:
        layer -> (units,) float64 CPU tensor, in the unit of the activity.

    Raises:
        UnitError: a layer that the model lacks or does not use.
        ActivityError: images that are not finite floating-point numbers.
    """
    found = _moments(model, images, layers)
    return {name: (m.squares / m.count).sqrt().cpu() for name, m in found.items()}


def _moments(model: nn.Module, images: Tensor | np.ndarray, layers: str | Sequence[str]) -> dict[str, Moments]:
    modules = unit_layers(model, layers)
    pixels, _ = checked_images(model, images, np.zeros(len(images), dtype=np.int64))
    found: dict[str, Moments] = {}
    with evaluating(model), ExitStack() as hooks:
        for name, module in modules.items():
            hooks.callback(module.register_forward_hook(_gather(name, found)).remove)
        with bar("unit statistics", len(pixels), "image", delay=2) as shown:
            for some in pixels.split(BATCH):
                run([model], some)
                shown.update(len(some))
    unused = [name for name in modules if name not in found]
    if unused:
        raise UnitError(f"layer {unused[0]!r}: the model does not use it in a pass")
    return {name: found[name] for name in modules}


def _gather(name: str, found: dict[str, Moments]) -> Callable[..., None]:
    def hook(_module: nn.Module, _inputs: object, output: Tensor) -> None:
        for some in output.split(CHUNK):
            activity = some.movedim(unit_dimension(some), 0).flatten(1)
            if name not in found:
                zeros = torch.zeros(len(activity), dtype=torch.float64, device=activity.device)
                found[name] = Moments(0, zeros, zeros.clone())
            found[name].add(activity)

    return hook
