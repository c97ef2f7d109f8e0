"""Panels that show accuracy: by α, as distributions, against selectivity, and one sign against the other."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from ..effects import against_baseline, signs_compared
from ..numbers import alpha_label
from ..statistics import interval
from .style import GREY, NULL, alpha_axis, alpha_color, in_style, keep_apart, percent

NAMES = {
    "test_accuracy": "test accuracy (%)", "test_loss": "test cross-entropy (nats)",
    "si_units": "mean selectivity index", "si_layers": "mean selectivity index (layers)",
    "si_shown": "mean selectivity index of the layers chosen",
}  # fmt: skip


def _scaled(values: object, column: str) -> np.ndarray:
    return percent(values) if column.endswith("accuracy") else np.asarray(values, dtype=float)


def _floor(runs: pd.DataFrame, value: str, further: pd.DataFrame | None = None) -> float:
    """Where the accuracy axis begins: collapsed networks, far below α = 0, are marked at its foot with their value.

    Otherwise a network at chance would squeeze everything that differs by a few points into one line. Networks that
    are in no mean are `further`: the axis has room for them.
    """
    if not value.endswith("accuracy"):
        return -np.inf
    values = _scaled(runs.loc[runs["alpha"] == 0, value], value)
    middle = float(values.mean()) if len(values) else float(_scaled(runs[value], value).max())
    near = [v for v in _scaled(runs.groupby("alpha")[value].mean(), value) if v >= middle - 15]
    lowest = min((v for v in _scaled(runs[value], value) if v >= min(near, default=middle) - 8), default=middle)
    return min([lowest, *_scaled([] if further is None else further[value], value)]) - 2


def collapsed(runs: pd.DataFrame, value: str, further: pd.DataFrame | None = None) -> bool:
    """Whether the mean of some α lies so far below the others that an axis leaves it out."""
    return bool((_scaled(runs.groupby("alpha")[value].mean(), value) < _floor(runs, value, further)).any())


def _mark_below(axes: Axes, below: Sequence[tuple[float, float, str, str]], floor: float, height: float = 6) -> None:
    """Marks means (place, mean, color, mark of significance) that lie under the axis, at its foot, so many points up.

    Called after all else is drawn: setting one limit ends the search for the other.
    """
    if not below:
        return
    axes.set_ylim(bottom=floor)
    for place, value, color, mark in below:
        axes.plot(place, floor, "v", color=color, clip_on=False, zorder=5)
        axes.annotate(
            f"{value:.0f} %{mark and ' '}{mark}",
            (place, floor),
            (0, height),
            textcoords="offset points",
            ha="center",
            fontsize=7.5,
            color=color,
        )


@in_style
def accuracy_by_alpha(
    axes: Axes, runs: pd.DataFrame, value: str = "test_accuracy", *, further: pd.DataFrame | None = None
) -> pd.DataFrame:
    """Mean and 95 % interval at each α, marks against α = 0; returns the effects drawn.

    Args:
        axes: where to draw.
        runs: completed runs of one network.
        value: a column of `runs`.
        further: runs at α = 0 that are in no mean (`Study.further`): hollow dots beside it.
    """
    effects = against_baseline(runs, value)
    alphas = effects["alpha"].tolist()
    places = alpha_axis(axes, alphas)
    mean, low, high = (_scaled(effects[c], value) for c in ("mean", "low", "high"))
    floor = _floor(runs, value, further)
    shown = [k for k in range(len(alphas)) if mean[k] >= floor]
    axes.plot(shown, mean[shown], color="#bbbbbb", zorder=1)
    baseline = effects.loc[effects["alpha"] == 0]
    if len(baseline):
        axes.axhline(_scaled(baseline["mean"], value)[0], color=GREY, lw=0.8, ls="--", zorder=0)
    below = []
    for k, alpha in enumerate(alphas):
        color = alpha_color(alpha, alphas)
        if mean[k] < floor:
            below.append((places[alpha], mean[k], color, str(effects["mark"].iloc[k])))
            continue
        axes.errorbar(
            places[alpha], mean[k], [[mean[k] - low[k]], [high[k] - mean[k]]], fmt="o", color=color, capsize=2
        )
        if effects["mark"].iloc[k]:
            top = high[k] if np.isfinite(high[k]) else mean[k]
            axes.annotate(
                effects["mark"].iloc[k], (places[alpha], top), (0, 2), textcoords="offset points", ha="center",
                fontsize=8, color=color,
            )  # fmt: skip
    _further_networks(axes, further, places.get(0.0, 0), value)
    _mark_below(axes, below, floor)
    if value.endswith("loss") and np.nanmin(low, initial=0) < 0:
        axes.set_ylim(bottom=0)  # an interval of few seeds may reach where no loss can be
    axes.set_ylabel(NAMES.get(value, value))
    return effects


@in_style
def accuracy_violins(
    axes: Axes, runs: pd.DataFrame, value: str = "test_accuracy", *, further: pd.DataFrame | None = None
) -> None:
    """The runs behind each α: every seed a dot, a violin with quartiles where there are at least five.

    Arguments are those of `accuracy_by_alpha`.
    """
    groups = {float(a): _scaled(g[value], value) for a, g in runs.groupby("alpha")}
    places = alpha_axis(axes, list(groups))
    floor, below = _floor(runs, value, further), []
    for alpha, values in groups.items():
        if values.mean() < floor:
            below.append((places[alpha], values.mean(), alpha_color(alpha, groups), ""))
        else:
            _violin(axes, places[alpha], values, alpha_color(alpha, groups))
    _further_networks(axes, further, places.get(0.0, 0), value)
    _mark_below(axes, below, floor)
    axes.set_ylabel(NAMES.get(value, value))


def _further_networks(axes: Axes, runs: pd.DataFrame | None, place: float, value: str) -> None:
    """Hollow dots beside the mean at α = 0: networks that are in no mean."""
    if runs is not None and len(runs):
        axes.plot([place + 0.22] * len(runs), _scaled(runs[value], value), "o", ms=3.5, mfc="none", mec=GREY, mew=0.8)


def _violin(axes: Axes, place: float, values: np.ndarray, color: str, width: float = 0.7) -> None:
    if len(values) >= 5 and np.ptp(values) > 0:
        body = axes.violinplot(values, [place], widths=width, showextrema=False)["bodies"][0]  # type: ignore[index]
        body.set(facecolor=color, alpha=0.35, edgecolor=color)
        quartiles = np.quantile(values, [0.25, 0.75])
        axes.vlines(place, *quartiles, color=color, lw=3, alpha=0.8)
    axes.plot(np.full(len(values), place), values, "o", ms=3, color=color, alpha=0.7, mew=0)
    axes.plot([place - width / 3, place + width / 3], [values.mean()] * 2, color=color, lw=1.8)


@in_style
def accuracy_against_selectivity(
    axes: Axes,
    runs: pd.DataFrame,
    value: str = "test_accuracy",
    index: str = "si_units",
    *,
    null: pd.Series | None = None,
    ring: float | None = None,
) -> None:
    """One point an α: mean accuracy against the mean selectivity that the networks really have, with intervals.

    Args:
        axes: where to draw.
        runs: completed runs of one network.
        value: the column of `runs` that goes up the page.
        index: the column that goes across it.
        null: α -> what shuffled labels give: a tick for each at the foot of the panel.
        ring: the α whose point gets a ring around it; then only it and the outermost are named beside their points.
    """
    alphas = sorted(runs["alpha"].unique())
    named = set(alphas) if ring is None else {ring, alphas[0], alphas[-1]}
    floor, below = _floor(runs, value), []
    labels = []
    for alpha in alphas:
        group = runs[runs["alpha"] == alpha]
        x, y = interval(group[index].to_numpy()), interval(group[value].to_numpy())
        centre, low, high = _scaled([y.mean, y.low, y.high], value)
        if alpha == ring:
            axes.plot(x.mean, max(centre, floor), "o", ms=13, mfc="none", mec="black", mew=1.4, clip_on=False)
        if centre < floor:
            below.append((x.mean, centre, alpha_color(alpha, alphas), ""))
            continue
        axes.errorbar(
            x.mean, centre, [[centre - low], [high - centre]], [[x.mean - x.low], [x.high - x.mean]],
            fmt="v" if alpha < 0 else "^" if alpha > 0 else "s", color=alpha_color(alpha, alphas), capsize=2,
        )  # fmt: skip
        if alpha in named:
            labels.append(axes.annotate(
                alpha_label(alpha), (x.mean, centre), (5, 4), textcoords="offset points", fontsize=7.5, color=GREY
            ))  # fmt: skip
    if null is not None:
        foot = axes.get_xaxis_transform()  # data across, share of the panel upward
        axes.plot(null, [0.03] * len(null), "|", ms=9, mew=1.6, color=NULL, transform=foot, label="shuffled labels")
        axes.legend(loc="lower right", bbox_to_anchor=(1, 1), borderpad=0)  # above, where no point is
    _mark_below(axes, below, floor, 6 if null is None else 12)
    keep_apart(axes, labels)
    axes.set_xlabel(NAMES.get(index, index))
    axes.set_ylabel(NAMES.get(value, value))


@in_style
def signs_violins(axes: Axes, runs: pd.DataFrame, value: str = "test_accuracy") -> pd.DataFrame:
    """α < 0 (blue) beside α > 0 (red) at equal |α|, rank-sum marks above; returns the comparison drawn."""
    compared = signs_compared(runs, value)
    alphas = runs["alpha"].unique()
    floor, below = _floor(runs, value), []
    for k, row in enumerate(compared.to_dict("records")):
        highest = -np.inf
        for sign, shift in ((-1, -0.2), (1, 0.2)):
            alpha = sign * row["size"]
            values = _scaled(runs.loc[runs["alpha"] == alpha, value], value)
            if values.mean() < floor:
                below.append((k + shift, values.mean(), alpha_color(alpha, alphas), ""))
                continue
            _violin(axes, k + shift, values, alpha_color(alpha, alphas), 0.36)
            highest = max(highest, values.max())
        if row["mark"]:
            above = (highest, 4) if np.isfinite(highest) else (floor, 16)  # both at the foot: over their values
            axes.annotate(
                row["mark"], (k, above[0]), (0, above[1]), textcoords="offset points", ha="center", fontsize=8
            )
    baseline = runs.loc[runs["alpha"] == 0, value]
    if len(baseline):
        axes.axhline(_scaled([baseline.mean()], value)[0], color=GREY, lw=0.8, ls="--")
    _mark_below(axes, below, floor)
    axes.set_xticks(range(len(compared)), [f"{s:g}" for s in compared["size"]])
    axes.set_xlabel("size of the regulariser scale |α|")
    axes.set_ylabel(NAMES.get(value, value))
    handles = [
        Line2D([], [], marker="o", ls="", color=alpha_color(s, [s]), label=label)
        for s, label in ((-1, "α < 0"), (1, "α > 0"))
    ]
    axes.legend(handles=handles, loc="best")
    return compared
