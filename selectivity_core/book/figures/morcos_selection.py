"""Reliance on single units as a signal among networks and over settings (Morcos et al. 2018, Figs. 3 and 4c)."""

from __future__ import annotations

from collections.abc import Callable

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from ...runs.analyses import ANALYSES
from ..areas import areas
from ..choosing import BEST, Choice, choose_by
from ..correlations import correlation_over
from ..numbers import number, with_span
from ..robustness import MEMORISED, by_network
from ..statistics import mean_correlation, spearman
from ..study import Study, View
from .morcos_curves import maskable
from .morcos_training import AREA, WAYS
from .shown import Table
from .style import GREY, in_style, percent

MARKERS = "osD^v<>"  # of batch sizes
MOST_ENDS = 5  # how many networks stand at either end
ENDS = {"best": ("generalise best", "#00695c"), "worst": ("generalise worst", "#bf5b17")}


def ablated(view: View) -> pd.DataFrame:
    """Runs whose units were ablated, with `error`: training less test accuracy, both of the last epoch."""
    curves, runs = view.study.tables.curves, view.runs()
    there = set(curves.loc[curves["analysis"] == ANALYSES["ablation"].label, "run"])
    found = runs[runs["run"].isin(there)].reset_index(drop=True)
    return found.assign(error=found["train_accuracy_last"] - found["test_accuracy_last"])


def fitted(view: View) -> pd.DataFrame:
    """Those of `ablated` that fit their training images."""
    found = ablated(view)
    return found[found["train_accuracy_last"] >= MEMORISED].reset_index(drop=True)


def with_areas(view: View, runs: pd.DataFrame) -> pd.DataFrame:
    """Rows of `ablated` with initial, none and chance: the areas under their curves."""
    curves = view.study.tables.curves
    return runs.merge(areas(curves[curves["analysis"] == ANALYSES["ablation"].label], runs), on="run")


def ends(found: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """The networks with the smallest and the largest generalisation error: five, at most a quarter of all each."""
    k = max(1, min(MOST_ENDS, len(found) // 4))
    ranked = found.sort_values(["error", "seed"], kind="stable")
    return {"best": ranked.head(k), "worst": ranked.tail(k)} if len(found) > 1 else {"best": ranked}


@in_style
def _best_worst(axes: Axes, view: View) -> str:
    chosen = {name: with_areas(view, runs) for name, runs in ends(fitted(view)).items()}
    curves = view.study.tables.curves
    curves = curves[curves["analysis"] == ANALYSES["ablation"].label]
    words = []
    for name, runs in chosen.items():
        label, color = ENDS[name]
        ablated_curves(axes, curves[curves["run"].isin(runs["run"])], label, color)
        words.append(
            f"the {len(runs)} that {label} (generalisation error {number(100 * runs['error'].min(), 1)} to "
            f"{number(100 * runs['error'].max(), 1)} points): mean area {number(runs['initial'].mean(), 3)}"
        )
    axes.set_xlabel(f"{maskable(view.model)} clamped (%)")
    axes.set_ylabel("training accuracy (%)")
    axes.set_ylim(0, 102)
    axes.legend(loc="best")
    return "; ".join(words) + "."


@in_style
def ablated_curves(axes: Axes, curves: pd.DataFrame, label: str, color: str) -> None:
    """The mean of some networks' curves, each network's own pale, and the SD over networks and orderings as a band."""
    steps = curves.groupby("fraction")["accuracy"]
    mean, sd = percent(steps.mean()), percent(steps.std())
    across = percent(list(steps.groups))
    axes.plot(across, mean, color=color, label=label, lw=1.5)
    axes.fill_between(across, np.clip(mean - sd, 0, 100), np.clip(mean + sd, 0, 100), color=color, alpha=0.15, lw=0)
    for _, rows in by_network(curves).groupby("run"):
        axes.plot(percent(rows["fraction"]), percent(rows["accuracy"]), color=color, lw=0.6, alpha=0.5)


@in_style
def _auc_generalisation(axes: Axes, view: View) -> str:
    found = with_areas(view, fitted(view))
    for name, rows in ends(found).items():
        axes.plot(percent(rows["error"]), rows["initial"], "o", color=ENDS[name][1], zorder=3, label=ENDS[name][0])
    axes.plot(percent(found["error"]), found["initial"], "o", color=GREY, ms=3.5)
    axes.set_xlabel("generalisation error (points)")
    axes.set_ylabel(AREA)
    axes.legend(loc="best")
    rho = correlation_over(found, "error", "initial")
    return (
        f"rank correlation of generalisation error and area over {rho.n} networks: {with_span(rho)}; areas from "
        f"{number(found['initial'].min(), 3)} to {number(found['initial'].max(), 3)}."
    )


@in_style
def _auc_choice(axes: Axes, view: View) -> str:
    found = with_areas(view, ablated(view))
    rates, sizes = sorted(found["lr"].unique()), sorted(found["batch_size"].unique())
    colors = [mpl.colors.to_hex(mpl.colormaps["plasma"](k / max(len(rates) - 1, 1) * 0.85)) for k in range(len(rates))]
    for (rate, size), rows in found.groupby(["lr", "batch_size"]):
        marker = MARKERS[sizes.index(size) % len(MARKERS)]
        axes.plot(percent(rows["test_accuracy_last"]), rows["initial"], marker, color=colors[rates.index(rate)], ms=4)
    entries = [("o", color, f"rate {rate:g}") for rate, color in zip(rates, colors, strict=True)]
    entries += [(MARKERS[k % len(MARKERS)], GREY, f"batch {size}") for k, size in enumerate(sizes)]
    handles = [Line2D([], [], marker=marker, ls="", color=color, label=label) for marker, color, label in entries]
    axes.legend(handles=handles, loc="center left", bbox_to_anchor=(1, 0.5), handlelength=0.8, labelspacing=0.3)
    axes.set_xlabel("test accuracy (%)")
    axes.set_ylabel(AREA)
    rho = mean_correlation([spearman(r["test_accuracy_last"], r["initial"])[0] for _, r in found.groupby("seed")])
    words = (
        f"rank correlation of test accuracy and area over {len(found.groupby(['lr', 'batch_size']))} settings, "
        f"averaged over {rho.n} networks of each: {with_span(rho)}"
    )
    chosen = average(choices(found, "initial"))
    if not chosen.settings:
        return f"{words}."
    share = ", ".join(f"best {k}: {100 * v:.0f} %" for k, v in chosen.among.items())
    return (
        f"{words}; the largest area among {chosen.subset} random settings is of those with the highest test accuracy "
        f"in this share of draws: {share}; {number(100 * chosen.gap)} points behind the best on average."
    )


def choices(found: pd.DataFrame, score: str) -> list[Choice]:
    """For each seed's networks: choosing by a score from half of the settings, held against test accuracy.

    Settings of which a seed has fewer than four are no choice; such seeds are left out.
    """
    return [
        choose_by(rows[score], rows["test_accuracy_last"], len(rows) // 2)
        for _, rows in found.groupby("seed")
        if len(rows) >= 4
    ]


def average(chosen: list[Choice]) -> Choice:
    """The mean over seeds; NaN where there is none."""
    if not chosen:
        return Choice(dict.fromkeys(BEST, np.nan), np.nan, np.nan, 0, 0)
    among = {k: float(np.mean([c.among[k] for c in chosen])) for k in BEST}
    gap, drawn = (float(np.mean(gaps)) for gaps in zip(*((c.gap, c.drawn_gap) for c in chosen), strict=True))
    return Choice(among, gap, drawn, max(c.settings for c in chosen), max(c.subset for c in chosen))


def choice_table(study: Study) -> Table:
    """How often each score picks one of the best settings: areas, held-out accuracy, and chance."""
    view = next((v for p in study.figure.panels if p.kind == "auc_choice" and (v := study.view(p))), None)
    found = with_areas(view, ablated(view)) if view is not None else pd.DataFrame()
    if not len(found) or not choices(found, "initial"):
        return Table(pd.DataFrame({"chosen by": []}), "No four settings are finished")
    history = study.tables.history
    last = history[history["epoch"] == history.groupby("run")["epoch"].transform("max")]
    held_out = last[["run", "validation_accuracy"]].rename(columns={"validation_accuracy": "held_out"})
    found = found.merge(held_out, on="run", how="left")
    scores = {f"area {label}": way for way, label in WAYS.items()} | {"accuracy on validation images": "held_out"}
    rows = []
    for name, score in scores.items():
        if found[score].isna().any():
            continue
        chosen = average(choices(found, score))
        row = {"chosen by": name} | {f"among the best {k}": f"{100 * v:.0f} %" for k, v in chosen.among.items()}
        rows.append(row | {"points behind the best": number(100 * chosen.gap)})
    half = average(choices(found, "initial"))
    row = {"chosen by": "a draw"} | {f"among the best {k}": f"{100 * min(1, k / half.subset):.0f} %" for k in BEST}
    rows.append(row | {"points behind the best": number(100 * half.drawn_gap)})
    return Table(
        pd.DataFrame(rows),
        f"Choosing among {half.subset} of {half.settings} settings, averaged over all such subsets and over seeds; "
        "the best are those with the highest test accuracy of the last epoch",
    )


def _fitted_runs(view: View) -> tuple[str, ...]:
    return tuple(fitted(view)["run"])


def _ablated_runs(view: View) -> tuple[str, ...]:
    return tuple(ablated(view)["run"])


def _end_runs(view: View) -> tuple[str, ...]:
    chosen = pd.concat(ends(fitted(view)).values())
    if len(chosen) < 2:  # one network is neither the best nor the worst
        return ()
    return tuple(run for run in view.runs()["run"] if run in set(chosen["run"]))


def caption_of(view: View) -> list[str]:
    """What bands are, and which networks do not count: a sentence each."""
    words = ["Generalisation error is training less test accuracy, both of the last epoch, as the curves are."]
    if view.panel.kind == "best_worst":
        words.append("Thin lines: single networks; bands: SD over networks and orderings, as in the paper.")
    out = view.runs()[view.runs()["train_accuracy_last"] < MEMORISED]
    if len(out):
        named = ", ".join(f"seed {r.seed}: {r.train_accuracy_last:.3f}" for r in out.itertuples())
        words.append(f"Left out, with a training accuracy below {MEMORISED:g}: {named}.")
    return words


KINDS: dict[str, Callable[[Axes, View], str]] = {
    "best_worst": _best_worst, "auc_generalisation": _auc_generalisation, "auc_choice": _auc_choice,
}  # fmt: skip
CAPTIONS: dict[str, Callable[[View], list[str]]] = dict.fromkeys(("best_worst", "auc_generalisation"), caption_of)
USED: dict[str, Callable[[View], tuple[str, ...]]] = {
    "best_worst": _end_runs, "auc_generalisation": _fitted_runs, "auc_choice": _ablated_runs,
}  # fmt: skip
