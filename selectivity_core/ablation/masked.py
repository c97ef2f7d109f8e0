"""Ablation of any network: its own forward pass under hooks, from the first ablated layer on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import torch
from torch import Tensor, nn

from ..errors import ActivityError
from ..units import unit_dimension, unit_layers
from .decisions import BATCH, Block
from .inputs import Numbering
from .stages import run, split


class MaskedEvaluator:
    """Evaluates masks by passes through the network; where images are few, many masks share a pass.

    Args:
        model: any module, in evaluation mode.
        numbering: of the units that masks are about.
    """

    def __init__(self, model: nn.Module, numbering: Numbering) -> None:
        self.numbering = numbering
        self.layers = unit_layers(model, list(numbering.sizes))
        self.before, self.rest = split(model, list(self.layers.values()))

    def load(self, images: Tensor) -> None:
        """What comes before the first ablated layer is computed once."""
        self.entering = run(self.before, images)

    def plain(self, mask: Tensor) -> Tensor:
        """One pass for one mask."""
        return self._logits(mask[None])[0]

    def cumulative(self, ordering: Tensor) -> Iterator[Block]:
        """Steps 0 to N of an ordering (units,)."""
        rank = ordering.argsort()
        steps = torch.arange(len(ordering) + 1)
        yield from self._blocks(steps[:, None] > rank)

    def singles(self) -> Iterator[Block]:
        """Every unit alone."""
        yield from self._blocks(torch.eye(len(self.numbering), dtype=torch.bool))

    def _blocks(self, masks: Tensor) -> Iterator[Block]:
        for some in masks.split(max(1, BATCH // len(self.entering))):
            yield Block(some, self._logits(some), self.plain(some[-1]) if len(some) > 1 else None)

    def _logits(self, masks: Tensor) -> Tensor:
        """(masks, samples, classes), all masks in one pass: the samples once for each mask."""
        count, samples = len(masks), len(self.entering)
        with ExitStack() as hooks:
            for name, clamped in self.numbering.split(masks).items():
                constants = None if self.numbering.constants is None else self.numbering.constants[name]
                handle = self.layers[name].register_forward_hook(_clamp(name, clamped, constants))
                hooks.callback(handle.remove)
            logits = run(self.rest, self.entering.repeat(count, *[1] * (self.entering.ndim - 1)))
        if not isinstance(logits, Tensor) or logits.shape[:1] != (count * samples,):
            shape = tuple(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
            raise ActivityError(f"model: output {shape} for {count * samples} images; (samples, classes) is needed")
        return logits.unflatten(0, (count, samples))


def _clamp(layer: str, clamped: Tensor, constants: Tensor | None) -> Callable[..., Tensor]:
    """A hook that clamps units for each mask's share of the samples; clamped (masks, units)."""

    def hook(_module: nn.Module, _inputs: object, output: Tensor) -> Tensor:
        dimension = unit_dimension(output)
        shape = [1] * output.ndim
        shape[dimension] = output.shape[dimension]
        each = clamped.to(output.device).view(len(clamped), *shape)
        values = torch.zeros((), dtype=output.dtype) if constants is None else constants.to(output.dtype).view(shape)
        apart = output.view(len(clamped), -1, *output.shape[1:])
        return torch.where(each, values.to(output.device), apart).flatten(0, 1)

    return hook
