"""Figure B4: what the index of a batch is; what either estimate of it trains is drawn by `controls`."""

from __future__ import annotations

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from ..numbers import number
from ..study import Study
from .shown import Nothing, Shown, Table, show
from .style import GREY, NULL, in_style, panels

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
    """Figure B4: what chance gives on a batch, and what one network has there.

    Args:
        study: of figure "batches".
        chance: of `estimation.chance_table`.
        batches: of `estimation.index_on_batches` for one of the study's networks at α = 0; None where its weights are
            not at hand: that panel is then left out and the caption says so.
        model: the network; the study's first by default.
    """
    model = model or study.models[0]
    if not len(study.runs(model)):
        return Nothing(study)
    spec = next(s for s in study.specs if s.model == model)
    figure, axes = panels(1 + (batches is not None), width=4.8, height=3.0)
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
    caption.append(
        "Whole batch: the paper's index; two halves: preferred class chosen on one half of the batch, means taken on "
        "the other."
    )
    if batches is None:
        caption.append("The panel of one network on batches is left out: its weights are not in the local store.")
    return show(figure, study, caption=" ".join(caption), alt=" ".join(alt))


def chance_by_size(chance: pd.DataFrame) -> Table:
    """What chance alone gives at each number of classes and batch size, as a table: a column an estimate.

    Args:
        chance: of `estimation.chance_table`.
    """
    found = chance.pivot(index=["classes", "batch_size"], columns="estimate", values="si")
    rows = [
        {
            "classes": classes,
            "samples in a batch": size,
            **{name: number(row[e], 3) for e, name in ESTIMATE_NAMES.items()},
        }
        for (classes, size), row in found.sort_index().iterrows()
    ]
    return Table(
        pd.DataFrame(rows),
        "Expected index of units that know nothing of the class (exponential activity, by simulation)",
    )


def _chance_in_words(table: pd.DataFrame) -> str:
    parts = []
    for (count, estimate), rows in table.groupby(["classes", "estimate"]):
        values = ", ".join(
            f"{number(row.si)} at {row.batch_size}" for row in rows.sort_values("batch_size").itertuples()
        )
        parts.append(f"{count} classes, {ESTIMATE_NAMES[str(estimate)]}: {values}")
    return "Expected index of chance alone by batch size. " + "; ".join(parts) + "."


def _batches_in_words(table: pd.DataFrame) -> str:
    means = table.groupby(["labels", "estimate", "batch_size"])["si"].mean()
    parts = []
    for kind, name in LABEL_NAMES.items():
        for estimate in DASHES:
            values = ", ".join(f"{number(value)} at {size}" for size, value in means[kind, estimate].items())
            parts.append(f"{name}, {ESTIMATE_NAMES[estimate]}: {values}")
    return "Index of one network by batch size. " + "; ".join(parts) + "."
