"""Generated uint8 images in the shape of CIFAR-10, so that nothing is downloaded."""

from __future__ import annotations

import torch

from selectivity_core.data import Dataset, class_names
from selectivity_core.data.sources import IMAGENET
from selectivity_core.seeds import generator


def generated(train: int, validation: int, test: int, size: int = 32, classes: int = 10) -> Dataset:
    """A data set of noise with a colour of its own for each class.

    Args:
        train: images to train on; `validation` more are there to be set apart.
        validation, test: numbers of images.
        size: height and width in pixels.
        classes: how many; the labels go round.
    """
    draw = generator(0, "benchmark images")
    colours = torch.randint(60, 180, (classes, 1, 1, 3), generator=draw)

    def part(count: int) -> tuple[torch.Tensor, torch.Tensor]:
        labels = torch.arange(count) % classes
        noise = torch.randint(-60, 60, (count, size, size, 3), generator=draw)
        return (colours[labels] + noise).to(torch.uint8), labels

    (images, labels), (test_images, test_labels) = part(train + validation), part(test)
    mean, std = IMAGENET
    names = class_names("cifar10") if classes == 10 else tuple(map(str, range(classes)))
    return Dataset(
        "cifar10", images, labels, test_images, test_labels, names, validation, "generated", mean, std, digest=""
    )
