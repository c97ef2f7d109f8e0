"""How properties of units go together, network by network and layer by layer."""

from __future__ import annotations

import pandas as pd

from ...errors import MissingRunsError
from ..evidence import NetworkRuns
from ..inference import mean_correlation, spearman
from ..reliance import curves_of
from ..units import correlations, living
from .finding import Finding


def _over_networks(units: pd.DataFrame, first: str, second: str, part: str = "all") -> Finding:
    table = correlations(units, first, second)
    last = table["depth"].max()
    keep = {"all": table["depth"] >= 0, "first3": table["depth"] < 3, "last3": table["depth"] > last - 3}[part]
    each = table[keep].groupby("run")["rho"].mean()
    if not each.notna().any():
        raise MissingRunsError("no layer has units enough for a correlation")
    return Finding(
        mean_correlation(each), {"all": "within layers", "first3": "first three layers"}.get(part, "last three layers")
    )


def units_agree(on: NetworkRuns, *, first: str, second: str, pooled: bool = False) -> list[Finding]:
    """Spearman's correlation of two measures over living units at α = 0: within layers, or pooled over all of them."""
    units = living(on.table("units"))
    units = units[units["alpha"] == 0]
    if not len(units):
        raise MissingRunsError(f"no units of {on.model} at α = 0")
    if pooled:
        each = [spearman(own[first], own[second]) for _, own in units.groupby("run")]
        return [Finding(mean_correlation(each), "pooled over layers")]
    return [_over_networks(units, first, second)]


def importance(on: NetworkRuns, *, measure: str, part: str = "all") -> list[Finding]:
    """Spearman's correlation of a measure and the rise in test loss when a unit alone is ablated, within layers.

    Of loss, since ablating one unit changes accuracy by an image or two, and by none for most units.
    """
    units = living(on.table("units"))
    found = curves_of(on.of_figure.tables.importances, "importance")
    joined = units.merge(found, on=["run", "layer", "unit"], suffixes=("", "_ablated")) if len(found) else found
    if not len(joined):
        raise MissingRunsError(f"what ablating single units of {on.model} costs has not been measured")
    return [_over_networks(joined, measure, "loss_change", part)]


def rises_with_depth(on: NetworkRuns, *, measure: str) -> list[Finding]:
    """Spearman's correlation of depth and a layer's mean measure over living units, averaged over networks."""
    units = living(on.table("units"))
    found = []
    for _, own in units.groupby("run"):
        means = own.groupby("layer", sort=False)[measure].mean()
        found.append(spearman(range(len(means)), means))
    return [Finding(mean_correlation(found), "over layers")]
