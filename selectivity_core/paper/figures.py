"""The register of the papers' figures: which runs each needs, at any profile."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from ..errors import SpecError
from ..profiles import expand, find_profile, profile, seed_list
from ..spec import RunSpec

Side = Literal["negative", "positive", "both", "none"]


@dataclass(frozen=True)
class FigureEntry:
    """A figure of a paper.

    Attributes:
        id: its name in commands ("fig4", "figA1").
        paper: "Leavitt & Morcos" or "Morcos et al. 2018".
        number: as the paper counts it (ICLR 2021 numbering).
        title: what it shows, in this project's words.
        models: the paper's networks, panel by panel.
        side: which α values it shows; 0 is always among them.
    """

    id: str
    paper: str
    number: str
    title: str
    models: tuple[str, ...]
    side: Side = "both"


FIGURES: dict[str, FigureEntry] = {
    entry.id: entry
    for entry in (
        FigureEntry("index", "this book", "B1", "The index on real units", ("resnet20",), "none"),
        FigureEntry("fig1", "Leavitt & Morcos", "1", "Reducing selectivity", ("resnet18",), "negative"),
        FigureEntry("fig3", "Leavitt & Morcos", "3", "Increasing selectivity", ("resnet18",), "positive"),
        FigureEntry("fig4", "Leavitt & Morcos", "4", "Reducing against increasing selectivity", ("resnet18",), "both"),
        FigureEntry(
            "figA1", "Leavitt & Morcos", "A1", "Negative α lowers selectivity", ("resnet18", "resnet20"), "negative"
        ),
        FigureEntry(
            "figA5", "Leavitt & Morcos", "A5", "Positive α raises selectivity", ("resnet18", "resnet20"), "positive"
        ),
    )
}


def find_figure(name: str) -> FigureEntry:
    """A figure by its id.

    Raises:
        SpecError: no such figure.
    """
    if name not in FIGURES:
        raise SpecError(f"figure: {name!r} given; one of {', '.join(FIGURES)} is allowed")
    return FIGURES[name]


def models_for(figure: FigureEntry, profile_name: str) -> tuple[str, ...]:
    """The figure's networks that the profile covers; the profile's own network where it covers none."""
    covered = find_profile(profile_name).models
    return tuple(m for m in figure.models if m in covered) or covered[:1]


def on_side(alphas: Iterable[float], side: Side) -> list[float]:
    """The α values of one side, ascending, with the baseline 0 among them.

    Raises:
        SpecError: a value that no run can have, on whichever side.
    """
    alphas = [RunSpec(alpha=a).alpha for a in alphas]
    keep = {"negative": lambda a: a < 0, "positive": lambda a: a > 0, "both": lambda a: True, "none": lambda a: False}
    return sorted({a for a in alphas if keep[side](a)} | {0.0})


def grid(
    profile_name: str,
    figure: str,
    *,
    alphas: Sequence[float] | None = None,
    seeds: int | Sequence[int] | None = None,
    models: Sequence[str] | None = None,
    **overrides: Any,
) -> list[RunSpec]:
    """The runs that a figure needs at a profile.

    Args:
        profile_name: a profile.
        figure: a figure's id.
        alphas: α values; by default the profile's. Those of the other sign are left out where a figure has one side.
        seeds: a count or a list; by default the profile's.
        models: networks; by default the figure's own as far as the profile covers them.
        overrides: other values for any field of the specs.

    Raises:
        SpecError: an unknown profile, figure, network or field, or a value out of range.
    """
    entry, scale = find_figure(figure), find_profile(profile_name)
    chosen = on_side(scale.alphas if alphas is None else alphas, entry.side)
    numbers = seed_list(scale.seeds if seeds is None else seeds)
    names = models_for(entry, profile_name) if models is None else models
    bases = [profile(profile_name, model=name, **overrides) for name in names]
    return [spec for base in bases for spec in expand(base, alphas=chosen, seeds=numbers)]
