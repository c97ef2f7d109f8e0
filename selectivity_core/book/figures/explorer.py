"""Sliders over distances by α, and over single units by rank."""

from __future__ import annotations

import ipywidgets
import numpy as np

from ..numbers import alpha_label, capital
from ..representations import distances, in_form, ratios
from ..study import Study
from ..widgets import frames_slider, frames_slider_with_choice, png_frame
from .representations import cca_layers
from .selectivity import response_bars
from .shown import Nothing
from .style import panels


def distance_explorer(study: Study, model: str = "") -> ipywidgets.VBox | Nothing:
    """PWCCA distances layer by layer as α moves, in both forms.

    Args:
        study: runs and their pairs.
        model: one of its networks; the first by default.
    """
    model = model or study.models[0]
    table = distances(study.tables.pairs, study.runs(model))
    alphas = ratios(in_form(table, "paper"))["alpha"].tolist()  # those with distances of every kind
    if not alphas:
        return Nothing(study, study.figure.panels[:1], part="-slider")
    frames: dict[str, list[bytes]] = {}
    alts: dict[str, list[str]] = {}
    top = table["distance"].max() * 1.05
    for choice, form in (("paper's form", "paper"), ("textbook's form", "textbook, averaged")):
        frames[choice], alts[choice] = [], []
        for alpha in alphas:
            figure, (axes,) = panels(1, width=5.6, height=3.4)
            means = cca_layers(axes, table, alpha, form).mean()
            axes.set_ylim(0, top)
            axes.set_title(f"α = {alpha_label(alpha)}, {choice}")
            frames[choice].append(png_frame(figure))
            alts[choice].append(
                f"α = {alpha_label(alpha)}, {choice}: mean distance within α {means['within']:.3f}, to α = 0 "
                f"{means['between']:.3f}, within α = 0 {means['baseline']:.3f}."
            )
    return frames_slider_with_choice(
        frames, [alpha_label(a) for a in alphas], description="α", choice_description="form", alts=alts,
        selected=0,
    )  # fmt: skip


def unit_explorer(study: Study, model: str, classes: tuple[str, ...], steps: int = 11) -> ipywidgets.VBox | Nothing:
    """Class-conditional activity of single units, from the least to the most selective one of the network.

    Args:
        study: at least one run.
        model: one of its networks.
        classes: class names in label order.
        steps: how many units, evenly spaced in rank.
    """
    units = study.table("units", model)
    if not len(units):
        return Nothing(study, part="-slider")
    first = units[units["run"] == units["run"].iloc[0]].sort_values("si").reset_index(drop=True)
    layers = list(units["layer"].unique())
    responses = study.table("responses", model)
    responses = responses[responses["run"] == first["run"].iloc[0]]
    places = np.unique(np.linspace(0, len(first) - 1, steps).round().astype(int))
    frames, labels, alts = [], [], []
    for place in places:
        unit = first.iloc[place]
        rows = responses[(responses["layer"] == unit["layer"]) & (responses["unit"] == unit["unit"])]
        figure, (axes,) = panels(1, width=5.2)
        response_bars(axes, rows, classes)
        name = f"unit {unit['unit']} of layer {layers.index(unit['layer']) + 1}"
        axes.set_title(f"{name}: index {unit['si']:.3f}")
        axes.set_xlabel("class")
        best = rows.loc[rows["mean"].idxmax()]
        others = rows.loc[rows["class"] != best["class"], "mean"].mean()
        frames.append(png_frame(figure))
        labels.append(f"{place + 1} of {len(first)} ({unit['si']:.2f})")
        alts.append(
            f"{capital(name)}: mean activity {best['mean']:.3f} for its preferred class "
            f"{classes[int(best['class'])]}, {others:.3f} for the mean of the others; index {unit['si']:.3f}."
        )
    return frames_slider(frames, labels, description="rank (index)", alts=alts, selected=len(labels) - 1)
