"""What batch norm does to the selectivity of units and to what they tell of the class (Morcos et al. 2018, Fig. 6)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from ..numbers import number, p_value, with_span
from ..statistics import TestResult, paired, t_interval
from ..study import Study, View
from .morcos_importance import SCALES, living
from .shown import Table
from .style import NULL, in_style

NAMES = {True: ("batch norm", "black"), False: ("no batch norm", "#d95f02")}
BINS = 30


def network_means(view: View, value: str) -> pd.DataFrame:
    """Each network's mean over its living units: run, seed, batch_norm, mean, and dead, the share of its dead units."""
    units = view.table("units")
    found = living(units).groupby("run")[value].mean().rename("mean").reset_index()
    dead = units["dead"].astype(float).groupby(units["run"]).mean().rename("dead")
    return view.runs()[["run", "seed", "batch_norm"]].merge(found, on="run").merge(dead, on="run")


def contrast(means: pd.DataFrame, value: str = "mean") -> TestResult:
    """With batch norm less without, paired by seed: the same images in the same order."""
    sides = [means[means["batch_norm"] == norm].set_index("seed")[value] for norm in (True, False)]
    return paired(*sides)


@in_style
def densities(axes: Axes, units: pd.DataFrame, value: str, chance: str = "") -> None:
    """Distribution over living units with and without batch norm: a pale line a network, their mean in full.

    Args:
        axes: where to draw.
        units: of `living`, with batch_norm.
        value: column.
        chance: column whose mean over all units is marked at the foot: what shuffled labels give.
    """
    low, high = min(0.0, float(units[value].min())), float(units[value].max())
    edges = np.linspace(low, high, BINS + 1)
    for norm, (name, color) in NAMES.items():
        rows = units[units["batch_norm"] == norm]
        shares = [np.histogram(v[value], edges)[0] / len(v) * 100 for _, v in rows.groupby("run")]
        for share in shares:
            axes.stairs(share, edges, color=color, lw=0.6, alpha=0.4)
        if shares:
            axes.stairs(np.mean(shares, axis=0), edges, color=color, lw=1.5, label=name)
            mean = rows.groupby("run")[value].mean().mean()
            axes.plot(mean, 1.0, "v", color=color, transform=axes.get_xaxis_transform(), clip_on=False)
    if chance:
        axes.plot(
            units[chance].mean(), 0.03, "|", ms=9, mew=1.6, color=NULL, transform=axes.get_xaxis_transform(),
            label="shuffled labels",
        )  # fmt: skip
    axes.set_xlabel(SCALES[value])
    axes.set_ylabel("units (%)")
    axes.set_ylim(0, None)
    axes.legend(loc="best")


def _drawing(value: str) -> Callable[[Axes, View], str]:
    def drawing(axes: Axes, view: View) -> str:
        densities(axes, living(view.table("units")), value, "si_shuffled" if value == "si" else "")
        return norm_in_words(network_means(view, value), value)

    return drawing


def norm_in_words(means: pd.DataFrame, value: str) -> str:
    """Means with and without batch norm, and their difference paired by seed."""
    sides = {norm: t_interval(means.loc[means["batch_norm"] == norm, "mean"].to_numpy()) for norm in NAMES}
    listed = ", ".join(
        f"{NAMES[norm][0]} {with_span(band, 3)} in {band.n} networks" for norm, band in sides.items() if band.n
    )
    words = f"mean {SCALES[value]} over living units: {listed}"
    tested = contrast(means)
    if np.isnan(tested.estimate):
        return f"{words}."
    bounds = "" if np.isnan(tested.low) else f" (95 % interval {number(tested.low, 3)} to {number(tested.high, 3)})"
    return f"{words}; difference {number(tested.estimate, 3, signed=True)}{bounds}."


def norm_table(study: Study) -> Table:
    """Both measures, the share of dead units and test accuracy, with and without batch norm, paired by seed."""
    view = study.view(study.figure.panels[0])
    if view is None:
        return Table(pd.DataFrame({"measure": []}), "No network is finished")
    si, informed = (network_means(view, value) for value in SCALES)
    runs = view.runs().rename(columns={"test_accuracy": "mean"})
    rows = []
    for name, frame, value, scale, digits in (
        ("selectivity index, living units", si, "mean", 1, 3), (SCALES["informed"], informed, "mean", 1, 3),
        ("dead units (%)", si, "dead", 100, 1), ("test accuracy (%)", runs, "mean", 100, 1),
    ):  # fmt: skip
        tested = contrast(frame, value)
        both = [frame.loc[frame["batch_norm"] == norm, value] * scale for norm in NAMES]
        rows.append(
            {
                "measure": name,
                **{NAMES[norm][0]: number(v.mean(), digits) for norm, v in zip(NAMES, both, strict=True)},
                "difference": number(tested.estimate * scale, digits, signed=True),
                "95 % interval": "–" if np.isnan(tested.low)
                else f"{number(tested.low * scale, digits)} to {number(tested.high * scale, digits)}",
                "p, paired t": p_value(tested.p),
                "networks": f"{len(both[0])} and {len(both[1])}",
            }
        )  # fmt: skip
    return Table(
        pd.DataFrame(rows), "Difference: with batch norm minus without, paired by seed; a network's mean is one value"
    )


def caption_of(view: View) -> list[str]:
    """What lines, triangles and the tick are, a sentence each."""
    words = ["Pale lines: single networks; full ones: their mean; triangles: means.", "Dead units are left out."]
    if view.panel.kind == "si_by_norm":
        words.append("Golden tick: the mean index with shuffled labels.")
    return words


KINDS: dict[str, Callable[[Axes, View], str]] = {"si_by_norm": _drawing("si"), "mi_by_norm": _drawing("informed")}
CAPTIONS: dict[str, Callable[[View], list[str]]] = dict.fromkeys(KINDS, caption_of)
