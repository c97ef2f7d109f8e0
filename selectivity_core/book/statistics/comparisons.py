"""Two conditions compared, one value a network: the papers' own tests, shown beside the judging one.

The estimate is always "first minus second". NaN values are dropped. A test that cannot be computed (fewer
than two values on a side, or no spread at all) has NaN for statistic and p-value instead of an error.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from math import comb

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import stats

from selectivity_core.book.statistics.intervals import t_interval
from selectivity_core.book.statistics.samples import ROUNDING, Floats, check_fraction, constant, numbers, present
from selectivity_core.errors import ParameterError

# The exact rank-sum distribution has as many terms as there are pairs; it is worth having where samples are
# small.
EXACT_UP_TO = 50
MOST_DEALS = 20_000  # 8 against 8 has 12,870


@dataclass(frozen=True)
class TestResult:
    """A test of "no difference".

    `estimate`, `low` and `high` are in the unit of the values; `n_a` and `n_b` count the values used.
    """

    __test__ = False  # the name would make pytest take the class for a test

    name: str
    statistic: float
    p: float
    estimate: float
    low: float
    high: float
    n_a: int
    n_b: int


def _difference_of_means(a: ArrayLike, b: ArrayLike, level: float, name: str, *, equal_var: bool) -> TestResult:
    check_fraction(level, "level")
    first, second = present(a, "a"), present(b, "b")
    counts = first.size, second.size
    estimate = float(first.mean() - second.mean()) if min(counts) else np.nan
    if min(counts) < 2 or (constant(first) and constant(second)):
        return TestResult(name, np.nan, np.nan, estimate, np.nan, np.nan, *counts)
    with warnings.catch_warnings():
        # One side may well be constant, such as accuracy at chance; the other's spread then carries the test.
        warnings.filterwarnings("ignore", "Precision loss occurred", RuntimeWarning)
        result = stats.ttest_ind(first, second, equal_var=equal_var)
    bounds = result.confidence_interval(level)
    statistic, p, low, high = map(float, (result.statistic, result.pvalue, bounds.low, bounds.high))
    return TestResult(name, statistic, p, estimate, low, high, *counts)


def welch(a: ArrayLike, b: ArrayLike, level: float = 0.95) -> TestResult:
    """Welch's t-test, which lets the two spreads differ; at least two values on each side.

    Args:
        a: one value a network, (n_a,).
        b: one value a network of the other condition, (n_b,).
        level: coverage of the interval.

    Raises:
        ParameterError: for values that are not a list of numbers or a level outside (0, 1).
    """
    return _difference_of_means(a, b, level, "Welch", equal_var=False)


def student(a: ArrayLike, b: ArrayLike, level: float = 0.95) -> TestResult:
    """Student's t-test with one spread for both; at least two values on each side.

    Args:
        a: one value a network, (n_a,).
        b: one value a network of the other condition, (n_b,).
        level: coverage of the interval.

    Raises:
        ParameterError: for values that are not a list of numbers or a level outside (0, 1).
    """
    return _difference_of_means(a, b, level, "Student", equal_var=True)


def paired(a: ArrayLike, b: ArrayLike, level: float = 0.95) -> TestResult:
    """Paired t-test over seeds; pairs with a NaN on either side are dropped.

    Args:
        a: one value a seed, (seeds,). Two pandas Series are matched on their index, which is then the seed.
        b: the values of the same seeds in the same order, (seeds,).
        level: coverage of the interval.

    Raises:
        ParameterError: for sides of different length, or an index that names a seed twice.
    """
    check_fraction(level, "level")
    if isinstance(a, pd.Series) and isinstance(b, pd.Series):
        if not (a.index.is_unique and b.index.is_unique):
            raise ParameterError("a, b: a seed occurs twice in the index; allowed is each seed once a side")
        a, b = a.align(b, join="inner")
    first, second = numbers(a, "a"), numbers(b, "b")
    if first.size != second.size:
        raise ParameterError(f"a, b: {first.size} and {second.size} values given; allowed is one of each for a seed")
    difference = present(first - second)
    bounds = t_interval(difference, level)
    n = bounds.n
    if n < 2 or constant(difference):
        return TestResult("paired t", np.nan, np.nan, bounds.mean, np.nan, np.nan, n, n)
    statistic, p = map(float, stats.ttest_1samp(difference, 0.0))
    return TestResult("paired t", statistic, p, bounds.mean, bounds.low, bounds.high, n, n)


def _rank_sum_tail(n_a: int, n_b: int) -> Floats:
    """P(U <= u) for u = 0 .. n_a*n_b under no difference, by the product form of U's generating function."""
    counts = np.zeros(n_a * n_b + 1)
    counts[0] = 1
    for k in range(1, n_a + 1):
        # times (1 - x^(n_b+k)), then divided by (1 - x^k)
        counts[n_b + k :] -= counts[: -(n_b + k)].copy()
        for start in range(k):
            counts[start::k] = np.cumsum(counts[start::k])
    return np.cumsum(counts) / comb(n_a + n_b, n_a)


def _shift_bounds(differences: Floats, n_a: int, n_b: int, level: float) -> tuple[float, float]:
    """The shifts that an exact rank-sum test does not refuse; the whole line where it never refuses."""
    tail = (1 - level) / 2 + ROUNDING  # 3 against 3 reaches 0.05 a side just so
    outside = int(np.searchsorted(_rank_sum_tail(n_a, n_b), tail, side="right"))
    if outside == 0:
        return -np.inf, np.inf
    ordered = np.sort(differences)
    return float(ordered[outside - 1]), float(ordered[-outside])


def rank_sum(a: ArrayLike, b: ArrayLike, level: float = 0.95) -> TestResult:
    """Wilcoxon's rank-sum (Mann-Whitney) test, two-sided.

    Exact where neither side holds more than 50 values and none are tied, or where all ways of dealing the tied
    values out to the two sides can be counted; otherwise by the normal approximation, which `name` says. The
    estimate is Hodges and Lehmann's shift, the median of all differences; its interval comes from the exact
    distribution, is infinite where these sample sizes never reach the level, and is left NaN for larger samples.

    Args:
        a: one value a network, (n_a,).
        b: one value a network of the other condition, (n_b,).
        level: coverage of the interval.

    Raises:
        ParameterError: for values that are not a list of numbers or a level outside (0, 1).
    """
    check_fraction(level, "level")
    first, second = present(a, "a"), present(b, "b")
    n_a, n_b = first.size, second.size
    if not min(n_a, n_b):
        return TestResult("rank sum", np.nan, np.nan, np.nan, np.nan, np.nan, n_a, n_b)
    differences = np.subtract.outer(first, second).ravel()
    estimate = float(np.median(differences))
    everything = np.concatenate([first, second])
    if np.ptp(everything) == 0:
        return TestResult("rank sum", np.nan, np.nan, estimate, np.nan, np.nan, n_a, n_b)
    small = max(n_a, n_b) <= EXACT_UP_TO
    tied = np.unique(everything).size < everything.size
    # With ties the approximation could fall below what so few values can reach; then every deal is counted.
    countable = comb(n_a + n_b, n_a) <= MOST_DEALS
    exact = countable if tied else small
    counted = stats.PermutationMethod(n_resamples=MOST_DEALS)
    method = "asymptotic" if not exact else counted if tied else "exact"
    result = stats.mannwhitneyu(first, second, method=method)
    bounds = _shift_bounds(differences, n_a, n_b, level) if small else (np.nan, np.nan)
    name = f"rank sum ({'exact' if exact else 'normal approximation'})"
    return TestResult(name, float(result.statistic), float(result.pvalue), estimate, *bounds, n_a, n_b)


def rank_sum_floor(n_a: int, n_b: int) -> float:
    """The smallest two-sided p-value that an exact rank-sum test can give: 0.1 for 3 against 3.

    NaN where a side is empty.

    Args:
        n_a: networks on one side.
        n_b: networks on the other.

    Raises:
        ParameterError: for a negative count.
    """
    if min(n_a, n_b) < 0:
        raise ParameterError(f"n_a, n_b: {n_a} and {n_b} given; allowed are counts of 0 or more")
    return min(1.0, 2 / comb(n_a + n_b, n_a)) if min(n_a, n_b) else float("nan")
