"""What one pass over a test set leaves of a layer: each sample's activity, and where units are active or never are."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .units import never_negative, spatial_mean

CHUNK = 64  # samples at a time: their maps are still in the processor's cache when they are read again


def active_share(output: Tensor) -> Tensor:
    """(samples, units) float32 share of positions where a unit's output is above zero.

    A positive floating-point number is a positive integer too when its bits are read as one; counting in short
    integers is several times faster than averaging truth values.

    Args:
        output: (samples, units) or (samples, units, H, W), finite, of 16 or 32 bits a number.
    """
    bits = output.view(torch.int16 if output.element_size() == 2 else torch.int32).clamp(0, 1)
    if output.ndim == 2:
        return bits.float()
    samples, units, height, width = output.shape
    if output.is_contiguous(memory_format=torch.channels_last):  # whole rows first: they are long
        rows = bits.permute(0, 2, 3, 1).reshape(samples, height, width * units)
        count = rows.sum(1, dtype=bits.dtype).view(samples, width, units).sum(1, dtype=torch.float32)
    else:
        count = bits.sum((2, 3), dtype=torch.float32)
    return count / (height * width)


class LayerActivity:
    """One layer's activity, gathered batch by batch as a forward hook.

    Attributes:
        ever: (units,) whether a unit's output was ever other than zero, at any sample and position.
    """

    def __init__(self) -> None:
        self._means: list[Tensor] = []
        self._shares: list[Tensor] = []
        self.ever = torch.zeros((), dtype=torch.bool)

    def __call__(self, module: nn.Module, _inputs: object, output: Tensor) -> None:
        """Takes a batch's output (samples, units) or (samples, units, H, W)."""
        for some in output.split(CHUNK):
            share = active_share(some)
            self._means.append(spatial_mean(some))
            self._shares.append(share)
            active = share if never_negative(module) else spatial_mean(some.sign().abs())
            self.ever = self.ever.to(active.device) | (active > 0).any(0)

    def means(self) -> Tensor:
        """(samples, units) spatial means of all batches so far, on the CPU."""
        return torch.cat(self._means).cpu()

    def shares(self) -> Tensor:
        """(samples, units) shares of active positions of all batches so far, on the CPU."""
        return torch.cat(self._shares).cpu()
