"""Inference over networks (estimates, tests, corrections), and interpolation and slopes over the runs of a seed.

The trained network is the replicate, and one design serves the whole book. Runs share their seeds across α, so every
effect is a paired difference, one number a seed. From `FLIPS_FROM` networks on its p value is that of the exact
sign-flip test, which holds where a few networks collapse and t does not, and its interval is the values that this test
does not reject. Below that, where 2ⁿ flips are too few to reach a level, both are Student's t; one or two networks have
neither. A family of effects is
corrected by the largest statistic (max-T), each seed's differences flipped together; effects with fewer seeds than that
are a family of their own, corrected by Holm.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, field
from functools import cached_property, lru_cache

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import stats
from statsmodels.stats.power import TTestPower

from ..errors import ParameterError

LEVEL = 0.05
FEWEST = 3  # networks that a mean needs for an interval and a p value
FLIPS_FROM = 6  # networks: 2 / 2⁶ is the first exact two-sided level below 0.05
MOST_FLIPS = 2**13  # all sign flips up to here, as many random ones beyond
ROUNDING = 1e-12  # spreads below this share of the values are rounding
TIE = 1e-9  # statistics closer than this share of their size are equal
NEAR = math.sqrt(2)  # how far an index may be from the nearer of two runs that it is interpolated between, as a factor
LARGEST_RHO = 0.999  # Fisher's z of a perfect correlation is infinite
EFFECTS = (
    "n", "mean", "mean_low", "mean_high", "level", "level_low", "level_high", "difference", "low", "high",
    "simultaneous_low", "simultaneous_high", "p", "p_corrected", "detectable",
)  # fmt: skip


@dataclass(frozen=True)
class Estimate:
    """A mean over networks, or a difference of two, in the unit of the values.

    Attributes:
        se: standard error; NaN for too few networks.
        df: degrees of freedom of `se`.
        n: networks (pairs, where paired).
        p: two-sided, against `null`; NaN where so few networks give none.
        method: the statistical test behind `p`.
        fisher: whether intervals are formed on Fisher's z, as those of correlations are.
        values: (n,) what the sign-flip test flips; None where another test stands behind `p`.
    """

    mean: float
    se: float
    df: float
    n: int
    p: float
    method: str
    fisher: bool = False
    values: np.ndarray | None = field(default=None, repr=False, compare=False)

    def interval(self, coverage: float = 0.95) -> tuple[float, float]:
        """The means that the test behind `p` does not reject at 1 − coverage; NaN for too few networks.

        Student's t interval where so few networks have no sign flips for that coverage.
        """
        if math.isnan(self.se) or not self.df > 0:
            return math.nan, math.nan
        middle = math.atanh(np.clip(self.mean, -LARGEST_RHO, LARGEST_RHO)) if self.fisher else self.mean
        lows, highs = self._ends
        # A mean is rejected if it lies outside all but so few of the flips' intervals; the observed signs count as one.
        place = math.floor((lows.size + 1) * (1 - coverage) + TIE) - 1
        if place >= 0:
            low, high = float(lows[place]), float(highs[-1 - place])
        else:
            half = float(stats.t.ppf((1 + coverage) / 2, self.df)) * self.se
            low, high = middle - half, middle + half
        return (math.tanh(low), math.tanh(high)) if self.fisher else (low, high)

    @cached_property
    def _ends(self) -> tuple[np.ndarray, np.ndarray]:
        """Lower and upper ends, ascending, of the means that each flip of signs does not speak against.

        Flipping a set of networks makes |Σ(d − θ)| no smaller if and only if θ lies between the mean of the flipped
        and that of the others.
        """
        if self.values is None:
            return np.empty(0), np.empty(0)
        flipped = flips(len(self.values))[1:] < 0
        sums, counts = flipped @ self.values, flipped.sum(1)
        means = np.stack([sums / np.maximum(counts, 1), (self.values.sum() - sums) / (len(self.values) - counts)])
        # Differences of accuracies are multiples of 1/images: sums that are 0 but for rounding would exclude it.
        means[np.abs(means) < 1e-12 * np.abs(self.values).max()] = 0.0
        means[:, counts == 0] = [[-np.inf], [np.inf]]  # among random flips, the observed signs again
        return np.sort(means.min(0)), np.sort(means.max(0))

    def inside(self, low: float, high: float) -> bool:
        """Equivalence by two one-sided tests at 5 %: whether the 90 % interval lies within (low, high)."""
        bounds = self.interval(0.90)
        return low < bounds[0] and bounds[1] < high

    @property
    def detectable(self) -> float:
        """The effect that a paired t test with this spread and n finds with 80 % power; NaN where unknown."""
        if not self.se > 0 or self.n < 2:
            return math.nan
        size = TTestPower().solve_power(nobs=self.n, alpha=LEVEL, power=0.8, alternative="two-sided")
        return float(size) * self.se * math.sqrt(self.n)


def present(values: ArrayLike) -> np.ndarray:
    """(networks,) float64 without the NaN; ParameterError for more than one dimension, or infinite values."""
    found = np.asarray(values, dtype=np.float64)
    if found.ndim != 1 or np.isinf(found).any():
        raise ParameterError(f"values: shape {found.shape} given; finite numbers, one a network, are needed")
    return found[~np.isnan(found)]


def mean_of(values: ArrayLike, null: float = 0.0) -> Estimate:
    """The mean of one value a network, such as a paired difference, tested against `null`; NaN are dropped.

    Without any value the mean is NaN.
    """
    found = present(values)
    n, mean = found.size, float(found.mean()) if found.size else math.nan
    if n < FEWEST:
        return Estimate(mean, math.nan, n - 1, n, math.nan, "none: too few networks")
    spread = float(found.std(ddof=1))
    se = spread / math.sqrt(n) if spread > ROUNDING * np.abs(found).max() else 0.0
    if n >= FLIPS_FROM:
        return Estimate(mean, se, n - 1, n, sign_flip(found - null), "sign flip", values=found)
    if se == 0:  # no spread to judge by: a sign test counts
        return Estimate(mean, se, n - 1, n, 1.0 if mean == null else 2.0 ** (1 - n), "sign test")
    return Estimate(mean, se, n - 1, n, float(2 * stats.t.sf(abs(mean - null) / se, n - 1)), "t")


def sign_flip(differences: ArrayLike) -> float:
    """The exact two-sided p of the mean of paired differences under independent flips of their signs.

    All 2ⁿ flips are counted up to n = 14; beyond, `MOST_FLIPS` random ones, the observed signs among them. Means that
    are equal but for rounding count as equal: accuracies are counts of images, so that ties are common. (scipy's
    `permutation_test` leaves them to rounding.)
    """
    found = present(differences)
    means = np.abs(flips(found.size) @ found)
    return float((means >= abs(found.sum()) * (1 - TIE)).mean())


@lru_cache(maxsize=32)
def flips(n: int) -> np.ndarray:
    """(flips, n) signs ±1, the observed signs first and the first network's sign always kept.

    By symmetry these are all there are; of more than `MOST_FLIPS` so many random ones.
    """
    if 2 ** (n - 1) <= MOST_FLIPS:
        return np.array([(1, *rest) for rest in itertools.product((1, -1), repeat=n - 1)], dtype=float)
    signs = np.random.default_rng(0).choice((1.0, -1.0), (MOST_FLIPS, n))
    signs[:, 0] = signs[0] = 1.0
    return signs


def unpaired(first: ArrayLike, second: ArrayLike) -> Estimate:
    """The mean of some networks less that of others, by Welch's t."""
    a, b = present(first), present(second)
    n = min(a.size, b.size)
    if not n:
        raise ParameterError(f"{a.size} and {b.size} networks given; one or more on either side are needed")
    mean = float(a.mean() - b.mean())
    if n < 2:
        return Estimate(mean, math.nan, 0, n, math.nan, "none: one network")
    parts = a.var(ddof=1) / a.size, b.var(ddof=1) / b.size
    total = float(sum(parts))
    if total <= (ROUNDING * max(np.abs(a).max(), np.abs(b).max())) ** 2:
        return Estimate(mean, 0.0, a.size + b.size - 2, n, math.nan, "none: no spread")
    df = total**2 / (parts[0] ** 2 / (a.size - 1) + parts[1] ** 2 / (b.size - 1))
    p = float(2 * stats.t.sf(abs(mean) / math.sqrt(total), df))
    return Estimate(mean, math.sqrt(total), float(df), n, p, "Welch")


def spearman(x: ArrayLike, y: ArrayLike) -> float:
    """Spearman's rank correlation of the pairs without NaN; NaN for fewer than two, or a side with one value only."""
    both = pd.DataFrame({"x": np.asarray(x, float), "y": np.asarray(y, float)}).dropna()
    if len(both) < 2 or both["x"].nunique() == 1 or both["y"].nunique() == 1:
        return math.nan
    return float(stats.spearmanr(both["x"], both["y"]).statistic)


def mean_correlation(values: ArrayLike) -> Estimate:
    """The average of one correlation a network, on Fisher's z."""
    z = mean_of(np.arctanh(np.clip(present(values), -LARGEST_RHO, LARGEST_RHO)))
    return Estimate(math.tanh(z.mean), z.se, z.df, z.n, z.p, f"{z.method} of Fisher's z", fisher=True, values=z.values)


def correlation_over(x: ArrayLike, y: ArrayLike) -> Estimate:
    """Spearman's correlation over networks, one pair a network, with the variance (1 + ρ²/2)/(n − 3) on Fisher's z."""
    both = pd.DataFrame({"x": np.asarray(x, float), "y": np.asarray(y, float)}).dropna()
    rho, n = spearman(both["x"], both["y"]), len(both)
    if n < 4 or math.isnan(rho):
        return Estimate(rho, math.nan, 0, n, math.nan, "none: too few networks", fisher=True)
    p = float(stats.spearmanr(both["x"], both["y"]).pvalue)
    return Estimate(rho, math.sqrt((1 + rho**2 / 2) / (n - 3)), 1e6, n, p, "Spearman", fisher=True)


def rank_sum(first: ArrayLike, second: ArrayLike) -> float:
    """The two-sided p of the Wilcoxon rank sum, the paper's test of one sign of α against the other."""
    a, b = present(first), present(second)
    if not a.size or not b.size:
        return math.nan
    method = "exact" if min(a.size, b.size) <= 20 and np.unique([*a, *b]).size == a.size + b.size else "asymptotic"
    return float(stats.mannwhitneyu(a, b, method=method).pvalue)


def holm(p: ArrayLike) -> np.ndarray:
    """Holm's correction of the p values that are there; NaN stay NaN.

    By hand, since statsmodels' `multipletests` collects garbage at every call, which takes a fifth of a second.
    """
    found = np.asarray(p, dtype=np.float64).copy()
    order = found.argsort()[: int((~np.isnan(found)).sum())]  # NaN are sorted last
    steps = np.arange(order.size, 0, -1)
    found[order] = np.minimum(np.maximum.accumulate(found[order] * steps), 1.0)
    return found


def differences(
    runs: pd.DataFrame, value: str = "test_accuracy", by: str = "alpha", baseline: float = 0.0
) -> pd.DataFrame:
    """Paired differences of a column to its value at the baseline, of the levels of `by`.

    Args:
        runs: a row a run: `by`, seed, `value`; at most one a cell.
        value, by, baseline: what is compared, across which column, and with which of its levels.

    Returns:
        DataFrame, seeds by levels of `by` without the baseline; NaN where a seed lacks either run.

    Raises:
        ParameterError: no run at the baseline, or none at all.
    """
    if runs.empty:
        raise ParameterError("no run of those to be compared was found; `on_missing: train` trains what is missing")
    cells = runs.pivot(index="seed", columns=by, values=value)
    if baseline not in cells:
        raise ParameterError(f"{by}: no run at {baseline:g}, which the others are held against")
    return cells.drop(columns=baseline).sub(cells[baseline], axis=0)


def max_t(table: pd.DataFrame) -> pd.Series:
    """p values of paired differences, corrected within families: levels that the same seeds have are one family.

    From `FLIPS_FROM` seeds on: the share of joint sign flips whose largest absolute t is at least a level's own. Levels
    with fewer seeds are one family together: t tests with Holm's correction. NaN where a level has fewer than two.

    Args:
        table: of `differences`.
    """
    found = pd.Series(math.nan, index=table.columns, dtype=float)
    families: dict[tuple[int, ...], list[float]] = {}
    for level, column in table.items():
        seeds = tuple(column.dropna().index)
        if seeds:
            families.setdefault(seeds if len(seeds) >= FLIPS_FROM else (), []).append(level)
    for seeds, levels in families.items():
        if seeds:
            found[levels] = _largest_of_flips(table.loc[list(seeds), levels].to_numpy())
        else:
            found[levels] = holm([mean_of(table[level]).p for level in levels])
    return found


def _largest_of_flips(cells: np.ndarray) -> np.ndarray:
    """(levels,) corrected p values of differences (seeds, levels) without NaN.

    Levels are compared by |Σd| / √(n Σd²), which grows with |t| and, unlike t, stays finite without spread.
    """
    sizes = np.sqrt(len(cells) * (cells**2).sum(0))
    found = np.abs(flips(len(cells)) @ cells) / np.where(sizes > 0, sizes, 1.0)
    return (found.max(1)[:, None] >= found[:1] * (1 - TIE)).mean(0)


def effects(runs: pd.DataFrame, value: str = "test_accuracy", by: str = "alpha", baseline: float = 0.0) -> pd.DataFrame:
    """Every level against the baseline, paired by seed; arguments as for `differences`.

    Returns:
        a row a level, ascending, the baseline among them. `by`; n (pairs); mean, the baseline's over all its seeds plus
        the paired difference, so that levels with fewer seeds stand where they belong; mean_low and mean_high, the same
        with the difference's interval; level, level_low and level_high, the plain mean of the runs with that interval
        around it; difference, low and high (95 %); simultaneous_low and simultaneous_high
        (Bonferroni over the levels); p; p_corrected (`max_t`); detectable (the effect found with 80 % power). No rows
        where there are no runs.
    """
    if runs.empty:
        return pd.DataFrame(columns=[by, *EFFECTS], dtype=float)
    table = differences(runs, value, by, baseline)
    base = float(runs.loc[runs[by] == baseline, value].mean())
    corrected = max_t(table)
    plain = runs.groupby(by)[value].mean()
    rows = [{by: baseline, "n": int((runs[by] == baseline).sum()), "mean": base, "level": base, "difference": 0.0}]
    for level, column in table.items():
        if not column.notna().any():
            continue
        found = mean_of(column)
        low, high = found.interval()
        wide = found.interval(1 - LEVEL / table.shape[1])
        rows.append(
            {
                by: level, "n": found.n, "mean": base + found.mean, "difference": found.mean, "low": low, "high": high,
                "mean_low": base + low, "mean_high": base + high, "level": plain[level],
                "level_low": plain[level] + low - found.mean, "level_high": plain[level] + high - found.mean,
                "simultaneous_low": wide[0], "simultaneous_high": wide[1], "p": found.p,
                "p_corrected": corrected[level], "detectable": found.detectable,
            }
        )  # fmt: skip
    return pd.DataFrame(rows, columns=[by, *EFFECTS]).sort_values(by, ignore_index=True)


def signs(runs: pd.DataFrame, value: str = "test_accuracy") -> pd.DataFrame:
    """α < 0 less α > 0 at equal size of α, of the seeds that have both, with the paper's rank sum beside it.

    Returns:
        a row a size of α that was run with both signs: size, n, negative and positive (means), difference, low and high
        (95 %), p, p_corrected (`max_t` over the sizes), p_rank_sum (Holm over the sizes).
    """
    cells = runs.pivot(index="seed", columns="alpha", values=value)
    sizes = [a for a in sorted(cells.columns) if a > 0 and -a in cells.columns]
    table = pd.DataFrame({size: cells[-size] - cells[size] for size in sizes})
    table = table.loc[:, table.notna().any()]
    corrected = max_t(table)
    rows = []
    for size, column in table.items():
        found = mean_of(column)
        low, high = found.interval()
        both = cells[[-size, size]].dropna()
        negative, positive = both[-size], both[size]
        rows.append(
            (size, found.n, negative.mean(), positive.mean(), found.mean, low, high, found.p, corrected[size],
             rank_sum(negative, positive))
        )  # fmt: skip
    columns = ["size", "n", "negative", "positive", "difference", "low", "high", "p", "p_corrected", "p_rank_sum"]
    frame = pd.DataFrame(rows, columns=columns)
    return frame.assign(p_rank_sum=holm(frame["p_rank_sum"]))


# Interpolation and slopes over the runs of each seed.


def at_fold(runs: pd.DataFrame, factor: float) -> pd.Series:
    """What `value` changes where lowering α has cut the index by `factor`, seed by seed.

    Each seed's runs at α ≤ 0 are interpolated at its index at α = 0 divided by `factor`, as `at_index` does. Seeds
    whose α do not bracket the factor are left out.
    """
    if not factor > 1:
        raise ParameterError(f"factor: {factor!r} given; a number above 1 is needed")
    base = runs[runs["alpha"] == 0].set_index("seed")
    return (at_index(runs[runs["alpha"] <= 0], base["si_units"] / factor, "value") - base["value"]).dropna()


def at_index(
    runs: pd.DataFrame, targets: pd.Series, value: str = "test_accuracy", index: str = "si_units"
) -> pd.Series:
    """`value` where α has brought the index of a seed's network to a target, seed by seed.

    Linear in log index between two neighbouring α whose indices lie on either side of the target (or on it): the first
    two from α = 0 outwards. Never extrapolated, nor where the nearer of the two indices is further from the target than
    a factor of `NEAR`.

    Args:
        runs: a row a run: alpha (all of one sign, and 0; else ParameterError), seed, `value`, `index`.
        targets: (seeds,) index of each seed; NaN for none.

    Returns:
        (seeds,) `value`, NaN where the seed lacks α = 0 or its α do not bracket the target.
    """
    if (runs["alpha"] < 0).any() and (runs["alpha"] > 0).any():
        raise ParameterError("alpha: both signs given; interpolate on either side of 0 by itself")
    ordered = runs.sort_values("alpha", key=abs)
    found = {seed: _between(ordered[ordered["seed"] == seed], target, value, index) for seed, target in targets.items()}
    return pd.Series(found, dtype=float)


def _between(own: pd.DataFrame, target: float, value: str, index: str) -> float:
    """`at_index` of one seed's runs, ordered from α = 0 outwards."""
    if not target > 0 or not len(own) or own["alpha"].iloc[0] != 0:
        return math.nan
    apart = np.log(np.maximum(own[index].to_numpy(), np.finfo(float).tiny)) - math.log(target)
    crossing = np.flatnonzero(apart[:-1] * apart[1:] <= 0)
    if not crossing.size:
        return math.nan
    k = int(crossing[0])
    if np.abs(apart[k : k + 2]).min() > math.log(NEAR) + TIE:
        return math.nan
    share = apart[k] / (apart[k] - apart[k + 1]) if apart[k] else 0.0
    values = own[value].to_numpy()
    return float(values[k] + share * (values[k + 1] - values[k]))


def slopes(runs: pd.DataFrame, value: str, by: str = "alpha") -> pd.Series:
    """(seeds,) least-squares slope of `value` over the rank of `by` among all its levels; seeds with one are left out.

    The unit is the mean change from one level that was run to the next.
    """
    places = {level: k for k, level in enumerate(sorted(runs[by].unique()))}
    found = {}
    for seed, own in runs.dropna(subset=[value]).groupby("seed"):
        if own[by].nunique() > 1:
            found[seed] = float(np.polyfit(own[by].map(places).to_numpy(float), own[value].to_numpy(float), 1)[0])
    return pd.Series(found, dtype=float)
