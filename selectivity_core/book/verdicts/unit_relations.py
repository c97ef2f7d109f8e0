"""Predicates on how properties of units go together, worked out network by network and layer by layer."""

from __future__ import annotations

from typing import Literal

import pandas as pd

from ...errors import MissingRunsError
from ...runs.analyses import ANALYSES
from ..correlations import by_layer
from ..statistics import spearman
from .evidence import Evidence
from .findings import Finding, correlation

Part = Literal["all", "first3", "last3"]
OUTERMOST = 3


def _living(evidence: Evidence, figure: str, model: str) -> pd.DataFrame:
    """Units that any test image activates; `informed` is mutual information less that of shuffled labels."""
    units = evidence.table("units", figure, model)
    alive = units[~units["dead"].astype(bool)]
    return alive.assign(informed=alive["mutual_information"] - alive["mutual_information_shuffled"])


def _over_networks(units: pd.DataFrame, first: str, second: str, part: Part = "all") -> list[Finding]:
    table = by_layer(units, first, second)
    last = table["depth"].max()
    if part == "first3":
        table = table[table["depth"] < OUTERMOST]
    elif part == "last3":
        table = table[table["depth"] > last - OUTERMOST]
    each = table.groupby("run")["rho"].mean()
    where = {"all": "all layers", "first3": "first three layers", "last3": "last three layers"}[part]
    return [correlation(each, where=f"over units, {where}")]


def units_agree(
    evidence: Evidence, figure: str, model: str, *, first: str, second: str, alpha: float = 0.0
) -> list[Finding]:
    """Spearman's correlation of two measures over a layer's units at one α, averaged over layers, then networks."""
    units = _living(evidence, figure, model)
    units = units[units["alpha"] == alpha]
    if not len(units):
        raise MissingRunsError(f"no units of {model} at α = {alpha:g}")
    return _over_networks(units, first, second)


def importance(evidence: Evidence, figure: str, model: str, *, measure: str, part: Part = "all") -> list[Finding]:
    """Spearman's correlation of a measure and the test accuracy lost when a unit alone is clamped to zero.

    Over the units of a layer, averaged over layers and then over networks: positive where units with more of the
    measure matter more.
    """
    units = _living(evidence, figure, model)
    found = evidence.study(figure).tables.importances
    found = found[found["analysis"] == ANALYSES["importance"].label] if len(found) else found
    if not len(found):
        raise MissingRunsError(f"what clamping single units of {model} costs has not been worked out")
    joined = units.merge(found, on=["run", "layer", "unit"], validate="one_to_one", suffixes=("", "_clamped"))
    if not len(joined):
        raise MissingRunsError(f"what clamping single units of {model} costs has not been worked out")
    return _over_networks(joined.assign(lost=-joined["accuracy_change"]), measure, "lost", part)


def rises_with_depth(evidence: Evidence, figure: str, model: str, *, measure: str) -> list[Finding]:
    """Spearman's correlation of depth and a layer's mean measure over living units, averaged over networks."""
    units = _living(evidence, figure, model)
    found = []
    for _, own in units.groupby("run"):
        means = own.groupby("layer", sort=False)[measure].mean()
        found.append(spearman(range(len(means)), means)[0])
    return [correlation(found, where="over layers")]
