"""What the register says of a figure: its panels, the runs they are drawn from, and where the knowledge comes from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Side = Literal["negative", "positive", "both", "none"]
# text: described in the paper's text. inferred: its caption or layout is missing there, the content worked out from
# what the text says elsewhere. added: this book's own panel beside the paper's.
Source = Literal["text", "inferred", "added"]

# Kinds of panels whose rows are worked out of trained networks afterwards, and the table that holds them.
DERIVED = {
    "cca_layers": "pairs", "cca_ratio": "pairs", "cca_excess": "pairs", "bound_by_alpha": "bounds",
    "bound_by_layer": "bounds", "ablation_curves": "curves", "noise_curves": "curves", "dropout_curves": "curves",
    "batch_norm_curves": "curves", "zero_mean": "curves",
}  # fmt: skip

LEAVITT_MORCOS = "Leavitt & Morcos"
MORCOS = "Morcos et al. 2018"
BOOK = "this book"


@dataclass(frozen=True)
class Panel:
    """One panel of a figure.

    Attributes:
        letter: as the paper letters it; empty where a figure has one panel.
        kind: the drawing, a key of `figures.draw.KINDS`.
        model: the paper's network.
        title: what it shows, in this project's words.
        value: the column drawn, where the kind leaves a choice.
        side: the α values it shows.
        layers: the layers it averages over: "all", "first3" or "last3".
        where: fields of the runs it shows, other than the figure's own setting.
        also: a second network beside the first.
        source: where the knowledge of the panel comes from.
    """

    letter: str
    kind: str
    model: str
    title: str
    value: str = ""
    side: Side = "both"
    layers: str = "all"
    where: Mapping[str, Any] = field(default_factory=dict)
    also: str = ""
    source: Source = "text"

    @property
    def models(self) -> tuple[str, ...]:
        """The networks it shows."""
        return (self.model, self.also) if self.also else (self.model,)


@dataclass(frozen=True)
class FigureEntry:
    """A figure of a paper, or of this book.

    Attributes:
        id: its name in commands ("fig4", "figA1").
        paper: which paper's it is.
        number: as the paper counts it (for Leavitt & Morcos the ICLR 2021 numbering).
        title: what it shows, in this project's words.
        notebook: the notebook that draws it.
        panels: in the paper's order, then those that this book adds.
        setting: fields that its regularised runs have beside the profile's.
        variants: where it compares settings, the fields of each; its grid is made for every one of them. One that
            names a `model` is for that network only.
        stretches: factors by which the profile's epochs and drops of the learning rate are multiplied, 1 first; its
            grid is made for every one of them.
        warm_up: whether α grows over the first five of the paper's epochs (the same share of a shorter schedule).
        grid: which of the profile's sets of α values it takes.
        tables: derived tables that its notebook needs beside those of its panels ("pairs", "bounds").
        analyses: what is worked out of each of its runs, keys of `reliance.ANALYSES`.
        closer: the same, of each network's first variant only.
        loads: of how many networks at α = 0, those of the first seeds, its page needs the weights.
        note: what is not known of it, or was chosen here where the paper is silent.
    """

    id: str
    paper: str
    number: str
    title: str
    notebook: str
    panels: tuple[Panel, ...]
    setting: Mapping[str, Any] = field(default_factory=dict)
    variants: tuple[Mapping[str, Any], ...] = ({},)
    stretches: tuple[float, ...] = (1.0,)
    warm_up: bool = False
    grid: str = "all"
    tables: tuple[str, ...] = ()
    analyses: tuple[str, ...] = ()
    closer: tuple[str, ...] = ()
    loads: int = 0
    note: str = ""

    @property
    def models(self) -> tuple[str, ...]:
        """The paper's networks, in the order of the panels."""
        return tuple(dict.fromkeys(model for panel in self.panels for model in panel.models))

    @property
    def derived(self) -> set[str]:
        """The tables that must be worked out of its trained networks."""
        return {DERIVED[panel.kind] for panel in self.panels if panel.kind in DERIVED} | set(self.tables)

    @property
    def side(self) -> Side:
        """The α values of all its panels together."""
        sides = {panel.side for panel in self.panels} - {"none"}
        if not sides:
            return "none"
        return sides.pop() if len(sides) == 1 else "both"

    @property
    def sentence(self) -> str:
        """The title with its full stop, where it has no mark of its own."""
        return self.title if self.title.endswith("?") else f"{self.title}."

    @property
    def anchor(self) -> str:
        """The id that links point at."""
        return f"{'morcos-' if self.paper == MORCOS else ''}figure-{self.number}"
