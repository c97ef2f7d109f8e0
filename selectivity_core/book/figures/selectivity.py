"""Panels that show selectivity: by layer, by α, as histograms, and class by class for single units."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from ..numbers import alpha_label, number
from ..statistics import interval
from .style import GREY, NULL, ON_TOP, alpha_axis, alpha_color, in_style, layer_axis

MEASURE_NAMES = {
    "si": "mean selectivity index", "si_living": "mean selectivity index, living units",
    "si_shifted": "mean shifted index",
    "dprime": "mean d′", "class_share": "mean class share of variance η²", "precision": "mean precision",
    "mutual_information": "mean mutual information (bits)", "dead": "dead units (%)",
    "switched": "units that switch at least once (%)", "switches": "mean number of switches",
    "active_samples": "images that activate a unit (%)",
}  # fmt: skip
SHARES = ("dead", "switched", "active_samples")
HIGHEST = dict.fromkeys(("si", "si_living", "si_shifted", "precision", "class_share"), 1.02) | dict.fromkeys(
    SHARES, 102
)


@in_style
def by_layer(axes: Axes, layers: pd.DataFrame, value: str = "si") -> None:
    """A line an α over depth, with 95 % intervals over seeds; dotted, what shuffled labels give at α = 0.

    Args:
        axes: where to draw.
        layers: `Study.table("layers", model)`.
        value: a column of `layers`.
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
    chance = f"{'si' if value == 'si_living' else value}_shuffled"
    if chance in layers:
        alive = 1 - null["dead"] if value == "si_living" else 1  # dead units have an index of 0 under any labels
        means = (null[chance] / alive).groupby(null["depth"]).mean()
        axes.plot(np.arange(1, len(means) + 1), means, ":", color=NULL, label="shuffled")
    layer_axis(axes)
    axes.set_ylabel(MEASURE_NAMES.get(value, value))
    # An interval may pass the index's bounds of 0 and 1; the axis does not.
    axes.set_ylim(0, min(axes.get_ylim()[1], HIGHEST.get(value, np.inf)))
    axes.legend(title="α", loc="center left", bbox_to_anchor=(1, 0.5), handlelength=1, labelspacing=0.25)


@in_style
def by_alpha(axes: Axes, means: pd.DataFrame, value: str = "si") -> None:
    """A measure's mean over all units of the network at each α, with intervals over seeds, and what chance gives.

    Args:
        axes: where to draw.
        means: `effects.over_units`: alpha, mean, shuffled.
        value: which measure it is.
    """
    alphas = sorted(means["alpha"].unique())
    places = alpha_axis(axes, alphas)
    scale = 100 if value in SHARES else 1
    bands = {a: interval(scale * means.loc[means["alpha"] == a, "mean"].to_numpy()) for a in alphas}
    axes.plot(range(len(alphas)), [bands[a].mean for a in alphas], color="#bbbbbb", zorder=1)
    for alpha, band in bands.items():
        error = np.nan_to_num([[band.mean - band.low], [band.high - band.mean]])
        axes.errorbar(places[alpha], band.mean, error, fmt="o", color=alpha_color(alpha, alphas), capsize=2)
    null = means.groupby("alpha")["shuffled"].mean()
    if null.notna().any():
        axes.plot([places[a] for a in alphas], null[alphas], ":", marker=".", color=NULL, label="shuffled labels")
        axes.legend(loc="best")
    axes.set_ylabel(MEASURE_NAMES.get(value, value))
    # An interval may pass the index's bounds of 0 and 1; the axis does not.
    axes.set_ylim(0, min(axes.get_ylim()[1], HIGHEST.get(value, np.inf)))


def measure_in_words(means: pd.DataFrame, value: str) -> str:
    """A measure at every α, and under shuffled labels, for alternative texts."""
    scale, digits, unit = (100, 1, " %") if value in SHARES else (1, 3, "")
    by_value = means.groupby("alpha")[["mean", "shuffled"]].mean() * scale
    listed = ", ".join(f"{alpha_label(a)}: {number(v, digits, unit=unit)}" for a, v in by_value["mean"].items())
    null = by_value["shuffled"].dropna()
    chance = f" With shuffled labels {number(null.min(), 3)} to {number(null.max(), 3)}." if len(null) else ""
    return f"{MEASURE_NAMES.get(value, value)} by α: {listed}.{chance}"


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
    for column, colour, opacity in ((f"{value}_shuffled", NULL, 0.45), (value, color, 0.85)):
        values = units[column].to_numpy()
        label = "shuffled labels" if column.endswith("shuffled") else "true labels"
        weights = np.full(len(values), 1 / max(len(values), 1))
        axes.hist(values, bins.tolist(), weights=weights, label=label, color=colour, alpha=opacity)
    axes.axvline(units[value].mean(), color="black", lw=1, ls="--", label="mean")
    axes.set_xlim(0, 1)
    if top:
        axes.set_ylim(0, top)
    axes.set_xlabel("selectivity index of a unit")
    axes.set_ylabel("share of units")
    axes.legend(loc="upper right", **ON_TOP)


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
