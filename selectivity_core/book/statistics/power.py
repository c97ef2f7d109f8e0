"""Equivalence, and what a sample size can find."""

from dataclasses import dataclass

import numpy as np
from scipy import optimize, stats

from selectivity_core.book.statistics.samples import check_fraction
from selectivity_core.errors import ParameterError


@dataclass(frozen=True)
class Equivalence:
    """Two one-sided t-tests against a margin.

    `inside` says that the 90 % interval lies within ±margin, which is the same as `p_tost` < 0.05. A NaN
    estimate, standard error or df gives NaN and `inside` False: nothing shown is not "no difference".
    """

    low90: float
    high90: float
    inside: bool
    p_tost: float


def equivalent(estimate: float, se: float, df: float, margin: float) -> Equivalence:
    """Test that a difference is smaller than a margin on either side, at 5 %.

    Args:
        estimate: the difference.
        se: its standard error, in the same unit.
        df: degrees of freedom of the standard error.
        margin: what counts as no difference, in the same unit.

    Raises:
        ParameterError: for a margin that is not above 0 or a negative standard error.
    """
    if not (margin > 0 and np.isfinite(margin)):
        raise ParameterError(f"margin: {margin!r} given; allowed is a number above 0")
    if se < 0:
        raise ParameterError(f"se: {se!r} given; allowed is 0 or more")
    if np.isnan([estimate, se, df]).any() or df <= 0:
        return Equivalence(np.nan, np.nan, False, np.nan)
    half = stats.t.ppf(0.95, df) * se
    low, high = float(estimate - half), float(estimate + half)
    inside = bool(-margin < low and high < margin)
    if se == 0:
        return Equivalence(low, high, inside, 0.0 if inside else 1.0)
    p = float(stats.t.sf((margin - abs(estimate)) / se, df))
    return Equivalence(low, high, inside, p)


def _power(noncentrality: float, limit: float, df: float) -> float:
    """Chance that |T| passes the limit."""
    upper = stats.nct.sf(limit, df, noncentrality)
    # The far tail is lost in rounding (scipy then says NaN) just where it adds nothing.
    return float(upper + np.nan_to_num(stats.nct.cdf(-limit, df, noncentrality)))


def detectable_effect(
    sd: float,
    n_a: int,
    n_b: int,
    *,
    level: float = 0.05,
    power: float = 0.8,
    comparisons: int = 1,
    paired: bool = False,
) -> float:
    """The smallest absolute effect that a two-sided t-test finds with the given power.

    From the noncentral t distribution; with several comparisons each is tested at level / comparisons.

    Args:
        sd: of the values of one condition or, when paired, of the differences of the pairs; the effect is in
            its unit.
        n_a: networks on one side.
        n_b: networks on the other; the same number when paired.
        level: chance of a false finding over all comparisons.
        power: chance of a true one in each.
        comparisons: how many tests share the level.
        paired: whether networks are paired by seed.

    Returns:
        The effect; NaN for fewer than two networks on a side or an sd that is NaN.

    Raises:
        ParameterError: for a negative sd, level or power outside (0, 1) or power not above the level, fewer
            than one comparison, or sides of different size when paired.
    """
    check_fraction(level, "level")
    check_fraction(power, "power")
    if sd < 0:
        raise ParameterError(f"sd: {sd!r} given; allowed is 0 or more")
    if comparisons < 1:
        raise ParameterError(f"comparisons: {comparisons} given; allowed is 1 or more")
    if power <= level:
        raise ParameterError(f"power: {power!r} given; allowed is above the level {level!r}")
    if paired and n_a != n_b:
        raise ParameterError(f"n_a, n_b: {n_a} and {n_b} given; allowed is the same number when paired")
    if min(n_a, n_b) < 2 or not np.isfinite(sd):
        return float("nan")
    df = n_a - 1 if paired else n_a + n_b - 2
    scale = sd * np.sqrt(1 / n_a if paired else 1 / n_a + 1 / n_b)
    limit = float(stats.t.isf(level / comparisons / 2, df))
    # T is about noncentrality / S: twice the limit over the S that 1 - power of draws exceed is beyond the
    # answer.
    highest = 2 * limit * float(np.sqrt(stats.chi2.ppf((1 + power) / 2, df) / df)) + 10
    needed = optimize.brentq(lambda noncentrality: _power(noncentrality, limit, df) - power, 0, highest)
    return float(needed * scale)
