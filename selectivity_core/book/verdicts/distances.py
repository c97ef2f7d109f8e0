"""Predicates on representations: distances between networks, and the off-axis bound. Networks are resampled."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np
import pandas as pd

from ...errors import MissingRunsError
from ..numbers import alpha_label
from ..representations import by_layer, distances, in_form, permutation_p
from .alphas import slopes_by_seed
from .evidence import Evidence
from .findings import LEVEL, Finding, sample

JUDGED, PAPER = "textbook, averaged", "paper"  # forms of the distance
JACKKNIFE = "jackknife over seeds"


def _pairs(evidence: Evidence, figure: str, model: str, form: str = JUDGED) -> pd.DataFrame:
    runs = evidence.runs(figure, model)
    found = distances(evidence.study(figure).tables.pairs, runs)
    if not len(found):
        raise MissingRunsError(f"no distance between networks of {model} has been worked out")
    return in_form(found, form)


def excess_of(table: pd.DataFrame, alpha: float) -> float:
    """Mean over layers of 2ρ(α, 0) − ρ(α, α) − ρ(0, 0); NaN where a side has no pair."""
    layers = by_layer(table, alpha).dropna(subset=["within", "between", "baseline"])
    return float((2 * layers["between"] - layers["within"] - layers["baseline"]).mean()) if len(layers) else math.nan


def ratio_of(table: pd.DataFrame, alpha: float) -> float:
    """The paper's ratio, mean over layers of ρ(α, 0)/ρ(α, α)."""
    layers = by_layer(table, alpha).dropna(subset=["within", "between"])
    return float((layers["between"] / layers["within"]).mean()) if len(layers) else math.nan


def jackknife(table: pd.DataFrame, measure: Callable[[pd.DataFrame], float], **more: object) -> Finding:
    """A measure of pairs with Tukey's interval: all pairs of one seed's networks are left out at a time.

    Pairs share networks, so that neither they nor layers can be counted; seeds can.
    """
    seeds = sorted(set(table["seed"]) | set(table["seed_other"]))
    n, whole = len(seeds), measure(table)
    if math.isnan(whole):
        raise MissingRunsError("too few seeds for a distance within and between")
    left = np.array([measure(table[(table["seed"] != s) & (table["seed_other"] != s)]) for s in seeds])
    pseudo = n * whole - (n - 1) * left
    known = np.isfinite(pseudo).all() and n > 2
    se = float(pseudo.std(ddof=1) / math.sqrt(n)) if known else math.nan
    return Finding(whole, se, n - 1, n, JACKKNIFE, **more)  # type: ignore[arg-type]


def _of_alpha(table: pd.DataFrame, alpha: float) -> pd.DataFrame:
    return table[table["alpha"].isin((alpha, 0.0)) & table["alpha_other"].isin((alpha, 0.0))]


def _alphas(table: pd.DataFrame, low: float, high: float) -> list[float]:
    return [float(a) for a in sorted(table["alpha"].unique()) if a and low <= a <= high]


def distance_excess(
    evidence: Evidence, figure: str, model: str, *, low: float = -math.inf, high: float = math.inf
) -> list[Finding]:
    """By how much networks at α lie further from those at α = 0 than from each other, for each α from `low` to `high`.

    The textbook form of the distance, averaged over both orders of its arguments; p by exchanging networks within
    seeds, and reachable where the fewest exchanges, corrected for all α (Bonferroni), can fall below the level.
    """
    table, printed = _pairs(evidence, figure, model), _pairs(evidence, figure, model, PAPER)
    alphas = [a for a in _alphas(table, low, high) if math.isfinite(excess_of(table, a))]
    if not alphas:
        raise MissingRunsError("no α with two seeds or more within it and at α = 0")
    parts = []
    for alpha in alphas:
        p = permutation_p(table, alpha)
        text = f"α = {alpha_label(alpha)} (ratio {ratio_of(table, alpha):.2f}, paper's form "
        found = jackknife(
            _of_alpha(table, alpha), partial(excess_of, alpha=alpha), family=len(alphas), exact=p,
            where=f"{text}{ratio_of(printed, alpha):.2f})",
        )  # fmt: skip
        floor = 0.5 ** (found.n - 1)
        reachable = floor * len(alphas) < LEVEL
        parts.append(replace(found, test="exchange of networks", reachable=reachable))
    return parts


def distance_equal(evidence: Evidence, figure: str, model: str, *, alpha: float) -> list[Finding]:
    """The ratio of distances less 1 at one α."""
    table = _pairs(evidence, figure, model)
    if alpha not in set(table["alpha"]):
        raise MissingRunsError(f"no run at α = {alpha_label(alpha)}")
    where = f"α = {alpha_label(alpha)}"
    return [jackknife(_of_alpha(table, alpha), lambda rows: ratio_of(rows, alpha) - 1, where=where)]


def distance_trend(evidence: Evidence, figure: str, model: str, *, low: float, high: float) -> list[Finding]:
    """How much the excess of the distance changes on average from one |α| of the grid to the next larger one."""
    table = _pairs(evidence, figure, model)
    alphas = [a for a in _alphas(table, low, high) if math.isfinite(excess_of(table, a))]
    alphas.sort(key=abs)
    if len(alphas) < 2:
        raise MissingRunsError("no two values of α with distances to compare")

    def slope(rows: pd.DataFrame) -> float:
        found = np.array([excess_of(rows, a) for a in alphas])
        return float(np.polyfit(np.arange(len(alphas)), found, 1)[0]) if np.isfinite(found).all() else math.nan

    return [jackknife(table, slope, where=f"a step of |α| from {abs(alphas[0]):g} to {abs(alphas[-1]):g}")]


def bound_trend(evidence: Evidence, figure: str, model: str) -> list[Finding]:
    """How much the mean bound changes from one α ≤ 0 of the grid to the next, in the order of α; one slope a seed."""
    rows = evidence.values(figure, model, "bound")
    rows = rows[rows["alpha"] <= 0]
    lowest = alpha_label(rows["alpha"].min())
    return [sample(slopes_by_seed(rows), "t over seeds' slopes", where=f"a step of the grid, α from {lowest} to 0")]


def bound_above_axis(evidence: Evidence, figure: str, model: str) -> list[Finding]:
    """The mean bound less the mean index of the unit axes, network by network, at every α: the claim needs them all."""
    rows = evidence.values(figure, model, "bound").merge(
        evidence.values(figure, model, "axis")[["run", "value"]], on="run", suffixes=("", "_axis")
    )
    alphas = sorted(rows["alpha"].unique())
    rows["above"] = rows["value"] - rows["value_axis"]
    return [
        sample(rows.loc[rows["alpha"] == a, "above"], where=f"α = {alpha_label(a)}", family=len(alphas)) for a in alphas
    ]
