"""The α slider: what all units say, what one says, and the accuracy that goes with it, as α moves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import ipywidgets
import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ...data import class_names
from ...runs.analyses import spread
from ..numbers import alpha_label
from ..paper.reported import reported_index
from ..study import Study, gather
from ..widgets import frames_slider_with_choice, png_frame
from .accuracy import accuracy_against_selectivity
from .selectivity import index_histogram, response_bars
from .shown import Nothing
from .style import ON_TOP, RC, alpha_color

ALL = "all layers"
FIT_UPRIGHT = 10  # so many class names stand side by side
SHORT = 6  # letters of a class name that need not slant
TITLE = 8.5  # points: beside a panel's letter
PAPER = "#7b3294"  # what the paper reports


@dataclass(frozen=True)
class _Unit:
    """The unit that is followed through α: the most selective one at α = 0 of those chosen."""

    layer: str
    depth: int
    unit: int
    rows: pd.DataFrame  # its responses
    index: pd.Series  # α -> its index


def alpha_explorer(study: Study, model: str = "") -> ipywidgets.VBox | Nothing:
    """Unit selectivity, accuracy against it, and one unit's class means, moving together by α; of a chosen layer.

    Args:
        study: runs at several α.
        model: one of its networks; the first by default.
    """
    model = model or study.models[0]
    runs, units = study.runs(model), study.table("units", model)
    if not len(units):
        return Nothing(study, part="-slider")
    alphas = sorted(set(units["alpha"]))
    layers = list(units["layer"].unique())
    spec = next(s for s in study.specs if s.model == model)
    paper = reported_index(model, spec.dataset)
    frames: dict[str, list[bytes]] = {}
    alts: dict[str, list[str]] = {}
    chosen = {ALL: None, **{f"layer {k + 1} of {len(layers)}": layers[k] for k in spread(len(layers), 3)}}
    for choice, layer in chosen.items():
        part = units if layer is None else units[units["layer"] == layer]
        unit = _followed(part, study.table("responses", model), layers)
        drawing = _Frames(runs, part, unit, alphas, choice, class_names(spec.dataset), paper)
        drawn = [drawing.at(alpha) for alpha in alphas]
        frames[choice], alts[choice] = [f for f, _ in drawn], [t for _, t in drawn]
    return frames_slider_with_choice(
        frames, [alpha_label(a) for a in alphas], description="α", choice_description="units of",
        alts=alts, selected=alphas.index(0.0) if 0.0 in alphas else 0,
    )  # fmt: skip


def explore(profile: str) -> ipywidgets.VBox | Nothing:
    """The α slider of Figure 4's runs at a profile, as far as they are there; nothing is trained."""
    return alpha_explorer(gather("fig4", profile=profile, on_missing="skip"))


def _followed(units: pd.DataFrame, responses: pd.DataFrame, layers: Sequence[str]) -> _Unit | None:
    """The unit of the first seed with the highest index at α = 0; None where no class means are kept."""
    seeds = set(units["seed"]) & set(responses["seed"])
    if not seeds:
        return None
    units, responses = (frame[frame["seed"] == min(seeds)] for frame in (units, responses))
    base = units[units["alpha"] == (0.0 if (units["alpha"] == 0).any() else units["alpha"].iloc[0])]
    first = base.loc[base["si"].idxmax()]
    one = [frame[(frame["layer"] == first["layer"]) & (frame["unit"] == first["unit"])] for frame in (units, responses)]
    depth = layers.index(first["layer"]) + 1
    return _Unit(first["layer"], depth, int(first["unit"]), one[1], one[0].set_index("alpha")["si"])


@dataclass(frozen=True)
class _Frames:
    """What the frames of one choice share."""

    runs: pd.DataFrame
    units: pd.DataFrame
    unit: _Unit | None
    alphas: list[float]
    choice: str
    classes: Sequence[str]
    paper: dict[float, float]

    def at(self, alpha: float) -> tuple[bytes, str]:
        """The picture at an α, and what it shows in words."""
        figure, axes = self._axes()
        here = self.units[self.units["alpha"] == alpha]
        words = self._histogram(axes["a"], here, alpha) + self._accuracy(axes["b"], alpha)
        if self.unit is not None:
            words += self._responses(axes["c"], self.unit, alpha)
        return png_frame(figure), f"α = {alpha_label(alpha)}, {self.choice}: {words}"

    def _axes(self) -> tuple[Figure, dict[str, Axes]]:
        with mpl.rc_context(RC):
            rows = [["a", "b"]] if self.unit is None else [["a", "b"], ["c", "c"]]
            figure = Figure(figsize=(5.8, 2.7 * len(rows)), layout="constrained")
            axes = figure.subplot_mosaic(rows)  # type: ignore[arg-type]
            for letter, one in axes.items():
                one.set_title(letter, loc="left", fontweight="bold")
        return figure, axes

    def _histogram(self, axes: Axes, units: pd.DataFrame, alpha: float) -> str:
        index_histogram(axes, units, color=alpha_color(alpha, self.alphas), top=_tallest(self.units, self.alphas))
        axes.set_title(f"{self.choice}, α = {alpha_label(alpha)}", fontsize=TITLE)
        words = f"mean selectivity index {units['si'].mean():.3f} (shuffled labels {units['si_shuffled'].mean():.3f}); "
        if self.choice == ALL and alpha in self.paper:
            axes.axvline(self.paper[alpha], color=PAPER, ls="-.", lw=1.4, label=f"paper: {self.paper[alpha]:g}")
            axes.legend(loc="upper right", fontsize=RC["legend.fontsize"], **ON_TOP)
            words = words[:-2] + f", in the paper {self.paper[alpha]:g}; "
        return words

    def _accuracy(self, axes: Axes, alpha: float) -> str:
        accuracy_against_selectivity(axes, self.runs, ring=alpha)
        axes.set_title("accuracy against selectivity", fontsize=TITLE)
        if self.paper:
            low, high = axes.get_ylim()
            axes.set_ylim(low, high + 0.15 * (high - low))  # room for the marks
            top = axes.get_xaxis_transform()  # data across, share of the panel upward
            axes.plot(
                list(self.paper.values()), [0.97] * len(self.paper), "|", ms=10, mew=1.8, color=PAPER, transform=top,
                label=f"paper's index, α = {', '.join(map(alpha_label, self.paper))}",
            )  # fmt: skip
            axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.2), fontsize=7.5, handlelength=1, frameon=False)
        here = self.runs[self.runs["alpha"] == alpha]
        seeds = here["seed"].nunique()
        return (
            f"test accuracy {here['test_accuracy'].mean() * 100:.1f} %, network mean {here['si_units'].mean():.3f}, "
            f"{seeds} seed{'s' * (seeds != 1)}."
        )

    def _responses(self, axes: Axes, unit: _Unit, alpha: float) -> str:
        name = f"unit {unit.unit} of layer {unit.depth}"
        rows = unit.rows[unit.rows["alpha"] == alpha].sort_values("class")
        if not len(rows):
            axes.set_title(f"{name}: class means not kept at α = {alpha_label(alpha)}")
            axes.set_axis_off()
            return ""
        response_bars(axes, rows, self.classes, color=alpha_color(alpha, self.alphas))
        if len(self.classes) <= FIT_UPRIGHT:
            slanted = max(map(len, self.classes)) > SHORT
            axes.tick_params(axis="x", rotation=20 if slanted else 0, labelsize=8)
        axes.set_xlabel("class")
        axes.set_title(f"{name}, α = {alpha_label(alpha)}: index {unit.index[alpha]:.3f}", fontsize=TITLE)
        best = rows.loc[rows["mean"].idxmax()]
        return (
            f" The {name}: index {unit.index[alpha]:.3f}; preferred class {self.classes[int(best['class'])]} with mean "
            f"activity {best['mean']:.3f}, mean over classes {rows['mean'].mean():.3f}."
        )


def _tallest(units: pd.DataFrame, alphas: list[float]) -> float:
    """How high the histograms' axis goes for every α: the highest share of any, at most 0.6 (dead units pile up)."""
    bins = np.linspace(0, 1, 41)
    shares = [np.histogram(v, bins)[0].max() / len(v) for a in alphas if len(v := units.loc[units["alpha"] == a, "si"])]
    return min(0.6, max(shares) * 1.1)
