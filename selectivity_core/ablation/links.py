"""What stands between one layer of units and the next, where that is linear: the ground of fast ablation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..models.network import Stage, Units, mean_over_positions
from ..units import ACTIVATIONS
from .stages import run, split

# Element by element and the same for every unit, so that any selection of units may be passed through.
POINTWISE = (Units, *(kind for kind in ACTIVATIONS if kind is not nn.PReLU))


@dataclass(frozen=True)
class Link:
    """From one layer's activity to the next one's input, or to the logits.

    Attributes:
        stages: as the network runs them.
        weight: (outputs, units) or (outputs, units, kernel, kernel), with batch norm's factor in it.
        bias: (outputs,), with batch norm's in it.
        convolution: whose geometry `weight` has; None where it is a matrix.
        pooled: the mean over positions comes first.
        activation: of the layer that the link leads to; None before the logits.
    """

    stages: tuple[Stage, ...]
    weight: Tensor
    bias: Tensor
    convolution: nn.Conv2d | None
    pooled: bool
    activation: nn.Module | None

    def plain(self, activity: Tensor) -> Tensor:
        """The next layer's input, bit for bit as the network computes it."""
        return run(self.stages, activity)

    def apply(self, activity: Tensor, units: Tensor, outputs: Tensor) -> Tensor:
        """What some units add to some outputs, without the bias.

        Args:
            activity: (samples, units chosen, ...).
            units: their numbers.
            outputs: numbers of the outputs wanted.
        """
        weight = self.weight
        weight = weight if len(outputs) == len(weight) else weight[outputs]
        weight = weight if len(units) == weight.shape[1] else weight[:, units]
        if self.convolution is not None:
            geometry = self.convolution
            return F.conv2d(activity, weight, None, geometry.stride, geometry.padding, geometry.dilation)
        return self.pool(activity) @ weight.T

    def pool(self, activity: Tensor) -> Tensor:
        """(samples, units, ...) as the matrix takes it."""
        return mean_over_positions(activity) if self.pooled else activity

    def activate(self, given: Tensor) -> Tensor:
        """The next layer's activity, of whatever units; logits are left as they are."""
        return given if self.activation is None else self.activation(given)


def read_links(
    model: nn.Module, layers: Sequence[nn.Module]
) -> tuple[list[Stage], list[tuple[nn.Module, Link]]] | None:
    """A network as links from its first ablated layer on, where it is such a chain.

    Args:
        model: any module, in evaluation mode.
        layers: those to be ablated.

    Returns:
        the stages up to the first ablated layer, that included, and each layer from there with the link that follows
        it. None where something else stands between: a shortcut, a pool, a module used twice, hooks of others.
    """
    before, rest = split(model, layers)
    names = [id(stage) for stage in before + rest]
    if not rest or not isinstance(rest[0], POINTWISE) or len(set(names)) != len(names):
        return None
    found: list[tuple[nn.Module, Link]] = []
    source, between = rest[0], list[Stage]()
    for stage in rest[1:]:
        if not isinstance(stage, POINTWISE):
            between.append(stage)
            continue
        link = _link(between, stage)
        if link is None:
            return None
        found.append((source, link))
        source, between = stage, []
    last = _link(between, None)
    if last is None or last.convolution is not None:
        return None
    found.append((source, last))
    known = {id(source) for source, _ in found}
    if any(id(layer) not in known for layer in layers) or any(getattr(s, "inplace", False) for s, _ in found):
        return None
    return [*before, rest[0]], found


def _link(stages: list[Stage], activation: nn.Module | None) -> Link | None:
    """The link that some stages make; None where they are not [mean,] one linear map[, batch norm]."""
    kept = [s for s in stages if not isinstance(s, nn.Identity | nn.Dropout)]
    pooled = bool(kept) and kept[0] is mean_over_positions
    kept = kept[1:] if pooled else kept
    if not 1 <= len(kept) <= 2:
        return None
    linear, norm = kept[0], kept[1] if len(kept) == 2 else None
    if isinstance(linear, nn.Conv2d):
        if pooled or linear.groups != 1 or linear.padding_mode != "zeros":
            return None
    elif not isinstance(linear, nn.Linear):
        return None
    if norm is not None and not _frozen(norm):
        return None
    weight, bias = _folded(linear, norm)  # type: ignore[arg-type]
    convolution = linear if isinstance(linear, nn.Conv2d) else None
    return Link(tuple(stages), weight, bias, convolution, pooled, activation)


def _frozen(norm: Stage) -> bool:
    return isinstance(norm, nn.BatchNorm1d | nn.BatchNorm2d) and norm.running_mean is not None


def _folded(linear: nn.Conv2d | nn.Linear, norm: nn.BatchNorm1d | nn.BatchNorm2d | None) -> tuple[Tensor, Tensor]:
    """Weight and bias of a linear map and the batch norm behind it as one, computed in float64."""
    weight = linear.weight.detach().double()
    bias = weight.new_zeros(len(weight)) if linear.bias is None else linear.bias.detach().double()
    if norm is not None:
        factor = (norm.running_var.double() + norm.eps).rsqrt()  # type: ignore[union-attr]
        factor = factor if norm.weight is None else factor * norm.weight.detach().double()
        weight = weight * factor.view(-1, *[1] * (weight.ndim - 1))
        bias = (bias - norm.running_mean.double()) * factor  # type: ignore[union-attr]
        bias = bias if norm.bias is None else bias + norm.bias.detach().double()
    dtype = linear.weight.dtype
    # Contiguous whatever the network's memory format, so that selections of it are too.
    return weight.to(dtype, memory_format=torch.contiguous_format), bias.to(dtype)
