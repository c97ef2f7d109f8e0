"""The index and d′ with part of their gradient cut off: what α does by a shift of units, and by their spread, alone.

Both have the value of the measure that they come from. Their gradients leave every difference between class means as it
is, so that a network trained with them reaches another index (or d′) without changing its classes directly.
"""

from __future__ import annotations

import torch
from torch import Tensor

from .indices import EPS, ClassStatistics


def offset_of_means(means: Tensor, eps: float = EPS) -> Tensor:
    """The selectivity index of class means, which only their common shift can change.

    Args:
        means: (classes, units) class means, every class present.
        eps: keeps the denominator off zero.

    Returns:
        (units,) the value of `index_of_means`. Its gradient is the same for every class mean of a unit.
    """
    if len(means) < 2:
        return means.sum(0) * 0
    fixed, shift = means.detach(), (means - means.detach()).mean(0)
    top = fixed.max(0).values
    others = (fixed.sum(0) - top) / (len(means) - 1)
    return (top - others) / (top + others + 2 * shift + eps)


def spread_of(stats: ClassStatistics, eps: float = EPS) -> Tensor:
    """d′ of class moments, which only the variance within classes can change.

    Args:
        stats: moments of (classes, units).
        eps: keeps the denominator off zero.

    Returns:
        (units,) the value of `discriminability_of`. No gradient flows into class means.
    """
    means, counts = stats.means.detach(), stats.counts[:, None]
    if len(means) < 2:
        return stats.means.sum(0) * 0
    best = stats.highest()[None]
    top = means.gather(0, best)[0]
    others = (means.sum(0) - top) / (len(means) - 1)
    keep = counts.expand_as(means).scatter(0, best, 0.0)
    total = keep.sum(0)
    centre = (keep * means).sum(0) / total
    within = (keep * stats.variances).sum(0) / total
    between = (keep * (means - centre).square()).sum(0) / total
    half = (stats.variances.gather(0, best)[0] + within + between) / 2
    # The root's slope is infinite at 0: there the spread is exactly 0 and takes no gradient.
    root = torch.where(half > 0, half, torch.ones_like(half)).sqrt() * (half > 0)
    return (top - others) / (root + eps)
