"""What clamping a unit costs, against what the unit says of the class (Morcos et al. 2018, Figs. 7, A2 to A4)."""

from __future__ import annotations

from collections.abc import Callable

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from ...runs.analyses import ANALYSES
from ..correlations import by_layer, layer_means, over_networks
from ..numbers import number, with_span
from ..statistics import interval, mean_correlation, spearman
from ..study import MODEL_NAMES, Study, View
from .shown import Table
from .style import GREY, NULL, in_style, layer_axis

SCALES = {"si": "selectivity index", "informed": "mutual information above chance (bits)"}
NOT_DEAD = "Dead units are left out."


def importances(view: View) -> pd.DataFrame:
    """Living units with what clamping each alone to zero costs on test images.

    Returns:
        run, layer, unit, si, informed (mutual information less that of shuffled labels, bits), weight_l1, lost (test
        accuracy, in points) and loss_change (nats). Networks without that analysis are left out.
    """
    units = living(view.table("units"))
    found = view.study.tables.importances
    found = found[found["analysis"] == ANALYSES["importance"].label]
    joined = units.merge(found, on=["run", "layer", "unit"], validate="one_to_one")
    return joined.assign(lost=-100 * joined["accuracy_change"])


def living(units: pd.DataFrame) -> pd.DataFrame:
    """Units that any test image activates, with their mutual information above chance as `informed`."""
    alive = units[~units["dead"].astype(bool)]
    return alive.assign(informed=alive["mutual_information"] - alive["mutual_information_shuffled"])


def layer_colors(layers: int) -> list[str]:
    """From the first layer to the last: dark to light."""
    return [mpl.colors.to_hex(mpl.colormaps["viridis"](k / max(layers - 1, 1) * 0.92)) for k in range(layers)]


@in_style
def scatter_by_layer(axes: Axes, units: pd.DataFrame, across: str, up: str) -> None:
    """A dot a unit, coloured by its layer."""
    layers = list(units["layer"].unique())
    for layer, color in zip(layers, layer_colors(len(layers)), strict=True):
        rows = units[units["layer"] == layer]
        axes.plot(rows[across], rows[up], ".", ms=4, mew=0, alpha=0.55, color=color, rasterized=True)
    handles = [
        Line2D([], [], marker="o", ls="", ms=4, color=layer_colors(len(layers))[k], label=f"layer {k + 1}")
        for k in sorted({0, len(layers) // 2, len(layers) - 1})
    ]
    axes.legend(handles=handles, loc="best", handlelength=0.8)


def _impact(across: str) -> Callable[[Axes, View], str]:
    def drawing(axes: Axes, view: View) -> str:
        units = importances(view)
        scatter_by_layer(axes, units, across, "lost")
        axes.axhline(0, color=GREY, lw=0.8, ls="--")
        axes.set_xlabel(SCALES[across])
        axes.set_ylabel("test accuracy lost (points)")
        in_accuracy, in_loss = (over_networks(by_layer(units, across, up)) for up in ("lost", "loss_change"))
        return (
            f"clamping one of {len(units)} living units costs {number(units['lost'].mean())} points of test accuracy "
            f"on average, {number(units['lost'].max(), 1)} at most; rank correlation with {_short(across)} over the "
            f"units of a layer, averaged over layers and {in_accuracy.n} networks: {with_span(in_accuracy)} for "
            f"accuracy lost, {with_span(in_loss)} for the rise in loss."
        )

    return drawing


def _short(column: str) -> str:
    return SCALES[column].partition(" (")[0]


@in_style
def regressions(axes: Axes, units: pd.DataFrame, across: str = "si", up: str = "lost") -> dict[int, float]:
    """A straight line a layer, of the least squares of each network averaged over networks (Fig. 7c).

    Args:
        axes: where to draw.
        units: of `importances`.
        across, up: columns.

    Returns:
        depth -> slope; layers without two different values of `across` in any network have none.
    """
    layers = list(units["layer"].unique())
    slopes = {}
    for depth, (layer, color) in enumerate(zip(layers, layer_colors(len(layers)), strict=True)):
        rows = units[units["layer"] == layer]
        fits = [
            np.polyfit(network[across], network[up], 1)
            for _, network in rows.groupby("run")
            if len(network) > 2 and np.ptp(network[across]) > 0
        ]
        if not fits:
            continue
        slopes[depth], level = np.mean(fits, axis=0)
        ends = rows[across].quantile([0.02, 0.98]).to_numpy()
        axes.plot(ends, level + slopes[depth] * ends, color=color, label=f"{depth + 1}", lw=1.6)
    axes.axhline(0, color=GREY, lw=0.8, ls="--")
    if slopes:
        axes.legend(title="layer", loc="center left", bbox_to_anchor=(1, 0.5), handlelength=1, labelspacing=0.25)
    return slopes


def _regressions(axes: Axes, view: View) -> str:
    units = importances(view)
    regressions(axes, units)
    axes.set_xlabel(SCALES["si"])
    axes.set_ylabel("test accuracy lost (points)")
    found = layer_means(by_layer(units, "si", "lost"))
    listed = ", ".join(f"{depth + 1}: {number(band.mean)}" for depth, band in found.items())
    return f"rank correlation of selectivity index and accuracy lost by layer, averaged over networks: {listed}."


@in_style
def by_depth(axes: Axes, units: pd.DataFrame) -> pd.DataFrame:
    """Selectivity of living units layer by layer: boxes over units, networks' means with their interval (Fig. A2).

    Returns:
        the mean of each network (rows) and layer (columns, by depth).
    """
    layers = list(units["layer"].unique())
    means = units.groupby(["run", "layer"], sort=False)["si"].mean().unstack("layer")[layers]
    means.columns = range(len(layers))
    for depth, (layer, color) in enumerate(zip(layers, layer_colors(len(layers)), strict=True)):
        values = units.loc[units["layer"] == layer, "si"].to_numpy()
        axes.boxplot(
            values, positions=[depth + 1], widths=0.6, whis=(5, 95), showfliers=False, manage_ticks=False,
            patch_artist=True, medianprops={"color": "black"}, boxprops={"facecolor": color, "alpha": 0.45},
        )  # fmt: skip
    bands = [interval(means[depth].to_numpy()) for depth in means]
    axes.plot(means.columns + 1, [b.mean for b in bands], "o-", color="black", ms=3, lw=1, label="mean of networks")
    low, high = [b.low for b in bands], [b.high for b in bands]
    if np.isfinite(low).all():
        axes.fill_between(means.columns + 1, low, high, color="black", alpha=0.12, lw=0)
    null = units.groupby("layer", sort=False)["si_shuffled"].mean()[layers]
    axes.plot(means.columns + 1, null, ":", color=NULL, label="shuffled labels")
    layer_axis(axes)
    axes.set_ylabel("selectivity index")
    axes.set_ylim(0, 1.02)
    axes.legend(loc="best")
    return means


def _depth(axes: Axes, view: View) -> str:
    means = by_depth(axes, living(view.table("units")))
    rises = mean_correlation([spearman(range(len(row)), row)[0] for row in means.to_numpy()])
    listed = ", ".join(number(v) for v in means.mean())
    return (
        f"mean selectivity index from the first layer to the last: {listed}; rank correlation with depth, averaged "
        f"over {rises.n} networks: {with_span(rises)}."
    )


def _filters(axes: Axes, view: View) -> str:
    units = living(view.table("units"))
    scatter_by_layer(axes, units, "weight_l1", "si")
    axes.set_xlim(0, None)
    axes.set_xlabel(f"L1 norm of the {'weights' if view.model == 'mlp' else 'filter'}")
    axes.set_ylabel("selectivity index")
    table = by_layer(units, "weight_l1", "si")
    listed = ", ".join(f"{depth + 1}: {number(band.mean)}" for depth, band in layer_means(table).items())
    over = over_networks(table)
    return (
        f"rank correlation of selectivity index and L1 norm over the units of a layer, averaged over layers and "
        f"{over.n} networks: {with_span(over)}; by layer: {listed}."
    )


def importance_table(study: Study) -> Table:
    """Layer by layer: how what a unit says of the class goes with what clamping it costs, averaged over networks."""
    rows = []
    for panel in {panel.model: panel for panel in study.figure.panels}.values():
        view = study.view(panel)
        units = importances(view) if view is not None else pd.DataFrame()
        if not len(units):
            continue
        tables = {(a, u): by_layer(units, a, u) for a in SCALES for u in ("lost", "loss_change")}
        names = list(units["layer"].unique())
        for depth, layer in enumerate([*names, "all"]):
            some = units if layer == "all" else units[units["layer"] == layer]
            row = {"network": MODEL_NAMES[view.model], "layer": "mean" if layer == "all" else f"{depth + 1}"}  # type: ignore[union-attr]
            row |= {"living units": f"{len(some) / units['run'].nunique():.0f}"}
            row |= {"points lost, mean": number(some["lost"].mean())}
            for (across, up), table in tables.items():
                band = over_networks(table if layer == "all" else table[table["layer"] == layer])
                row[f"{'SI' if across == 'si' else 'MI'}, {'accuracy' if up == 'lost' else 'loss'}"] = with_span(band)
            rows.append(row)
    if not rows:
        return Table(pd.DataFrame({"network": []}), "No network is finished")
    return Table(
        pd.DataFrame(rows),
        "Rank correlation over the units of a layer with accuracy lost and rise in loss when a unit is clamped to "
        "zero: mean over networks with 95 % interval; positive where units that say more of the class cost more",
    )


def measured_runs(view: View) -> tuple[str, ...]:
    """The runs whose units were clamped one at a time."""
    found = view.study.tables.importances
    there = set(found.loc[found["analysis"] == ANALYSES["importance"].label, "run"])
    return tuple(run for run in view.runs()["run"] if run in there)


def caption_of(view: View) -> list[str]:
    """What dots, lines and boxes are, and over what a correlation is taken: a sentence each."""
    if view.panel.kind == "importance_layers":
        return ["Lines: least squares in each layer of each network, averaged over networks."]
    if view.panel.kind == "depth":
        band = [] if len(view.runs()) < 2 else ["Band: 95 % interval of the mean over networks."]
        return ["Boxes: quartiles over units, whiskers from 5 to 95 %.", *band, NOT_DEAD]
    words = ["A dot is a unit.", NOT_DEAD, "Correlations are taken over the units of each layer of each network."]
    if view.panel.kind == "l1" and view.runs()["batch_norm"].all():
        words.append("Under batch norm the size of a filter has no effect of its own.")
    return words


KINDS: dict[str, Callable[[Axes, View], str]] = {
    "importance_si": _impact("si"), "importance_mi": _impact("informed"), "importance_layers": _regressions,
    "depth": _depth, "l1": _filters,
}  # fmt: skip
CAPTIONS: dict[str, Callable[[View], list[str]]] = dict.fromkeys(KINDS, caption_of)
USED: dict[str, Callable[[View], tuple[str, ...]]] = {
    kind: measured_runs for kind in KINDS if kind.startswith("importance")
}
