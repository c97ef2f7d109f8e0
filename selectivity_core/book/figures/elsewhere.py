"""A page's figures and sentences once more at every other scale of which finished runs are at hand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from IPython.display import Markdown

from ...runs.profiles import PROFILES, find_profile
from ...spec import VARIED
from ..numbers import capital
from ..study import Study, gather
from .draw import draw
from .shown import Nothing, Shown

FEWEST = 2  # values of α, or settings, without which nothing is compared
NONE = "At no other scale has more than one setting of this been run yet."


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
        return "".join(shown._repr_html_() for shown in self.figures) or f"<p>{NONE}</p>"


def other_scales(study: Study) -> list[Study]:
    """The figure of a study at the other profiles, from the store and the ledger; nothing is trained.

    Only profiles at which two of its α values or other settings have a finished run, or its one where it has no more.
    """
    others = (gather(study.figure.id, profile=name, on_missing="skip") for name in PROFILES if name != study.profile)
    return [other for other in others if _compares(other)]


def elsewhere(*studies: Study, drawn_by: Callable[[Study], Shown | Nothing] = draw) -> Elsewhere:
    """The figures of some studies at `other_scales`; their anchors have the profile's name behind the figure's.

    Args:
        studies: of `gather`, one for each figure of the page.
        drawn_by: what draws one.
    """
    found = []
    for study in studies:
        for other in other_scales(study):
            shown = drawn_by(other)
            if isinstance(shown, Shown):
                anchor, title = f"{shown.anchor}-{other.profile}", find_profile(other.profile).title
                found.append(replace(shown, anchor=anchor, caption=f"The same, {title}. {shown.caption}"))
    return Elsewhere(found)


def told_elsewhere(study: Study, told_by: Callable[[Study], str]) -> Markdown:
    """What a study says at `other_scales`, a paragraph each.

    Args:
        study: of `gather`.
        told_by: what says it, in Markdown.
    """
    told = [(capital(find_profile(other.profile).title), told_by(other)) for other in other_scales(study)]
    between = {True: "\n\n", False: " "}  # a list begins a paragraph of its own
    parts = [f"**{title}.**{between[said.startswith('* ')]}{said}" for title, said in told]
    return Markdown("\n\n".join(parts) or NONE)


def _compares(study: Study) -> bool:
    """Whether two settings of some network have runs, or one where the figure compares none.

    Of a figure that compares schedules, two schedules.
    """
    names = ["alpha", *VARIED] if len(study.figure.stretches) == 1 else ["epochs"]
    for model in study.models:
        wanted = {tuple(getattr(s, name) for name in names) for s in study.specs if s.model == model}
        if len(study.runs(model)[names].drop_duplicates()) >= min(FEWEST, len(wanted)):
            return True
    return False
