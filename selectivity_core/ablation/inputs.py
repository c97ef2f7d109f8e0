"""Images and labels as a network takes them, checked before any pass."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from ..errors import ActivityError
from ..indices import IGNORED, checked_labels


def checked_images(model: nn.Module, images: Tensor | np.ndarray) -> Tensor:
    """Images (samples, ...) in the model's floating type, on its device; of a model with an embedding also its tokens.

    Raises:
        ActivityError: no samples, or numbers that are neither finite floating-point ones nor those of tokens.
    """
    pixels, parameter = _tensor(images), next(model.parameters(), None)
    texts = any(isinstance(module, nn.Embedding) for module in model.modules())
    whole = texts and pixels.dtype in (torch.int32, torch.int64)
    if not (pixels.is_floating_point() or whole):
        raise ActivityError(f"images: {pixels.dtype} given; floating-point numbers are needed")
    if pixels.ndim < 2 or not pixels.numel():
        raise ActivityError(f"images: shape {tuple(pixels.shape)} given; (samples, ...) with a sample is needed")
    bad = ~torch.isfinite(pixels).flatten(1).all(1)
    if bad.any():
        raise ActivityError(f"images: not finite in {int(bad.sum())} of {len(pixels)} (first: {int(bad.nonzero()[0])})")
    if parameter is None:
        return pixels
    dtype = parameter.dtype if parameter.is_floating_point() and not whole else pixels.dtype
    return pixels.to(parameter.device, dtype)


def checked_pairs(model: nn.Module, images: Tensor | np.ndarray, labels: Tensor | np.ndarray) -> tuple[Tensor, Tensor]:
    """Images as `checked_images` gives them and labels (samples,) as int64, without the samples that are ignored.

    Raises:
        ActivityError: as `checked_images`; or labels that are not one integer of 0 or more for each image.
    """
    pixels = checked_images(model, images)
    targets = checked_labels(labels, len(pixels), pixels.device, of="images")
    kept = targets != IGNORED
    if not kept.any():
        raise ActivityError(f"labels: all are {IGNORED}, which is left out")
    pixels, targets = (pixels, targets) if kept.all() else (pixels[kept], targets[kept])
    if targets.min() < 0:
        raise ActivityError(f"labels: {int(targets.min())} given; 0 and up is allowed")
    return pixels, targets


def _tensor(given: Tensor | np.ndarray) -> Tensor:
    if isinstance(given, Tensor):
        return given.detach()
    # torch takes neither reversed arrays nor, without a warning, read-only ones.
    return torch.as_tensor(np.require(given, requirements=["C", "W"]))
