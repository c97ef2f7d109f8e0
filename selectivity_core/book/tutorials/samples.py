"""The digits of scikit-learn in the forms that the tutorials' networks take."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor

from ...data import load, normalise, split

SIDE = 32  # pixels, of the digits that torchvision's network is shown


@dataclass(frozen=True, eq=False)
class Samples:
    """What a network is trained or tested on.

    Attributes:
        inputs: (samples, ...) float32, as the network takes them.
        labels: (samples,) int64.
    """

    inputs: Tensor
    labels: Tensor


def digits_as_images(seed: int, train_size: int) -> tuple[Samples, Samples]:
    """Training and test digits as torchvision's networks take images, (samples, 3, 32, 32): enlarged, grey as colour.

    Raises:
        SpecError: more training images than there are.
    """
    return _digits(seed, train_size, _enlarged)


def digits_as_rows(seed: int, train_size: int) -> tuple[Samples, Samples]:
    """Training and test digits as sequences (samples, 8 tokens, 8 features): a token for each row of pixels.

    Raises:
        SpecError: more training images than there are.
    """
    return _digits(seed, train_size, lambda images: images[:, 0])


def _digits(seed: int, train_size: int, form: Callable[[Tensor], Tensor]) -> tuple[Samples, Samples]:
    digits = load("digits")
    drawn = split(digits, seed, train_size)
    train = Samples(form(normalise(digits.images[drawn.train], digits)).contiguous(), drawn.train_labels)
    return train, Samples(form(normalise(digits.test_images, digits)).contiguous(), digits.test_labels)


def _enlarged(images: Tensor) -> Tensor:
    return F.interpolate(images, size=SIDE, mode="bilinear", align_corners=False).expand(-1, 3, -1, -1)
