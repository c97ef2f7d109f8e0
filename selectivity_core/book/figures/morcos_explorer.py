"""Sliders of Morcos et al. 2018: units clamped, or noise, against accuracy, for a corruption of choice."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import ipywidgets
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from ...runs.analyses import SCALES
from ..study import MODEL_NAMES, Study
from ..widgets import frames_slider_with_choice, png_frame
from .morcos_curves import NO_NOISE, Group, by_corruption, draw_groups, maskable, network_curves
from .shown import Nothing
from .style import in_style, panels, percent

# The slider's positions: shares of the units clamped, or scales of the noise where something happens.
SHARES = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8)
NOISE = (0.0, *(SCALES[k] for k in (2, 4, 5, 6, 7, 8, 10)))


def perturbation_explorer(study: Study) -> ipywidgets.VBox | Nothing:
    """Accuracy under growing perturbation: where each network stands, for the network and corruption chosen.

    Args:
        study: of Figure 1 (units clamped) or Figure 2 (noise).
    """
    noise = "noise" in study.figure.analyses
    frames: dict[str, list[bytes]] = {}
    alts: dict[str, list[str]] = {}
    for panel in study.figure.panels:
        view = study.view(panel)
        if view is None or not len(view.table("curves")):
            continue
        groups = [group for group in by_corruption(network_curves(view)) if len(group.curves)]
        places = NOISE if noise else SHARES
        for group in groups:
            choice = f"{MODEL_NAMES[view.model]}, {group.label} of the labels random"
            drawn = list(_frames(groups, group, places, choice, view.model))
            frames[choice], alts[choice] = [f for f, _ in drawn], [t for _, t in drawn]
    if not frames:
        return Nothing(study, study.figure.panels, part="-slider")
    labels = ["none", *(f"{s:.2g} SD" for s in NOISE[1:])] if noise else [f"{s * 100:g} %" for s in SHARES]
    return frames_slider_with_choice(
        frames, labels, description="noise" if noise else "units clamped", choice_description="network", alts=alts,
        selected=len(labels) // 2,
    )  # fmt: skip


def accuracy_at(curves: pd.DataFrame, place: float) -> pd.Series:
    """Every network's accuracy at a share of units clamped or a scale of noise, by straight lines between steps.

    Args:
        curves: of `network_curves`.
        place: on the axis of `fraction`.

    Returns:
        accuracy by run.
    """
    rows = curves.sort_values("fraction").groupby("run", sort=False)
    return pd.Series({run: np.interp(place, curve["fraction"], curve["accuracy"]) for run, curve in rows}, dtype=float)


def _frames(
    groups: Sequence[Group], chosen: Group, places: Sequence[float], choice: str, model: str
) -> Iterator[tuple[bytes, str]]:
    """A picture and its words for each position of the slider: one drawing, of which only what moves is changed."""
    noise = places is NOISE
    figure, (axes,) = panels(1, width=4.8, height=2.9)
    draw_groups(
        axes, [*_pale(g for g in groups if g is not chosen), chosen], noise=noise, bars=False, what=maskable(model)
    )
    (line,) = axes.plot([], [], color="black", lw=0.9, ls=":")
    dots = {group.label: axes.plot([], [], "o", color=group.color, **_size(group is chosen))[0] for group in groups}
    _legend(axes, dots)
    for place in places:
        across = (place or NO_NOISE) if noise else 100 * place
        line.set_data([across, across], [0, 102])
        found = {group.label: accuracy_at(group.curves, place) for group in groups}
        for label, values in found.items():
            dots[label].set_data([across] * len(values), percent(values))
        what = _what(place, noise, model)
        axes.set_title(f"{choice}\n{what}: {100 * found[chosen.label].mean():.1f} % right", fontsize=9.5)
        yield png_frame(figure), _words(f"{choice}, {what}", chosen.label, found)
        figure.set_layout_engine("none")  # the first picture's layout serves all


def _words(where: str, chosen: str, found: dict[str, pd.Series]) -> str:
    here, n = 100 * found[chosen].mean(), len(found[chosen])
    others = ", ".join(f"{label}: {100 * values.mean():.1f} %" for label, values in found.items() if label != chosen)
    networks = f"{n} network{'s' if n > 1 else ''}"
    return f"{where}: training accuracy {here:.1f} %, mean of {networks}{f'; {others}' if others else ''}."


def _pale(groups: Iterable[Group]) -> Iterator[Group]:
    """One thin line a group, without a band: the mean over its networks stands for a network that does not count."""
    for group in groups:
        mean = group.curves.groupby(["step", "fraction"], as_index=False)["accuracy"].mean()
        yield Group(group.label, group.color, group.curves.iloc[:0], mean.assign(run="mean"))


def _what(place: float, noise: bool, model: str) -> str:
    if noise:
        return f"noise of {place:.2g} SD" if place else "no noise"
    return f"{100 * place:g} % of {maskable(model)} clamped"


def _size(chosen: bool) -> dict[str, Any]:
    return {"mec": "black", "mew": 1.2, "ms": 7, "zorder": 5} if chosen else {"mew": 0, "ms": 4}


@in_style
def _legend(axes: Axes, dots: dict[str, Line2D]) -> None:
    axes.legend(dots.values(), dots.keys(), title="labels corrupted", loc="center left", bbox_to_anchor=(1, 0.5))
