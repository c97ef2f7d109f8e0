"""The largest of several correlated t statistics: what corrects p-values and intervals for all of them.

P(max |T_j| <= q) for T = Z / S, Z normal with a correlation matrix, S the root of an independent chi-square
over its degrees of freedom. Many-to-one contrasts of a complete design have correlations l_i * l_j: then two
one-dimensional quadratures are exact to about 1e-7. Any other matrix goes through scipy's quasi-Monte Carlo
integral with a fixed seed.
"""

import numpy as np
from scipy import optimize, special, stats

from selectivity_core.book.statistics.samples import Floats

_FACTOR = np.linspace(-8.5, 8.5, 171)
_FACTOR_WEIGHTS = stats.norm.pdf(_FACTOR) * (_FACTOR[1] - _FACTOR[0])
_SCALES = 121
_SEED = 20240229
_POINTS = 100_000  # standard error about 2e-5 for 18 contrasts


def product_form(correlation: Floats) -> Floats | None:
    """Loadings l with correlation[i, j] = l[i] * l[j] off the diagonal, or None where there are none.

    Args:
        correlation: (m, m), symmetric with ones on its diagonal.
    """
    m = len(correlation)
    if m == 1:
        return np.zeros(1)
    off = correlation - np.diag(np.diag(correlation))
    if np.abs(off).max() < 1e-12:
        return np.zeros(m)
    if m == 2:
        shared = off[0, 1]
        return np.array([np.sqrt(abs(shared)), np.sign(shared) * np.sqrt(abs(shared))])
    # The pair of largest correlation and any third contrast fix one loading; the others follow from its row.
    i, j = np.unravel_index(np.abs(off).argmax(), off.shape)
    k = max((c for c in range(m) if c not in (i, j)), key=lambda c: abs(off[j, c]))
    if abs(off[j, k]) < 1e-12:
        return None
    square = off[i, j] * off[i, k] / off[j, k]
    if not 0 < square < 1:
        return None
    loadings = off[i] / np.sqrt(square)
    loadings[i] = np.sqrt(square)
    rebuilt = np.outer(loadings, loadings)
    np.fill_diagonal(rebuilt, 0)
    fits = np.abs(rebuilt - off).max() < 1e-9 and np.abs(loadings).max() < 1
    return loadings if fits else None


def _normal_maximum(limits: Floats, loadings: Floats) -> Floats:
    """P(all |Z_j| <= limit) for each limit, by the trapezoid rule over the shared factor."""
    inside = np.ones((limits.size, _FACTOR.size))
    values, counts = np.unique(loadings, return_counts=True)
    for loading, count in zip(values, counts, strict=True):
        own = np.sqrt(1 - loading**2)
        upper = special.ndtr((limits[:, None] - loading * _FACTOR) / own)
        lower = special.ndtr((-limits[:, None] - loading * _FACTOR) / own)
        inside *= (upper - lower) ** count
    return inside @ _FACTOR_WEIGHTS


def exceedance(q: float, correlation: Floats, df: float) -> float:
    """P(max |T_j| > q).

    Args:
        q: the limit, 0 or more.
        correlation: (m, m) of the statistics.
        df: degrees of freedom of the spread that they share, above 0; need not be an integer.
    """
    if q == 0:
        return 1.0
    loadings = product_form(correlation)
    if loadings is None:
        limits = np.full(len(correlation), q)
        inside = stats.multivariate_t.cdf(
            limits, shape=correlation, df=df, lower_limit=-limits, maxpts=_POINTS, random_state=_SEED
        )
        return float(np.clip(1 - inside, 0, 1))
    # Over the logarithm of S the integrand is smooth and dies out on both sides, however few the degrees of
    # freedom.
    first, last = np.log(stats.chi2.ppf([1e-14, 1 - 1e-14], df) / df) / 2
    logs = np.linspace(first, last, _SCALES)
    square = df * np.exp(2 * logs)
    weights = 2 * square * stats.chi2.pdf(square, df) * (logs[1] - logs[0])
    outside = 1 - _normal_maximum(q * np.exp(logs), loadings)
    return float(np.clip(outside @ weights, 0, 1))


def adjusted_p(statistic: float, correlation: Floats, df: float) -> float:
    """The p-value of one of m statistics, corrected for all of them.

    It is kept between the uncorrected p-value and Bonferroni's, which bound it: far out in the tail they are
    more exact than any integral.
    """
    single = 2 * stats.t.sf(abs(statistic), df)
    return float(np.clip(exceedance(abs(statistic), correlation, df), single, min(1, len(correlation) * single)))


def critical_value(level: float, correlation: Floats, df: float) -> float:
    """The q that max |T_j| stays below with probability `level`."""
    single = stats.t.ppf((1 + level) / 2, df)
    every = stats.t.ppf(1 - (1 - level) / (2 * len(correlation)), df)
    if len(correlation) == 1:
        return float(single)

    def excess(q: float) -> float:
        return exceedance(q, correlation, df) - (1 - level)

    # The bounds are attained, but for rounding, by fully dependent and by hardly dependent statistics.
    if excess(every) >= 0:
        return float(every)
    if excess(single) <= 0:
        return float(single)
    return float(optimize.brentq(excess, single, every, xtol=1e-6))
