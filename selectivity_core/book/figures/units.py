"""Panels of single units' properties: how often they are active, how two measures rank them, two networks at once."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from ..numbers import alpha_label
from ..statistics import interval, mean_correlation, spearman
from .style import GREY, alpha_axis, alpha_color, in_style, layer_axis, percent

MARKERS = ("o", "s", "D", "v")


@in_style
def active_share(axes: Axes, units: pd.DataFrame, value: str = "active_samples") -> pd.Series:
    """The share of test images that activate each unit: a dot a unit, boxes with whiskers of twice the IQR (Fig. A10).

    Args:
        axes: where to draw.
        units: table `units` with α.
        value: its column.

    Returns:
        the share of units that are silent for at least half of the images, by α.
    """
    alphas = sorted(units["alpha"].unique())
    places = alpha_axis(axes, alphas)
    jitter = np.random.default_rng(0)  # where a dot stands across its column has no meaning
    for alpha in alphas:
        values = units.loc[units["alpha"] == alpha, value].to_numpy()
        color = alpha_color(alpha, alphas)
        across = places[alpha] + jitter.uniform(-0.3, 0.3, len(values))
        axes.plot(across, percent(values), ".", ms=2, color=color, alpha=0.35, mew=0, rasterized=True)
        axes.boxplot(
            percent(values), positions=[places[alpha]], widths=0.5, whis=2.0, showfliers=False, manage_ticks=False,
            medianprops={"color": "black"},
        )  # fmt: skip
    axes.axhline(50, color=GREY, lw=0.8, ls="--")
    axes.set_ylabel("images that activate the unit (%)")
    return units.assign(sparse=units[value] <= 0.5).groupby("alpha")["sparse"].mean()


@in_style
def rank_agreement(axes: Axes, units: pd.DataFrame, first: str = "si", second: str = "dprime") -> tuple[float, int]:
    """Spearman correlation of two measures over the units of each layer, worked out network by network.

    Args:
        axes: where to draw.
        units: unit tables of networks at one α.
        first, second: columns.

    Returns:
        the correlation averaged over layers and then over networks, and the number of networks.
    """
    layers = list(units["layer"].unique())
    found = [
        {"run": run, "depth": layers.index(layer), "rho": spearman(group[first], group[second])[0]}
        for (run, layer), group in units.groupby(["run", "layer"], sort=False)
    ]
    table = pd.DataFrame(found)
    for _, group in table.groupby("run"):
        axes.plot(group["depth"] + 1, group["rho"], ".", color=GREY, alpha=0.6)
    means = table.groupby("depth")["rho"].mean()
    axes.plot(means.index + 1, means, color="black", lw=1.2)
    axes.set_ylim(min(0.0, float(table["rho"].min()) - 0.05), 1.02)
    axes.set_ylabel("rank correlation of d′ and SI")
    layer_axis(axes)
    per_network = table.groupby("run")["rho"].mean().tolist()
    return float(mean_correlation(per_network).mean), len(per_network)


@in_style
def by_setting(axes: Axes, groups: dict[str, pd.DataFrame], value: str, label: str, *, scale: float = 1.0) -> None:
    """A line a setting over α, with 95 % intervals over seeds.

    Args:
        axes: where to draw.
        groups: name -> rows with alpha and `value`.
        value: the column drawn.
        label: the y axis in words.
        scale: values are multiplied by it (100 for percentages).
    """
    alphas = sorted({a for rows in groups.values() for a in rows["alpha"].unique()})
    places = alpha_axis(axes, alphas)
    shades = np.linspace(0.0, 0.65, max(len(groups), 2))
    for k, (name, rows) in enumerate(groups.items()):
        mine = sorted(rows["alpha"].unique())
        bands = [interval(scale * rows.loc[rows["alpha"] == a, value].to_numpy()) for a in mine]
        across = np.array([places[a] for a in mine]) + 0.08 * (k - (len(groups) - 1) / 2)
        mean = np.array([b.mean for b in bands])
        error = np.array([[b.mean - b.low for b in bands], [b.high - b.mean for b in bands]])
        axes.errorbar(
            across, mean, np.nan_to_num(error), fmt=f"{MARKERS[k % len(MARKERS)]}-", color=str(shades[k]), capsize=2,
            lw=1, label=name,
        )  # fmt: skip
    axes.set_ylabel(label)
    axes.legend(loc="best")


def settings_in_words(groups: dict[str, pd.DataFrame], value: str, digits: int = 3, scale: float = 1.0) -> str:
    """Every setting's mean at every α, for alternative texts."""
    parts = []
    for name, rows in groups.items():
        means = rows.groupby("alpha")[value].mean() * scale
        parts.append(f"{name}: " + ", ".join(f"{alpha_label(a)}: {m:.{digits}f}" for a, m in means.items()))
    return "; ".join(parts) + "."
