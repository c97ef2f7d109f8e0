"""Losses and reliance on single units through training, as a signal for stopping (Morcos et al. 2018, Figs. 4a, 4b)."""

from __future__ import annotations

from collections.abc import Callable

import matplotlib as mpl
import pandas as pd
from matplotlib.axes import Axes

from ...runs.analyses import ANALYSES
from ..areas import areas
from ..numbers import number, with_span
from ..statistics import Interval, mean_correlation, spearman
from ..study import View
from .style import in_style

AREA = "area under the ablation curve"
WAYS = {"initial": "over initial accuracy", "none": "of accuracy", "chance": "above chance"}
WAY_STYLES = {"initial": "-", "none": "--", "chance": ":"}
FLOOR = 0.3  # where the axis of losses ends, of the lowest test loss: training loss would squeeze all else
TRAIN, TEST = "#6a51a3", "#b30000"


def through_training(view: View) -> pd.DataFrame:
    """Losses and areas of the epochs at which a training was looked at, from the first trained epoch on.

    Returns:
        run, seed, epoch, train_loss (mean over the epoch's batches), test_loss, and initial, none, chance.
    """
    curves = view.study.tables.curves
    runs = view.runs()
    found = areas(curves[curves["analysis"] == ANALYSES["training"].label], runs)
    found = found.assign(epoch=found["kind"].str.removeprefix("epoch ").astype(int))
    history = view.study.tables.history[["run", "epoch", "train_loss", "test_loss"]]
    joined = found.merge(history, on=["run", "epoch"], validate="one_to_one").merge(runs[["run", "seed"]], on="run")
    return joined[joined["epoch"] > 0].sort_values(["seed", "epoch"]).reset_index(drop=True)


@in_style
def _auc_training(axes: Axes, view: View) -> str:
    found = through_training(view)
    losses_and_areas(axes, found)
    return turning_points(found)


@in_style
def losses_and_areas(axes: Axes, found: pd.DataFrame) -> None:
    """Losses (left axis) and the area in each normalisation (right axis) by epoch: networks pale, their means full."""
    means = found.groupby("epoch")[["train_loss", "test_loss", *WAYS]].mean()
    for column, color, label in (("train_loss", TRAIN, "training loss"), ("test_loss", TEST, "test loss")):
        for _, rows in found.groupby("run"):
            axes.plot(rows["epoch"], rows[column], color=color, lw=0.5, alpha=0.5)
        axes.plot(means.index, means[column], color=color, label=label)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_ylim(bottom=FLOOR * found["test_loss"].min())
    axes.set_xlabel("epoch")
    axes.set_ylabel("cross-entropy (nats)")
    right = axes.twinx()
    right.grid(False)
    for way, label in WAYS.items():
        for _, rows in found.groupby("run"):
            right.plot(rows["epoch"], rows[way], WAY_STYLES[way], color="black", lw=0.4, alpha=0.4)
        right.plot(means.index, means[way], WAY_STYLES[way], color="black", label=f"area {label}", lw=1.2)
    right.set_ylabel("area")
    right.set_ylim(found[list(WAYS)].min().min() - 0.1, found[list(WAYS)].max().max() + 0.03)
    right.spines["right"].set_visible(True)
    handles = [*axes.get_legend_handles_labels()[0], *right.get_legend_handles_labels()[0]]
    axes.legend(handles=handles, loc="upper center", bbox_to_anchor=(0.5, -0.2), ncols=2, fontsize=7.5)


def turning_points(found: pd.DataFrame) -> str:
    """Where each network's test loss is lowest and its areas are highest."""
    parts = []
    for seed, rows in found.groupby("seed"):
        epochs = rows.set_index("epoch")
        highest = ", ".join(
            f"{label} {'nowhere known' if epochs[way].isna().all() else f'at epoch {epochs[way].idxmax()}'}"
            for way, label in WAYS.items()
        )
        lowest, last = epochs["test_loss"].min(), epochs["test_loss"].iloc[-1]
        parts.append(
            f"network {seed}: test loss lowest at epoch {epochs['test_loss'].idxmin()} ({number(lowest, 3)}; at the "
            f"end {number(last, 3)}), area highest {highest}"
        )
    return "; ".join(parts) + "."


@in_style
def _auc_loss(axes: Axes, view: View) -> str:
    found = through_training(view)
    shown = axes.scatter(
        found["test_loss"], found["initial"], c=found["epoch"], s=9, cmap="viridis", norm=mpl.colors.LogNorm()
    )
    axes.figure.colorbar(shown, ax=axes, label="epoch")
    axes.set_xlabel("test cross-entropy (nats)")
    axes.set_ylabel(AREA)
    listed = ", ".join(f"{label} {with_span(over_epochs(found, way))}" for way, label in WAYS.items())
    n = found["run"].nunique()
    return f"rank correlation of test loss and area over the epochs of a network, averaged over {n} networks: {listed}."


def over_epochs(found: pd.DataFrame, way: str) -> Interval:
    """Spearman's correlation of test loss and area over each network's epochs, averaged over networks."""
    return mean_correlation([spearman(rows["test_loss"], rows[way])[0] for _, rows in found.groupby("run")])


def curve_runs(view: View) -> tuple[str, ...]:
    """The runs whose training was looked at."""
    curves = view.study.tables.curves
    there = set(curves.loc[curves["analysis"] == ANALYSES["training"].label, "run"])
    return tuple(run for run in view.runs()["run"] if run in there)


def caption_of(view: View) -> list[str]:
    """What lines are, a sentence each."""
    return [
        "Areas are those of training accuracy.",
        "Thin lines: single networks.",
        "The axis of losses is cut where training loss falls far below test loss.",
    ]


KINDS: dict[str, Callable[[Axes, View], str]] = {"auc_training": _auc_training, "auc_loss": _auc_loss}
CAPTIONS: dict[str, Callable[[View], list[str]]] = {"auc_training": caption_of}
USED: dict[str, Callable[[View], tuple[str, ...]]] = dict.fromkeys(KINDS, curve_runs)
