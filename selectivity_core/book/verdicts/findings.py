"""What a predicate finds in the tables: an estimate over networks, its interval, its test, what it could have found."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import stats

from ...errors import MissingRunsError
from ..numbers import alpha_label
from ..statistics import Contrast, detectable_effect, dunnett_block, paired
from ..statistics.association import LARGEST
from ..statistics.samples import constant, present

LEVEL = 0.05
# Beyond so many degrees of freedom a t distribution is the normal one.
MOST_DF = 10**6


@dataclass(frozen=True)
class Finding:
    """One estimate over networks.

    Attributes:
        estimate: in the unit of what was measured (accuracies are fractions in [0, 1]).
        se: its standard error; NaN where so few networks give none. Of a correlation (`fisher`) that of Fisher's z.
        df: degrees of freedom of the standard error.
        n: networks: of the smaller side where two are compared.
        test: its name in words.
        where: which α, networks or settings it is of.
        points: whether the estimate is an accuracy, shown in percentage points.
        family: how many tests the correction is for.
        corrected: the p value of no effect, corrected for the family; worked out from `family` where NaN.
        fisher: the estimate is a correlation.
        exact: the p value of an exact test, instead of that of t; NaN for none.
        limits: the interval of an exact test or of all tests of the family at once, instead of that of t.
        joint: the limits are those of the whole family at once.
        least: the effect that is found with 80 % power, where it does not follow from se and df.
        reachable: whether the test could reach its level with so few networks.
        level: what is held against the paper's value where that is not the estimate: a mean, say, beside a difference.
        met: whether what else the claim asks for holds ("the first α", say).
    """

    estimate: float
    se: float
    df: float
    n: int
    test: str
    where: str = ""
    points: bool = False
    family: int = 1
    corrected: float = math.nan
    fisher: bool = False
    exact: float = math.nan
    limits: tuple[float, float] | None = None
    joint: bool = False
    least: float = math.nan
    reachable: bool = True
    level: Finding | None = field(default=None, repr=False)
    met: bool = True

    def bounds(self, coverage: float = 0.95) -> tuple[float, float]:
        """The interval; NaN where there is none, of no width where the networks do not differ at all."""
        if self.limits is not None and coverage == 0.95:
            return self.limits
        if math.isnan(self.se):
            return math.nan, math.nan
        half = 0.0 if self.se == 0 else float(stats.t.ppf((1 + coverage) / 2, min(self.df, MOST_DF))) * self.se
        if not self.fisher:
            return self.estimate - half, self.estimate + half
        return math.tanh(_z(self.estimate) - half), math.tanh(_z(self.estimate) + half)

    def p(self, null: float = 0.0) -> float:
        """Two-sided p value against `null`, for this estimate alone; NaN where so few networks give none.

        Networks that do not differ at all have that of a sign test, 2^(1−n).
        """
        if null == 0 and not math.isnan(self.exact):
            return self.exact
        if math.isnan(self.se):
            return math.nan
        if self.se == 0:
            return 1.0 if self.estimate == null else _agreement(self.n)
        distance = _z(self.estimate) - _z(null) if self.fisher else self.estimate - null
        return float(2 * stats.t.sf(abs(distance / self.se), min(self.df, MOST_DF)))

    def telling(self, tests: int = 1) -> bool:
        """Whether there is a spread to judge by, or networks enough without one.

        The interval of networks that do not differ at all has no width, however few they are: a sign test's p counts,
        corrected for so many tests.
        """
        return self.se != 0 or not math.isnan(self.exact) or tests * _agreement(self.n) < LEVEL

    def p_corrected(self, null: float = 0.0) -> float:
        """The same corrected for the family."""
        if null == 0 and not math.isnan(self.corrected):
            return self.corrected
        return capped(self.p(null) * self.family)

    @property
    def detectable(self) -> float:
        """The effect that so many networks of this spread show with 80 % power at level 0.05; NaN where unknown."""
        if not math.isnan(self.least):
            return self.least
        if not self.se > 0 or not self.df >= 1:
            return math.nan
        # As of a paired test with this standard error and as many degrees of freedom.
        pairs = int(min(self.df, MOST_DF)) + 1
        found = detectable_effect(
            self.se * math.sqrt(pairs),
            pairs,
            pairs,
            level=LEVEL,
            comparisons=self.family if self.joint else 1,
            paired=True,
        )
        return math.tanh(found) if self.fisher else found


def _z(correlation: float) -> float:
    return math.atanh(max(-LARGEST, min(LARGEST, correlation)))


def sample(values: ArrayLike, test: str = "t over networks", **more: object) -> Finding:
    """The mean of one value a network.

    Args:
        values: (networks,); NaN are dropped.
        test: its name.
        more: other attributes of the finding.

    Raises:
        MissingRunsError: not one value.
    """
    found = present(values)
    n = found.size
    if not n:
        raise MissingRunsError("no network has the value that the claim is about")
    se = math.nan if n < 2 else 0.0 if constant(found) else float(found.std(ddof=1) / math.sqrt(n))
    return Finding(float(found.mean()), se, n - 1, n, test, **more)  # type: ignore[arg-type]


def correlation(values: ArrayLike, test: str = "t of Fisher's z over networks", **more: object) -> Finding:
    """The average of one correlation a network, over Fisher's z."""
    z = sample(np.arctanh(np.clip(present(values), -LARGEST, LARGEST)), test, fisher=True, **more)
    return replace(z, estimate=math.tanh(z.estimate))


def two_samples(first: ArrayLike, second: ArrayLike, test: str = "Welch", **more: object) -> Finding:
    """The mean of some networks less that of others, with Welch's standard error and degrees of freedom."""
    a, b = sample(first), sample(second)
    variances = a.se**2, b.se**2
    total = sum(variances)
    df = math.nan if math.isnan(total) else min(a.df, b.df)
    if total > 0:
        df = total**2 / (variances[0] ** 2 / a.df + variances[1] ** 2 / b.df)
    return Finding(a.estimate - b.estimate, math.sqrt(total), df, min(a.n, b.n), test, **more)  # type: ignore[arg-type]


def matched(first: pd.Series, second: pd.Series, **more: object) -> Finding:
    """First less second, paired by seed: the index of both."""
    found = paired(first, second)
    if not found.n_a:
        raise MissingRunsError("no seed has both of what the claim compares")
    common = first.index.intersection(second.index)
    return sample((first[common] - second[common]).to_numpy(), "paired t over seeds", **more)


def contrasts(
    rows: pd.DataFrame, control: float = 0.0, points: bool = False, joint: bool = False
) -> dict[float, Finding]:
    """Every α against the control in the judging block model, corrected for all α of the table (Dunnett).

    Args:
        rows: a row a network: alpha, seed, value.
        control: the α that the others are held against.
        points: whether the values are accuracies.
        joint: give the intervals and p values that hold for all α at once: an α that is picked among others by the
            same networks pays for the choice.

    Returns:
        α -> finding, its level the mean at that α.

    Raises:
        MissingRunsError: no network at the control.
    """
    rows = rows[rows["value"].notna()]
    means = {float(a): group["value"].to_numpy() for a, group in rows.groupby("alpha")}
    if control not in means:
        raise MissingRunsError(f"no run at α = {alpha_label(control)}")
    others = [a for a in means if a != control]
    if not others:
        return {}
    name = "block model, Dunnett" if len(others) > 1 else "block model"
    found: dict[float, Contrast] = {}
    if rows["seed"].nunique() > 1:
        found = {float(c.treatment): c for c in dunnett_block(rows, value="value", control=control)}  # type: ignore[arg-type]
    results = {}
    for alpha in others:
        level = sample(means[alpha], points=points)
        shared = {"where": f"α = {alpha_label(alpha)}", "points": points, "family": len(others), "level": level}
        n = min(len(means[alpha]), len(means[control]))
        c = found.get(alpha)
        if c is None:
            difference = level.estimate - float(means[control].mean())
            results[alpha] = Finding(difference, math.nan, math.nan, n, name, **shared)  # type: ignore[arg-type]
        else:
            paid = {"limits": (c.low, c.high), "exact": c.p_adjusted, "joint": True} if joint else {}
            results[alpha] = Finding(c.estimate, c.se, c.df, n, name, corrected=c.p_adjusted, **shared, **paid)  # type: ignore[arg-type]
    return results


def _agreement(n: int) -> float:
    """How often n networks would all lie on one side by chance, by a sign test: two-sided."""
    return 2.0 ** (1 - n)


def capped(p: float) -> float:
    """A corrected p value, at most 1; NaN stays NaN."""
    return 1.0 if p > 1 else p


def range_text(low: float, high: float) -> str:
    """A range of α other than 0 as sentences write it."""
    if math.isinf(low):
        return "α ≠ 0" if math.isinf(high) else "α < 0" if high == 0 else f"α ≠ 0 up to {alpha_label(high)}"
    if math.isinf(high):
        return "α > 0" if low == 0 else f"α ≠ 0 from {alpha_label(low)} on"
    return f"α ≠ 0 from {alpha_label(low)} to {alpha_label(high)}"
