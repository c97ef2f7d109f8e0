"""Figure B4: what the index of a batch is, and what either estimate of it trains."""

from __future__ import annotations

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from ..statistics import holm, paired
from ..study import Study
from .shown import Nothing, Shown, Table, show
from .style import GREY, NULL, alpha_label, in_style, panels
from .units import by_setting, settings_in_words

ESTIMATE_NAMES = {"batch": "whole batch", "unbiased": "two halves"}
DASHES = {"batch": "-", "unbiased": "--"}
LABEL_NAMES = {"true": "true labels", "shuffled": "shuffled labels"}


@in_style
def chance_lines(axes: Axes, table: pd.DataFrame) -> None:
    """What units that know nothing of the class have at each batch size: a line a number of classes and estimate.

    Args:
        axes: where to draw.
        table: of `estimation.chance_table`.
    """
    counts = sorted(table["classes"].unique())
    shades = mpl.colormaps["viridis"](np.linspace(0.0, 0.75, len(counts)))
    for color, count in zip(shades, counts, strict=True):
        for estimate, dashes in DASHES.items():
            rows = table[(table["classes"] == count) & (table["estimate"] == estimate)].sort_values("batch_size")
            label = f"{count} classes" if estimate == "batch" else None
            axes.plot(rows["batch_size"], rows["si"], dashes, marker=".", color=color, label=label)
    _batch_axis(axes, table["batch_size"])
    axes.set_ylabel("expected index of chance alone")
    _legend_with_dashes(axes)


@in_style
def batch_lines(axes: Axes, table: pd.DataFrame, trained_with: int) -> None:
    """The index of one network on random batches: mean, and the band that holds 80 % of the batches.

    Args:
        axes: where to draw.
        table: of `estimation.index_on_batches`.
        trained_with: the batch size that the network was trained with, marked by a line.
    """
    for kind, color in (("true", "black"), ("shuffled", NULL)):
        for estimate, dashes in DASHES.items():
            rows = table[(table["labels"] == kind) & (table["estimate"] == estimate)].groupby("batch_size")["si"]
            label = LABEL_NAMES[kind] if estimate == "batch" else None
            axes.plot(rows.mean().index, rows.mean(), dashes, marker=".", color=color, label=label)
            if kind == "true":
                low, high = rows.quantile(0.1), rows.quantile(0.9)
                shade = 0.25 if estimate == "batch" else 0.1
                axes.fill_between(low.index, low, high, color=color, alpha=shade, lw=0)
    axes.axvline(trained_with, color=GREY, lw=0.8, ls=":")
    _batch_axis(axes, table["batch_size"])
    axes.set_ylabel("index read on a batch")
    _legend_with_dashes(axes)


def _batch_axis(axes: Axes, sizes: pd.Series) -> None:
    axes.set_xscale("log", base=2)
    axes.set_xticks(sorted(sizes.unique()), [str(size) for size in sorted(sizes.unique())], rotation=45, minor=False)
    axes.axhline(0, color=GREY, lw=0.8)
    axes.set_xlabel("samples in a batch")


def _legend_with_dashes(axes: Axes) -> None:
    for estimate, dashes in DASHES.items():
        axes.plot([], [], dashes, color=GREY, label=ESTIMATE_NAMES[estimate])
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5))


def batches_figure(
    study: Study, chance: pd.DataFrame, batches: pd.DataFrame | None, model: str | None = None
) -> Shown | Nothing:
    """Figure B4: what chance gives on a batch, what one network has there, and what either estimate trains.

    Args:
        study: of figure "batches".
        chance: of `estimation.chance_table`.
        batches: of `estimation.index_on_batches` for one of the study's networks at α = 0; None where its weights are
            not at hand: that panel is then left out and the caption says so.
        model: the network; the study's first by default.
    """
    model = model or study.models[0]
    runs = study.runs(model)
    if not len(runs):
        return Nothing(study)
    spec = next(s for s in study.specs if s.model == model)
    figure, axes = panels(3 + (batches is not None), columns=2, width=4.8, height=3.0)
    chance_lines(axes[0], chance)
    caption = ["(a) expected index of units that know nothing of the class, by simulation (exponential activity)."]
    alt = [_chance_in_words(chance)]
    if batches is not None:
        batch_lines(axes[1], batches, spec.batch_size)
        caption.append(
            "(b) the index that one network trained at α = 0 has on random batches of test images, and on all of them "
            f"(rightmost); bands: 80 % of the batches; dotted upright: the {spec.batch_size} it was trained with."
        )
        alt.append(_batches_in_words(batches))
    groups = {
        ESTIMATE_NAMES[estimate]: runs[(runs["estimate"] == estimate) | (runs["alpha"] == 0)] for estimate in DASHES
    }
    for panel, value, label, scale in zip(
        axes[-2:], ("si_units", "test_accuracy"), ("mean selectivity index", "test accuracy (%)"), (1, 100), strict=True
    ):
        by_setting(panel, groups, value, label, scale=scale)
        low, high = panel.get_ylim()  # an interval may pass the bounds of what it is of; the axis does not
        panel.set_ylim(max(low, -0.02 * scale), min(high, 1.02 * scale))
        alt.append(f"{label} by α, {settings_in_words(groups, value, 1 if scale == 100 else 3, scale)}")
    letters = "(c, d)" if batches is not None else "(b, c)"
    caption.append(
        f"{letters} selectivity of the whole test set and test accuracy of networks trained with either estimate in "
        "the regulariser, 95 % intervals over seeds. Whole batch: the paper's index; two halves: preferred class "
        "chosen on one half of the batch, means taken on the other."
    )
    if batches is None:
        caption.append("The panel of one network on batches is left out: its weights are not in the local store.")
    return show(figure, study, caption=" ".join(caption), alt=" ".join(alt))


def _chance_in_words(table: pd.DataFrame) -> str:
    parts = []
    for (count, estimate), rows in table.groupby(["classes", "estimate"]):  # type: ignore[misc]
        values = ", ".join(
            f"{_number(row.si)} at {row.batch_size}" for row in rows.sort_values("batch_size").itertuples()
        )
        parts.append(f"{count} classes, {ESTIMATE_NAMES[str(estimate)]}: {values}")
    return "Expected index of chance alone by batch size. " + "; ".join(parts) + "."


def _batches_in_words(table: pd.DataFrame) -> str:
    means = table.groupby(["labels", "estimate", "batch_size"])["si"].mean()
    parts = []
    for kind, name in LABEL_NAMES.items():
        for estimate in DASHES:
            values = ", ".join(f"{_number(value)} at {size}" for size, value in means[kind, estimate].items())
            parts.append(f"{name}, {ESTIMATE_NAMES[estimate]}: {values}")
    return "Index of one network by batch size. " + "; ".join(parts) + "."


def _number(value: float) -> str:
    return f"{round(value, 2) + 0.0:.2f}".replace("-", "−")


def estimates_table(study: Study, model: str | None = None) -> Table | None:
    """What the estimate changes at each α: runs of one seed paired, two halves minus whole batch; None without pairs.

    Args:
        study: of figure "batches".
        model: the network; the study's first by default.
    """
    runs = study.runs(model or study.models[0])
    rows = []
    for value, scale, name in (("si_units", 1, "mean selectivity index"), ("test_accuracy", 100, "test accuracy (%)")):
        found = []
        for alpha in sorted(set(runs["alpha"]) - {0.0}):
            sides = runs[runs["alpha"] == alpha].pivot(index="seed", columns="estimate", values=value)
            sides = scale * sides.reindex(columns=list(DASHES)).dropna()
            if len(sides):
                found.append((alpha, sides, paired(sides["unbiased"], sides["batch"])))
        for (alpha, sides, test), p in zip(found, holm([test.p for *_, test in found]), strict=True):
            rows.append(
                {
                    "measure": name, "α": alpha_label(alpha), "n": len(sides),
                    **{ESTIMATE_NAMES[k]: _digits(sides[k].mean(), scale) for k in DASHES},
                    "difference": _digits((sides["unbiased"] - sides["batch"]).mean(), scale),
                    "95 %": "–" if pd.isna(test.low) else f"{_digits(test.low, scale)} to {_digits(test.high, scale)}",
                    "p, Holm": "–" if pd.isna(p) else f"{p:.3f}",
                }
            )  # fmt: skip
    if not rows:
        return None
    columns = ["measure", "α", "n", *ESTIMATE_NAMES.values(), "difference", "95 %", "p, Holm"]
    return Table(pd.DataFrame(rows, columns=columns), "Two halves against the whole batch, paired by seed (t test)")


def _digits(value: float, scale: float) -> str:
    return f"{value:.{1 if scale == 100 else 3}f}".replace("-", "−")
