"""The α slider: the selectivity of all units, and the accuracy that goes with it, as α moves."""

from __future__ import annotations

import ipywidgets
import numpy as np
import pandas as pd

from ..bounds import spread
from ..data import class_names
from ..representations import distances, in_form, ratios
from ..study import Study
from ..widgets import frames_slider, frames_slider_with_choice, png_frame
from .accuracy import accuracy_against_selectivity
from .representations import cca_layers
from .selectivity import index_histogram, response_bars
from .shown import Nothing
from .style import alpha_color, alpha_label, panels

ALL = "all layers"


def alpha_explorer(study: Study, model: str = "") -> ipywidgets.VBox | Nothing:
    """Histogram of unit selectivity and the place on the accuracy–selectivity curve, by α and layer.

    Args:
        study: runs at several α.
        model: one of its networks; the first by default.
    """
    model = model or study.models[0]
    runs, units = study.runs(model), study.table("units", model)
    if not len(units):
        return Nothing(study, part="-slider")
    alphas = sorted(set(units["alpha"]))
    names = list(units["layer"].unique())
    chosen = {ALL: None, **{f"layer {k + 1} of {len(names)}": names[k] for k in spread(len(names), 3)}}
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


def unit_by_alpha(study: Study, model: str = "", count: int = 4) -> ipywidgets.VBox | Nothing:
    """Class means of a few units as α moves, in the networks that started from one seed.

    Args:
        study: runs at several α.
        model: one of its networks; the first by default.
        count: how many units, of layers spread over the depth: of each the one with the highest index at α = 0.
    """
    model = model or study.models[0]
    units, responses = study.table("units", model), study.table("responses", model)
    if not len(responses):
        return Nothing(study, part="-units")
    seed = responses["seed"].min()
    units, responses = units[units["seed"] == seed], responses[responses["seed"] == seed]
    alphas = sorted(set(responses["alpha"]) & set(units["alpha"]))
    base = units[units["alpha"] == (0.0 if 0.0 in alphas else alphas[0])]
    layers = list(base["layer"].unique())
    names = class_names(study.specs[0].dataset)
    frames: dict[str, list[bytes]] = {}
    alts: dict[str, list[str]] = {}
    for depth in spread(len(layers), count):
        rows = base[base["layer"] == layers[depth]]
        unit = int(rows.loc[rows["si"].idxmax(), "unit"])
        choice = f"unit {unit} of layer {depth + 1}"
        mine = responses[(responses["layer"] == layers[depth]) & (responses["unit"] == unit)]
        indices = units[(units["layer"] == layers[depth]) & (units["unit"] == unit)].set_index("alpha")["si"]
        frames[choice], alts[choice] = [], []
        for alpha in alphas:
            part = mine[mine["alpha"] == alpha].sort_values("class")
            figure, (axes,) = panels(1, width=5.6)
            response_bars(axes, part, names, color=alpha_color(alpha, alphas))
            axes.set_title(f"{choice}, α = {alpha_label(alpha)}: index {indices[alpha]:.3f}")
            axes.set_xlabel("class")
            frames[choice].append(png_frame(figure))
            best = part.loc[part["mean"].idxmax()]
            alts[choice].append(
                f"{choice}, α = {alpha_label(alpha)}: index {indices[alpha]:.3f}; preferred class "
                f"{names[int(best['class'])]} with mean activity {best['mean']:.3f}, mean over classes "
                f"{part['mean'].mean():.3f}."
            )
    return frames_slider_with_choice(
        frames, [alpha_label(a) for a in alphas], description="α", choice_description="unit", alts=alts,
        selected=alphas.index(0.0) if 0.0 in alphas else 0,
    )  # fmt: skip


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
