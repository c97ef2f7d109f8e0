"""Figure B10: what α costs at schedules of several lengths, at an equal α and at an equal index."""

from __future__ import annotations

from itertools import cycle

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import NullLocator

from ..numbers import alpha_label, number, p_value, with_span
from ..schedules import at_equal_alpha, at_equal_index, closing, over_seeds
from ..statistics import Interval
from ..statistics.intervals import BOOTSTRAP_FROM
from ..study import MODEL_NAMES, Study
from .shown import Nothing, Shown, Table, show
from .style import alpha_color, in_style, panels, percent
from .units import MARKERS, by_setting, settings_in_words


@in_style
def gap_by_epochs(axes: Axes, gaps: pd.DataFrame) -> None:
    """Accuracy less that at α = 0 against the length of the schedule: a line an α, 95 % intervals over seeds.

    Args:
        axes: where to draw.
        gaps: of `schedules.over_seeds`.
    """
    lengths = sorted(gaps["epochs"].unique())
    alphas = [float(alpha) for alpha in gaps["alpha"].unique()]
    axes.axhline(0, color="black", lw=0.8, ls="--")
    for k, alpha in enumerate(alphas):
        rows = gaps[gaps["alpha"] == alpha]
        beside = 1.03 ** (k - (len(alphas) - 1) / 2)  # so that bars do not cover each other
        error = np.nan_to_num([rows["gap"] - rows["low"], rows["high"] - rows["gap"]])
        axes.errorbar(
            beside * rows["epochs"], percent(rows["gap"]), percent(error), fmt="o-", color=alpha_color(alpha, alphas),
            capsize=2, lw=1, label=f"α = {alpha_label(alpha)}",
        )  # fmt: skip
    axes.set_xscale("log")
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xticks(lengths, [str(epochs) for epochs in lengths])
    axes.set_xlim(lengths[0] / 1.2, lengths[-1] * 1.2)
    axes.set_xlabel("epochs of the schedule")
    axes.set_ylabel("accuracy against α = 0 (points)")
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.2), ncols=2)


@in_style
def gap_by_index(axes: Axes, groups: dict[str, pd.DataFrame]) -> None:
    """Accuracy less that at α = 0 against the index that α led to: a line a schedule, means over seeds.

    Args:
        axes: where to draw.
        groups: name of a schedule -> completed runs of it.
    """
    axes.axhline(0, color="black", lw=0.8, ls="--")
    shades = np.linspace(0.0, 0.65, max(len(groups), 2))
    for (name, runs), marker, shade in zip(groups.items(), cycle(MARKERS), shades, strict=False):
        gaps = at_equal_alpha(runs)
        base = runs[(runs["alpha"] == 0) & runs["seed"].isin(gaps["seed"])]
        means = gaps.groupby("alpha")[["index", "gap"]].mean()
        means.loc[0.0] = base["si_units"].mean(), 0.0
        means = means.sort_index()
        axes.plot(gaps["index"], percent(gaps["gap"]), marker, ms=3, color=str(shade), alpha=0.4, mew=0)
        axes.plot(means["index"], percent(means["gap"]), f"{marker}-", color=str(shade), lw=1, label=name)
    axes.set_xlabel("mean selectivity index of all units")
    axes.set_ylabel("accuracy against α = 0 (points)")


def schedules(study: Study, model: str | None = None) -> Shown | Nothing:
    """Accuracy by α at every schedule, the gap by its length, and the gap against the index that was reached.

    Args:
        study: of the figure "schedules".
        model: the network; the study's first by default.
    """
    model = model or study.models[0]
    runs = study.runs(model)
    gaps = at_equal_alpha(runs)
    if gaps["epochs"].nunique() < 2:
        return Nothing(study)
    groups = _by_length(runs)
    figure, axes = panels(3, columns=2, width=4.4, height=3.2)
    by_setting(axes[0], groups, "test_accuracy", "test accuracy (%)", scale=100)
    axes[0].set_ylim(max(axes[0].get_ylim()[0], 0), min(axes[0].get_ylim()[1], 102))  # intervals may pass the bounds
    means = over_seeds(gaps)
    gap_by_epochs(axes[1], means)
    gap_by_index(axes[2], groups)
    told = "; ".join(
        f"α = {alpha_label(row['alpha'])}, {_length(row['epochs'])}: {number(100 * row['gap'], 1, signed=True)} "
        f"points at an index of {number(row['index'], 3)}"
        for _, row in means.iterrows()
    )
    alt = (
        f"Test accuracy by α in %, {settings_in_words(groups, 'test_accuracy', 1, 100)} "
        f"Accuracy against α = 0 by length of the schedule and by index: {told}."
    )
    caption = (
        f"{MODEL_NAMES[model]} trained for different numbers of epochs, with the learning rate dropping at the same "
        "shares of them, as far as whole epochs allow. (a) Test accuracy by α. (b) The gap to the networks at α = 0 of "
        "the same seeds and schedule. (c) The same gaps against the index that α led to, shades and marks as in (a); "
        f"small marks are networks, large ones means.{_bars_in_words(runs)}"
    )
    return show(figure, study, caption=caption, alt=alt)


def _bars_in_words(runs: pd.DataFrame) -> str:
    """What the bars are: `by_setting` and `over_seeds` draw other intervals from ten seeds on."""
    n = int(runs.groupby(["alpha", "epochs"]).size().max())
    if n < 2:
        return ""
    if n < BOOTSTRAP_FROM:
        return " Bars: 95 % t intervals over seeds."
    return f" Bars: 95 % intervals over seeds, bootstrap in (a) from {BOOTSTRAP_FROM} seeds on, t in (b)."


def schedules_in_words(study: Study, model: str | None = None) -> str:
    """For every α, what it costs at each schedule and at an equal index; a Markdown list, all of it computed.

    Args:
        study: of the figure "schedules".
        model: the network; the study's first by default.
    """
    runs = study.runs(model or study.models[0])
    gaps, equal = at_equal_alpha(runs), at_equal_index(runs)
    lines = []
    means = over_seeds(gaps)
    for alpha in means["alpha"].unique():
        rows = means[means["alpha"] == alpha]
        if len(rows) < 2:
            continue
        said = f"**α = {alpha_label(alpha)}**: {_lengths_in_words(rows)}. {_closing_in_words(gaps, alpha)}"
        level = over_seeds(equal[equal["alpha"] == alpha])
        if len(level) > 1:
            index = number(float(level["index"].mean()), 3)
            said += f" At an index of {index}, which each of these schedules reaches: "
            said += f"{_lengths_in_words(level, indexed=False)}. {_closing_in_words(equal, alpha)}"
        else:
            said += " No seed has networks of all these schedules that reach an index in common."
        lines.append(f"* {said}")
    return (
        "\n".join(lines) or "Two schedules with runs at α = 0 and at another α are needed: there is nothing to compare."
    )


def _lengths_in_words(rows: pd.DataFrame, *, indexed: bool = True) -> str:
    parts = [
        f"{number(100 * row['gap'], 1, signed=True)} points after {_length(row['epochs'])}"
        + (f" (index {number(row['index'], 3)})" if indexed else "")
        for _, row in rows.iterrows()
    ]
    return ", ".join(parts)


def _closing_in_words(gaps: pd.DataFrame, alpha: float) -> str:
    """How the gap at one α changes from the shortest schedule to the longest, as far as the seeds can tell."""
    found = closing(gaps)
    rows = found[found["alpha"] == alpha]
    if not len(rows):
        return "No seed has both the shortest and the longest, so that their difference is not known."
    row = rows.iloc[0]
    by = f"{number(100 * row['change'], 1, signed=True)} points"
    start = f"From {int(row['shortest'])} to {int(row['longest'])} epochs that is a change of {by}"
    if row["n"] < 2:
        return f"{start}, of one seed: whether it is more than chance cannot be told."
    if np.isnan(row["p"]):
        return f"{start}, in each of {int(row['n'])} seeds alike."
    bounds = f"95 %: {number(100 * row['low'], 1, signed=True)} to {number(100 * row['high'], 1, signed=True)}"
    if row["p_holm"] >= 0.05:
        return f"{start} ({bounds}), which these {int(row['n'])} seeds cannot tell from none, corrected for all α."
    return f"{start} ({bounds}; n = {int(row['n'])})."


def schedules_table(study: Study, model: str | None = None) -> Table:
    """Every gap with its interval over seeds, at an equal α and at an equal index, and how far it closes.

    Args:
        study: of the figure "schedules".
        model: the network; the study's first by default.
    """
    runs = study.runs(model or study.models[0])
    rows = []
    for name, gaps in (("equal α", at_equal_alpha(runs)), ("equal index", at_equal_index(runs))):
        changes = {(row["alpha"], row["longest"]): row for _, row in closing(gaps).iterrows()}
        for _, row in over_seeds(gaps).iterrows():
            change = changes.get((row["alpha"], row["epochs"]))
            rows.append(
                {
                    "compared at": name, "α": alpha_label(row["alpha"]), "epochs": int(row["epochs"]),
                    "n": int(row["n"]), "index": number(row["index"], 3),
                    "against α = 0, points": _points(row, "gap"),
                    "change since the shortest": "" if change is None else _points(change, "change"),
                    "p, Holm": "" if change is None else p_value(change["p_holm"]),
                }
            )  # fmt: skip
    return Table(
        pd.DataFrame(rows),
        "Accuracy against α = 0 at each length of training, and its change from the shortest to the longest; paired by "
        "seed, 95 % t intervals over seeds, Holm over α",
    )


def _points(row: pd.Series, value: str) -> str:
    """A difference of accuracies in points, with its interval where there is one."""
    return with_span(Interval(row[value], row["low"], row["high"], int(row["n"]), "t"), 1, scale=100, signed=True)


def _by_length(runs: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Runs of each schedule under its name, the shortest first."""
    return {_length(epochs): rows for epochs, rows in runs.groupby("epochs")}


def _length(epochs: float) -> str:
    return "1 epoch" if epochs == 1 else f"{epochs:g} epochs"
