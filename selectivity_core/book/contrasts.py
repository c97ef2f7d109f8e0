"""The contrasts that claims are judged by: one value a network, paired by seed where both sides have it.

A contrast takes `Evidence`, the figure and network of the claim and its settings. It gives a `Finding` for each
thing that the claim speaks of (every α of a range, say). Contrasts of accuracy take `measure`, so that the same one
can be asked of training accuracy.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from ..errors import MissingRunsError
from .evidence import Evidence
from .inference import (
    LEVEL,
    NEAR,
    Estimate,
    at_fold,
    correlation_over,
    differences,
    holm,
    max_t,
    mean_correlation,
    mean_of,
    slopes,
    spearman,
    unpaired,
)  # fmt: skip
from .reliance import areas as areas_under
from .reliance import by_network, curves_of, kept_within_and_beyond
from .representations import by_layer, distances, in_form, permutation_p
from .units import correlations, living

ACCURACY = "test_accuracy"
INF = math.inf
AREA = "initial"  # of the normalisations of an area the one that judges: accuracy over initial accuracy
ENDS, SHARE = 5, 4  # best and worst networks: five, at most a quarter of all


@dataclass(frozen=True)
class Finding:
    """What a contrast finds.

    Attributes:
        estimate: over networks.
        where: which α, layers or settings, as a label.
        points: whether the estimate is a difference of accuracies.
        level: the mean of the measure there, where the estimate is a change.
        family: how many findings the claim needs beside this one; corrections count them.
        p_corrected: for the family.
        met: False where a condition of the claim beside its sign fails.
        chosen: whether this one was picked among the family by the data.
    """

    estimate: Estimate
    where: str = ""
    points: bool = False
    level: float = math.nan
    family: int = 1
    p_corrected: float = math.nan
    met: bool = True
    chosen: bool = False


def label(alpha: float) -> str:
    """An α as figures write it."""
    return f"{alpha:g}".replace("-", "−")


def _percent(measure: str) -> bool:
    return measure.endswith("accuracy")


def _range(rows: pd.DataFrame, low: float, high: float) -> pd.DataFrame:
    return rows[(rows["alpha"] >= low) & (rows["alpha"] <= high)]


def _against_baseline(evidence: Evidence, figure: str, model: str, measure: str) -> dict[float, Finding]:
    """Every α against α = 0, paired by seed and corrected over the figure's α."""
    rows = evidence.values(figure, model, measure)
    if not (rows["alpha"] == 0).any():
        raise MissingRunsError("no run at α = 0")
    table = differences(rows, "value")
    table = table.loc[:, table.notna().any()]
    corrected = max_t(table)
    means = rows.groupby("alpha")["value"].mean()
    return {
        float(alpha): Finding(
            mean_of(column), f"α = {label(alpha)}", _percent(measure), float(means[alpha]), table.shape[1],
            float(corrected[alpha]),
        )
        for alpha, column in table.items()
    }  # fmt: skip


def effect_at(evidence: Evidence, figure: str, model: str, *, alpha: float, measure: str = ACCURACY) -> list[Finding]:
    """What one α changes against α = 0."""
    found = _against_baseline(evidence, figure, model, measure)
    if alpha not in found:
        raise MissingRunsError(f"no run at α = {label(alpha)}")
    return [replace(found[alpha], family=1, p_corrected=found[alpha].estimate.p)]


def every(
    evidence: Evidence, figure: str, model: str, *, low: float = -INF, high: float = INF,
    but: tuple[float, float] = (INF, -INF), measure: str = ACCURACY,
) -> list[Finding]:  # fmt: skip
    """What each α ≠ 0 from `low` to `high`, those from `but[0]` to `but[1]` left out, changes against α = 0."""
    found = _against_baseline(evidence, figure, model, measure)
    chosen = [f for a, f in found.items() if low <= a <= high and not but[0] <= a <= but[1]]
    if len(chosen) == 1:
        raise MissingRunsError(f"it is about every α of a range, of which only {chosen[0].where} was run")
    return _needed(chosen, low, high)


def _needed(found: list[Finding], low: float, high: float) -> list[Finding]:
    if not found:
        raise MissingRunsError(f"no run with α between {label(low)} and {label(high)}")
    return [replace(f, family=len(found)) for f in found]


def best(
    evidence: Evidence, figure: str, model: str, *, low: float, high: float, measure: str = ACCURACY
) -> list[Finding]:
    """What the α ≠ 0 from `low` to `high` with the highest mean validation accuracy changes against α = 0."""
    chosen = _range(evidence.values(figure, model, "validation_accuracy"), low, high)
    chosen = chosen[chosen["alpha"] != 0]
    if not len(chosen):
        raise MissingRunsError(f"no run with α between {label(low)} and {label(high)}")
    cells = chosen.pivot(index="seed", columns="alpha", values="value")
    means = (cells.dropna() if len(cells.dropna()) else cells).mean()
    found = _against_baseline(evidence, figure, model, measure)[float(means.idxmax())]
    return [replace(found, family=len(means), chosen=True)]


def first_effect(
    evidence: Evidence, figure: str, model: str, *, alpha: float, measure: str = ACCURACY
) -> list[Finding]:
    """What an α changes; met where no milder α of its sign has a change at the corrected level."""
    found = _against_baseline(evidence, figure, model, measure)
    if alpha not in found:
        raise MissingRunsError(f"no run at α = {label(alpha)}")
    milder = [f for a, f in found.items() if 0 < a / alpha < 1]
    return [replace(found[alpha], met=not any(f.p_corrected < LEVEL for f in milder))]


def largest(evidence: Evidence, figure: str, model: str, *, low: float, high: float, measure: str) -> list[Finding]:
    """The largest change among α from `low` to `high`; picked among several, it pays for the choice."""
    found = every(evidence, figure, model, low=low, high=high, measure=measure)
    return [replace(max(found, key=lambda f: f.estimate.mean), chosen=True)]


def relative(evidence: Evidence, figure: str, model: str, *, measure: str, low: float, high: float) -> list[Finding]:
    """What each α ≠ 0 from `low` to `high` changes, as a share of the mean at α = 0."""
    rows = evidence.values(figure, model, measure)
    base = float(rows.loc[rows["alpha"] == 0, "value"].mean())
    if not base:
        raise MissingRunsError(f"{measure} is 0 at α = 0: changes have no share of it")
    table = differences(rows, "value") / base
    found = [
        Finding(mean_of(column), f"α = {label(a)}")
        for a, column in table.items()
        if low <= float(a) <= high and column.notna().any()
    ]
    return _needed(found, low, high)


def level(evidence: Evidence, figure: str, model: str, *, alpha: float, measure: str) -> list[Finding]:
    """The mean of a measure at one α."""
    return levels(evidence, figure, model, measure=measure, low=alpha, high=alpha)


def levels(
    evidence: Evidence, figure: str, model: str, *, measure: str, low: float = -INF, high: float = INF
) -> list[Finding]:
    """The mean of a measure at every α from `low` to `high`."""
    rows = _range(evidence.values(figure, model, measure), low, high)
    found = [
        Finding(mean_of(own["value"]), f"α = {label(float(a))}", _percent(measure)) for a, own in rows.groupby("alpha")
    ]
    return _needed(found, low, high)


def ratio_at(evidence: Evidence, figure: str, model: str, *, alpha: float, measure: str = "si_units") -> list[Finding]:
    """What is left of a measure at one α: its ratio to the same seed's at α = 0."""
    cells = evidence.values(figure, model, measure).pivot(index="seed", columns="alpha", values="value")
    if alpha not in cells or 0.0 not in cells:
        raise MissingRunsError(f"no runs at both α = {label(alpha)} and α = 0")
    return [Finding(mean_of((cells[alpha] / cells[0.0]).dropna(), null=1.0), f"α = {label(alpha)} over α = 0")]


def trend(
    evidence: Evidence, figure: str, model: str, *, low: float = -INF, high: float = INF, measure: str = ACCURACY
) -> list[Finding]:
    """The mean change from one α that was run to the next, in the order of α: a least-squares slope a seed.

    A range that holds both signs is judged on either side, each with the baseline. A single step is no trend.
    """
    sides = [(low, min(high, 0.0)), (max(low, 0.0), high)] if low < 0 < high else [(low, high)]
    return [
        _slope(_range(evidence.values(figure, model, measure), *side), measure, len(sides)) for side in sides
    ]  # fmt: skip


def _slope(rows: pd.DataFrame, measure: str, family: int = 1) -> Finding:
    found = slopes(rows, "value")
    if not len(found) or rows["alpha"].nunique() < 3:
        raise MissingRunsError("it is about a trend, and fewer than three values of α were run")
    where = f"a step of α, {label(rows['alpha'].min())} to {label(rows['alpha'].max())}"
    return Finding(mean_of(found), where, _percent(measure), family=family)


def monotone(
    evidence: Evidence, figure: str, model: str, *, low: float = -INF, high: float = INF, measure: str = "si_units"
) -> list[Finding]:
    """Every step from one α that was run to the next higher one, paired by seed."""
    cells = _range(evidence.values(figure, model, measure), low, high).pivot(
        index="seed", columns="alpha", values="value"
    )
    found = [
        Finding(mean_of((cells[b] - cells[a]).dropna()), f"α from {label(a)} to {label(b)}", _percent(measure))
        for a, b in pairwise(sorted(cells.columns))
        if (cells[b] - cells[a]).notna().any()
    ]
    if len(found) == 1:
        raise MissingRunsError(f"it is about every step of a range, of which only {found[0].where} was run")
    return _needed(found, low, high)


def irregular(evidence: Evidence, figure: str, model: str, *, low: float, measure: str = "si_units") -> list[Finding]:
    """The steepest fall between neighbouring α from `low` on; picked among several, it pays for the choice."""
    steps = monotone(evidence, figure, model, low=low, measure=measure)
    return [replace(min(steps, key=lambda f: f.estimate.mean), chosen=True)]


def rank_with_alpha(evidence: Evidence, figure: str, model: str, *, measure: str, low: float = -INF) -> list[Finding]:
    """Spearman's correlation of α and a measure over the runs of each seed, averaged over seeds."""
    rows = _range(evidence.values(figure, model, measure), low, INF)
    found = [spearman(own["alpha"], own["value"]) for _, own in rows.groupby("seed") if len(own) > 2]
    return [Finding(_over_seeds(found), f"over α from {label(low)}")]


def _over_seeds(found: Sequence[float]) -> Estimate:
    if not np.isfinite(found).any():
        raise MissingRunsError("no seed has three values of α, as a correlation over α needs")
    return mean_correlation(found)


# Lowering against raising at equal |α|.


def signs_at(evidence: Evidence, figure: str, model: str, *, size: float, measure: str = ACCURACY) -> list[Finding]:
    """α = −size less α = size, paired by seed."""
    cells = evidence.values(figure, model, measure).pivot(index="seed", columns="alpha", values="value")
    if size not in cells or -size not in cells or not (cells[-size] - cells[size]).notna().any():
        raise MissingRunsError(f"no runs at both α = {label(-size)} and α = {label(size)}")
    return [Finding(mean_of(cells[-size] - cells[size]), f"|α| = {size:g}", _percent(measure))]


def signs_averaged(evidence: Evidence, figure: str, model: str, *, measure: str = ACCURACY) -> list[Finding]:
    """α < 0 less α > 0 at equal |α|, averaged over all sizes that were run; one value a seed."""
    cells = evidence.values(figure, model, measure).pivot(index="seed", columns="alpha", values="value")
    sizes = [a for a in cells.columns if a > 0 and -a in cells.columns]
    found = pd.DataFrame({a: cells[-a] - cells[a] for a in sizes}).dropna().mean(axis=1)
    if not len(found):
        raise MissingRunsError("no size of α was run with both signs")
    return [Finding(mean_of(found), f"mean over |α| = {', '.join(f'{a:g}' for a in sizes)}", _percent(measure))]


# Selectivity: what lowering it costs, and what goes with it.


def cost_at_reduction(
    evidence: Evidence, figure: str, model: str, *, factor: float, measure: str = ACCURACY
) -> list[Finding]:
    """What a measure changes where the mean index is cut `factor`-fold, interpolated between α that bracket it.

    Args:
        evidence, figure, model: whose.
        factor: how many times lower than at α = 0.
        measure: what changes.
    """
    index = evidence.values(figure, model, "si_units").rename(columns={"value": "si_units"})
    rows = evidence.values(figure, model, measure)[["run", "value"]].merge(index, on="run")
    found = at_fold(rows, factor, "value")
    seeds = rows["seed"].nunique()
    if len(found) * 2 < seeds or not len(found):
        means = rows[rows["alpha"] <= 0].groupby("alpha")["si_units"].mean()
        reached = means.get(0.0, math.nan) / means.min()
        raise MissingRunsError(
            f"not bracketed: no α ≤ 0 has an index within a factor of {NEAR:.2g} of a {factor:g}-fold cut and another "
            f"beyond it; the lowest index that was run is {reached:.3g}-fold below that at α = 0"
        )
    return [Finding(mean_of(found), f"index cut {factor:g}-fold", _percent(measure))]


def _beside_index(evidence: Evidence, figure: str, model: str, measure: str) -> pd.DataFrame:
    index = evidence.values(figure, model, "si_units")[["run", "value"]].rename(columns={"value": "index"})
    return evidence.values(figure, model, measure).merge(index, on="run", validate="one_to_one")


def follows(
    evidence: Evidence, figure: str, model: str, *, measure: str, low: float = -INF, high: float = INF
) -> list[Finding]:
    """Spearman's correlation over α of a measure and the index, averaged over seeds; each side of α = 0 on its own."""
    rows = _range(_beside_index(evidence, figure, model, measure), low, high)
    found = []
    for name, side in (("α ≤ 0", rows[rows["alpha"] <= 0]), ("α ≥ 0", rows[rows["alpha"] >= 0])):
        rho = [spearman(own["value"], own["index"]) for _, own in side.groupby("seed") if len(own) > 2]
        if np.isfinite(rho).any():
            found.append(Finding(_over_seeds(rho), name))
    return _needed(found, low, high)


def more_regular(evidence: Evidence, figure: str, model: str, *, measure: str) -> list[Finding]:
    """How much closer a measure follows α ≥ 0 than the index does: difference of the rank correlations with α."""
    rows = _range(_beside_index(evidence, figure, model, measure), 0.0, INF)
    found = [
        spearman(own["alpha"], own["value"]) - spearman(own["alpha"], own["index"])
        for _, own in rows.groupby("seed")
        if len(own) > 2
    ]
    if not np.isfinite(found).any():
        raise MissingRunsError("no seed has three values of α ≥ 0")
    return [Finding(mean_of(found), "α ≥ 0")]


def beyond_only(
    evidence: Evidence, figure: str, model: str, *, measure: str, alpha: float, share: float
) -> list[Finding]:
    """A measure lies above `share` from α on and below it at every 0 < α' < α; estimates count in that direction."""
    rows = evidence.values(figure, model, measure)
    rows = rows[rows["alpha"] > 0]
    if not (rows["alpha"] < alpha).any() or not (rows["alpha"] >= alpha).any():
        raise MissingRunsError(f"no runs on both sides of α = {label(alpha)}")
    found = [
        Finding(mean_of((own["value"] - share) * (1 if a >= alpha else -1)), f"α = {label(a)}")
        for a, own in rows.groupby("alpha")
    ]
    return _needed(found, 0, INF)


def deficit_before(
    evidence: Evidence, figure: str, model: str, *, measure: str, below: float, share: float
) -> list[Finding]:
    """What accuracy changes at the largest 0 < α < `below` at which a measure's mean is still at most `share`."""
    means = evidence.values(figure, model, measure).groupby("alpha")["value"].mean()
    calm = [float(a) for a, v in means.items() if 0 < float(a) < below and v <= share]
    if not calm:
        raise MissingRunsError(
            f"no run with 0 < α < {below:g} at which the share of {measure} units is at most {share:g}"
        )
    return effect_at(evidence, figure, model, alpha=max(calm))


def busy_units(evidence: Evidence, figure: str, model: str, *, alpha: float) -> list[Finding]:
    """The share of units that at least four fifths of the images activate, at one α, against one half."""
    rows = evidence.values(figure, model, "busy")
    rows = rows[rows["alpha"] == alpha]
    if not len(rows):
        raise MissingRunsError(f"no run at α = {label(alpha)}")
    return [Finding(mean_of(rows["value"], null=0.5), f"α = {label(alpha)}")]


# One network, restriction or non-linearity against another.


def against_at(
    evidence: Evidence, figure: str, model: str, *, other: str, alpha: float, measure: str, elsewhere: str = ""
) -> list[Finding]:
    """A network's measure at one α less another network's."""
    sides = [evidence.values(figure, model, measure), evidence.values(elsewhere or figure, other, measure)]
    chosen = [rows.loc[rows["alpha"] == alpha, "value"] for rows in sides]
    if not all(map(len, chosen)):
        raise MissingRunsError(f"no runs of both networks at α = {label(alpha)}")
    return [Finding(unpaired(*chosen), f"α = {label(alpha)}", _percent(measure))]


def slopes_against(
    evidence: Evidence, figure: str, model: str, *, other: str, low: float, high: float, measure: str,
    elsewhere: str = "",
) -> list[Finding]:  # fmt: skip
    """A network's mean change from one α to the next less another network's, over the α values that both have."""
    sides = [evidence.values(figure, model, measure), evidence.values(elsewhere or figure, other, measure)]
    common = set(sides[0]["alpha"]) & set(sides[1]["alpha"])
    found = [slopes(_range(rows[rows["alpha"].isin(common)], low, high), "value") for rows in sides]
    if not all(map(len, found)):
        raise MissingRunsError("the two networks have no two values of α in common")
    return [Finding(unpaired(*found), "a step of α", _percent(measure))]


def early_less_late(
    evidence: Evidence, figure: str, model: str, *, late: str, low: float = -INF, high: float = INF,
    measure: str = ACCURACY,
) -> list[Finding]:  # fmt: skip
    """A measure with the regulariser on the first layers less that with it on the last, averaged over common α ≠ 0."""
    cells = [
        _range(evidence.values(name, model, measure), low, high).pivot(index="seed", columns="alpha", values="value")
        for name in (figure, late)
    ]
    common = [a for a in cells[0].columns if a != 0 and a in cells[1].columns]
    if not common:
        raise MissingRunsError("no α ≠ 0 was run with both restrictions")
    found = (cells[0][common] - cells[1][common]).dropna().mean(axis=1)
    return [Finding(mean_of(found), f"mean over α = {', '.join(map(label, common))}", _percent(measure))]


def same_shape(
    evidence: Evidence, figure: str, model: str, *, parts: tuple[tuple[str, ...], ...], whole: Mapping[str, str]
) -> list[Finding]:
    """Spearman's correlation over α of accuracy under a layer restriction and without one, averaged over seeds."""
    free = evidence.values(whole[model], model, ACCURACY)[["alpha", "seed", "value"]]
    found = []
    for figures in parts:
        own = pd.concat([evidence.values(name, model, ACCURACY) for name in figures]).drop_duplicates("run")
        both = own[["alpha", "seed", "value"]].merge(free, on=["alpha", "seed"], suffixes=("", "_whole"))
        rho = [spearman(rows["value"], rows["value_whole"]) for _, rows in both.groupby("seed") if len(rows) > 2]
        layers = str(evidence.figure(figures[0]).figure.setting["layers"])
        found.append(Finding(_over_seeds(rho), layers, family=len(parts)))
    return found


def leaky_dead(evidence: Evidence, figure: str, model: str) -> list[Finding]:
    """The share of dead units for every slope and α of leaky rectifiers."""
    rows = evidence.values(figure, model, "dead")
    groups = rows[rows["activation"] != "relu"].groupby(["activation", "alpha"])
    found = [Finding(mean_of(own["value"]), f"{name}, α = {label(a)}") for (name, a), own in groups]
    return _needed(found, 0, INF)


def leaky_recovery(evidence: Evidence, figure: str, model: str, *, measure: str = ACCURACY) -> list[Finding]:
    """How much less accuracy falls from α = 0 with a leaky rectifier than with ReLU, for every slope and α > 0."""
    rows = evidence.values(figure, model, measure)
    falls = {name: differences(own, "value") for name, own in rows.groupby("activation") if (own["alpha"] == 0).any()}
    if "relu" not in falls:
        raise MissingRunsError("no runs with ReLU to compare leaky rectifiers with")
    found = []
    for name, table in falls.items():
        for alpha in [a for a in table if name != "relu" and a > 0 and a in falls["relu"]]:
            gained = (table[alpha] - falls["relu"][alpha]).dropna()
            if len(gained):
                found.append(Finding(mean_of(gained), f"{name}, α = {label(alpha)}", _percent(measure)))
    return _needed(found, 0, INF)


# Representations: distances between networks, and the off-axis bound. Networks are resampled, never pairs or layers.

JUDGED = "textbook, averaged"  # the form of the distance that judges


def _pairs(evidence: Evidence, figure: str, model: str, form: str = JUDGED) -> pd.DataFrame:
    found = distances(evidence.figure(figure).tables.pairs, evidence.runs(figure, model))
    if not len(found):
        raise MissingRunsError(f"no distance between networks of {model} has been worked out")
    return in_form(found, form)


def _excess(table: pd.DataFrame, alpha: float) -> float:
    """Mean over layers of 2ρ(α, 0) − ρ(α, α) − ρ(0, 0); NaN where a side has no pair."""
    layers = by_layer(table, alpha).dropna(subset=["within", "between", "baseline"])
    return float((2 * layers["between"] - layers["within"] - layers["baseline"]).mean()) if len(layers) else math.nan


def _ratio(table: pd.DataFrame, alpha: float) -> float:
    """The paper's ratio, mean over layers of ρ(α, 0)/ρ(α, α)."""
    layers = by_layer(table, alpha).dropna(subset=["within", "between"])
    return float((layers["between"] / layers["within"]).mean()) if len(layers) else math.nan


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


def distance_excess(
    evidence: Evidence, figure: str, model: str, *, low: float = -INF, high: float = INF
) -> list[Finding]:
    """By how much networks at α lie further from those at α = 0 than from each other, for each α from `low` to `high`.

    p by exchanging the two networks of each seed, corrected over α by Holm.
    """
    table = _pairs(evidence, figure, model)
    found = []
    for alpha in _alphas(table, low, high):
        estimate = _jackknife(_only(table, alpha), partial(_excess, alpha=alpha))
        tested = replace(estimate, p=permutation_p(table, alpha), method="exchange of networks")
        found.append(Finding(tested, f"α = {label(alpha)}", level=_ratio(table, alpha)))
    corrected = holm([f.estimate.p for f in found])
    return [replace(f, family=len(found), p_corrected=float(p)) for f, p in zip(found, corrected, strict=True)]


def distance_equal(evidence: Evidence, figure: str, model: str, *, alpha: float) -> list[Finding]:
    """The ratio of distances less 1 at one α."""
    table = _pairs(evidence, figure, model)
    if alpha not in set(table["alpha"]):
        raise MissingRunsError(f"no run at α = {label(alpha)}")
    return [Finding(_jackknife(_only(table, alpha), lambda rows: _ratio(rows, alpha) - 1), f"α = {label(alpha)}")]


def distance_trend(evidence: Evidence, figure: str, model: str, *, low: float, high: float) -> list[Finding]:
    """How much the excess of the distance changes from one |α| that was run to the next larger one."""
    table = _pairs(evidence, figure, model)
    alphas = sorted(_alphas(table, low, high), key=abs)
    if len(alphas) < 2:
        raise MissingRunsError("no two values of α with distances to compare")

    def slope(rows: pd.DataFrame) -> float:
        found = np.array([_excess(rows, a) for a in alphas])
        return float(np.polyfit(np.arange(len(alphas)), found, 1)[0]) if np.isfinite(found).all() else math.nan

    return [Finding(_jackknife(table, slope), f"a step of |α|, {abs(alphas[0]):g} to {abs(alphas[-1]):g}")]


def bound_trend(evidence: Evidence, figure: str, model: str) -> list[Finding]:
    """How much the mean off-axis bound changes from one α ≤ 0 to the next, in the order of α; one slope a seed."""
    return [_slope(_range(evidence.values(figure, model, "bound"), -INF, 0.0), "bound")]


def bound_above_axis(evidence: Evidence, figure: str, model: str) -> list[Finding]:
    """The mean bound less the mean index of the unit axes, network by network, at every α."""
    axis = evidence.values(figure, model, "axis")[["run", "value"]]
    rows = evidence.values(figure, model, "bound").merge(axis, on="run", suffixes=("", "_axis"))
    found = [Finding(mean_of(own["value"] - own["value_axis"]), f"α = {label(a)}") for a, own in rows.groupby("alpha")]
    return _needed(found, -INF, INF)


# Reliance on single units (Morcos et al. 2018): areas under ablation and noise curves of networks that fit.


def _areas(evidence: Evidence, figure: str, model: str, analysis: str = "ablation") -> pd.DataFrame:
    """A row a network that has fitted its training images and whose curve is there: its run and `value`, the area."""
    runs = evidence.runs(figure, model)
    found = areas_under(curves_of(evidence.figure(figure).tables.curves, analysis), runs)
    found = found[found["fits"]] if len(found) else found
    if not len(found):
        raise MissingRunsError(f"no {analysis} curve of a network of {model} that fits its training images")
    return found.assign(value=found[AREA], error=found["train_accuracy_last"] - found["test_accuracy_last"])


def _paired(first: pd.Series, second: pd.Series, where: str) -> Finding:
    """First less second, paired by their index."""
    both = (first - second).dropna()
    if not len(both):
        raise MissingRunsError("no seed has both of what the claim compares")
    return Finding(mean_of(both), where)


def area_by_corruption(evidence: Evidence, figure: str, model: str, *, analysis: str) -> list[Finding]:
    """How much the area changes from one share of corrupted labels to the next; one slope a seed."""
    found = slopes(_areas(evidence, figure, model, analysis), "value", "label_corruption")
    if not len(found):
        raise MissingRunsError("no seed has two shares of corrupted labels whose networks fit")
    return [Finding(mean_of(found), "a step of label corruption")]


def zero_less_mean(evidence: Evidence, figure: str, model: str) -> list[Finding]:
    """The area with units ablated to zero less that with units ablated to their mean, network by network."""
    sides = [_areas(evidence, figure, model, a).set_index("run")["value"] for a in ("ablation", "ablation-mean")]
    return [_paired(sides[0], sides[1], where="to zero less to the mean")]


def with_less_without(
    evidence: Evidence, figure: str, model: str, *, setting: str, first: Any, second: Any, measure: str = ""
) -> list[Finding]:
    """A measure (the area under the ablation curve where empty) at one value of a setting less that at another."""
    rows = evidence.values(figure, model, measure) if measure else _areas(evidence, figure, model)
    sides = [rows.loc[rows[setting] == value].set_index("seed")["value"] for value in (first, second)]
    return [_paired(sides[0], sides[1], where=f"{setting} {first} less {second}")]


def best_less_worst(evidence: Evidence, figure: str, model: str) -> list[Finding]:
    """The area of the networks that generalise best less that of those that generalise worst."""
    found = _areas(evidence, figure, model)
    k = min(ENDS, len(found) // SHARE)
    if not k:
        raise MissingRunsError(f"{len(found)} networks: too few for a best and a worst quarter")
    ranked = found.sort_values(["error", "seed"], kind="stable")["value"]
    return [Finding(unpaired(ranked.head(k), ranked.tail(k)), f"{k} best less {k} worst of {len(found)}")]


def area_and_error(evidence: Evidence, figure: str, model: str) -> list[Finding]:
    """Spearman's correlation of area and generalisation error over networks."""
    found = _areas(evidence, figure, model)
    return [Finding(correlation_over(found["value"], found["error"]), f"over {len(found)} networks")]


def area_and_accuracy(evidence: Evidence, figure: str, model: str) -> list[Finding]:
    """Spearman's correlation of area and test accuracy over settings, each the mean of its networks."""
    found = _areas(evidence, figure, model)
    means = found.groupby(["lr", "batch_size"], as_index=False)[["value", "test_accuracy_last"]].mean()
    return [Finding(correlation_over(means["value"], means["test_accuracy_last"]), f"over {len(means)} settings")]


def area_and_loss(evidence: Evidence, figure: str, model: str) -> list[Finding]:
    """Spearman's correlation of area and test loss over the epochs of each network, averaged over networks.

    The area is that above chance, of epochs at which accuracy is twice chance or more: over initial accuracy a network
    that has learnt nothing has an area near 1.
    """
    found = _areas(evidence, figure, model, "training").dropna(subset=["chance"])
    found = found.assign(epoch=found["kind"].str.removeprefix("epoch ").astype(int))
    history = evidence.table("history", figure, model)[["run", "epoch", "test_loss"]]
    rows = found[["run", "epoch", "chance"]].merge(history, on=["run", "epoch"], validate="one_to_one")
    rows = rows[rows["epoch"] > 0]
    rho = [spearman(own["chance"], own["test_loss"]) for _, own in rows.groupby("run")]
    return [Finding(_over_seeds(rho), "over epochs")]


def turning_point(evidence: Evidence, figure: str, model: str) -> list[Finding]:
    """Not to be told: the area reaches a plateau early, and the place of its maximum there is noise."""
    raise MissingRunsError("the area has a plateau, so that the epoch of its maximum says nothing")


def loss_by_dropout(evidence: Evidence, figure: str, model: str) -> list[Finding]:
    """How much the last training loss changes from one dropout to the next, on true and on corrupted labels."""
    found = []
    for share, own in evidence.values(figure, model, "train_loss_last").groupby("label_corruption"):
        by_seed = slopes(own, "value", "dropout")
        if len(by_seed):
            found.append(Finding(mean_of(by_seed), f"a step of dropout, {share:.0%} of labels corrupted"))
    if not found:
        raise MissingRunsError("no labels with two or more rates of dropout")
    return [replace(f, family=len(found)) for f in found]


def _dropped(evidence: Evidence, figure: str, model: str) -> pd.DataFrame:
    """What networks trained with dropout keep within and beyond the share that training dropped."""
    counted = _areas(evidence, figure, model)[["run", "seed", "dropout", "label_corruption", "train_accuracy_last"]]
    curves = by_network(curves_of(evidence.figure(figure).tables.curves, "ablation"))
    parts = [
        kept_within_and_beyond(curves[curves["run"].isin(own["run"])], float(rate)).merge(own, on="run")
        for rate, own in counted[counted["dropout"] > 0].groupby("dropout")
    ]
    if not parts:
        raise MissingRunsError("no curve of a network trained with dropout is at hand")
    return pd.concat(parts)


def up_to_dropout(evidence: Evidence, figure: str, model: str) -> list[Finding]:
    """Training accuracy with as large a share of units ablated as training dropped, less that with none ablated."""
    found = [
        Finding(
            mean_of((own["within"] - 1) * own["train_accuracy_last"]), f"dropout {rate:g}, {share:.0%} corrupted", True
        )
        for (rate, share), own in _dropped(evidence, figure, model).groupby(["dropout", "label_corruption"])
    ]
    return [replace(f, family=len(found)) for f in found]


def beyond_dropout(evidence: Evidence, figure: str, model: str) -> list[Finding]:
    """Mean accuracy kept beyond the share that training dropped: on corrupted labels less on true ones, by seed."""
    found = []
    for rate, own in _dropped(evidence, figure, model).groupby("dropout"):
        sides = [own[own["label_corruption"] > 0], own[own["label_corruption"] == 0]]
        if all(map(len, sides)):
            found.append(
                _paired(
                    sides[0].set_index("seed")["beyond"],
                    sides[1].set_index("seed")["beyond"],
                    where=f"dropout {rate:g}",
                )
            )
    if not found:
        raise MissingRunsError("no dropout with curves on both true and corrupted labels")
    return [replace(f, family=len(found)) for f in found]


def norm_less_dropout(evidence: Evidence, figure: str, model: str, *, other: str) -> list[Finding]:
    """What batch norm adds to the area of one network less what the most dropout adds to that of another."""
    norm, drop = _areas(evidence, figure, model), _areas(evidence, figure, other)
    drop = drop[drop["label_corruption"] == 0]
    gains = []
    for rows, setting, first, second in (
        (norm, "batch_norm", True, False),
        (drop, "dropout", drop["dropout"].max(), 0.0),
    ):
        sides = [rows.loc[rows[setting] == value].set_index("seed")["value"] for value in (first, second)]
        gains.append((sides[0] - sides[1]).dropna())
    if not all(map(len, gains)):
        raise MissingRunsError("no seed has both of what the claim compares")
    return [Finding(unpaired(*gains), "batch norm less dropout")]


# Units: how their properties go together, network by network and layer by layer.


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


def units_agree(
    evidence: Evidence, figure: str, model: str, *, first: str, second: str, alpha: float = 0.0, pooled: bool = False
) -> list[Finding]:
    """Spearman's correlation of two measures over living units at one α: within layers, or pooled over all of them."""
    units = living(evidence.table("units", figure, model))
    units = units[units["alpha"] == alpha]
    if not len(units):
        raise MissingRunsError(f"no units of {model} at α = {label(alpha)}")
    if pooled:
        each = [spearman(own[first], own[second]) for _, own in units.groupby("run")]
        return [Finding(mean_correlation(each), "pooled over layers")]
    return [_over_networks(units, first, second)]


def importance(evidence: Evidence, figure: str, model: str, *, measure: str, part: str = "all") -> list[Finding]:
    """Spearman's correlation of a measure and the rise in test loss when a unit alone is ablated, within layers.

    Of loss, since ablating one unit changes accuracy by an image or two, and by none for most units.
    """
    units = living(evidence.table("units", figure, model))
    found = curves_of(evidence.figure(figure).tables.importances, "importance")
    joined = units.merge(found, on=["run", "layer", "unit"], suffixes=("", "_ablated")) if len(found) else found
    if not len(joined):
        raise MissingRunsError(f"what ablating single units of {model} costs has not been measured")
    return [_over_networks(joined, measure, "loss_change", part)]


def rises_with_depth(evidence: Evidence, figure: str, model: str, *, measure: str) -> list[Finding]:
    """Spearman's correlation of depth and a layer's mean measure over living units, averaged over networks."""
    units = living(evidence.table("units", figure, model))
    found = []
    for _, own in units.groupby("run"):
        means = own.groupby("layer", sort=False)[measure].mean()
        found.append(spearman(range(len(means)), means))
    return [Finding(mean_correlation(found), "over layers")]


Contrast = Callable[..., list[Finding]]
CONTRASTS: dict[str, Contrast] = {
    found.__name__: found
    for found in (
        effect_at, every, best, first_effect, largest, relative, level, levels, ratio_at, trend, monotone, irregular,
        rank_with_alpha, signs_at, signs_averaged, cost_at_reduction, follows, more_regular, beyond_only,
        deficit_before, busy_units, against_at, slopes_against, early_less_late, same_shape, leaky_dead,
        leaky_recovery, distance_excess, distance_equal, distance_trend, bound_trend, bound_above_axis,
        area_by_corruption, zero_less_mean, with_less_without, best_less_worst, area_and_error, area_and_accuracy,
        area_and_loss, turning_point, loss_by_dropout, up_to_dropout, beyond_dropout, norm_less_dropout, units_agree,
        importance, rises_with_depth,
    )
}  # fmt: skip
