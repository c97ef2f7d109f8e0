"""Rank correlation in one network, and its average over networks."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from selectivity_core.book.statistics.intervals import Interval, t_interval
from selectivity_core.book.statistics.samples import numbers, present
from selectivity_core.errors import ParameterError

# Fisher's z of a perfect correlation is infinite; a perfect one in a few units must not decide the average
# alone.
LARGEST = 0.999


def spearman(x: ArrayLike, y: ArrayLike) -> tuple[float, int]:
    """Spearman's rank correlation and the number of pairs it rests on.

    Pairs with a NaN are dropped; fewer than two pairs, or a side with one value only, give NaN.

    Args:
        x: (pairs,).
        y: (pairs,), in the same order.

    Raises:
        ParameterError: for sides of different length.
    """
    first, second = numbers(x, "x"), numbers(y, "y")
    if first.size != second.size:
        raise ParameterError(f"x, y: {first.size} and {second.size} values given; allowed is the same number")
    both = ~(np.isnan(first) | np.isnan(second))
    first, second = first[both], second[both]
    n = first.size
    if n < 2 or np.ptp(first) == 0 or np.ptp(second) == 0:
        return float("nan"), n
    return float(stats.spearmanr(first, second).statistic), n


def mean_correlation(per_network: ArrayLike, level: float = 0.95) -> Interval:
    """Average correlation over networks: Student's t interval of Fisher's z, turned back into correlations.

    Args:
        per_network: one correlation a network, (networks,); NaN are dropped; beyond ±0.999 they count as
            ±0.999.
        level: coverage of the interval.

    Raises:
        ParameterError: for a value outside [-1, 1].
    """
    values = present(per_network, "per_network")
    outside = values[np.abs(values) > 1]
    if outside.size:
        raise ParameterError(f"per_network: {float(outside[0])!r} given; allowed are correlations from -1 to 1")
    found = t_interval(np.arctanh(np.clip(values, -LARGEST, LARGEST)), level)
    mean, low, high = (float(np.tanh(z)) for z in (found.mean, found.low, found.high))
    return Interval(mean, low, high, found.n, "fisher z")
