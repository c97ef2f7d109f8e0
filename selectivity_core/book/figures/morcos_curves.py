"""Curves of Morcos et al. 2018: accuracy as units are clamped or noise is added, by how a network was trained."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from ...data.catalogue import DATASETS
from ...runs.analyses import ANALYSES
from ..robustness import MEMORISED, by_network, memorised
from ..statistics import interval
from ..statistics.intervals import BOOTSTRAP_FROM
from ..study import MODEL_NAMES, View
from .style import GREY, in_style, percent

BAND_FROM = 3  # networks: an interval over two reaches from 0 to 100 %
BARS = 8  # how many steps have a bar for the spread over orderings
NO_NOISE = 10**-1.85  # where the accuracy without noise stands on the log axis
OF_KIND = {
    "ablation_curves": ("ablation",), "noise_curves": ("noise",), "dropout_curves": ("ablation",),
    "batch_norm_curves": ("ablation",), "zero_mean": ("ablation", "ablation-mean"),
}  # fmt: skip


def maskable(model: str) -> str:
    """What ablation takes from a network: an MLP's hidden units, else whole feature maps."""
    return "hidden units" if model == "mlp" else "feature maps"


@dataclass(frozen=True)
class Group:
    """Networks trained alike, with their curves.

    Attributes:
        label: how legend and words name it.
        color: of its line.
        curves: of those that count; see `network_curves`.
        apart: of those that had not memorised the labels.
        mark: where on the x axis a dotted line stands; NaN for none.
    """

    label: str
    color: str
    curves: pd.DataFrame
    apart: pd.DataFrame
    mark: float = np.nan


def network_curves(view: View) -> pd.DataFrame:
    """Every network's curves of a panel's kind, with how it was trained.

    Returns:
        the columns of `robustness.by_network`, with seed, label_corruption, dropout, batch_norm, train_accuracy_last
        and `counts`.
    """
    labels = [ANALYSES[name].label for name in OF_KIND[view.panel.kind]]
    rows = view.table("curves")
    runs = view.runs()
    how = ["run", "seed", "label_corruption", "dropout", "batch_norm", "train_accuracy_last"]
    trained = runs.assign(counts=memorised(runs))[[*how, "counts"]]
    return by_network(rows[rows["analysis"].isin(labels)]).merge(trained, on="run", validate="many_to_one")


def corruption_color(share: float) -> str:
    """Dark for true labels, lighter the more of them are random."""
    return mpl.colors.to_hex(mpl.colormaps["viridis"](0.9 * share))


def share_label(share: float) -> str:
    """A share of labels or units as legends write it."""
    return f"{share * 100:g} %"


def by_corruption(found: pd.DataFrame) -> Iterator[Group]:
    """A group for each share of corrupted labels."""
    for share, rows in found.groupby("label_corruption"):
        yield _group(share_label(float(share)), corruption_color(float(share)), rows)


def by_dropout(found: pd.DataFrame) -> Iterator[Group]:
    """A group for each dropout, on true labels and on corrupted ones."""
    shares, rates = sorted(found["label_corruption"].unique()), sorted(found["dropout"].unique())
    for (share, rate), rows in found.groupby(["label_corruption", "dropout"]):
        ramp = mpl.colormaps["Greens" if share == shares[0] else "Oranges"]
        color = mpl.colors.to_hex(ramp(0.95 - 0.5 * rates.index(rate) / max(len(rates) - 1, 1)))
        label = f"{'true' if share == 0 else 'random'} labels, dropout {rate:g}"
        yield _group(label, color, rows, mark=rate or np.nan)


def by_norm(found: pd.DataFrame) -> Iterator[Group]:
    """With batch norm, and without."""
    for norm, rows in sorted(found.groupby("batch_norm"), reverse=True, key=lambda item: bool(item[0])):
        yield _group("batch norm" if norm else "no batch norm", "black" if norm else "#d95f02", rows)


def by_clamp(found: pd.DataFrame) -> Iterator[Group]:
    """Clamped to zero, and to the unit's mean."""
    for kind, label, color in (("zero", "to zero", "black"), ("mean", "to the unit's mean", "#d95f02")):
        yield _group(label, color, found[found["kind"] == kind])


def _group(label: str, color: str, rows: pd.DataFrame, mark: float = np.nan) -> Group:
    return Group(label, color, rows[rows["counts"]], rows[~rows["counts"]], mark)


GROUPS: dict[str, Callable[[pd.DataFrame], Iterator[Group]]] = {
    "ablation_curves": by_corruption, "noise_curves": by_corruption, "dropout_curves": by_dropout,
    "batch_norm_curves": by_norm, "zero_mean": by_clamp,
}  # fmt: skip


@in_style
def draw_groups(
    axes: Axes, groups: Sequence[Group], *, noise: bool = False, bars: bool = True, what: str = "feature maps"
) -> None:
    """A line a group: mean over networks, with their interval as a band and the spread over orderings as bars.

    Networks that have not memorised their labels are pale and dashed, one line each, and in no mean.

    Args:
        axes: where to draw.
        groups: in the legend's order.
        noise: the x axis is the scale of the noise, else the share of units clamped.
        bars: draw the spread over orderings.
        what: of `maskable`, is clamped.
    """
    for k, group in enumerate(groups):
        for _, rows in group.apart.groupby("run"):
            axes.plot(_across(rows, noise), percent(rows["accuracy"]), "--", color=group.color, lw=0.8, alpha=0.55)
        if not len(group.curves):
            axes.plot([], [], "--", color=group.color, lw=0.8, alpha=0.55, label=group.label)
            continue
        steps = group.curves.sort_values("step").groupby("step")
        first = steps.first()
        bands = [interval(values.to_numpy()) for _, values in steps["accuracy"]]
        n = bands[0].n
        across, mean = _across(first, noise), percent([b.mean for b in bands])
        axes.plot(across, mean, color=group.color, label=group.label, lw=1.3)
        low, high = percent([b.low for b in bands]), percent([b.high for b in bands])
        if np.isfinite(low).all() and n >= BAND_FROM:
            axes.fill_between(across, np.clip(low, 0, 100), np.clip(high, 0, 100), color=group.color, alpha=0.13, lw=0)
        spread = steps["sd"].mean().to_numpy()
        if bars and np.isfinite(spread).all():
            # Each group's bars stand elsewhere, so that they do not hide each other.
            chosen = np.unique(np.linspace(0, len(across) - 1, BARS).round().astype(int)[1:-1] + k % 3 - 1)
            axes.errorbar(
                across[chosen], mean[chosen], percent(spread[chosen]), fmt="none", ecolor=group.color, elinewidth=0.9,
                capsize=1.5,
            )  # fmt: skip
        if np.isfinite(group.mark):
            axes.axvline(100 * group.mark, color=group.color, lw=0.8, ls=":")
    _axes(axes, noise, what)


def _across(rows: pd.DataFrame, noise: bool) -> np.ndarray:
    places = rows["fraction"].to_numpy(dtype=float)
    return np.where(places > 0, places, NO_NOISE) if noise else percent(places)


def _axes(axes: Axes, noise: bool, what: str) -> None:
    axes.set_ylabel("training accuracy (%)")
    axes.set_ylim(0, 102)
    if noise:
        axes.set_xscale("log")
        axes.set_xticks([NO_NOISE, 0.1, 1, 10], ["0", "0.1", "1", "10"])
        axes.minorticks_off()
        axes.set_xlabel("noise, in units' own standard deviations")
    else:
        axes.set_xlabel(f"{what} clamped (%)")


def _drawing(kind: str) -> Callable[[Axes, View], str]:
    def drawing(axes: Axes, view: View) -> str:
        found = network_curves(view)
        groups, noise = list(GROUPS[kind](found)), kind == "noise_curves"
        draw_groups(axes, groups, noise=noise, what=maskable(view.model))
        axes.axhline(100 / DATASETS[view.runs()["dataset"].iloc[0]].classes, color=GREY, lw=0.8, ls=":")
        title = "labels corrupted" if GROUPS[kind] is by_corruption else None
        place: dict[str, Any] = {"loc": "lower left", "bbox_to_anchor": (0, 0.11)}  # over the line of chance
        if kind == "dropout_curves":  # outside
            place = {"loc": "center left", "bbox_to_anchor": (1, 0.5)}
        with mpl.rc_context({"legend.fontsize": 7.5, "legend.title_fontsize": 7.5, "legend.frameon": False}):
            axes.legend(title=title, handlelength=1.2, labelspacing=0.25, **place)
        return groups_in_words(groups, noise)

    return drawing


def groups_in_words(groups: Sequence[Group], noise: bool = False) -> str:
    """The accuracy of each group unperturbed and halfway, for alternative texts."""
    half = "under noise of one standard deviation" if noise else "with half of the units clamped"
    return f"training accuracy unperturbed and {half}: {'; '.join(_halfway(group, noise) for group in groups)}."


def _halfway(group: Group, noise: bool) -> str:
    """The step closest to the middle stands for it."""
    rows = group.curves if len(group.curves) else group.apart
    middle = 1.0 if noise else 0.5
    step = rows.loc[(rows["fraction"] - middle).abs().idxmin(), "step"]
    ends = [rows.loc[rows["step"] == k, "accuracy"].mean() for k in (0, step)]
    n = f"{rows['run'].nunique()} network{'s' if rows['run'].nunique() > 1 else ''}"
    left_out = "" if len(group.curves) else ", none of which memorised"
    return f"{group.label}: {percent(ends[0]):.1f} % and {percent(ends[1]):.1f} % ({n}{left_out})"


def caption_of(view: View) -> list[str]:
    """What bands, bars and pale lines of a panel are, a sentence each."""
    found = network_curves(view)
    words = [*_bands(found), "Horizontal dotted line: chance."]
    if view.panel.kind == "dropout_curves":
        dropped = (found["dropout"] > 0).any()
        words.append(
            "Vertical dotted lines: the share dropped in training." if dropped else "No network with dropout was run."
        )
    apart = found.loc[~found["counts"]].drop_duplicates("run")
    if len(apart):
        words.append(
            f"Not memorised (training accuracy below {MEMORISED:g}), hence pale, dashed and in no mean: "
            f"{MODEL_NAMES[view.model]} {'; '.join(_named(apart))}."
        )
    return words


def _named(apart: pd.DataFrame) -> Iterator[str]:
    """Networks that have not memorised, by how they were trained."""
    for (share, rate, norm), rows in apart.groupby(["label_corruption", "dropout", "batch_norm"]):
        how = f"at {share_label(share)} corruption{f', dropout {rate:g}' if rate else ''}"
        how += "" if apart["batch_norm"].nunique() < 2 else f", {'with' if norm else 'without'} batch norm"
        each = ", ".join(f"seed {r.seed}: {r.train_accuracy_last:.3f}" for r in rows.itertuples())
        yield f"{how} ({each})"


def _bands(found: pd.DataFrame) -> Iterator[str]:
    counted = found[found["counts"]].drop_duplicates("run")
    n = counted.groupby(["label_corruption", "dropout", "batch_norm"]).size()
    if len(n) and n.max() >= BAND_FROM:
        kind = "bootstrap" if n.min() >= BOOTSTRAP_FROM else "t" if n.max() < BOOTSTRAP_FROM else "t or bootstrap"
        yield f"Lines: means over networks, with 95 % {kind} intervals over (three or more) networks as bands."
    elif len(n):
        yield "Lines: one network each." if n.max() == 1 else "Lines: means over at most two networks."
    what = "draws of the noise" if (found["kind"] == "noise").any() else "random orderings"
    yield f"Bars: SD over {what} within a network, averaged over networks."


KINDS: dict[str, Callable[[Axes, View], str]] = {kind: _drawing(kind) for kind in GROUPS}
CAPTIONS: dict[str, Callable[[View], list[str]]] = dict.fromkeys(GROUPS, caption_of)
