"""What α does to one network: against α = 0, over a range of α, and one sign against the other."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pandas as pd

from ...errors import MissingRunsError
from ..evidence import NetworkRuns
from ..inference import LEVEL, NEAR, at_fold, differences, max_t, mean_of, slopes, spearman
from .finding import INF, TEST_ACCURACY, Finding, by_alpha, in_range, label, needed, over_seeds, percent


def _against_baseline(on: NetworkRuns, measure: str) -> dict[float, Finding]:
    """Every α against α = 0, paired by seed and corrected over the figure's α."""
    rows = on.values(measure)
    if not (rows["alpha"] == 0).any():
        raise MissingRunsError("no run at α = 0")
    table = differences(rows, "value")
    table = table.loc[:, table.notna().any()]
    corrected = max_t(table)
    means = rows.groupby("alpha")["value"].mean()
    return {
        float(alpha): Finding(
            mean_of(column), f"α = {label(alpha)}", percent(measure), float(means[alpha]), table.shape[1],
            float(corrected[alpha]),
        )
        for alpha, column in table.items()
    }  # fmt: skip


def effect_at(on: NetworkRuns, *, alpha: float, measure: str = TEST_ACCURACY) -> list[Finding]:
    """What one α changes against α = 0."""
    found = _against_baseline(on, measure)
    if alpha not in found:
        raise MissingRunsError(f"no run at α = {label(alpha)}")
    return [replace(found[alpha], family=1, p_corrected=found[alpha].estimate.p)]


def every(
    on: NetworkRuns, *, low: float = -INF, high: float = INF,
    but: tuple[float, float] = (INF, -INF), measure: str = TEST_ACCURACY,
) -> list[Finding]:  # fmt: skip
    """What each α ≠ 0 from `low` to `high`, those from `but[0]` to `but[1]` left out, changes against α = 0."""
    found = _against_baseline(on, measure)
    chosen = [f for a, f in found.items() if low <= a <= high and not but[0] <= a <= but[1]]
    if len(chosen) == 1:
        raise MissingRunsError(f"it is about every α of a range, of which only {chosen[0].where} was run")
    return needed(chosen, low, high)


def best(on: NetworkRuns, *, low: float, high: float, measure: str = TEST_ACCURACY) -> list[Finding]:
    """What the α ≠ 0 from `low` to `high` with the highest mean validation accuracy changes against α = 0."""
    chosen = in_range(on.values("validation_accuracy"), low, high)
    chosen = chosen[chosen["alpha"] != 0]
    if not len(chosen):
        raise MissingRunsError(f"no run with α between {label(low)} and {label(high)}")
    cells = by_alpha(chosen)
    means = (cells.dropna() if len(cells.dropna()) else cells).mean()
    found = _against_baseline(on, measure)[float(means.idxmax())]
    return [replace(found, family=len(means), chosen=True)]


def first_effect(on: NetworkRuns, *, alpha: float, measure: str = TEST_ACCURACY) -> list[Finding]:
    """What an α changes; met where no milder α of its sign has a change at the corrected level."""
    found = _against_baseline(on, measure)
    if alpha not in found:
        raise MissingRunsError(f"no run at α = {label(alpha)}")
    milder = [f for a, f in found.items() if 0 < a / alpha < 1]
    return [replace(found[alpha], met=not any(f.p_corrected < LEVEL for f in milder))]


def largest(on: NetworkRuns, *, low: float, high: float, measure: str) -> list[Finding]:
    """The largest change among α from `low` to `high`; picked among several, it pays for the choice."""
    found = every(on, low=low, high=high, measure=measure)
    return [replace(max(found, key=lambda f: f.estimate.mean), chosen=True)]


def relative(on: NetworkRuns, *, measure: str, low: float, high: float) -> list[Finding]:
    """What each α ≠ 0 from `low` to `high` changes, as a share of the mean at α = 0."""
    rows = on.values(measure)
    base = float(rows.loc[rows["alpha"] == 0, "value"].mean())
    if not base > 0:
        raise MissingRunsError(f"{measure} is 0 or missing at α = 0: changes have no share of it")
    table = differences(rows, "value") / base
    found = [
        Finding(mean_of(column), f"α = {label(a)}")
        for a, column in table.items()
        if low <= float(a) <= high and column.notna().any()
    ]
    return needed(found, low, high)


def level(on: NetworkRuns, *, alpha: float, measure: str) -> list[Finding]:
    """The mean of a measure at one α."""
    return levels(on, measure=measure, low=alpha, high=alpha)


def levels(on: NetworkRuns, *, measure: str, low: float = -INF, high: float = INF) -> list[Finding]:
    """The mean of a measure at every α from `low` to `high`."""
    rows = in_range(on.values(measure), low, high)
    found = [
        Finding(mean_of(own["value"]), f"α = {label(float(a))}", percent(measure)) for a, own in rows.groupby("alpha")
    ]
    return needed(found, low, high)


def ratio_at(on: NetworkRuns, *, alpha: float) -> list[Finding]:
    """What is left of the mean index at one α: its ratio to the same seed's at α = 0."""
    cells = by_alpha(on.values("si_units"))
    if alpha not in cells or 0.0 not in cells:
        raise MissingRunsError(f"no runs at both α = {label(alpha)} and α = 0")
    return [Finding(mean_of((cells[alpha] / cells[0.0]).dropna(), null=1.0), f"α = {label(alpha)} over α = 0")]


def trend(on: NetworkRuns, *, low: float = -INF, high: float = INF, measure: str = TEST_ACCURACY) -> list[Finding]:
    """The mean change from one α that was run to the next, in the order of α: a least-squares slope a seed.

    A range that holds both signs is judged on either side, each with the baseline. A single step is no trend.
    """
    sides = [(low, min(high, 0.0)), (max(low, 0.0), high)] if low < 0 < high else [(low, high)]
    return [
        slope(in_range(on.values(measure), *side), measure, len(sides)) for side in sides
    ]  # fmt: skip


def slope(rows: pd.DataFrame, measure: str, family: int = 1) -> Finding:
    """The mean change from one α to the next; one least-squares slope a seed.

    Raises:
        MissingRunsError: fewer than three values of α.
    """
    found = slopes(rows, "value")
    if not len(found) or rows["alpha"].nunique() < 3:
        raise MissingRunsError("it is about a trend, and fewer than three values of α were run")
    where = f"a step of α, {label(rows['alpha'].min())} to {label(rows['alpha'].max())}"
    return Finding(mean_of(found), where, percent(measure), family=family)


def monotone(on: NetworkRuns, *, low: float = -INF, high: float = INF) -> list[Finding]:
    """Every step of the mean index from one α that was run to the next higher one, paired by seed."""
    cells = by_alpha(in_range(on.values("si_units"), low, high))
    found = [
        Finding(mean_of((cells[b] - cells[a]).dropna()), f"α from {label(a)} to {label(b)}")
        for a, b in pairwise(sorted(cells.columns))
        if (cells[b] - cells[a]).notna().any()
    ]
    if len(found) == 1:
        raise MissingRunsError(f"it is about every step of a range, of which only {found[0].where} was run")
    return needed(found, low, high)


def irregular(on: NetworkRuns, *, low: float) -> list[Finding]:
    """The steepest fall of the mean index between neighbouring α from `low` on, which pays for being picked."""
    steps = monotone(on, low=low)
    return [replace(min(steps, key=lambda f: f.estimate.mean), chosen=True)]


def rank_with_alpha(on: NetworkRuns, *, measure: str, low: float = -INF) -> list[Finding]:
    """Spearman's correlation of α and a measure over the runs of each seed, averaged over seeds."""
    rows = in_range(on.values(measure), low, INF)
    found = [spearman(own["alpha"], own["value"]) for _, own in rows.groupby("seed") if len(own) > 2]
    return [Finding(over_seeds(found), f"over α from {label(low)}")]


# Lowering against raising at equal |α|.


def signs_at(on: NetworkRuns, *, size: float, measure: str = TEST_ACCURACY) -> list[Finding]:
    """α = −size less α = size, paired by seed."""
    cells = by_alpha(on.values(measure))
    if size not in cells or -size not in cells or not (cells[-size] - cells[size]).notna().any():
        raise MissingRunsError(f"no runs at both α = {label(-size)} and α = {label(size)}")
    return [Finding(mean_of(cells[-size] - cells[size]), f"|α| = {size:g}", percent(measure))]


def signs_averaged(on: NetworkRuns, *, measure: str = TEST_ACCURACY) -> list[Finding]:
    """α < 0 less α > 0 at equal |α|, averaged over all sizes that were run; one value a seed."""
    cells = by_alpha(on.values(measure))
    sizes = [a for a in cells.columns if a > 0 and -a in cells.columns]
    found = pd.DataFrame({a: cells[-a] - cells[a] for a in sizes}).dropna().mean(axis=1)
    if not len(found):
        raise MissingRunsError("no size of α was run with both signs")
    return [Finding(mean_of(found), f"mean over |α| = {', '.join(f'{a:g}' for a in sizes)}", percent(measure))]


# Selectivity: what lowering it costs, and what goes with it.


def cost_at_reduction(on: NetworkRuns, *, factor: float, measure: str = TEST_ACCURACY) -> list[Finding]:
    """What a measure changes where the mean index is cut `factor`-fold, interpolated between α that bracket it.

    Args:
        factor: how many times lower than at α = 0.
        measure: what changes.
    """
    index = on.values("si_units").rename(columns={"value": "si_units"})
    rows = on.values(measure)[["run", "value"]].merge(index, on="run")
    found = at_fold(rows, factor)
    seeds = rows["seed"].nunique()
    if len(found) * 2 < seeds or not len(found):
        means = rows[rows["alpha"] <= 0].groupby("alpha")["si_units"].mean()
        reached = means.get(0.0, math.nan) / means.min()
        raise MissingRunsError(
            f"not bracketed: no α ≤ 0 has an index within a factor of {NEAR:.2g} of a {factor:g}-fold cut and another "
            f"beyond it; the lowest index that was run is {reached:.3g}-fold below that at α = 0"
        )
    return [Finding(mean_of(found), f"index cut {factor:g}-fold", percent(measure))]


def _beside_index(on: NetworkRuns, measure: str) -> pd.DataFrame:
    index = on.values("si_units")[["run", "value"]].rename(columns={"value": "index"})
    return on.values(measure).merge(index, on="run", validate="one_to_one")


def follows(on: NetworkRuns, *, measure: str, high: float = INF) -> list[Finding]:
    """Spearman's correlation over α of a measure and the index, averaged over seeds; each side of α = 0 on its own."""
    rows = in_range(_beside_index(on, measure), -INF, high)
    found = []
    for name, side in (("α ≤ 0", rows[rows["alpha"] <= 0]), ("α ≥ 0", rows[rows["alpha"] >= 0])):
        rho = [spearman(own["value"], own["index"]) for _, own in side.groupby("seed") if len(own) > 2]
        if np.isfinite(rho).any():
            found.append(Finding(over_seeds(rho), name))
    return needed(found, -INF, high)


def more_regular(on: NetworkRuns, *, measure: str) -> list[Finding]:
    """How much closer a measure follows α ≥ 0 than the index does: difference of the rank correlations with α."""
    rows = in_range(_beside_index(on, measure), 0.0, INF)
    found = [
        spearman(own["alpha"], own["value"]) - spearman(own["alpha"], own["index"])
        for _, own in rows.groupby("seed")
        if len(own) > 2
    ]
    if not np.isfinite(found).any():
        raise MissingRunsError("no seed has three values of α ≥ 0")
    return [Finding(mean_of(found), "α ≥ 0")]
