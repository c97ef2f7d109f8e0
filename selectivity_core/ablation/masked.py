"""Which samples are classified rightly under many masks, exactly as one plain forward pass for each mask says.

Fast ways to the logits of many masks add up the same numbers in another order, so that their last digits differ from a
plain pass. A sample's prediction can then differ only where the margin between its label's logit and the highest
other one is about as small as that difference. The difference is measured on the block's last mask, which is always
passed plainly; samples whose margin under any mask is below many times the largest one seen are decided by a plain
pass too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn

from ..errors import ActivityError
from ..perturbation import along, changing, of_call
from ..watching import Call
from .numbering import Numbering
from .parts import parts_around, run

BATCH = 500  # images in one plain forward pass
SAFETY = 16.0  # times the largest difference seen
FLOOR = 64.0  # times the rounding of the largest logit


@dataclass(frozen=True)
class MaskedLogits:
    """Logits under some masks, for the images at hand.

    Attributes:
        masks: (masks, all units) bool, True where a unit is ablated.
        logits: (masks, samples, classes).
        last: (samples, classes) the last mask's, from a plain pass; None where all of `logits` are from plain passes.
    """

    masks: Tensor
    logits: Tensor
    last: Tensor | None


class Evaluator(Protocol):
    """A way to the logits of a network under masks of its units."""

    def load(self, images: Tensor) -> None:
        """Takes images (samples, ...): those that the other methods are about."""

    def plain(self, mask: Tensor) -> Tensor:
        """Logits (samples, classes) under a mask (all units,), bit for bit those of a plain forward pass."""

    def cumulative(self, ordering: Tensor) -> Iterator[MaskedLogits]:
        """Blocks of masks that ablate the first 0, 1, ... units of an ordering."""

    def singles(self) -> Iterator[MaskedLogits]:
        """Blocks of masks that ablate each unit alone, in the order of their numbers."""


def right(block: MaskedLogits, labels: Tensor, plain: Callable[[Tensor], Tensor]) -> Tensor:
    """Whether each sample is classified rightly under each mask.

    Args:
        block: logits under masks.
        labels: (samples,).
        plain: `Evaluator.plain`.

    Returns:
        (masks, samples) bool; where logits tie the first class of the highest wins, as in `argmax`.

    Raises:
        ActivityError: logits that are not (samples, classes), or a label beyond the classes.
    """
    found = plainly_right(block.logits, labels)
    if block.last is None:
        return found
    margins = _margins(block.logits, labels)
    difference = (margins[-1] - _margins(block.last[None], labels)[0]).abs().max()
    rounding = torch.finfo(block.logits.dtype).eps * block.logits.abs().max()
    bound = torch.maximum(SAFETY * difference, FLOOR * rounding)
    # Not "<=": a margin or a bound that is not a number is unsure too.
    unsure = ~(margins.abs() > bound).all(1)
    for k in unsure[:-1].nonzero().flatten().tolist():
        found[k] = plainly_right(plain(block.masks[k])[None], labels)[0]
    found[-1] = plainly_right(block.last[None], labels)[0]
    return found


def settled(block: MaskedLogits, plain: Callable[[Tensor], Tensor]) -> MaskedLogits:
    """The block, or plain passes for all its masks where the last one's shows that more than rounding is between them.

    Masks that share a pass meet in networks that mix samples, such as by a mean over the batch.
    """
    if block.last is None:
        return block
    bound = torch.finfo(block.logits.dtype).eps ** 0.5 * block.logits.abs().max()
    if (block.logits[-1] - block.last).abs().max() <= bound:
        return block
    return MaskedLogits(block.masks, torch.stack([plain(mask) for mask in block.masks]), None)


def plainly_right(logits: Tensor, labels: Tensor) -> Tensor:
    """(masks, samples) bool: whether the highest of logits (masks, samples, classes) is the label's; see `right`."""
    if logits.ndim != 3 or logits.shape[1] != len(labels) or not logits.shape[2]:
        shape = tuple(logits.shape[1:])
        raise ActivityError(f"model: output of shape {shape} for {len(labels)} images; (samples, classes) is needed")
    if labels.max() >= logits.shape[2]:
        raise ActivityError(f"labels: {int(labels.max())} given; 0 to {logits.shape[2] - 1}, the logits, is allowed")
    return logits.argmax(2) == labels


def _margins(logits: Tensor, labels: Tensor) -> Tensor:
    """(masks, samples): the label's logit less the highest other one."""
    own = labels[None, :, None].expand(len(logits), -1, 1)
    others = logits.scatter(2, own, -torch.inf).amax(2)
    return logits.gather(2, own)[..., 0] - others


class MaskedEvaluator:
    """Evaluates masks by passes through the network; where images are few, many masks share a pass.

    Args:
        model: any module, in evaluation mode.
        numbering: of the units that masks are about.
    """

    def __init__(self, model: nn.Module, numbering: Numbering) -> None:
        self.model, self.numbering = model, numbering
        self.before, self.rest = parts_around(model, numbering.sizes)

    def load(self, images: Tensor) -> None:
        """What comes before the first ablated layer is computed once."""
        self.entering = run(self.before, images)

    def plain(self, mask: Tensor) -> Tensor:
        """One pass for one mask."""
        return self._logits(mask[None])[0]

    def cumulative(self, ordering: Tensor) -> Iterator[MaskedLogits]:
        """Steps 0 to N of an ordering (units,)."""
        rank = ordering.argsort()
        steps = torch.arange(len(ordering) + 1)
        yield from self._blocks(steps[:, None] > rank)

    def singles(self) -> Iterator[MaskedLogits]:
        """Every unit alone."""
        yield from self._blocks(torch.eye(len(self.numbering), dtype=torch.bool))

    def _blocks(self, masks: Tensor) -> Iterator[MaskedLogits]:
        for some in masks.split(max(1, BATCH // len(self.entering))):
            yield MaskedLogits(some, self._logits(some), self.plain(some[-1]) if len(some) > 1 else None)

    def _logits(self, masks: Tensor) -> Tensor:
        """(masks, samples, classes), all masks in one pass: the samples once for each mask."""
        count, samples = len(masks), len(self.entering)
        with changing(self.model, self.numbering.per_layer(masks), self._ablated, self.numbering.dims):
            logits = run(self.rest, self.entering.repeat(count, *[1] * (self.entering.ndim - 1)))
        if not isinstance(logits, Tensor) or logits.shape[:1] != (count * samples,):
            shape = tuple(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
            raise ActivityError(f"model: output {shape} for {count * samples} images; (samples, classes) is needed")
        return logits.unflatten(0, (count, samples))

    def _ablated(self, call: Call, masked: Tensor) -> Tensor:
        """A layer's output with each mask's units ablated in its share of the samples; masked (masks, units)."""
        output, constants = call.output, self.numbering.constants
        shape = [-1 if d == call.dim else 1 for d in range(output.ndim)]
        each = masked.to(output.device).view(len(masked), *shape)
        values = output.new_zeros(()) if constants is None else along(of_call(constants, call, "value"), call)
        apart = output.unflatten(0, (len(masked), -1))
        return torch.where(each, values.to(output), apart).flatten(0, 1)
