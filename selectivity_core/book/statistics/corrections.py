"""Corrections for many tests, and the stars that figures draw for a corrected p-value."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from selectivity_core.book.statistics.samples import Floats, check_fraction, numbers
from selectivity_core.errors import ParameterError


def _p_values(p: ArrayLike) -> Floats:
    values = numbers(p, "p")
    outside = values[(values < 0) | (values > 1)]
    if outside.size:
        raise ParameterError(f"p: {float(outside[0])!r} given; allowed are p-values between 0 and 1, or NaN")
    return values


def holm(p: ArrayLike) -> Floats:
    """Holm's step-down adjusted p-values, in the order given.

    NaN stays NaN and does not count as a test.

    Args:
        p: p-values, (tests,).

    Raises:
        ParameterError: for a value outside [0, 1].
    """
    adjusted = _p_values(p).copy()
    order = np.argsort(adjusted, kind="stable")[: np.count_nonzero(~np.isnan(adjusted))]
    factors = np.arange(order.size, 0, -1)
    adjusted[order] = np.minimum(np.maximum.accumulate(adjusted[order] * factors), 1)
    return adjusted


def bonferroni(p: ArrayLike) -> Floats:
    """Bonferroni adjusted p-values, in the order given.

    NaN stays NaN and does not count as a test.

    Args:
        p: p-values, (tests,).

    Raises:
        ParameterError: for a value outside [0, 1].
    """
    values = _p_values(p)
    return np.minimum(values * np.count_nonzero(~np.isnan(values)), 1)


def stars(p: float, levels: Sequence[float] = (0.05, 0.01, 0.001)) -> str:
    """One star for each level that a corrected p-value lies below; none for NaN.

    Args:
        p: corrected already.
        levels: such as 0.05.

    Raises:
        ParameterError: for a p-value outside [0, 1] or a level outside (0, 1).
    """
    for level in levels:
        check_fraction(level, "levels")
    value = _p_values([p])[0]
    return "*" * sum(bool(value < level) for level in levels)
