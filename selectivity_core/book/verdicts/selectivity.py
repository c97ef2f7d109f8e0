"""Predicates on selectivity: what lowering it costs, what goes with it, and units that die or fall silent."""

from __future__ import annotations

import math

import pandas as pd

from ...errors import MissingRunsError
from ..numbers import alpha_label
from ..statistics import spearman
from .alphas import ACCURACY, between, span_text
from .evidence import Evidence
from .findings import Finding, contrasts, correlation, sample

INDEX = "si_units"


def cost_at_reduction(
    evidence: Evidence, figure: str, model: str, *, factor: float, above: float = -math.inf
) -> list[Finding]:
    """What accuracy changes at the mildest α < 0 that lowers the mean index at least `factor`-fold.

    The α is chosen by the index alone, so that the choice does not favour any accuracy.

    Args:
        evidence, figure, model: whose.
        factor: how many times lower than at α = 0.
        above: only α above this one.
    """
    index = evidence.values(figure, model, INDEX).groupby("alpha")["value"].mean()
    if 0.0 not in index.index:
        raise MissingRunsError("no run at α = 0")
    low = [float(a) for a, v in index.items() if above < float(a) < 0 and v * factor <= index[0.0]]
    if not low:
        raise MissingRunsError(
            f"no α {'below 0' if math.isinf(above) else f'between {alpha_label(above)} and 0'} that was run lowers the "
            f"index {factor:g}-fold"
        )
    return [contrasts(evidence.values(figure, model, ACCURACY), points=True)[max(low)]]


def follows(
    evidence: Evidence, figure: str, model: str, *, measure: str, low: float = -math.inf, high: float = math.inf
) -> list[Finding]:
    """Spearman's correlation over α of a measure's mean and the index's, averaged over seeds."""
    rows = _beside(evidence, figure, model, measure)
    rows = between(rows, low, high)
    found = [spearman(own["value"], own["index"])[0] for _, own in rows.groupby("seed") if len(own) > 2]
    return [correlation(found, where=f"over {span_text(rows)}" if len(rows) else "")]


def more_regular(evidence: Evidence, figure: str, model: str, *, measure: str) -> list[Finding]:
    """How much closer a measure follows α ≥ 0 than the index does: difference of the rank correlations with α."""
    rows = between(_beside(evidence, figure, model, measure), 0.0, math.inf)
    found = [
        spearman(own["alpha"], own["value"])[0] - spearman(own["alpha"], own["index"])[0]
        for _, own in rows.groupby("seed")
        if len(own) > 2
    ]
    return [sample(found, "t over seeds' differences", where=span_text(rows) if len(rows) else "")]


def _beside(evidence: Evidence, figure: str, model: str, measure: str) -> pd.DataFrame:
    index = evidence.values(figure, model, INDEX)[["run", "value"]].rename(columns={"value": "index"})
    return evidence.values(figure, model, measure).merge(index, on="run", validate="one_to_one")


def beyond_only(
    evidence: Evidence, figure: str, model: str, *, measure: str, alpha: float, share: float
) -> list[Finding]:
    """A measure is above `share` from α on and below it at every 0 < α' < α; estimates count in that direction."""
    rows = evidence.values(figure, model, measure)
    rows = rows[rows["alpha"] > 0]
    alphas = sorted(rows["alpha"].unique())
    if not any(a < alpha for a in alphas) or not any(a >= alpha for a in alphas):
        raise MissingRunsError(f"no runs on both sides of α = {alpha_label(alpha)}")
    parts = []
    for a in alphas:
        values = rows.loc[rows["alpha"] == a, "value"]
        distance = values - share if a >= alpha else share - values
        parts.append(sample(distance, where=f"α = {alpha_label(a)}", family=len(alphas)))
    return parts


def deficit_before(
    evidence: Evidence, figure: str, model: str, *, measure: str, below: float, share: float
) -> list[Finding]:
    """What accuracy changes at the largest 0 < α < `below` at which a measure's mean is still at most `share`."""
    means = evidence.values(figure, model, measure).groupby("alpha")["value"].mean()
    calm = [float(a) for a, v in means.items() if 0 < float(a) < below and v <= share]
    if not calm:
        raise MissingRunsError(
            f"no run with 0 < α < {below:g} at which {100 * share:g} % of units or fewer are {measure}"
        )
    return [contrasts(evidence.values(figure, model, ACCURACY), points=True)[max(calm)]]


def busy_units(evidence: Evidence, figure: str, model: str, *, alpha: float) -> list[Finding]:
    """The share of units that at least four fifths of the images activate, at one α."""
    rows = evidence.values(figure, model, "busy")
    rows = rows[rows["alpha"] == alpha]
    if not len(rows):
        raise MissingRunsError(f"no run at α = {alpha_label(alpha)}")
    return [sample(rows["value"], where=f"α = {alpha_label(alpha)}")]
