"""A page's figures once more at every other scale of which finished runs are at hand."""

from __future__ import annotations

from dataclasses import replace

from ..profiles import PROFILES, find_profile
from ..study import Study, gather
from .draw import draw
from .shown import Shown

FEWEST = 2  # values of α, or settings, without which nothing is compared


def elsewhere(*studies: Study) -> Elsewhere:
    """The figures of some studies at the other profiles, from the store and the ledger; nothing is trained.

    A figure is drawn at a profile where at least two of its α values (or settings, where it has one α) have a finished
    run. Its anchor is the figure's with the profile's name behind it.

    Args:
        studies: of `gather`, one for each figure of the page.
    """
    found = []
    for study in studies:
        for name in PROFILES:
            if name != study.profile and (shown := _drawn(study.figure.id, name)):
                found.append(shown)
    return Elsewhere(found)


def _drawn(figure: str, profile: str) -> Shown | None:
    other = gather(figure, profile=profile, on_missing="skip")
    if not _compares(other):
        return None
    shown = draw(other)
    if not isinstance(shown, Shown):
        return None
    return replace(
        shown, anchor=f"{shown.anchor}-{profile}", caption=f"The same, {find_profile(profile).title}. {shown.caption}"
    )


def _compares(study: Study) -> bool:
    """Whether there is more than one setting of some network."""
    settings = ["alpha", *study.varied()]
    return any(len(study.runs(m)[settings].drop_duplicates()) >= FEWEST for m in study.models)


class Elsewhere:
    """Figures at other scales, one after the other.

    Args:
        figures: what could be drawn.

    Attributes:
        figures: as given.
    """

    def __init__(self, figures: list[Shown]) -> None:
        self.figures = figures

    def _repr_html_(self) -> str:
        if not self.figures:
            return "<p>At no other scale has more than one setting of these figures been run yet.</p>"
        return "".join(shown._repr_html_() for shown in self.figures)
