"""Panels of what α does to representations: PWCCA distances, their ratio and excess, and the off-axis bound."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from ..numbers import alpha_label, number
from ..representations import by_layer, in_form, ratios
from ..statistics import interval
from .style import GREY, NULL, alpha_axis, alpha_color, in_style, layer_axis

PURPLE = {"within": "#b39ddb", "between": "#4527a0", "baseline": "#777777", "same_seed": "#4527a0"}
NAMES = {
    "within": "within α", "between": "α against 0", "baseline": "within α = 0", "same_seed": "α against 0, same start"
}  # fmt: skip
# The paper's first: it is what the figures of the paper show.
SHOWN_FORMS = {
    "paper": ("paper's form", "o-", "black"), "paper, reversed": ("paper's form, reversed", "o:", "#777777"),
    "textbook, averaged": ("textbook's form, both orders", "s-", "#00838f"),
}  # fmt: skip


@in_style
def cca_layers(axes: Axes, table: pd.DataFrame, alpha: float, form: str = "paper") -> pd.DataFrame:
    """Distances layer by layer at one α: within it, to unregularised networks, and within those (Fig. 2a).

    Args:
        axes: where to draw.
        table: `representations.distances` of one network.
        alpha: which α.
        form: which form and order.

    Returns:
        the means drawn, a row a layer.
    """
    chosen = in_form(table, form)
    means = by_layer(chosen, alpha)
    for name in ("within", "between", "baseline", "same_seed"):
        style = ":" if name == "same_seed" else "--" if name == "baseline" else "-"
        axes.plot(means.index + 1, means[name], style, color=PURPLE[name], label=NAMES[name])
        if name in ("within", "between"):
            rows = chosen[(chosen["group"] == name) & (chosen["alpha"] == alpha)]
            bands = [interval(g.to_numpy()) for _, g in rows.groupby("depth")["distance"]]
            if len(bands) == len(means) and np.isfinite([b.low for b in bands]).all():
                axes.fill_between(
                    means.index + 1, [b.low for b in bands], [b.high for b in bands], color=PURPLE[name], alpha=0.2,
                    lw=0,
                )  # fmt: skip
    base = form.split(",")[0]
    ceiling = table[(table["form"] == f"{base}, shuffled") & (table["alpha"] == alpha)].groupby("depth")["distance"]
    axes.plot(ceiling.mean().index + 1, ceiling.mean(), ":", color=NULL, label="rows shuffled")
    layer_axis(axes)
    axes.set_ylabel("PWCCA distance ρ")
    axes.set_ylim(0, None)
    axes.legend(loc="best")
    return means


@in_style
def cca_by_alpha(axes: Axes, table: pd.DataFrame, value: str = "ratio") -> dict[str, pd.DataFrame]:
    """The paper's ratio (Figs. 2b, A3) or the excess by α, in the paper's form, its other order, and the textbook's.

    Args:
        axes: where to draw.
        table: `representations.distances` of one network.
        value: "ratio" or "excess".

    Returns:
        form -> `representations.ratios`.
    """
    found = {form: ratios(in_form(table, form)) for form in SHOWN_FORMS}
    alphas = sorted({a for rows in found.values() for a in rows["alpha"]})
    places = alpha_axis(axes, alphas)
    for form, rows in found.items():
        label, style, color = SHOWN_FORMS[form]
        axes.plot([places[a] for a in rows["alpha"]], rows[value], style, color=color, label=label, lw=1.1)
    axes.axhline(1.0 if value == "ratio" else 0.0, color=GREY, lw=0.8, ls="--")
    axes.set_ylabel("ρ(α, 0) / ρ(α, α)" if value == "ratio" else "2ρ(α, 0) − ρ(α, α) − ρ(0, 0)")
    axes.legend(loc="best")
    return found


def forms_in_words(found: dict[str, pd.DataFrame], value: str) -> str:
    """Every form's value at every α, for alternative texts."""
    parts = []
    for form, rows in found.items():
        by_value = zip(rows["alpha"], rows[value], strict=True)
        listed = ", ".join(f"{alpha_label(a)}: {number(v, 3)}" for a, v in by_value)
        parts.append(f"{SHOWN_FORMS[form][0]}, {listed}")
    return f"{value} by α: " + "; ".join(parts) + "."


BOUND_STYLES = {
    "bound": ("best rotation found", "D", None), "axis": ("unit axes", "o", None),
    "axis_shifted": ("unit axes, shifted", "_", "#777777"), "random": ("random rotations, shifted", "x", "#777777"),
    "bound_shuffled": ("best rotation, shuffled labels", ".", NULL),
}  # fmt: skip


@in_style
def bound_by_alpha(axes: Axes, bounds: pd.DataFrame) -> pd.DataFrame:
    """The off-axis bound (diamonds) and the unit axes (circles) by α, with what shift and chance give (Fig. 2c).

    Args:
        axes: where to draw.
        bounds: table `bounds` with α and seed, of one network.

    Returns:
        mean over layers and seeds, a row an α, a column a kind.
    """
    networks = bounds.groupby(["alpha", "seed", "kind"])["value"].mean().reset_index()
    means = networks.pivot_table(index="alpha", columns="kind", values="value")
    alphas = list(means.index)
    places = alpha_axis(axes, alphas)
    across = [places[a] for a in alphas]
    for kind, (label, marker, color) in BOUND_STYLES.items():
        if color is None:
            axes.scatter(across, means[kind], marker=marker, c=[alpha_color(a, alphas) for a in alphas], zorder=3)
            axes.plot([], [], marker, color=alpha_color(min(alphas), alphas), label=label)
        else:
            axes.plot(across, means[kind], marker, color=color, label=label, ms=7 if marker == "_" else None)
    axes.set_ylabel("mean selectivity index")
    axes.set_ylim(0, None)
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.25), ncols=1, labelspacing=0.25)
    return means


@in_style
def bound_by_layer(axes: Axes, bounds: pd.DataFrame) -> pd.DataFrame:
    """The off-axis bound by layer, a line an α; thin, the unit axes with the same shift (Figs. A4a, A4c).

    Returns:
        mean over seeds, a row an α and layer, a column a kind.
    """
    means = bounds.groupby(["alpha", "depth", "kind"])["value"].mean().unstack("kind")
    alphas = sorted(bounds["alpha"].unique())
    for alpha in alphas:
        rows, color = means.loc[alpha], alpha_color(alpha, alphas)
        axes.plot(rows.index + 1, rows["bound"], "D-", color=color, label=alpha_label(alpha), lw=1.2)
        axes.plot(rows.index + 1, rows["axis_shifted"], "--", color=color, lw=0.9)
    axes.plot([], [], "--", color=GREY, lw=0.9, label="axes, shifted")
    layer_axis(axes)
    axes.set_ylabel("bound of the selectivity index")
    axes.set_ylim(0, None)
    axes.legend(title="α", loc="center left", bbox_to_anchor=(1, 0.5))
    return means
