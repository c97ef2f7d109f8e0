"""What the tests of a figure say, in words and as tables."""

from __future__ import annotations

from html import escape

from ..effects import against_baseline, signs_compared
from ..study import MODEL_NAMES, Study
from .shown import Table, effects_table, signs_table
from .words import effects_in_words, signs_in_words


class Tested:
    """What the tests of a figure say of each network, in words and as a table."""

    def __init__(self, parts: list[tuple[str, Table]]) -> None:
        self.parts = parts

    def _repr_html_(self) -> str:
        return "".join(f"<p>{escape(words)}</p>{table._repr_html_()}" for words, table in self.parts)


def tested(study: Study) -> Tested:
    """For each panel of accuracies: the effects against α = 0, or of one sign against the other.

    Args:
        study: of a figure with panels of accuracy by α.
    """
    parts = []
    for panel in study.figure.panels:
        view = study.view(panel)
        if view is None or panel.kind not in ("accuracy", "signs") or panel.value == "test_loss":
            continue
        name = f"{MODEL_NAMES[view.model]}. " if len(study.models) > 1 else ""
        if panel.kind == "signs":
            compared = signs_compared(view.runs())
            parts.append((name + signs_in_words(compared), signs_table(compared)))
        else:
            effects = against_baseline(view.runs())
            parts.append((name + effects_in_words(effects), effects_table(effects, view.means("si"))))
    return Tested(parts)
