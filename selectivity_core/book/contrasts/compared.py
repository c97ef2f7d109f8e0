"""One measure against a threshold or another; one network, restriction or non-linearity against another."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from ...errors import MissingRunsError
from ..evidence import NetworkRuns
from ..inference import differences, mean_of, slopes, spearman, unpaired
from .alpha import effect_at
from .finding import INF, TEST_ACCURACY, Finding, by_alpha, in_range, label, needed, over_seeds, percent


def beyond_only(on: NetworkRuns, *, measure: str, alpha: float, share: float) -> list[Finding]:
    """A measure lies above `share` from α on and below it at every 0 < α' < α; estimates count in that direction."""
    rows = on.values(measure)
    rows = rows[rows["alpha"] > 0]
    if not (rows["alpha"] < alpha).any() or not (rows["alpha"] >= alpha).any():
        raise MissingRunsError(f"no runs on both sides of α = {label(alpha)}")
    found = [
        Finding(mean_of((own["value"] - share) * (1 if a >= alpha else -1)), f"α = {label(a)}")
        for a, own in rows.groupby("alpha")
    ]
    return needed(found, 0, INF)


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
    on: NetworkRuns, *, other: str, low: float, high: float, measure: str,
    elsewhere: str = "",
) -> list[Finding]:  # fmt: skip
    """A network's mean change from one α to the next less another network's, over the α values that both have."""
    sides = [on.values(measure), on.other(elsewhere, other).values(measure)]
    common = set(sides[0]["alpha"]) & set(sides[1]["alpha"])
    found = [slopes(in_range(rows[rows["alpha"].isin(common)], low, high), "value") for rows in sides]
    if not all(map(len, found)):
        raise MissingRunsError("the two networks have no two values of α in common")
    return [Finding(unpaired(*found), "a step of α", percent(measure))]


def early_less_late(
    on: NetworkRuns, *, late: str, low: float = -INF, high: float = INF,
    measure: str = TEST_ACCURACY,
) -> list[Finding]:  # fmt: skip
    """A measure with the regulariser on the first layers less that with it on the last, averaged over common α ≠ 0."""
    cells = [by_alpha(in_range(runs.values(measure), low, high)) for runs in (on, on.other(late))]
    common = [a for a in cells[0].columns if a != 0 and a in cells[1].columns]
    if not common:
        raise MissingRunsError("no α ≠ 0 was run with both restrictions")
    found = (cells[0][common] - cells[1][common]).dropna().mean(axis=1)
    return [Finding(mean_of(found), f"mean over α = {', '.join(map(label, common))}", percent(measure))]


def same_shape(on: NetworkRuns, *, parts: tuple[tuple[str, ...], ...], whole: Mapping[str, str]) -> list[Finding]:
    """Spearman's correlation over α of accuracy under a layer restriction and without one, averaged over seeds."""
    free = on.other(whole[on.model]).values(TEST_ACCURACY)[["alpha", "seed", "value"]]
    found = []
    for figures in parts:
        own = pd.concat([on.other(name).values(TEST_ACCURACY) for name in figures]).drop_duplicates("run")
        both = own[["alpha", "seed", "value"]].merge(free, on=["alpha", "seed"], suffixes=("", "_whole"))
        rho = [spearman(rows["value"], rows["value_whole"]) for _, rows in both.groupby("seed") if len(rows) > 2]
        layers = str(on.other(figures[0]).of_figure.figure.setting["layers"])
        found.append(Finding(over_seeds(rho), layers, family=len(parts)))
    return found


def leaky_dead(on: NetworkRuns) -> list[Finding]:
    """The share of dead units for every slope and α of leaky rectifiers."""
    rows = on.values("dead")
    groups = rows[rows["activation"] != "relu"].groupby(["activation", "alpha"])
    found = [Finding(mean_of(own["value"]), f"{name}, α = {label(a)}") for (name, a), own in groups]
    return needed(found, 0, INF)


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
                found.append(Finding(mean_of(gained), f"{name}, α = {label(alpha)}", percent(measure)))
    return needed(found, 0, INF)
