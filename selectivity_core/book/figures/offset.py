"""Figure B2: the index beside measures that no offset moves, and which part of its change is offset."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from ..numbers import alpha_label, number
from ..offset import COMPARED, relative, split, spread
from ..statistics import interval
from ..study import MODEL_NAMES, Study
from .shown import Nothing, Shown, show
from .style import GREY, alpha_axis, alpha_color, in_style, layer_axis, panels

# Colours that the colour-blind tell apart (Okabe & Ito), none of them an α's.
LINES = {
    "si": ("index SI", "o-", "black"), "si_shifted": ("shifted SI", "s-", "#e69f00"),
    "dprime": ("d′", "D-", "#009e73"), "class_share": ("class share η²", "^-", "#56b4e9"),
    "precision": ("precision", "v-", "#cc79a7"), "mutual_information": ("mutual information", "X-", "#8c510a"),
}  # fmt: skip
PARTS = {
    "classes": ("class differences in SDs", "#009e73"), "offset": ("offset: mean in SDs", "#e69f00"),
    "rest": ("units silent on one side", "#999999"),
}  # fmt: skip
EXAMPLE = -5.0


def example_alpha(alphas: Iterable[float]) -> float:
    """The α shown layer by layer: of those there are the one nearest to −5."""
    return min((a for a in alphas if a), key=lambda a: (abs(a - EXAMPLE), a))


@in_style
def measure_lines(axes: Axes, table: pd.DataFrame) -> dict[str, dict[float, float]]:
    """Every measure against its own value at α = 0 on a logarithmic axis, by α, with intervals over seeds.

    Args:
        axes: where to draw.
        table: of `offset.relative`, over all units of one network.

    Returns:
        measure -> α -> the geometric mean of the ratios.
    """
    alphas = sorted(table["alpha"].unique())
    places = alpha_axis(axes, alphas)
    found: dict[str, dict[float, float]] = {}
    for k, measure in enumerate(COMPARED):
        label, style, color = LINES[measure]
        logs = table[table["measure"] == measure].groupby("alpha")["log_ratio"]
        bands = [interval(logs.get_group(a).to_numpy()) for a in alphas]
        mean = np.exp([b.mean for b in bands])
        low, high = np.exp([b.low for b in bands]), np.exp([b.high for b in bands])
        across = np.array([places[a] for a in alphas]) + 0.07 * (k - 2.5)
        axes.errorbar(
            across, mean, np.nan_to_num([mean - low, high - mean]), fmt=style, color=color, label=label, capsize=1.5,
            lw=1.6 if measure == "si" else 1.0, elinewidth=0.8,
        )  # fmt: skip
        found[measure] = dict(zip(alphas, mean, strict=True))
    axes.axhline(1, color=GREY, lw=0.8, ls="--")
    _ratio_axis(axes, "share of its value at α = 0")
    return found


@in_style
def measures_by_layer(axes: Axes, table: pd.DataFrame, alpha: float) -> dict[str, pd.Series]:
    """The index and shift-free measures at one α against the same layer's value at α = 0, layer by layer.

    Args:
        axes: where to draw.
        table: of `offset.relative` with `by_layer`.
        alpha: which α.

    Returns:
        measure -> geometric means over seeds, by depth.
    """
    found = {}
    for measure in COMPARED:
        label, style, color = LINES[measure]
        rows = table[(table["measure"] == measure) & (table["alpha"] == alpha)]
        means = np.exp(rows.groupby("depth")["log_ratio"].mean())
        axes.plot(means.index + 1, means, style, color=color, label=label, lw=1.6 if measure == "si" else 1.0, ms=3.5)
        found[measure] = means
    axes.axhline(1, color=GREY, lw=0.8, ls="--")
    layer_axis(axes)
    _ratio_axis(axes, f"share of its value at α = 0\n(α = {alpha_label(alpha)})")
    return found


def _ratio_axis(axes: Axes, label: str) -> None:
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(FixedLocator([0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500]))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.set_ylabel(label)


@in_style
def spread_by_alpha(axes: Axes, table: pd.DataFrame) -> pd.Series:
    """The median of units' mean/SD by α, a dot a network (`offset.spread`); returns the geometric mean over seeds."""
    alphas = sorted(table["alpha"].unique())
    places = alpha_axis(axes, alphas)
    means = np.exp(np.log(table.set_index("alpha")["ratio"]).groupby("alpha").mean())
    axes.plot([places[a] for a in alphas], means[alphas], color="#bbbbbb", zorder=1)
    for alpha, rows in table.groupby("alpha"):
        across = places[float(alpha)] + np.linspace(-0.12, 0.12, len(rows))
        axes.plot(across, rows["ratio"], "o", color=alpha_color(float(alpha), alphas))
    _ratio_axis(axes, "mean/SD of a unit, median")
    return means


@in_style
def spread_by_layer(axes: Axes, table: pd.DataFrame) -> None:
    """The median of units' mean/SD by layer, a line an α (`offset.spread` with `by_layer`)."""
    alphas = sorted(table["alpha"].unique())
    for alpha in alphas:
        means = np.exp(np.log(table[table["alpha"] == alpha].set_index("depth")["ratio"]).groupby("depth").mean())
        axes.plot(means.index + 1, means, color=alpha_color(alpha, alphas), label=alpha_label(alpha), lw=1.2)
    layer_axis(axes)
    _ratio_axis(axes, "mean/SD of a unit, median")


@in_style
def split_bars(axes: Axes, parts: pd.DataFrame) -> pd.DataFrame:
    """The change of the mean index at each α as stacked bars of its parts, and the whole with its interval.

    Args:
        axes: where to draw.
        parts: of `offset.split`.

    Returns:
        means over seeds, a row an α.
    """
    means = parts.groupby("alpha")[["change", *PARTS]].mean()
    places = alpha_axis(axes, list(means.index))
    across = np.array([places[a] for a in means.index])
    top, bottom = np.zeros(len(means)), np.zeros(len(means))
    for part, (label, color) in PARTS.items():
        values = means[part].to_numpy()
        if np.abs(values).max() < 5e-4 and part == "rest":
            continue
        axes.bar(across, values, 0.7, bottom=np.where(values > 0, top, bottom), color=color, label=label)
        top, bottom = top + values.clip(0), bottom + values.clip(max=0)
    bands = [interval(parts.loc[parts["alpha"] == a, "change"].to_numpy()) for a in means.index]
    error = np.nan_to_num([[b.mean - b.low for b in bands], [b.high - b.mean for b in bands]])
    axes.errorbar(across, means["change"], error, fmt="o", color="black", ms=3.5, capsize=2, lw=1, label="whole change")
    axes.axhline(0, color=GREY, lw=0.8)
    axes.set_ylabel("change of the mean index")
    axes.legend(loc="upper left")
    return means


def compared_models(study: Study) -> list[str]:
    """Networks with runs at α = 0 and at another α: what there is to compare."""
    return [m for m in study.models if {True, False} <= {a == 0 for a in study.runs(m)["alpha"]}]


def measures_figure(study: Study) -> Shown | Nothing:
    """Figure B2: by α, the index and the measures that an offset does not move, each against its value at α = 0."""
    models = compared_models(study)
    if not models:
        return Nothing(study)
    figure, axes = panels(len(models), width=4.9, height=3.5)
    alts = []
    for axis, model in zip(axes, models, strict=True):
        found = measure_lines(axis, relative(study.table("layers", model)))
        axis.set_title(MODEL_NAMES[model])
        few = sorted({min(found["si"]), example_alpha(list(found["si"])), max(found["si"])})
        listed = "; ".join(f"{LINES[m][0]}: {_by_alpha({a: v[a] for a in few})}" for m, v in found.items())
        alts.append(f"{MODEL_NAMES[model]}, share of the value at α = 0 at some α. {listed}.")
    _legend(axes[-1])
    return show(
        figure, study, alt=" ".join(alts),
        caption="The selectivity index beside measures that a constant added to a unit does not move, by α. Each is "
        "the mean over units less what shuffled labels give, divided by the same seed's value at α = 0; geometric "
        "means with 95 % intervals over seeds, on a logarithmic axis. A value that does not exceed chance is left out.",
    )  # fmt: skip


def layers_figure(study: Study) -> Shown | Nothing:
    """Figure B2b: layer by layer, the measures at one α, and how far activity lies from zero at every α."""
    models = [m for m in compared_models(study) if len(study.table("units", m))]
    if not models:
        return Nothing(study, part="-layers")
    figure, axes = panels(2 * len(models), columns=len(models), width=4.9, height=2.9)
    alts = []
    for k, model in enumerate(models):
        alpha = example_alpha(study.runs(model)["alpha"])
        found = measures_by_layer(axes[k], relative(study.table("layers", model), by_layer=True), alpha)
        axes[k].set_title(MODEL_NAMES[model])
        rows = spread(study.table("units", model), by_layer=True)
        spread_by_layer(axes[len(models) + k], rows)
        ends = ", ".join(f"{LINES[m][0]} {_ends(values)}" for m, values in found.items())
        far = np.exp(np.log(rows.set_index(["alpha", "depth"])["ratio"]).groupby(["alpha", "depth"]).mean())
        alts.append(
            f"{MODEL_NAMES[model]}, from the first to the last layer at α = {alpha_label(alpha)}, share of the value "
            f"at α = 0: {ends}; median mean/SD {_ends(far[alpha])}, at α = 0 {_ends(far[0.0])}."
        )
    _legend(axes[len(models) - 1])
    _legend(axes[-1], "α")
    return show(
        figure, study, part="-layers", alt=" ".join(alts),
        caption=f"Above, the same measures layer by layer at the α nearest to {alpha_label(EXAMPLE)}, each against its "
        "value in that layer at α = 0. Below, how many SDs activity lies from zero: the median of units' mean/SD, a "
        "line an α.",
    )  # fmt: skip


def split_figure(study: Study) -> Shown | Nothing:
    """Figure B2c: the change of the mean index split into class differences and offset, and mean/SD by α."""
    models = [m for m in compared_models(study) if len(study.table("responses", m)) and len(parts_of(study, m))]
    if not models:
        return Nothing(study, part="-parts")
    figure, axes = panels(2 * len(models), columns=len(models), width=4.9, height=3.1)
    alts = []
    for k, model in enumerate(models):
        means = split_bars(axes[k], parts_of(study, model))
        axes[k].set_title(MODEL_NAMES[model])
        far = spread_by_alpha(axes[len(models) + k], spread(study.table("units", model)))
        listed = "; ".join(
            f"{alpha_label(a)}: {number(r['classes'], 3)} and {number(r['offset'], 3)} of {number(r['change'], 3)}"
            for a, r in means.iterrows()
        )
        alts.append(
            f"{MODEL_NAMES[model]}, change of the mean index by α, class differences and offset: {listed}. "
            f"Median mean/SD of units by α: {_by_alpha(dict(far.items()))}."
        )
    return show(
        figure, study, part="-parts", alt=" ".join(alts),
        caption="Above, the change of the mean index since α = 0 and its two parts: class differences in SDs, and "
        "offset, that is the mean in SDs. Below, the median of units' mean/SD, a dot a network.",
    )  # fmt: skip


def parts_of(study: Study, model: str, *, by_layer: bool = False) -> pd.DataFrame:
    """`offset.split` of one network of a study, over all its units or layer by layer."""
    return split(study.table("units", model), study.tables.responses, each=("layer",) if by_layer else ())


@in_style
def _legend(axes: Axes, title: str = "") -> None:
    axes.legend(title=title, loc="center left", bbox_to_anchor=(1, 0.5), labelspacing=0.3)


def _by_alpha(values: dict[float, float]) -> str:
    return ", ".join(f"{alpha_label(a)}: {number(v)}" for a, v in values.items())


def _ends(values: pd.Series) -> str:
    return f"{number(values.iloc[0])} to {number(values.iloc[-1])}"
