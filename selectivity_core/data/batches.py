"""From uint8 images to what a network is fed: gathering, augmentation and normalisation, on the images' device."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from .dataset import Dataset


def crop_and_flip(images: Tensor, generator: torch.Generator, padding: int = 4) -> Tensor:
    """A random crop of each image padded with black, and a horizontal flip of every second one on average.

    Args:
        images: (samples, H, W, channels) uint8.
        generator: a CPU generator.
        padding: black pixels added on each side before the crop.

    Returns:
        (samples, H, W, channels) uint8.
    """
    n, height, width, _ = images.shape
    down = torch.randint(2 * padding + 1, (n, 1), generator=generator)
    right = torch.randint(2 * padding + 1, (n, 1), generator=generator)
    flip = torch.rand(n, 1, generator=generator) < 0.5
    rows = down + torch.arange(height)
    columns = right + torch.arange(width)
    columns = torch.where(flip, columns.flip(1), columns)
    device = images.device
    padded = F.pad(images, (0, 0, padding, padding, padding, padding))
    sample = torch.arange(n, device=device)[:, None, None]
    return padded[sample, rows.to(device)[:, :, None], columns.to(device)[:, None, :]]


def normalise(images: Tensor, dataset: Dataset) -> Tensor:
    """(samples, H, W, channels) uint8 to (samples, channels, H, W) float32, channels last in memory."""
    mean = torch.tensor(dataset.mean, device=images.device) * 255
    scale = 1 / (torch.tensor(dataset.std, device=images.device) * 255)
    return ((images.float() - mean) * scale).permute(0, 3, 1, 2)


def batch(dataset: Dataset, indices: Tensor, augment: torch.Generator | None = None) -> Tensor:
    """The training images at `indices` as a network takes them, augmented where a generator is given."""
    images = dataset.images[indices]
    if augment is not None:
        images = crop_and_flip(images, augment)
    return normalise(images, dataset)
