"""What the runs at hand say so far, scale by scale, in sentences whose numbers are computed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..errors import MissingRunsError
from ..runs.profiles import find_profile
from .effects import against_baseline, signs_compared
from .figures.words import effects_in_words, index_span_in_words, signs_in_words
from .study import Study, gather

QUESTIONS = (
    ("fig1", "Does lowering selectivity cost accuracy?"),
    ("fig3", "Does raising it cost accuracy?"),
    ("fig4", "Is one direction worse than the other?"),
)


def findings(profile: str, **ask: Any) -> str:
    """The answers to the first paper's main questions at one profile, as Markdown.

    Args:
        profile: at which scale.
        ask: passed on to `gather` (alphas, seeds, overrides, on_missing).
    """
    scale = find_profile(profile)
    lines = [f"### {scale.title}" + (" (scaled down)" if scale.scaled_down else ""), ""]
    for k, (figure, question) in enumerate(QUESTIONS):
        try:
            study = gather(figure, profile=profile, **ask)
        except MissingRunsError as error:
            return "\n".join([*lines, f"Nothing to report: {error}."])
        if not len(study.runs()):
            return "\n".join([*lines, "Nothing to report: no run is finished.", "", *study.lacking()])
        if not k:
            lines += [study.account(), ""]
        lines += [f"**{question}** {answer(study)}", ""]
    return "\n".join(lines)


def answer(study: Study) -> str:
    """What a study of Figure 1, 3 or 4 says, in words."""
    runs = study.runs(study.models[0])
    if study.figure.side == "both":
        return signs_in_words(signs_compared(runs))
    return f"{index_span_in_words(runs)} {effects_in_words(against_baseline(runs))}"


def all_findings(profiles: Sequence[str], **ask: Any) -> str:
    """`findings` of several profiles: the first as asked; of the others, nothing trained, where α varies."""
    first, *others = profiles
    told = [name for name in others if any(_there(f, name).runs()["alpha"].nunique() > 1 for f, _ in QUESTIONS)]
    return "\n\n".join([findings(first, **ask), *(findings(name, on_missing="skip") for name in told)])


def _there(figure: str, profile: str) -> Study:
    return gather(figure, profile=profile, on_missing="skip")
