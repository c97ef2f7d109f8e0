"""Predicates that set one network, layer restriction or non-linearity against another."""

from __future__ import annotations

import math
from collections.abc import Mapping

import pandas as pd

from ...errors import MissingRunsError
from ..numbers import alpha_label
from ..paper.figures import find_figure
from ..statistics import spearman
from .alphas import ACCURACY, between, is_accuracy, slopes_by_seed, span_text
from .evidence import Evidence
from .findings import Finding, correlation, matched, sample, two_samples


def against_at(
    evidence: Evidence, figure: str, model: str, *, other: str, alpha: float, measure: str, elsewhere: str = ""
) -> list[Finding]:
    """A network's measure at one α less another network's.

    Args:
        evidence, figure, model: whose.
        other: the other network.
        alpha: at which α.
        measure: which.
        elsewhere: the figure with the other's runs, where it is another.
    """
    sides = [evidence.values(figure, model, measure), evidence.values(elsewhere or figure, other, measure)]
    chosen = [rows.loc[rows["alpha"] == alpha, "value"] for rows in sides]
    if not all(map(len, chosen)):
        raise MissingRunsError(f"no runs of both networks at α = {alpha_label(alpha)}")
    return [two_samples(*chosen, where=f"α = {alpha_label(alpha)}", points=is_accuracy(measure))]


def slopes_against(
    evidence: Evidence, figure: str, model: str, *, other: str, low: float, high: float, measure: str,
    elsewhere: str = "",
) -> list[Finding]:  # fmt: skip
    """A network's mean change from one α to the next less another network's, over the α values that both have."""
    sides = [evidence.values(figure, model, measure), evidence.values(elsewhere or figure, other, measure)]
    common = set(sides[0]["alpha"]) & set(sides[1]["alpha"])
    sides = [between(rows[rows["alpha"].isin(common)], low, high) for rows in sides]
    slopes = [slopes_by_seed(rows) for rows in sides]
    where = f"a step of the grid, {span_text(sides[0])}"
    return [two_samples(*slopes, where=where, points=is_accuracy(measure))]


def early_less_late(
    evidence: Evidence, figure: str, model: str, *, late: str, low: float = -math.inf, high: float = math.inf
) -> list[Finding]:
    """Accuracy with the regulariser on the first layers less that with it on the last, averaged over common α ≠ 0.

    Args:
        evidence, figure, model: whose runs with the first layers.
        late: the figure with the runs on the last layers.
        low, high: which α.
    """
    cells = [
        between(evidence.values(name, model, ACCURACY), low, high).pivot(index="seed", columns="alpha", values="value")
        for name in (figure, late)
    ]
    common = [a for a in cells[0].columns if a != 0 and a in cells[1].columns]
    if not common:
        raise MissingRunsError("no α ≠ 0 was run with both restrictions")
    means = [own[common].dropna().mean(axis=1) for own in cells]
    listed = ", ".join(alpha_label(a) for a in common)
    return [matched(*means, where=f"mean over α = {listed}", points=True)]


def same_shape(
    evidence: Evidence, figure: str, model: str, *, parts: tuple[tuple[str, ...], ...], whole: Mapping[str, str]
) -> list[Finding]:
    """Spearman's correlation over α of accuracy under a layer restriction and without one, averaged over seeds.

    Args:
        evidence, figure, model: whose.
        parts: figures with the runs of each restriction, α < 0 and α > 0.
        whole: the figure with a network's runs on all layers.
    """
    keys = ["alpha", "seed"]
    free = evidence.values(whole[model], model, ACCURACY)[[*keys, "value"]]
    found = []
    for figures in parts:
        own = pd.concat([evidence.values(name, model, ACCURACY) for name in figures]).drop_duplicates("run")
        both = own[[*keys, "value"]].merge(free, on=keys, suffixes=("", "_whole"))
        rho = [spearman(rows["value"], rows["value_whole"])[0] for _, rows in both.groupby("seed") if len(rows) > 2]
        where = "first" if "first" in find_figure(figures[0]).title else "last"
        found.append(correlation(rho, where=f"{where} three layers, over α", family=len(parts)))
    return found


def leaky_dead(evidence: Evidence, figure: str, model: str) -> list[Finding]:
    """The share of dead units for every slope and α of leaky rectifiers: the claim needs all of them."""
    rows = evidence.values(figure, model, "dead")
    rows = rows[rows["activation"] != "relu"]
    groups = list(rows.groupby(["activation", "alpha"]))
    if not groups:
        raise MissingRunsError("no run with a leaky rectifier")
    return [
        sample(own["value"], where=f"slope {_slope(a)}, α = {alpha_label(alpha)}", family=len(groups))
        for (a, alpha), own in groups
    ]


def leaky_recovery(evidence: Evidence, figure: str, model: str) -> list[Finding]:
    """How much less accuracy falls from α = 0 with a leaky rectifier than with ReLU, for every slope and α > 0."""
    rows = evidence.values(figure, model, ACCURACY)
    falls: dict[tuple[str, float], pd.Series] = {}
    for activation, own in rows.groupby("activation"):
        cells = own.pivot(index="seed", columns="alpha", values="value")
        for alpha in (a for a in cells.columns if a > 0 and 0.0 in cells.columns):
            falls[str(activation), float(alpha)] = (cells[alpha] - cells[0.0]).dropna()
    pairs = [(a, alpha) for a, alpha in falls if a != "relu" and ("relu", alpha) in falls]
    if not pairs:
        raise MissingRunsError("no runs with both a leaky rectifier and ReLU at α = 0 and some α > 0")
    return [
        matched(
            falls[a, alpha], falls["relu", alpha], family=len(pairs), points=True,
            where=f"slope {_slope(a)}, α = {alpha_label(alpha)}",
        )
        for a, alpha in pairs
    ]  # fmt: skip


def _slope(activation: str) -> str:
    return activation.partition(":")[2]
