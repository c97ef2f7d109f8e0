"""Panels that show accuracy: by α, as distributions, against selectivity, and one sign against the other."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from ..effects import against_baseline, signs_compared
from ..statistics import interval
from .style import GREY, alpha_axis, alpha_color, alpha_label, percent

NAMES = {
    "test_accuracy": "test accuracy (%)", "test_loss": "test cross-entropy (nats)",
    "si_units": "mean selectivity index", "si_layers": "mean selectivity index (layers)",
}  # fmt: skip


def _scaled(values: object, column: str) -> np.ndarray:
    return percent(values) if column.endswith("accuracy") else np.asarray(values, dtype=float)


def accuracy_by_alpha(axes: Axes, runs: pd.DataFrame, value: str = "test_accuracy") -> pd.DataFrame:
    """Mean and 95 % interval at each α, marks against α = 0; returns the effects drawn.

    Args:
        axes: where to draw.
        runs: completed runs of one network.
        value: a column of `runs`.
    """
    effects = against_baseline(runs, value)
    alphas = effects["alpha"].tolist()
    places = alpha_axis(axes, alphas)
    mean, low, high = (_scaled(effects[c], value) for c in ("mean", "low", "high"))
    axes.plot(range(len(alphas)), mean, color="#bbbbbb", zorder=1)
    baseline = effects.loc[effects["alpha"] == 0]
    if len(baseline):
        axes.axhline(_scaled(baseline["mean"], value)[0], color=GREY, lw=0.8, ls="--", zorder=0)
    for k, alpha in enumerate(alphas):
        color = alpha_color(alpha, alphas)
        axes.errorbar(
            places[alpha], mean[k], [[mean[k] - low[k]], [high[k] - mean[k]]], fmt="o", color=color, capsize=2
        )
        if effects["mark"].iloc[k]:
            top = high[k] if np.isfinite(high[k]) else mean[k]
            axes.annotate(
                effects["mark"].iloc[k], (places[alpha], top), (0, 2), textcoords="offset points", ha="center",
                fontsize=8, color=color,
            )  # fmt: skip
    axes.set_ylabel(NAMES.get(value, value))
    return effects


def accuracy_violins(axes: Axes, runs: pd.DataFrame, value: str = "test_accuracy") -> None:
    """The runs behind each α: every seed a dot, a violin with quartiles where there are at least five."""
    groups = {float(a): _scaled(g[value], value) for a, g in runs.groupby("alpha")}  # type: ignore[arg-type]
    places = alpha_axis(axes, list(groups))
    for alpha, values in groups.items():
        _violin(axes, places[alpha], values, alpha_color(alpha, groups))
    axes.set_ylabel(NAMES.get(value, value))


def _violin(axes: Axes, place: float, values: np.ndarray, color: str, width: float = 0.7) -> None:
    if len(values) >= 5 and np.ptp(values) > 0:
        body = axes.violinplot(values, [place], widths=width, showextrema=False)["bodies"][0]  # type: ignore[index]
        body.set(facecolor=color, alpha=0.35, edgecolor=color)
        quartiles = np.quantile(values, [0.25, 0.75])
        axes.vlines(place, *quartiles, color=color, lw=3, alpha=0.8)
    axes.plot(np.full(len(values), place), values, "o", ms=3, color=color, alpha=0.7, mew=0)
    axes.plot([place - width / 3, place + width / 3], [values.mean()] * 2, color=color, lw=1.8)


def accuracy_against_selectivity(
    axes: Axes, runs: pd.DataFrame, value: str = "test_accuracy", index: str = "si_units"
) -> None:
    """One point an α: mean accuracy against the mean selectivity that the networks really have, with intervals."""
    alphas = sorted(runs["alpha"].unique())
    for alpha in alphas:
        group = runs[runs["alpha"] == alpha]
        x, y = interval(group[index].to_numpy()), interval(group[value].to_numpy())
        centre, low, high = _scaled([y.mean, y.low, y.high], value)
        axes.errorbar(
            x.mean, centre, [[centre - low], [high - centre]], [[x.mean - x.low], [x.high - x.mean]],
            fmt="v" if alpha < 0 else "^" if alpha > 0 else "s", color=alpha_color(alpha, alphas), capsize=2,
        )  # fmt: skip
        axes.annotate(
            alpha_label(alpha), (x.mean, centre), (5, 4), textcoords="offset points", fontsize=7.5, color=GREY
        )
    axes.set_xlabel(NAMES.get(index, index))
    axes.set_ylabel(NAMES.get(value, value))


def signs_violins(axes: Axes, runs: pd.DataFrame, value: str = "test_accuracy") -> pd.DataFrame:
    """α < 0 (blue) beside α > 0 (red) at equal |α|, rank-sum marks above; returns the comparison drawn."""
    compared = signs_compared(runs, value)
    alphas = runs["alpha"].unique()
    for k, row in enumerate(compared.to_dict("records")):
        highest = -np.inf
        for sign, shift in ((-1, -0.2), (1, 0.2)):
            alpha = sign * row["size"]
            values = _scaled(runs.loc[runs["alpha"] == alpha, value], value)
            _violin(axes, k + shift, values, alpha_color(alpha, alphas), 0.36)
            highest = max(highest, values.max())
        if row["mark"]:
            axes.annotate(row["mark"], (k, highest), (0, 4), textcoords="offset points", ha="center", fontsize=8)
    baseline = runs.loc[runs["alpha"] == 0, value]
    if len(baseline):
        axes.axhline(_scaled([baseline.mean()], value)[0], color=GREY, lw=0.8, ls="--")
    axes.set_xticks(range(len(compared)), [f"{s:g}" for s in compared["size"]])
    axes.set_xlabel("size of the regulariser scale |α|")
    axes.set_ylabel(NAMES.get(value, value))
    handles = [
        Line2D([], [], marker="o", ls="", color=alpha_color(s, [s]), label=label)
        for s, label in ((-1, "α < 0"), (1, "α > 0"))
    ]
    axes.legend(handles=handles, loc="lower left")
    return compared
