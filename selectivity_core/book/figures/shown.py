"""What a reader sees: a picture with its anchor, caption and alternative text, and tables of effects."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from itertools import cycle
from math import isnan

import matplotlib as mpl
import pandas as pd
from matplotlib.figure import Figure

from ...errors import BookError
from ...runs.profiles import find_profile
from ..numbers import NONE, alpha_label, number, p_value, percent
from ..paper.entries import Panel
from ..replicates import further_in_words
from ..study import MODEL_NAMES, Study
from ..widgets import picture
from .style import RC


@dataclass(frozen=True)
class Shown:
    """A figure as HTML: picture, anchor, caption, alternative text.

    Attributes:
        svg: the drawing.
        anchor: the id that links point at ("figure-A1").
        caption: one paragraph, plain text.
        alt: what the picture shows, with its numbers, for those who cannot see it.
        lacking: what is not in it and why, and how to get it; a paragraph each, commands between backticks.
        used: letter of a panel and the ids of the runs it was drawn from.
    """

    svg: str
    anchor: str
    caption: str
    alt: str
    lacking: tuple[str, ...] = ()
    used: tuple[tuple[str, tuple[str, ...]], ...] = ()

    def _repr_html_(self) -> str:
        return (
            f'<figure id="{escape(self.anchor)}" class="selectivity-figure">'
            f'<div class="selectivity-picture">{picture(self.svg, alt=self.alt).data}</div>'
            f"<figcaption>{escape(self.caption)}</figcaption>"
            f"{_paragraphs(self.lacking)}</figure>"
        )


class Nothing:
    """Stands where a figure would, when there is nothing to draw it from: what it lacks, and how to train that.

    Args:
        study: the figure's.
        absent: panels of the register that could be here.
        part: which picture of the figure this would be, where it has several.

    Attributes:
        anchor: as of the figure.
        caption: which figure it would be.
        lacking: in words, a paragraph each.
    """

    def __init__(self, study: Study, absent: Sequence[Panel] = (), part: str = "") -> None:
        entry = study.figure
        why = "its runs are not enough" if len(study.runs()) else "no run is finished"
        self.anchor = f"{entry.anchor}{part}"
        of = f" {_settings(study)}." if len(study.runs()) else ""
        self.caption = f"{_lead(study, part)} {entry.sentence} Nothing is drawn: {why}.{of}"
        self.lacking = (*_without(study, absent), *study.lacking())

    def _repr_html_(self) -> str:
        return (
            f'<figure id="{escape(self.anchor)}" class="selectivity-figure selectivity-nothing">'
            f"<figcaption>{escape(self.caption)}</figcaption>{_paragraphs(self.lacking)}</figure>"
        )


def _paragraphs(texts: Sequence[str]) -> str:
    marked = (re.sub(r"`([^`]*)`", r"<code>\1</code>", escape(text)) for text in texts)
    return "".join(f'<p class="selectivity-lacking">{text}</p>' for text in marked)


def show(
    figure: Figure,
    study: Study,
    *,
    caption: str,
    alt: str,
    part: str = "",
    absent: Sequence[Panel] = (),
    used: tuple[tuple[str, tuple[str, ...]], ...] = (),
) -> Shown:
    """Puts a drawn figure on the page, with the register's number and the study's n in its caption.

    Args:
        figure: drawn panels.
        study: where its runs come from.
        caption: what the panels show.
        alt: the alternative text.
        part: which picture of the figure this is, where it has several ("b", "-layers").
        absent: panels of the register that are not in the picture.
        used: the runs behind each panel.

    Raises:
        BookError: an empty caption or alternative text.
    """
    if not caption.strip() or not alt.strip():
        raise BookError(f"figure {study.figure.number}: caption and alternative text are both needed")
    buffer = io.BytesIO()
    with mpl.rc_context(RC):
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    lacking = [*_without(study, absent), *study.lacking()]
    text = f"{_lead(study, part)} {caption} {_settings(study)}."
    return Shown(
        buffer.getvalue().decode(), f"{study.figure.anchor}{part}", text, alt, tuple(dict.fromkeys(lacking)), used
    )


def _lead(study: Study, part: str) -> str:
    return f"Figure {study.figure.number}{part.replace('-', ', ')} ({study.figure.paper})."


def _settings(study: Study) -> str:
    """Scale and number of seeds of each network that has runs."""
    return "; ".join(f"{study.setting(m)}, n = {_seeds(study, m)}" for m in study.models if len(study.runs(m)))


# What the kinds of panels that compare runs with each other cannot be drawn without.
_PAIRS = "two seeds or more at α = 0 and at another α are needed"
_FITTED = "no network of it that was ablated fits its training images"
NEEDED = {
    "signs": "no size of α is finished with both signs", "cca_layers": _PAIRS, "cca_ratio": _PAIRS,
    "cca_excess": _PAIRS, "best_worst": _FITTED, "auc_generalisation": _FITTED,
}  # fmt: skip


def _without(study: Study, absent: Sequence[Panel]) -> list[str]:
    """Which panels are not drawn, and why."""
    if not absent:
        return []
    why = []
    for panel in absent:
        name = f"panel {panel.letter}" if panel.letter else "the panel"
        if panel.model not in find_profile(study.profile).models:
            why.append(f"{name} ({MODEL_NAMES[panel.model]} is not run at this scale)")
        elif panel.model not in study.models:
            why.append(f"{name} ({MODEL_NAMES[panel.model]} was not asked for)")
        else:
            why.append(f"{name} ({NEEDED.get(panel.kind, 'nothing finished to draw it from')})")
    return [f"Not drawn: {', '.join(why)}."]


def _seeds(study: Study, model: str) -> str:
    n = study.replicates(model)
    return f"{n}{' seeds' * (' to ' in n)}{further_in_words(study.further(model))}"


_INTERVAL = re.compile(r"(<td[^>]*>)([^<]+?) (\([−+\d.,∞]+) to ([−+\d.,∞]+\))</td>")


class Table:
    """A small table as HTML that scrolls inside itself on a narrow screen.

    Columns of words begin at the left; the interval behind a value goes below it.
    """

    def __init__(self, frame: pd.DataFrame, caption: str) -> None:
        self.frame, self.caption = frame, caption

    def _repr_html_(self) -> str:
        body = self.frame.to_html(index=False, escape=True, border=0, classes="selectivity-table")
        table = body.replace("<thead>", f"<caption>{escape(self.caption)}</caption><thead>", 1)
        words = cycle([_words(self.frame.iloc[:, k]) for k in range(self.frame.shape[1])] or [False])
        start = ' class="selectivity-start"'
        table = re.sub("<t([hd])>", lambda cell: f"<t{cell[1]}{start if next(words) else ''}>", table)
        table = _INTERVAL.sub("\\1<span>\\2 <small>\\3 to\u00a0\\4</small></span></td>", table)
        return f'<div class="selectivity-scroll" tabindex="0">{table}</div>'


def _words(column: pd.Series) -> bool:
    """Whether a column holds words: most values begin with a letter."""
    said = [value for value in column if value != NONE]
    return sum(isinstance(value, str) and value[:1].isalpha() for value in said) > len(said) / 2


def effects_table(effects: pd.DataFrame, means: pd.DataFrame) -> Table:
    """Selectivity and accuracy at each α, and the difference to α = 0: the judging test beside the paper's.

    Args:
        effects: of `effects.against_baseline`.
        means: `effects.over_units` of the same runs' index.
    """
    index = means.groupby("alpha")[["mean", "shuffled"]].mean().reindex(effects["alpha"])
    frame = pd.DataFrame(
        {
            "α": [alpha_label(a) for a in effects["alpha"]],
            "n": effects["n"],
            "SI, all layers": [number(v, 3) for v in index["mean"]],
            "SI, shuffled labels": [number(v, 3) for v in index["shuffled"]],
            "accuracy (%)": [percent(v) for v in effects["mean"]],
            "difference (points)": [percent(v) for v in effects["difference"]],
            "95 % simultaneous": [
                NONE if isnan(lo) else f"{percent(lo)} to {percent(hi)}"
                for lo, hi in zip(effects["difference_low"], effects["difference_high"], strict=True)
            ],
            "p, Dunnett": [p_value(v) for v in effects["p_dunnett"]],
            "p, Holm": [p_value(v) for v in effects["p_holm"]],
            "p, Welch (paper)": [p_value(v) for v in effects["p_welch_bonferroni"]],
        }
    )
    return Table(
        frame,
        "Difference to α = 0: one block model over seeds with Dunnett's contrasts, and the paper's test "
        "(Welch, Bonferroni)",
    )


def signs_table(compared: pd.DataFrame) -> Table:
    """Both signs at equal |α|, with the rank-sum test and whether it could reach its level at all."""
    frame = pd.DataFrame(
        {
            "|α|": [f"{s:g}" for s in compared["size"]],
            "n": [f"{a},\u00a0{b}" for a, b in zip(compared["n_negative"], compared["n_positive"], strict=True)],
            "α < 0 (%)": [percent(v) for v in compared["negative"]],
            "α > 0 (%)": [percent(v) for v in compared["positive"]],
            "difference (points)": [percent(v) for v in compared["difference"]],
            "p, rank sum": [p_value(v) for v in compared["p"]],
            "p, Holm": [p_value(v) for v in compared["p_holm"]],
            "p, Bonferroni (paper)": [p_value(v) for v in compared["p_bonferroni"]],
            "0.05 within reach": ["yes" if r else "no" for r in compared["reachable"]],
        }
    )
    return Table(frame, "Lowering against raising selectivity at equal |α|")
