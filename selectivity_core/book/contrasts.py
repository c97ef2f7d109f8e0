"""The contrasts that claims are judged by: one value a network, paired by seed where both sides have it.

A contrast takes the runs of a network and the settings of the claim. It gives a `Finding` for each thing that the claim
speaks of (every α of a range, say). Contrasts of accuracy take `measure`, so that the same one can be asked of training
accuracy. Contrasts of what α does are here, those of distances between networks in `distance_contrasts`, and those of
reliance on single units in `reliance`; `CONTRASTS` lists all.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pandas as pd

from ..errors import MissingRunsError
from . import distance_contrasts, reliance
from .evidence import (
    FITTED,
    INF,
    TEST_ACCURACY,
    Finding,
    NetworkRuns,
    by_alpha,
    in_range,
    label,
    needed,
    over_seeds,
    percent,
)
from .inference import LEVEL, NEAR, at_fold, differences, max_t, mean_of, slopes, spearman, unpaired


def _against_baseline(on: NetworkRuns, measure: str, alpha: float | None = None) -> dict[float, Finding]:
    """Every α (`alpha` among them, where given) against α = 0, paired by seed and corrected over the figure's α."""
    rows = on.values(measure)
    if not (rows["alpha"] == 0).any():
        raise MissingRunsError("no run at α = 0")
    table = differences(rows, "value")
    table = table.loc[:, table.notna().any()]
    if alpha is not None and alpha not in table:
        raise MissingRunsError(f"no run at α = {label(alpha)}")
    corrected = max_t(table)
    means = rows.groupby("alpha")["value"].mean()
    return {
        float(a): Finding(
            mean_of(column), f"α = {label(a)}", percent(measure), float(means[a]), table.shape[1], float(corrected[a])
        )
        for a, column in table.items()
    }


def effect_at(on: NetworkRuns, *, alpha: float, measure: str = TEST_ACCURACY) -> list[Finding]:
    """What one α changes against α = 0."""
    found = _against_baseline(on, measure, alpha)[alpha]
    return [replace(found, family=1, p_corrected=found.estimate.p)]


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
    found = _against_baseline(on, measure, alpha)
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
        raise MissingRunsError(f"{MEASURES[measure]} is 0 or missing at α = 0: changes have no share of it")
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
    return needed(_at_every_alpha(in_range(on.values(measure), low, high), percent(measure)), low, high)


def _at_every_alpha(rows: pd.DataFrame, points: bool = False) -> list[Finding]:
    return [Finding(mean_of(own["value"]), f"α = {label(a)}", points) for a, own in rows.groupby("alpha")]


def ratio_at(on: NetworkRuns, *, alpha: float) -> list[Finding]:
    """What is left of the mean index at one α: its ratio to the same seed's at α = 0."""
    cells = by_alpha(on.values("si_units"))
    if alpha not in cells or 0.0 not in cells:
        raise MissingRunsError(f"no runs at both α = {label(alpha)} and α = 0")
    return [
        Finding(mean_of((cells[alpha] / cells[0.0]).dropna(), null=1.0), f"α = 0 over α = {label(alpha)}", fold=True)
    ]


def trend(on: NetworkRuns, *, low: float = -INF, high: float = INF, measure: str = TEST_ACCURACY) -> list[Finding]:
    """The mean change from one α that was run to the next, in the order of α: a least-squares slope a seed.

    A range that holds both signs is judged on either side, each with the baseline. A single step is no trend.
    """
    found = []
    for side in [(low, min(high, 0.0)), (max(low, 0.0), high)] if low < 0 < high else [(low, high)]:
        rows = in_range(on.values(measure), *side)
        by_seed = slopes(rows, "value")
        if not len(by_seed) or rows["alpha"].nunique() < 3:
            raise MissingRunsError("it is about a trend, and fewer than three values of α were run")
        where = f"average step of α from {label(rows['alpha'].min())} to {label(rows['alpha'].max())}"
        found.append(Finding(mean_of(by_seed), where, percent(measure), steps=rows["alpha"].nunique() - 1))
    return needed(found)


def monotone(on: NetworkRuns, *, measure: str, low: float = -INF, high: float = INF) -> list[Finding]:
    """Every step of a measure from one α that was run to the next higher one, paired by seed."""
    cells = by_alpha(in_range(on.values(measure), low, high))
    found = [
        Finding(mean_of((cells[b] - cells[a]).dropna()), f"α from {label(a)} to {label(b)}", percent(measure))
        for a, b in pairwise(sorted(cells.columns))
        if (cells[b] - cells[a]).notna().any()
    ]
    if len(found) == 1:
        raise MissingRunsError(f"it is about every step of a range, of which only {found[0].where} was run")
    return needed(found, low, high)


def irregular(on: NetworkRuns, *, low: float) -> list[Finding]:
    """The steepest fall of the mean index between neighbouring α from `low` on, which pays for being picked."""
    return [replace(min(monotone(on, measure="si_units", low=low), key=lambda f: f.estimate.mean), chosen=True)]


def _rho(rows: pd.DataFrame, x: str, y: str) -> list[float]:
    """Spearman's correlation over the runs of each seed that has three or more."""
    return [spearman(own[x], own[y]) for _, own in rows.groupby("seed") if len(own) > 2]


def rank_with_alpha(on: NetworkRuns, *, measure: str, low: float = -INF) -> list[Finding]:
    """Spearman's correlation of α and a measure over the runs of each seed, averaged over seeds."""
    rows = in_range(on.values(measure), low, INF)
    return [Finding(over_seeds(_rho(rows, "alpha", "value")), f"over α from {label(low)}")]


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


def _beside_index(on: NetworkRuns, measure: str) -> pd.DataFrame:
    index = on.values("si_units")[["run", "value"]].rename(columns={"value": "si_units"})
    return on.values(measure).merge(index, on="run", validate="one_to_one")


def cost_at_reduction(on: NetworkRuns, *, factor: float, measure: str = TEST_ACCURACY) -> list[Finding]:
    """What a measure changes where the mean index is `factor` times lower, interpolated between α that bracket it."""
    rows = _beside_index(on, measure)
    found, seeds = at_fold(rows, factor), rows["seed"].nunique()
    if 0 < 2 * len(found) < seeds:
        raise MissingRunsError(
            f"a {factor:g}-fold cut is bracketed in {len(found)} of {seeds} seeds, and half of them are needed"
        )
    if not len(found):
        means = rows[rows["alpha"] <= 0].groupby("alpha")["si_units"].mean()
        reached = means.get(0.0, math.nan) / means.min()
        raise MissingRunsError(
            f"not bracketed: no α ≤ 0 has an index within a factor of {NEAR:.2g} of a {factor:g}-fold cut and another "
            f"beyond it; the lowest index that was run is {reached:.3g}-fold below that at α = 0"
        )
    return [Finding(mean_of(found), f"index cut {factor:g}-fold", percent(measure))]


def follows(on: NetworkRuns, *, measure: str, high: float = INF) -> list[Finding]:
    """Spearman's correlation over α of a measure and the index, averaged over seeds; each side of α = 0 on its own.

    Over the networks that fit their training images: the units of one that has learnt nothing tell of no class.
    """
    rows = in_range(_beside_index(on, measure), -INF, high)
    rows = rows[rows["run"].isin(on.fitting())]
    found = []
    for name, side in (("α ≤ 0", rows[rows["alpha"] <= 0]), ("α ≥ 0", rows[rows["alpha"] >= 0])):
        rho = _rho(side, "value", "si_units")
        if np.isfinite(rho).any():
            found.append(Finding(over_seeds(rho), name))
    fit = f"networks fit {100 * FITTED:.0f} % of their training images"
    return needed(found, why=f"no seed has three values of α on one side of 0 at which {fit}")


def more_regular(on: NetworkRuns, *, measure: str) -> list[Finding]:
    """How much closer a measure follows α ≥ 0 than the index does: difference of the rank correlations with α."""
    rows = in_range(_beside_index(on, measure), 0.0, INF)
    found = np.subtract(_rho(rows, "alpha", "value"), _rho(rows, "alpha", "si_units"))
    if not np.isfinite(found).any():
        raise MissingRunsError("no seed has three values of α ≥ 0")
    return [Finding(mean_of(found), "α ≥ 0")]


# A measure against a threshold.


def beyond_only(on: NetworkRuns, *, measure: str, alpha: float, share: float) -> list[Finding]:
    """A measure lies above `share` from α on and below it at every 0 < α' < α; estimates count in that direction."""
    rows = on.values(measure)
    rows = rows[rows["alpha"] > 0]
    if not (rows["alpha"] < alpha).any() or not (rows["alpha"] >= alpha).any():
        raise MissingRunsError(f"no runs on both sides of α = {label(alpha)}")
    above = (rows["value"] - share).where(rows["alpha"] >= alpha, share - rows["value"])
    return needed(_at_every_alpha(rows.assign(value=above)))


def deficit_before(on: NetworkRuns, *, measure: str, below: float, share: float) -> list[Finding]:
    """What accuracy changes at the largest 0 < α < `below` at which a measure's mean is still at most `share`."""
    means = on.values(measure).groupby("alpha")["value"].mean()
    calm = [float(a) for a, v in means.items() if 0 < float(a) < below and v <= share]
    if not calm:
        raise MissingRunsError(
            f"no run with 0 < α < {below:g} at which the share of {measure} units is at most {share:g}"
        )
    return effect_at(on, alpha=max(calm))


def busy_units(on: NetworkRuns, *, alpha: float) -> list[Finding]:
    """The share of units that at least four fifths of the images activate, at one α, against one half."""
    rows = on.values("busy")
    rows = rows[rows["alpha"] == alpha]
    if not len(rows):
        raise MissingRunsError(f"no run at α = {label(alpha)}")
    return [Finding(mean_of(rows["value"], null=0.5), f"α = {label(alpha)}")]


# One network, restriction or non-linearity against another.


def against_at(on: NetworkRuns, *, other: str, alpha: float, measure: str) -> list[Finding]:
    """A network's measure at one α less another network's."""
    sides = [on.values(measure), on.other(model=other).values(measure)]
    chosen = [rows.loc[rows["alpha"] == alpha, "value"] for rows in sides]
    if not all(map(len, chosen)):
        raise MissingRunsError(f"no runs of both networks at α = {label(alpha)}")
    return [Finding(unpaired(*chosen), f"α = {label(alpha)}", percent(measure))]


def slopes_against(
    on: NetworkRuns, *, other: str, low: float, high: float, measure: str, elsewhere: str = ""
) -> list[Finding]:
    """A network's mean change from one α to the next less another network's, over the α values that both have."""
    sides = [on.values(measure), on.other(elsewhere, other).values(measure)]
    common = set(sides[0]["alpha"]) & set(sides[1]["alpha"])
    found = [slopes(in_range(rows[rows["alpha"].isin(common)], low, high), "value") for rows in sides]
    if not all(map(len, found)):
        raise MissingRunsError("the two networks have no two values of α in common")
    return [Finding(unpaired(*found), "average step of α", percent(measure))]


def early_less_late(
    on: NetworkRuns, *, late: str, low: float = -INF, high: float = INF, measure: str = TEST_ACCURACY
) -> list[Finding]:
    """A measure with the regulariser on the first layers less that with it on the last, averaged over common α ≠ 0."""
    cells = [by_alpha(in_range(runs.values(measure), low, high)) for runs in (on, on.other(late))]
    common = [a for a in cells[0].columns if a != 0 and a in cells[1].columns]
    if not common:
        raise MissingRunsError("no α ≠ 0 was run with both restrictions")
    found = (cells[0][common] - cells[1][common]).dropna().mean(axis=1)
    return [Finding(mean_of(found), f"mean over α = {', '.join(map(label, common))}", percent(measure))]


def same_shape(on: NetworkRuns, *, restricted: tuple[tuple[str, ...], ...], whole: Mapping[str, str]) -> list[Finding]:
    """Spearman's correlation over α of accuracy under a layer restriction and without one, averaged over seeds."""
    free = on.other(whole[on.model]).values(TEST_ACCURACY)[["alpha", "seed", "value"]]
    found = []
    for figures in restricted:
        own = pd.concat([on.other(name).values(TEST_ACCURACY) for name in figures]).drop_duplicates("run")
        both = own[["alpha", "seed", "value"]].merge(free, on=["alpha", "seed"], suffixes=("", "_whole"))
        layers = str(on.other(figures[0]).of_figure.figure.setting["layers"])
        found.append(
            Finding(over_seeds(_rho(both, "value", "value_whole")), reliance.LAYERS[layers], family=len(restricted))
        )
    return found


def leaky_dead(on: NetworkRuns) -> list[Finding]:
    """The share of dead units for every slope and α of leaky rectifiers."""
    rows = on.values("dead")
    groups = rows[rows["activation"] != "relu"].groupby(["activation", "alpha"])
    found = [
        Finding(mean_of(own["value"]), f"slope {name.partition(':')[2]}, α = {label(a)}") for (name, a), own in groups
    ]
    return needed(found)


def leaky_recovery(on: NetworkRuns, *, measure: str = TEST_ACCURACY) -> list[Finding]:
    """How much less accuracy falls from α = 0 with a leaky rectifier than with ReLU, for every slope and α > 0."""
    rows = on.values(measure)
    falls = {name: differences(own, "value") for name, own in rows.groupby("activation") if (own["alpha"] == 0).any()}
    if "relu" not in falls:
        raise MissingRunsError("no runs with ReLU to compare leaky rectifiers with")
    found = []
    for name, table in falls.items():
        for alpha in [a for a in table if name != "relu" and a > 0 and a in falls["relu"]]:
            gained = (table[alpha] - falls["relu"][alpha]).dropna()
            if len(gained):
                found.append(
                    Finding(mean_of(gained), f"slope {name.partition(':')[2]}, α = {label(alpha)}", percent(measure))
                )
    return needed(found)


def bound_trend(on: NetworkRuns) -> list[Finding]:
    """How much the mean off-axis bound changes from one α ≤ 0 to the next, in the order of α; one slope a seed."""
    return trend(on, high=0.0, measure="bound")


def bound_above_axis(on: NetworkRuns) -> list[Finding]:
    """The mean bound less the mean index of the unit axes shifted alike, network by network, at every α."""
    axis = on.values("axis_shifted")[["run", "value"]]
    rows = on.values("bound").merge(axis, on="run", suffixes=("", "_axis"))
    return needed(_at_every_alpha(rows.assign(value=rows["value"] - rows["value_axis"])), -INF, INF)


CONTRASTS: dict[str, Callable[..., list[Finding]]] = {
    found.__name__: found
    for found in (
        effect_at, every, best, first_effect, largest, relative, level, levels, ratio_at, trend, monotone, irregular,
        rank_with_alpha, signs_at, signs_averaged, cost_at_reduction, follows, more_regular, beyond_only,
        deficit_before, busy_units, against_at, slopes_against, early_less_late, same_shape, leaky_dead,
        leaky_recovery, bound_trend, bound_above_axis,
        distance_contrasts.distance_excess, distance_contrasts.distance_equal, distance_contrasts.distance_trend,
        reliance.area_by_corruption, reliance.zero_less_mean, reliance.with_less_without, reliance.best_less_worst,
        reliance.area_and_error, reliance.area_and_accuracy, reliance.area_and_loss, reliance.turning_point,
        reliance.loss_by_dropout, reliance.up_to_dropout, reliance.beyond_dropout, reliance.norm_less_dropout,
        reliance.units_agree, reliance.importance, reliance.rises_with_depth,
    )
}  # fmt: skip

# Measures of networks and of units, as axes name them.
MEASURES = {
    "test_accuracy": "test accuracy", "si_units": "mean index", "si_living": "mean index of living units",
    "dprime": "mean d′", "precision": "mean precision", "t95": "epochs to 95 % of the best accuracy",
    "informed": "mutual information", "dead": "share of dead units", "sparse": "share of sparse units",
    "bound": "off-axis bound", "bound_last": "off-axis bound of the last two layers",
    "switched": "share of units that switched class", "switches": "switches of class per unit",
    "si": "index", "weight_l1": "L1 norm of the filter", "": "area under the ablation curve",
}  # fmt: skip
_CHANGE, _STEP = "change in {measure} from α = 0", "change in {measure} from one α to the next higher one"
# What the estimate of each contrast is, for axes; `measure`, `first` and `second` are filled in from the claim.
QUANTITIES: dict[str, str] = {
    **dict.fromkeys(("effect_at", "every", "best", "first_effect", "largest"), _CHANGE),
    "cost_at_reduction": _CHANGE,
    "deficit_before": _CHANGE.format(measure=MEASURES[TEST_ACCURACY]),
    "trend": _STEP,
    "monotone": _STEP,
    "irregular": _STEP.format(measure=MEASURES["si_units"]),
    "bound_trend": _STEP.format(measure=MEASURES["bound"]),
    **dict.fromkeys(("level", "levels"), "{measure}"),
    **dict.fromkeys(("signs_at", "signs_averaged"), "{measure} at α < 0 minus that at equal α > 0"),
    "relative": "change in {measure} as a share of its value at α = 0",
    "ratio_at": "factor by which the mean index is lower than at α = 0",
    "rank_with_alpha": "rank correlation of {measure} and α",
    "follows": "rank correlation of {measure} and index over α",
    "more_regular": "rank correlation with α of {measure} minus that of the index",
    "beyond_only": "distance of the {measure} from {share} on the claimed side",
    "busy_units": "share of units that most images activate",
    "against_at": "{measure} minus that of {other}",
    "slopes_against": _STEP + ", minus that of {other}",
    "early_less_late": "{measure} with the first layers regularised minus that with the last ones",
    "same_shape": "rank correlation over α of accuracy with some layers regularised and with all",
    "leaky_dead": "share of dead units",
    "leaky_recovery": "fall in {measure} that leaky rectifiers prevent",
    "distance_excess": "distance beyond that of other seeds",
    "distance_equal": "distance beyond that of other seeds, as a share",
    "distance_trend": "change in the distance beyond that of other seeds from one |α| to the next larger one",
    "bound_above_axis": "off-axis bound minus shifted mean index",
    "area_by_corruption": "change in area under the curve per step of corruption",
    "zero_less_mean": "area under the curve with units ablated to zero minus that to the mean",
    "with_less_without": "{measure} with batch norm minus that without",
    "best_less_worst": "area under the curve of the best networks minus that of the worst",
    "area_and_error": "rank correlation of area and generalisation error",
    "area_and_accuracy": "rank correlation of area and test accuracy",
    "area_and_loss": "rank correlation of area and test loss",
    "turning_point": "moments of training, as a share of its length",
    "loss_by_dropout": "change in training loss per step of dropout",
    "up_to_dropout": "change in training accuracy",
    "beyond_dropout": "share of accuracy kept with random labels minus that with true ones",
    "norm_less_dropout": "gain in area by batch norm minus that by dropout",
    "units_agree": "rank correlation of {first} and {second} over units",
    "importance": "rank correlation of {measure} and rise in loss when a unit is ablated",
    "rises_with_depth": "rank correlation of {measure} and depth",
}
