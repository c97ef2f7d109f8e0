"""Which images a run trains on, which it chooses its epoch by, and with which labels."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..errors import SpecError
from ..seeds import generator
from .dataset import Dataset


@dataclass(frozen=True, eq=False)
class Split:
    """Indices into a data set's images, and the labels to train with.

    Attributes:
        train: (train_size,) int64.
        train_labels: (train_size,) int64, corrupted where the spec says so.
        validation: (validation,) int64; disjoint from `train`.
    """

    train: Tensor
    train_labels: Tensor
    validation: Tensor


def split(dataset: Dataset, seed: int, train_size: int, label_corruption: float = 0.0) -> Split:
    """Draws validation and training images for a seed, both balanced over classes as far as numbers allow.

    The order deals the classes out in turn, each class in random order; validation takes the first images, training
    the next `train_size`.

    Raises:
        SpecError: more training images asked for than there are.
    """
    available = len(dataset.labels) - dataset.validation
    if not 1 <= train_size <= available:
        raise SpecError(
            f"train_size: {train_size} given; 1 to {available} is allowed for {dataset.name} "
            f"({dataset.validation} images are set apart for validation)"
        )
    labels = dataset.labels.cpu()
    shuffled = torch.randperm(len(labels), generator=generator(seed, "split"))
    by_class = shuffled[labels[shuffled].argsort(stable=True)]
    turn = torch.cat([torch.arange(int(n)) for n in labels.bincount() if n])
    order = by_class[turn.argsort(stable=True)]
    validation, train = order[: dataset.validation], order[dataset.validation :][:train_size]
    return Split(train, corrupt(labels[train], len(dataset.classes), label_corruption, seed), validation)


def corrupt(labels: Tensor, classes: int, share: float, seed: int) -> Tensor:
    """Relabels a share of the samples uniformly over all classes, the true one included (Morcos et al. 2018, 3.1).

    The samples relabelled at a smaller share are among those of a larger one. Fixed for the whole training.

    Args:
        labels: (samples,) int64.
        classes: number of classes.
        share: 0 to 1.
        seed: the run's.
    """
    if share == 0:
        return labels
    draw = generator(seed, "corruption")
    chosen = torch.randperm(len(labels), generator=draw)[: round(share * len(labels))]
    drawn = torch.randint(classes, (len(labels),), generator=draw)
    corrupted = labels.clone()
    corrupted[chosen] = drawn[chosen]
    return corrupted
