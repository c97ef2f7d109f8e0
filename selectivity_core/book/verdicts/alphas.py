"""Predicates on what α does: to one network's accuracy, selectivity or any other measure."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pandas as pd

from ...errors import MissingRunsError
from ..numbers import alpha_label
from ..statistics import spearman
from .evidence import Evidence
from .findings import LEVEL, Finding, capped, contrasts, correlation, matched, range_text, sample

ACCURACY = "test_accuracy"
ONLY = ", the only "  # behind the place of a finding on a range of α of which one value was run


def is_accuracy(measure: str) -> bool:
    """Whether a measure is shown in percentage points."""
    return measure.endswith("accuracy")


def between(rows: pd.DataFrame, low: float, high: float) -> pd.DataFrame:
    """Rows with α from `low` to `high`, both included."""
    return rows[(rows["alpha"] >= low) & (rows["alpha"] <= high)]


def span_text(rows: pd.DataFrame) -> str:
    """The α values of some rows in words."""
    alphas = sorted(rows["alpha"].unique())
    return f"α from {alpha_label(alphas[0])} to {alpha_label(alphas[-1])}"


def effect_at(evidence: Evidence, figure: str, model: str, *, alpha: float, measure: str = ACCURACY) -> list[Finding]:
    """What one α changes against α = 0; its level is the mean at that α."""
    found = contrasts(evidence.values(figure, model, measure), points=is_accuracy(measure))
    if alpha not in found:
        raise MissingRunsError(f"no run at α = {alpha_label(alpha)}")
    return [found[alpha]]


def every(
    evidence: Evidence, figure: str, model: str, *, low: float = -math.inf, high: float = math.inf,
    but: tuple[float, float] = (math.inf, -math.inf), measure: str = ACCURACY,
) -> list[Finding]:  # fmt: skip
    """What each α ≠ 0 from `low` to `high` changes: the claim needs all of them, so that the weakest decides.

    Args:
        evidence, figure, model: whose.
        low, high: which α.
        but: not those from the first of these to the second.
        measure: what changes.
    """
    found = contrasts(evidence.values(figure, model, measure), points=is_accuracy(measure))
    kept = [f for alpha, f in found.items() if low <= alpha <= high and not but[0] <= alpha <= but[1]]
    if not kept:
        raise MissingRunsError(f"no run with {range_text(low, high)}")
    return _only(kept, "one")


def _only(kept: list[Finding], what: str) -> list[Finding]:
    """The same; of a claim on all of a range, that one value of it was run is said."""
    return kept if len(kept) > 1 else [replace(f, where=f"{f.where}{ONLY}{what} run") for f in kept]


def best(evidence: Evidence, figure: str, model: str, *, low: float, high: float) -> list[Finding]:
    """What the best α ≠ 0 from `low` to `high` changes in test accuracy.

    The best is the one with the highest mean validation accuracy over the seeds that all of them have. Its interval is
    the simultaneous one: the networks that are tested were looked at for the choice.
    """
    chosen = between(evidence.values(figure, model, "validation_accuracy"), low, high)
    chosen = chosen[chosen["alpha"] != 0]
    if not len(chosen):
        raise MissingRunsError(f"no run with {range_text(low, high)}")
    by_alpha = chosen.pivot(index="seed", columns="alpha", values="value")
    complete = by_alpha.dropna()
    means = (complete if len(complete) else by_alpha).mean()
    found = contrasts(evidence.values(figure, model, ACCURACY), points=True, joint=True)
    return [found[float(means.idxmax())]]


def first_effect(
    evidence: Evidence, figure: str, model: str, *, alpha: float, measure: str = ACCURACY
) -> list[Finding]:
    """What an α changes; met where no milder α of its sign has a change at the corrected level."""
    found = contrasts(evidence.values(figure, model, measure), points=is_accuracy(measure))
    if alpha not in found:
        raise MissingRunsError(f"no run at α = {alpha_label(alpha)}")
    milder = [f for a, f in found.items() if 0 < a / alpha < 1]
    own = found[alpha]
    met = not any(f.p_corrected() < LEVEL for f in milder)
    return [replace(own, met=met)]


def trend(
    evidence: Evidence, figure: str, model: str, *, low: float = -math.inf, high: float = math.inf,
    measure: str = ACCURACY,
) -> list[Finding]:  # fmt: skip
    """How much a measure changes on average from one α of the grid to the next, in the order of α.

    A least-squares line over the places of the α values for every seed; its slope is the seed's one value.
    """
    rows = between(evidence.values(figure, model, measure), low, high)
    slopes = slopes_by_seed(rows)
    return [
        sample(
            slopes, "t over seeds' slopes", where=f"a step of the grid, {span_text(rows)}", points=is_accuracy(measure)
        )
    ]


def slopes_by_seed(rows: pd.DataFrame, by: str = "alpha") -> pd.Series:
    """Least-squares slope of `value` over the place of `by` among all its values, for seeds that have two or more.

    Raises:
        MissingRunsError: no seed has two.
    """
    places = {value: k for k, value in enumerate(sorted(rows[by].unique()))}
    found = {}
    for seed, own in rows.groupby("seed"):
        if own[by].nunique() > 1:
            found[seed] = np.polyfit(own[by].map(places).to_numpy(float), own["value"].to_numpy(float), 1)[0]
    if not found:
        raise MissingRunsError(f"no seed has two values of {'α' if by == 'alpha' else by} to compare")
    return pd.Series(found)


def _steps(rows: pd.DataFrame, measure: str) -> list[Finding]:
    """Each α less the one below it, paired by seed."""
    groups = {float(a): own.set_index("seed")["value"] for a, own in rows.groupby("alpha")}
    alphas = sorted(groups)
    if len(alphas) < 2:
        raise MissingRunsError("no two values of α to compare")
    return [
        matched(
            groups[b], groups[a], family=len(alphas) - 1, points=is_accuracy(measure),
            where=f"α from {alpha_label(a)} to {alpha_label(b)}",
        )
        for a, b in pairwise(alphas)
    ]  # fmt: skip


def monotone(
    evidence: Evidence, figure: str, model: str, *, low: float = -math.inf, high: float = math.inf,
    measure: str = "si_units",
) -> list[Finding]:  # fmt: skip
    """Every step of the grid from one α to the next: the claim needs all of them, so that the weakest decides."""
    return _only(_steps(between(evidence.values(figure, model, measure), low, high), measure), "step")


def irregular(evidence: Evidence, figure: str, model: str, *, low: float, measure: str = "si_units") -> list[Finding]:
    """The steepest fall between neighbouring α from `low` on; picked among several, it pays for the choice."""
    steps = _steps(between(evidence.values(figure, model, measure), low, math.inf), measure)
    steepest = min(steps, key=lambda f: f.estimate / f.se if f.se > 0 else math.copysign(math.inf, f.estimate))
    coverage = 1 - LEVEL / len(steps)
    p = capped(steepest.p() * len(steps))
    return [replace(steepest, limits=steepest.bounds(coverage), exact=p, corrected=p, joint=True)]


def largest(evidence: Evidence, figure: str, model: str, *, low: float, high: float, measure: str) -> list[Finding]:
    """The largest mean of a measure among α from `low` to `high`, against α = 0, with simultaneous intervals."""
    found = contrasts(evidence.values(figure, model, measure), joint=True)
    kept = [f for a, f in found.items() if low <= a <= high]
    if not kept:
        raise MissingRunsError(f"no run with {range_text(low, high)}")
    return [max(kept, key=lambda f: f.estimate)]


def level(evidence: Evidence, figure: str, model: str, *, alpha: float, measure: str) -> list[Finding]:
    """The mean of a measure at one α."""
    rows = evidence.values(figure, model, measure)
    rows = rows[rows["alpha"] == alpha]
    if not len(rows):
        raise MissingRunsError(f"no run at α = {alpha_label(alpha)}")
    return [sample(rows["value"], where=f"α = {alpha_label(alpha)}", points=is_accuracy(measure))]


def levels(
    evidence: Evidence, figure: str, model: str, *, measure: str, low: float = -math.inf, high: float = math.inf
) -> list[Finding]:
    """The mean of a measure at every α from `low` to `high`: the claim needs all of them."""
    rows = between(evidence.values(figure, model, measure), low, high)
    alphas = sorted(rows["alpha"].unique())
    if not alphas:
        raise MissingRunsError(f"no run with {range_text(low, high)}")
    return [
        sample(rows.loc[rows["alpha"] == a, "value"], where=f"α = {alpha_label(a)}", family=len(alphas)) for a in alphas
    ]


def ratio_at(evidence: Evidence, figure: str, model: str, *, alpha: float, measure: str = "si_units") -> list[Finding]:
    """What is left of a measure at one α: its ratio to the same seed's at α = 0, averaged over seeds."""
    rows = evidence.values(figure, model, measure)
    sides = [rows[rows["alpha"] == a].set_index("seed")["value"] for a in (alpha, 0.0)]
    for a, side in zip((alpha, 0.0), sides, strict=True):
        if not len(side):
            raise MissingRunsError(f"no run at α = {alpha_label(a)}")
    ratios = (sides[0] / sides[1]).dropna()
    return [sample(ratios, "t over seeds' ratios", where=f"α = {alpha_label(alpha)} over α = 0")]


def relative(evidence: Evidence, figure: str, model: str, *, measure: str, low: float, high: float) -> list[Finding]:
    """What each α ≠ 0 from `low` to `high` changes, as a share of the mean at α = 0: the claim needs all of them."""
    rows = evidence.values(figure, model, measure)
    base = rows.loc[rows["alpha"] == 0, "value"].mean()
    found = contrasts(rows.assign(value=rows["value"] / base) if base else rows)
    kept = [finding for alpha, finding in found.items() if low <= alpha <= high]
    if not kept:
        raise MissingRunsError(f"no run with {range_text(low, high)}")
    return kept


def rank_with_alpha(
    evidence: Evidence, figure: str, model: str, *, measure: str, low: float = -math.inf
) -> list[Finding]:
    """Spearman's correlation of α and a measure over the networks of each seed, averaged over seeds."""
    rows = between(evidence.values(figure, model, measure), low, math.inf)
    found = [spearman(own["alpha"], own["value"])[0] for _, own in rows.groupby("seed") if len(own) > 2]
    return [correlation(found, where=f"over {span_text(rows)}")]
