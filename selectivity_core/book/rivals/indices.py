"""Indices that look like the papers' and are not.

Activity is (samples, units) or (samples, units, H, W), labels (samples,) integers, results (units,) CPU tensors unless
said otherwise; activity is not negative. All raise `ActivityError` where shapes do not fit or activity is not finite.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ...errors import ActivityError
from ...indices import EPS, checked, class_statistics, index_of_means, selectivity_index


def index_of_class_sums(activity: Tensor, labels: Tensor) -> Tensor:
    """The index of class sums in place of class means.

    A class with many samples then looks preferred: a unit that answers every sample alike has an index above 0
    wherever classes are of unequal size, as they are in every random batch.
    """
    stats = class_statistics(*checked(activity, labels))
    return index_of_means(stats.means * stats.counts[:, None]).cpu()


def index_with_absent_classes_as_zero(
    activity: Tensor, labels: Tensor, classes: int
) -> Tensor:  # fmt: skip
    """The index with classes that do not occur counted as classes to which the unit does not answer.

    The mean of the others falls by the share of absent classes, so small batches raise the index.

    Args:
        activity, labels: as above, labels in [0, classes).
        classes: how many there are in the data set.
    """
    values, targets = checked(activity, labels)
    stats = class_statistics(values, targets)
    if int(targets.min()) < 0 or int(targets.max()) >= classes:
        raise ActivityError(f"labels: {int(targets.min())} to {int(targets.max())} given; 0 to {classes - 1} is needed")
    means = values.new_zeros(classes, values.shape[1]).index_copy(0, stats.classes, stats.means)
    return index_of_means(means).cpu()


def index_against_all_other_samples(activity: Tensor, labels: Tensor) -> Tensor:
    """The index with μ₋max taken over all samples of the other classes together.

    Large classes then weigh more than small ones. On sets with equally many samples of each class it is the same.
    """
    stats = class_statistics(*checked(activity, labels))
    if len(stats.classes) < 2:
        return stats.means.sum(0).cpu() * 0
    best = stats.highest()[None]
    top = stats.means.gather(0, best)[0]
    sums = stats.means * stats.counts[:, None]
    others = (sums.sum(0) - sums.gather(0, best)[0]) / (stats.counts.sum() - stats.counts[best[0]])
    return ((top - others) / (top + others + EPS)).cpu()


def index_of_positions(maps: Tensor, labels: Tensor) -> Tensor:
    """The index of each position of each feature map, as if every one were a neuron.

    A map that answers a class wherever it stands in the image is one selective unit; its positions are many units, each
    noisier and each selective for where things stand as well.

    Args:
        maps: (samples, units, H, W).
        labels: (samples,) integers.

    Returns:
        (units · H · W,), position by position within each unit.
    """
    if maps.ndim != 4:
        raise ActivityError(f"maps: shape {tuple(maps.shape)} given; (samples, units, H, W) is needed")
    return selectivity_index(maps.flatten(1), labels)


def discriminability_without_root(activity: Tensor, labels: Tensor) -> Tensor:
    """d′ divided by the mean variance itself and not by its square root.

    It is no longer free of units: a unit whose activity is twice as large has half the value.
    """
    values, targets = checked(activity, labels)
    stats = class_statistics(values, targets)
    if len(stats.classes) < 2:
        return stats.means.sum(0).cpu() * 0
    best = stats.highest()
    top = stats.means.gather(0, best[None])[0]
    others = (stats.means.sum(0) - top) / (len(stats.classes) - 1)
    inside = (targets[:, None] == stats.classes[best]).to(values.dtype)
    spreads = [_variance(values, weights) for weights in (inside, 1 - inside)]
    return ((top - others) / ((spreads[0] + spreads[1]) / 2 + EPS)).cpu()


def _variance(values: Tensor, weights: Tensor) -> Tensor:
    """(units,) population variance over the samples that `weights` (samples, units) picks for each unit."""
    total = weights.sum(0)
    mean = (weights * values).sum(0) / total
    return torch.sum(weights * (values - mean).square(), 0) / total
