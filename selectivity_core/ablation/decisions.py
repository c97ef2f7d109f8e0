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
from torch import Tensor

from ..errors import ActivityError

BATCH = 500  # images in one plain forward pass
SAFETY = 16.0  # times the largest difference seen
FLOOR = 64.0  # times the rounding of the largest logit


@dataclass(frozen=True)
class Block:
    """Logits under some masks, for the images at hand.

    Attributes:
        masks: (masks, all units) bool, True where a unit is clamped.
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

    def cumulative(self, ordering: Tensor) -> Iterator[Block]:
        """Blocks of masks that clamp the first 0, 1, ... units of an ordering."""

    def singles(self) -> Iterator[Block]:
        """Blocks of masks that clamp each unit alone, in the order of their numbers."""


def right(block: Block, labels: Tensor, plain: Callable[[Tensor], Tensor]) -> Tensor:
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


def plainly_right(logits: Tensor, labels: Tensor) -> Tensor:
    """(masks, samples) bool: whether the highest of logits (masks, samples, classes) is the label's; see `right`."""
    if logits.ndim != 3 or logits.shape[1] != len(labels):
        shape = tuple(logits.shape[1:])
        raise ActivityError(f"model: output of shape {shape} for {len(labels)} images; (samples, classes) is needed")
    if labels.max() >= logits.shape[2]:
        raise ActivityError(f"labels: {int(labels.max())} given; 0 to {logits.shape[2] - 1}, the logits, is allowed")
    return logits.argmax(2) == labels


def _margins(logits: Tensor, labels: Tensor) -> Tensor:
    """(masks, samples): the label's logit less the highest other one."""
    place = labels[None, :, None].expand(len(logits), -1, 1)
    others = logits.scatter(2, place, -torch.inf).amax(2)
    return logits.gather(2, place)[..., 0] - others
