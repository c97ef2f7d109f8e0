"""The index and d′ with part of their gradient cut off: what α does by a shift of units, and by their spread, alone.

Both have the value of the measure that they come from. Their gradients leave every difference between class means as it
is, so that a network trained with them reaches another index (or d′) without changing its classes directly.
"""

from __future__ import annotations

from dataclasses import replace

from torch import Tensor

from .indices import ClassStatistics, discriminability_of, index_of_means


def offset_of_means(means: Tensor) -> Tensor:
    """The selectivity index of class means, which only their common shift can change.

    Args:
        means: (classes, units) class means, every class present.

    Returns:
        (units,) the value of `index_of_means`. Its gradient is the same for every class mean of a unit.
    """
    fixed = means.detach()
    return index_of_means(fixed + (means - fixed).mean(0)) if len(means) else means.sum(0)


def spread_of(stats: ClassStatistics) -> Tensor:
    """d′ of class moments, which only the variance within classes can change.

    Args:
        stats: moments of (classes, units).

    Returns:
        (units,) the value of `discriminability_of`. No gradient flows into class means.
    """
    if len(stats.means) < 2:
        return stats.means.sum(0) * 0
    return discriminability_of(replace(stats, means=stats.means.detach()))
