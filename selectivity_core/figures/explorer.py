"""The α slider: the selectivity of all units, and the accuracy that goes with it, as α moves."""

from __future__ import annotations

import ipywidgets
import numpy as np
import pandas as pd

from ..study import Study
from ..widgets import frames_slider, frames_slider_with_choice, png_frame
from .accuracy import accuracy_against_selectivity
from .selectivity import index_histogram, response_bars
from .style import alpha_color, alpha_label, panels

ALL = "all layers"


def alpha_explorer(study: Study, model: str) -> ipywidgets.VBox:
    """Histogram of unit selectivity and the place on the accuracy–selectivity curve, by α and layer.

    Args:
        study: runs at several α.
        model: one of its networks.
    """
    runs, units = study.runs(model), study.table("units", model)
    alphas = sorted(set(units["alpha"]))
    names = list(units["layer"].unique())
    chosen = {ALL: None, **{f"layer {k + 1} of {len(names)}": names[k] for k in _spread(len(names))}}
    frames: dict[str, list[bytes]] = {}
    alts: dict[str, list[str]] = {}
    for choice, layer in chosen.items():
        part = units if layer is None else units[units["layer"] == layer]
        top = _tallest(part, alphas)
        drawn = [_frame(runs, part[part["alpha"] == a], a, alphas, top, choice) for a in alphas]
        frames[choice], alts[choice] = [f for f, _ in drawn], [t for _, t in drawn]
    return frames_slider_with_choice(
        frames, [alpha_label(a) for a in alphas], description="α", choice_description="units of",
        alts=alts, selected=alphas.index(0.0) if 0.0 in alphas else 0,
    )  # fmt: skip


def _spread(count: int) -> list[int]:
    """First, middle and last of `count` layers."""
    return sorted({0, count // 2, count - 1})


def _tallest(units: pd.DataFrame, alphas: list[float]) -> float:
    """How high the histograms' axis goes for every α: the highest share of any, at most 0.6 (dead units pile up)."""
    bins = np.linspace(0, 1, 41)
    shares = [np.histogram(v, bins)[0].max() / len(v) for a in alphas if len(v := units.loc[units["alpha"] == a, "si"])]
    return min(0.6, max(shares) * 1.1)


def _frame(
    runs: pd.DataFrame, units: pd.DataFrame, alpha: float, alphas: list[float], top: float, choice: str
) -> tuple[bytes, str]:
    figure, (left, right) = panels(2, width=3.5, height=2.8)
    index_histogram(left, units, color=alpha_color(alpha, alphas), top=top)
    accuracy_against_selectivity(right, runs, ring=alpha)
    here = runs[runs["alpha"] == alpha]
    x, y = here["si_units"].mean(), here["test_accuracy"].mean()
    left.set_title(f"{choice}, α = {alpha_label(alpha)}")
    right.set_title("accuracy against selectivity")
    alt = (
        f"α = {alpha_label(alpha)}, {choice}: mean selectivity index {units['si'].mean():.3f} "
        f"(shuffled labels {units['si_shuffled'].mean():.3f}); test accuracy {y * 100:.1f} %, "
        f"network mean {x:.3f}, {here['seed'].nunique()} seeds."
    )
    return png_frame(figure), alt


def unit_explorer(study: Study, model: str, classes: tuple[str, ...], steps: int = 11) -> ipywidgets.VBox:
    """Class-conditional activity of single units, from the least to the most selective one of the network.

    Args:
        study: at least one run.
        model: one of its networks.
        classes: class names in label order.
        steps: how many units, evenly spaced in rank.
    """
    units = study.table("units", model)
    first = units[units["run"] == units["run"].iloc[0]].sort_values("si").reset_index(drop=True)
    responses = study.table("responses", model)
    responses = responses[responses["run"] == first["run"].iloc[0]]
    places = np.unique(np.linspace(0, len(first) - 1, steps).round().astype(int))
    frames, labels, alts = [], [], []
    for place in places:
        unit = first.iloc[place]
        rows = responses[(responses["layer"] == unit["layer"]) & (responses["unit"] == unit["unit"])]
        figure, (axes,) = panels(1, width=5.2)
        response_bars(axes, rows, classes)
        axes.set_title(f"unit {unit['unit']} of {unit['layer']}: index {unit['si']:.3f}")
        axes.set_xlabel("class")
        best = rows.loc[rows["mean"].idxmax()]
        others = rows.loc[rows["class"] != best["class"], "mean"].mean()
        frames.append(png_frame(figure))
        labels.append(f"{place + 1} of {len(first)} ({unit['si']:.2f})")
        alts.append(
            f"Unit {unit['unit']} of layer {unit['layer']}: mean activity {best['mean']:.3f} for its preferred class "
            f"{classes[int(best['class'])]}, {others:.3f} for the mean of the others; index {unit['si']:.3f}."
        )
    return frames_slider(frames, labels, description="rank (index)", alts=alts, selected=len(labels) - 1)
