"""Panels that show selectivity: by layer, by α, as histograms, and class by class for single units."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from ..statistics import interval
from .style import GREY, NULL, alpha_axis, alpha_color, alpha_label, in_style, layer_axis


@in_style
def index_by_layer(axes: Axes, layers: pd.DataFrame, value: str = "si", label: str = "mean selectivity index") -> None:
    """A line an α over depth, with 95 % intervals over seeds; dotted, what shuffled labels give at α = 0.

    Args:
        axes: where to draw.
        layers: `Study.table("layers", model)`.
        value: a column of `layers`.
        label: the y axis in words.
    """
    alphas = sorted(layers["alpha"].unique())
    for alpha in alphas:
        group = layers[layers["alpha"] == alpha].groupby("depth")[value]
        bands = [interval(values.to_numpy()) for _, values in group]
        color, depth = alpha_color(alpha, alphas), np.arange(1, len(bands) + 1)
        axes.plot(depth, [b.mean for b in bands], color=color, label=alpha_label(alpha), lw=1.2)
        if np.isfinite([b.low for b in bands]).all():
            axes.fill_between(depth, [b.low for b in bands], [b.high for b in bands], color=color, alpha=0.15, lw=0)
    null = layers[layers["alpha"] == 0] if 0 in alphas else layers
    if f"{value}_shuffled" in layers:
        means = null.groupby("depth")[f"{value}_shuffled"].mean()
        axes.plot(np.arange(1, len(means) + 1), means, ":", color=NULL, label="shuffled")
    layer_axis(axes)
    axes.set_ylabel(label)
    # An interval may pass the index's bounds of 0 and 1; the axis does not.
    axes.set_ylim(0, min(axes.get_ylim()[1], 1.02) if value.startswith("si") else None)
    axes.legend(title="α", loc="center left", bbox_to_anchor=(1, 0.5), handlelength=1, labelspacing=0.25)


@in_style
def index_by_alpha(axes: Axes, runs: pd.DataFrame, units: pd.DataFrame, value: str = "si_units") -> None:
    """Mean over all units of the network at each α, with intervals; below it the mean that shuffled labels give.

    Args:
        axes: where to draw.
        runs: completed runs of one network.
        units: their unit tables (for the shuffled labels).
        value: a column of `runs`.
    """
    alphas = sorted(runs["alpha"].unique())
    places = alpha_axis(axes, alphas)
    bands = {a: interval(runs.loc[runs["alpha"] == a, value].to_numpy()) for a in alphas}
    axes.plot(range(len(alphas)), [bands[a].mean for a in alphas], color="#bbbbbb", zorder=1)
    for alpha, band in bands.items():
        error = [[band.mean - band.low], [band.high - band.mean]]
        axes.errorbar(places[alpha], band.mean, error, fmt="o", color=alpha_color(alpha, alphas), capsize=2)
    null = units.groupby("alpha")["si_shuffled"].mean()
    shown = [a for a in alphas if a in null.index]
    axes.plot(
        [places[a] for a in shown], [null[a] for a in shown], ":", marker=".", color=NULL, label="shuffled labels"
    )
    axes.set_ylabel("mean selectivity index")
    axes.set_ylim(0, min(axes.get_ylim()[1], 1.02))
    axes.legend(loc="best")


@in_style
def index_histogram(
    axes: Axes, units: pd.DataFrame, *, color: str = GREY, value: str = "si", top: float | None = None
) -> None:
    """The distribution of an index over units, and of its mean under shuffled labels.

    Args:
        axes: where to draw.
        units: unit tables of the runs to pool.
        color: of the bars.
        value: the index.
        top: the highest share the axis reaches, so that frames of a slider stay comparable.
    """
    bins = np.linspace(0, 1, 41)
    for column, style in (
        (f"{value}_shuffled", {"color": NULL, "alpha": 0.45}),
        (value, {"color": color, "alpha": 0.85}),
    ):
        values = units[column].to_numpy()
        label = "shuffled labels" if column.endswith("shuffled") else "true labels"
        axes.hist(values, bins, weights=np.full(len(values), 1 / max(len(values), 1)), label=label, **style)
    axes.axvline(units[value].mean(), color="black", lw=1, ls="--")
    axes.set_xlim(0, 1)
    if top:
        axes.set_ylim(0, top)
    axes.set_xlabel("selectivity index of a unit")
    axes.set_ylabel("share of units")
    axes.legend(loc="upper right")


@in_style
def response_bars(axes: Axes, responses: pd.DataFrame, classes: Sequence[str], *, color: str = GREY) -> None:
    """Class-conditional mean activity of one unit; the preferred class dark, the mean of the others as a line.

    Args:
        axes: where to draw.
        responses: rows of one unit: class, mean.
        classes: class names in label order.
        color: of the other classes' bars.
    """
    means = responses.sort_values("class")["mean"].to_numpy()
    best = int(means.argmax())
    axes.bar(range(len(means)), means, color=["black" if k == best else color for k in range(len(means))])
    axes.axhline(np.delete(means, best).mean(), color=NULL, lw=1.2, ls="--")
    axes.set_xticks(range(len(means)), list(classes), rotation=0 if max(map(len, classes)) < 3 else 60)
    axes.set_ylabel("mean activity")
