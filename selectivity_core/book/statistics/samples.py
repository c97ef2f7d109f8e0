"""What every statistic here does first: check the arguments, drop the values that are missing."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from selectivity_core.errors import ParameterError

Floats = NDArray[np.float64]

# Values that are equal but for rounding have a spread of about 1e-16 of their size: below this it counts as
# none.
ROUNDING = 1e-12


def numbers(values: ArrayLike, name: str = "values") -> Floats:
    """A flat float64 array of the values, NaN kept; infinite values are refused.

    Raises:
        ParameterError: if the values are not one-dimensional real numbers, or one of them is infinite.
    """
    try:
        array = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        raise ParameterError(f"{name}: cannot be read as numbers; allowed is a list of real numbers") from None
    if array.ndim != 1:
        raise ParameterError(f"{name}: has shape {array.shape}; allowed is one dimension, one value a network")
    if np.isinf(array).any():
        raise ParameterError(f"{name}: holds an infinite value; allowed are real numbers, NaN where one is missing")
    return array


def present(values: ArrayLike, name: str = "values") -> Floats:
    """The values that are not NaN, as a flat float64 array."""
    array = numbers(values, name)
    return array[~np.isnan(array)]


def constant(values: Floats) -> bool:
    """Whether the values are all the same but for rounding."""
    return bool(np.ptp(values) <= ROUNDING * np.abs(values).max())


def check_fraction(value: float, name: str) -> None:
    """Refuse anything but a number strictly between 0 and 1.

    Raises:
        ParameterError: if the value lies outside.
    """
    if not 0 < value < 1:
        raise ParameterError(f"{name}: {value!r} given; allowed is a number strictly between 0 and 1")
