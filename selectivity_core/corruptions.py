"""Common corruptions of small images, after Hendrycks & Dietterich (2019)."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from scipy import ndimage
from torch import Tensor

from .errors import DataError, ParameterError, required, unknown
from .seeds import generator

SEVERITIES = (1, 2, 3, 4, 5)


@dataclass(frozen=True)
class Corruption:
    """A corruption, with what was published of its five severities on images of 32x32 pixels.

    Attributes:
        make: changes images (samples, H, W, channels) float32 in [0, 1], by a generator and a severity's settings; what
            it gives may leave [0, 1].
        settings: of each severity. Lengths are in pixels, and are not scaled with the image.
        smallest: the smallest side of images on which the five severities make sense.
    """

    make: Callable[..., Tensor]
    settings: tuple[tuple[float, ...], ...]
    smallest: int = 1


def corrupt(images: Tensor, corruption: str, severity: int, *, seed: int = 0) -> Tensor:
    """Images changed by a common corruption. The same images and seed give the same result; severities share draws.

    Strengths are those of CIFAR-10-C (Hendrycks & Dietterich 2019). Values are rounded to whole numbers, where the
    published data cut them off. Fog is a sum of random fields of ever finer grain that fade as theirs do, not their
    fractal. Motion blur takes the nearest pixel. Compressed images may differ between versions of Pillow.

    Args:
        images: (samples, H, W, channels) uint8, grey or RGB.
        corruption: a name of `CORRUPTIONS`; `corruptions_for` has those for a size.
        severity: 1 to 5.
        seed: of what is drawn.

    Returns:
        (samples, H, W, channels) uint8, new.

    Raises:
        ParameterError: an unknown corruption or severity, or images too small for the corruption.
        DataError: images of another shape or type.
        MissingExtraError: pixelate and jpeg need Pillow, which the extra "data" brings.
    """
    if corruption not in CORRUPTIONS:
        raise ParameterError(unknown("corruption", corruption, CORRUPTIONS))
    if severity not in SEVERITIES:
        raise ParameterError(f"severity: {severity!r} given; 1 to 5 is allowed")
    if images.ndim != 4 or images.shape[3] not in (1, 3) or images.dtype != torch.uint8 or not images.numel():
        given = f"{tuple(images.shape)} {images.dtype}"
        raise DataError(f"images: {given} given; (samples, H, W, channels) uint8 with 1 or 3 channels is needed")
    kind, side = CORRUPTIONS[corruption], min(images.shape[1:3])
    if side < kind.smallest:
        raise ParameterError(f"{corruption}: images of {side} pixels given; {kind.smallest} or more are needed")
    draw = generator(seed, f"corruption {corruption}")
    changed = kind.make(images.cpu().float() / 255, draw, *kind.settings[int(severity) - 1])
    return (changed * 255).round().clamp(0, 255).to(torch.uint8).to(images.device)


def corruptions_for(side: int) -> tuple[str, ...]:
    """The corruptions that make sense on images of so many pixels a side: all from 16 pixels on."""
    return tuple(name for name, kind in CORRUPTIONS.items() if side >= kind.smallest)


def _gaussian_noise(images: Tensor, draw: torch.Generator, deviation: float) -> Tensor:
    return images + deviation * torch.randn(images.shape, generator=draw)


def _shot_noise(images: Tensor, draw: torch.Generator, photons: float) -> Tensor:
    """The brightness of a value is counted in so many photons at most."""
    return torch.poisson(images * photons, generator=draw) / photons


def _impulse_noise(images: Tensor, draw: torch.Generator, share: float) -> Tensor:
    """A share of the values of every channel becomes 0 or 1."""
    chosen, white = torch.rand((2, *images.shape), generator=draw)
    return torch.where(chosen < share, (white < 0.5).float(), images)


def _gaussian_blur(images: Tensor, _draw: torch.Generator, deviation: float) -> Tensor:
    return torch.from_numpy(ndimage.gaussian_filter(images.numpy(), (0, deviation, deviation, 0), mode="nearest"))


def _motion_blur(images: Tensor, draw: torch.Generator, reach: float, deviation: float) -> Tensor:
    """Smeared to one side along a line within 45° of the horizontal, by half a Gaussian of 2 `reach` + 1 pixels."""
    samples, height, width, _ = images.shape
    angle = (torch.rand(samples, generator=draw) - 0.5) * torch.pi / 2
    weights = torch.exp(-((torch.arange(2 * reach + 1) / deviation) ** 2) / 2)
    found = torch.zeros_like(images)
    for step, weight in enumerate(weights / weights.sum()):
        rows = torch.arange(height) + (step * angle.sin()).round().long()[:, None]
        columns = torch.arange(width) + (step * angle.cos()).round().long()[:, None]
        rows, columns = rows.clamp(0, height - 1), columns.clamp(0, width - 1)
        found += weight * images[torch.arange(samples)[:, None, None], rows[:, :, None], columns[:, None, :]]
    return found


def _fog(images: Tensor, draw: torch.Generator, density: float, fading: float) -> Tensor:
    """A field in [0, 1] is added, and the sum scaled so that an image keeps its maximum."""
    samples, height, width, _ = images.shape
    field = torch.zeros(samples, 1, height, width)
    octaves = range(1, max(1, (max(height, width) - 1).bit_length()) + 1)
    for octave in octaves:  # cells half as wide each time
        grain = torch.rand(samples, 1, 2**octave, 2**octave, generator=draw) - 0.5
        field += F.interpolate(grain, (height, width), mode="bilinear") / fading ** (2 * octave)
    field -= field.amin((2, 3), keepdim=True)
    field /= field.amax((2, 3), keepdim=True).clamp_min(1e-12)
    brightest = images.amax((1, 2, 3), keepdim=True)
    return (images + density * field.permute(0, 2, 3, 1)) * brightest / (brightest + density)


def _brightness(images: Tensor, _draw: torch.Generator, more: float) -> Tensor:
    """The value of HSV, an image's largest channel, is raised; hue and saturation stay."""
    value = images.amax(3, keepdim=True)
    raised = (value + more).clamp_max(1)
    return torch.where(value > 0, images * raised / value.clamp_min(1e-12), raised)


def _contrast(images: Tensor, _draw: torch.Generator, share: float) -> Tensor:
    means = images.mean((1, 2), keepdim=True)
    return means + share * (images - means)


def _pixelate(images: Tensor, _draw: torch.Generator, share: float) -> Tensor:
    from PIL import Image

    height, width = images.shape[1:3]
    small = max(1, int(width * share)), max(1, int(height * share))

    def change(picture: Image.Image) -> Image.Image:
        return picture.resize(small, Image.Resampling.BOX).resize((width, height), Image.Resampling.BOX)

    return _each(images, change)


def _jpeg(images: Tensor, _draw: torch.Generator, quality: float) -> Tensor:
    from PIL import Image

    def change(picture: Image.Image) -> Image.Image:
        content = io.BytesIO()
        picture.save(content, "JPEG", quality=int(quality))
        return Image.open(content)

    return _each(images, change)


def _each(images: Tensor, change: Callable) -> Tensor:
    """Images changed one by one as Pillow's."""
    required("data", "PIL")
    from PIL import Image

    grey = images.shape[3] == 1
    pixels = (images * 255).round().to(torch.uint8).numpy()
    found = [np.asarray(change(Image.fromarray(one[:, :, 0] if grey else one))) for one in pixels]
    return torch.from_numpy(np.stack(found).reshape(pixels.shape)).float() / 255


# Strengths: make_cifar_c.py in github.com/hendrycks/robustness.
CORRUPTIONS: dict[str, Corruption] = {
    "gaussian noise": Corruption(_gaussian_noise, ((0.04,), (0.06,), (0.08,), (0.09,), (0.10,))),
    "shot noise": Corruption(_shot_noise, ((500,), (250,), (100,), (75,), (50,))),
    "impulse noise": Corruption(_impulse_noise, ((0.01,), (0.02,), (0.03,), (0.05,), (0.07,))),
    "gaussian blur": Corruption(_gaussian_blur, ((0.4,), (0.6,), (0.7,), (0.8,), (1.0,))),
    # It smears over up to 9 pixels, more than an image of 8 has.
    "motion blur": Corruption(_motion_blur, ((6, 1), (6, 1.5), (6, 2), (8, 2), (9, 2.5)), smallest=16),
    "fog": Corruption(_fog, ((0.2, 3), (0.5, 3), (0.75, 2.5), (1, 2), (1.5, 1.75))),
    "brightness": Corruption(_brightness, ((0.05,), (0.1,), (0.15,), (0.2,), (0.3,))),
    "contrast": Corruption(_contrast, ((0.75,), (0.5,), (0.4,), (0.3,), (0.15,))),
    # Below 16 pixels several severities shrink an image to the same size.
    "pixelate": Corruption(_pixelate, ((0.95,), (0.9,), (0.85,), (0.75,), (0.65,)), smallest=16),
    "jpeg": Corruption(_jpeg, ((80,), (65,), (58,), (50,), (40,))),
}
