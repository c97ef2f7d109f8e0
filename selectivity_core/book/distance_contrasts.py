"""The contrasts of distances between networks. Networks are resampled, never pairs or layers."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np
import pandas as pd

from ..errors import MissingRunsError
from .evidence import INF, Finding, NetworkRuns, label
from .inference import Estimate, holm
from .representations import by_layer, distances, excess, in_form, permutation_p, ratio

JUDGED_FORM = "textbook, averaged"  # the form of the distance that judges


def _pairs(on: NetworkRuns) -> pd.DataFrame:
    found = distances(on.of_figure.tables.pairs, on.runs())
    if not len(found):
        raise MissingRunsError(f"no distance between networks of {on.name} has been worked out")
    return in_form(found, JUDGED_FORM)


def _excess(table: pd.DataFrame, alpha: float) -> float:
    return excess(by_layer(table, alpha))


def _jackknife(table: pd.DataFrame, measure: Callable[[pd.DataFrame], float]) -> Estimate:
    """A measure of pairs with Tukey's interval: all pairs of one seed's networks are left out at a time."""
    seeds = sorted(set(table["seed"]) | set(table["seed_other"]))
    n, whole = len(seeds), measure(table)
    if math.isnan(whole):
        raise MissingRunsError("too few seeds for a distance within and between")
    left = np.array([measure(table[(table["seed"] != s) & (table["seed_other"] != s)]) for s in seeds])
    pseudo = n * whole - (n - 1) * left
    se = float(pseudo.std(ddof=1) / math.sqrt(n)) if np.isfinite(pseudo).all() and n > 2 else math.nan
    return Estimate(whole, se, n - 1, n, math.nan, "jackknife over seeds")


def _alphas(table: pd.DataFrame, low: float, high: float) -> list[float]:
    found = [float(a) for a in sorted(table["alpha"].unique()) if a and low <= a <= high]
    kept = [a for a in found if math.isfinite(_excess(table, a))]
    if not kept:
        raise MissingRunsError("no α with two seeds or more within it and at α = 0")
    return kept


def _only(table: pd.DataFrame, alpha: float) -> pd.DataFrame:
    return table[table["alpha"].isin((alpha, 0.0)) & table["alpha_other"].isin((alpha, 0.0))]


def distance_excess(on: NetworkRuns, *, low: float = -INF, high: float = INF) -> list[Finding]:
    """By how much networks at α lie further from those at α = 0 than from each other, for each α from `low` to `high`.

    p by exchanging the two networks of each seed, corrected over α by Holm.
    """
    table = _pairs(on)
    found = []
    for alpha in _alphas(table, low, high):
        estimate = _jackknife(_only(table, alpha), partial(_excess, alpha=alpha))
        tested = replace(estimate, p=permutation_p(table, alpha), method="exchange of networks")
        found.append(Finding(tested, f"α = {label(alpha)}"))
    corrected = holm([f.estimate.p for f in found])
    return [replace(f, family=len(found), p_corrected=float(p)) for f, p in zip(found, corrected, strict=True)]


def distance_equal(on: NetworkRuns, *, alpha: float) -> list[Finding]:
    """The ratio of distances less 1 at one α."""
    table = _pairs(on)
    if alpha not in set(table["alpha"]):
        raise MissingRunsError(f"no run at α = {label(alpha)}")
    found = _jackknife(_only(table, alpha), lambda rows: ratio(by_layer(rows, alpha)) - 1)
    return [Finding(found, f"α = {label(alpha)}")]


def distance_trend(on: NetworkRuns, *, low: float, high: float) -> list[Finding]:
    """How much the excess of the distance changes from one |α| that was run to the next larger one."""
    table = _pairs(on)
    alphas = sorted(_alphas(table, low, high), key=abs)
    if len(alphas) < 2:
        raise MissingRunsError("no two values of α with distances to compare")

    def slope(rows: pd.DataFrame) -> float:
        found = np.array([_excess(rows, a) for a in alphas])
        return float(np.polyfit(np.arange(len(alphas)), found, 1)[0]) if np.isfinite(found).all() else math.nan

    return [Finding(_jackknife(table, slope), f"average step of |α| from {abs(alphas[0]):g} to {abs(alphas[-1]):g}")]
