"""Figure B6: how related code differs, each difference as a multiple of the papers' value."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from ...runs.sweeping import describe
from ...spec import RunSpec
from ..study import Study
from .shown import Nothing, Shown, Table, show
from .style import GREY, in_style, panels


@in_style
def ratio_dots(axes: Axes, table: pd.DataFrame) -> None:
    """How many times the papers' value each other way gives: a row a difference, on a logarithmic axis.

    Args:
        axes: where to draw.
        table: of `rivals.differences`; rows whose values are not both above 0 have no ratio and no dot.
    """
    ratio = (table["other"] / table["paper"]).where((table["other"] > 0) & (table["paper"] > 0))
    places = np.arange(len(table))[::-1]
    axes.hlines(places, 1, ratio, color="#bbbbbb", lw=1.4)
    axes.plot(ratio, places, "o", color="black")
    for place, value in zip(places, ratio, strict=True):
        if np.isfinite(value):
            side = (6, "left") if value >= 1 else (-6, "right")
            axes.annotate(
                f"{value:.2f}", (value, place), (side[0], 0), textcoords="offset points", ha=side[1], va="center",
                fontsize=8,
            )  # fmt: skip
    axes.axvline(1, color=GREY, lw=1)
    axes.set_yticks(places, [f"{row.name}\n{row.measure}" for row in table.itertuples(index=False)], fontsize=7.5)
    axes.set_xscale("log")
    low, high = min(1.0, ratio.min()), max(1.0, ratio.max())
    axes.set_xlim(low / 1.35, high * 1.35)
    ticks = [t for t in (0.25, 0.5, 1, 2, 4, 8, 16, 32) if low / 1.35 < t < high * 1.35]
    axes.set_xticks(ticks, [f"{t:g}" for t in ticks])
    axes.set_xticks([], minor=True)
    axes.set_xlabel("times the papers' value")


class Unloaded(Nothing):
    """Stands where a figure would that needs a network's weights, when they are not to be had.

    Args:
        study: the figure's.
        spec: the run whose weights are missing.
    """

    def __init__(self, study: Study, spec: RunSpec) -> None:
        super().__init__(study)
        entry = study.figure
        self.caption = f"Figure {entry.number} ({entry.paper}). {entry.title}. Nothing is drawn: weights are missing."
        self.lacking = (
            f"The weights of {describe(spec)} are not in the local store, and a ledger keeps tables only. "
            "With on_missing: train the run is trained.",
            *self.lacking,
        )


def differences_figure(study: Study, table: pd.DataFrame | None) -> Shown | Nothing:
    """Figure B6: every difference as a multiple of the papers' value.

    Args:
        study: of figure "others".
        table: of `rivals.differences` for the network of its first run; None where its weights are not at hand.
    """
    if table is None:
        return Unloaded(study, study.specs[0])
    figure, (axes,) = panels(1, width=6.4, height=0.42 * len(table) + 0.9)
    ratio_dots(axes, table)
    spec = study.specs[0]
    caption = (
        "How far the numbers of one trained network move when each thing is done as related code does it; 1: not at "
        f"all. One network (seed {spec.seed}); measured on its test images."
    )
    listed = "; ".join(
        f"{row.name}: {_number(row.paper)} becomes {_number(row.other)}" for row in table.itertuples(index=False)
    )
    return show(figure, study, caption=caption, alt=f"Each measure the papers' way and the other way. {listed}.")


def differences_table(table: pd.DataFrame | None) -> Table | None:
    """Every difference with what is done otherwise and the measure both ways; None where nothing was measured."""
    if table is None:
        return None
    frame = pd.DataFrame(
        {
            "difference": table["name"],
            "what is done": table["differs"],
            "measure": table["measure"],
            "the papers' way": [_number(v) for v in table["paper"]],
            "the other way": [_number(v) for v in table["other"]],
        }
    )
    return Table(frame, "Differences of related code, each measured both ways on one trained network")


def _number(value: float) -> str:
    return f"{value:.3f}".replace("-", "−")
