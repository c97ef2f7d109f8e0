"""The scoreboard: every claim with the paper's value and ours at every scale on one axis, by topic."""

from __future__ import annotations

import math
from collections.abc import Iterable
from html import escape
from importlib.resources import files

import pandas as pd
from IPython.display import HTML

from .papers.figures import find_figure
from .plots import PAPER, VERDICT_LOOK
from .verdicts import UNJUDGED

# Topics in the order of what matters for the papers' argument, each with its figures.
TOPICS: dict[str, tuple[str, ...]] = {
    "Lowering selectivity": ("fig1", "figA2", "figA12", "figA34"),
    "Raising selectivity": ("fig3", "figA6", "figA14"),
    "One sign against the other": ("fig4", "figA15", "figA32", "figA33"),
    "How far α moves the index": ("figA1", "figA5", "figA11", "figA13", "figA16"),
    "Representations": ("fig2", "figA3", "figA4"),
    "Dead and silent units": ("figA7", "figA8", "figA9", "figA10"),
    "Other measures of selectivity": ("figA17", "figA18", "figA19"),
    "First and last layers": ("figA20", "figA21", "figA22", "figA23", "figA24", "figA25", "figA26", "figA27"),
    "Learning and warm-up": ("t95", "figA28", "figA29", "figA30", "figA31"),
    "Ablation and noise": ("morcos1", "morcos2", "morcosA1"),
    "Generalisation": ("morcos3", "morcos4"),
    "Dropout and batch norm": ("morcos5", "morcos6"),
    "Which units matter": ("morcos7", "morcosA2", "morcosA3", "morcosA4"),
}
WIDTH, ROW = 240, 16  # of a claim's axis, and of a scale's line on it, in pixels
SHAPES = {"*": "M0-6 2-2 6-2 3 1 4 6 0 3-4 6-3 1-6-2-2-2Z", "o": "M-4 0A4 4 0 1 1 4 0 4 4 0 1 1-4 0Z",
          "D": "M0-5 5 0 0 5-5 0Z", "X": "M-4-4 4 4M4-4-4 4", "s": "M-3.5-3.5H3.5V3.5H-3.5Z"}  # fmt: skip


def scoreboard(verdicts: pd.DataFrame) -> HTML:
    """All claims that were judged at some scale, in folded groups by topic, with filters by scale and verdict."""
    judged = verdicts[~verdicts["status"].isin(UNJUDGED)]
    groups = []
    for topic, figures in TOPICS.items():
        own = judged[judged["figure"].isin(figures)]
        if not len(own):
            continue
        rows = "".join(_claim(group) for _, group in own.groupby("claim", sort=False))
        counts = own["status"].value_counts()
        listed = ", ".join(f"{n} {status}" for status, n in counts.items())
        groups.append(
            f"<details><summary><b>{escape(topic)}</b> <small>{escape(listed)}</small></summary>{rows}</details>"
        )
    script = (files(__package__) / "scoreboard.js").read_text("utf-8")
    filters = _select("scale", judged["profile"].unique()) + _select("verdict", judged["status"].unique())
    return HTML(f'<div class="selectivity-scoreboard"><p>{filters}</p>{"".join(groups)}</div><script>{script}</script>')


def _select(name: str, values: Iterable[str]) -> str:
    options = "".join(f"<option>{escape(v)}</option>" for v in values)
    return f'<label>{name} <select data-filter="{name}"><option value="">all</option>{options}</select></label> '


def _claim(rows: pd.DataFrame) -> str:
    first = rows.iloc[0].to_dict()
    figure = find_figure(first["figure"])
    link = f'<a href="{figure.notebook}.html">{escape(figure.paper)}, Figure {figure.number}</a>'
    says = f" <small>The paper: {escape(first['paper_says'])}.</small>" if first["paper_says"] else ""
    lines = []
    for row in rows.to_dict("records"):
        status, training = escape(row["status"]), row["training"]
        in_training = "" if math.isnan(training) else f"; in training {_number(training)}"
        ends = f"{_number(row['low'])} to {_number(row['high'])}"
        lines.append(
            f'<li data-scale="{escape(row["profile"])}" data-verdict="{status}">'
            f'<span style="border-left: 0.6em solid {VERDICT_LOOK[row["status"]][1]}; padding-left: 0.4em">{status}'
            f"</span> <small>{escape(', '.join((row['network'], row['profile'], row['where'])))}: "
            f"{_number(row['estimate'])} ({ends}), n = {row['n']:g}{in_training}</small></li>"
        )
    return (
        f'<div class="selectivity-claim" id="{escape(first["claim"])}"><p>{escape(first["claim"])} '
        f"{escape(first['statement'])}{says} {link}</p>{_axis(rows)}<ul>{''.join(lines)}</ul></div>"
    )


def _number(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.3g}".replace("-", "−")


def _axis(rows: pd.DataFrame) -> str:
    """One axis for all scales of a claim: intervals, markers by verdict, and the paper's value as a bar."""
    paper = float(rows["paper_value"].iloc[0])
    all_ends = pd.concat([rows["estimate"], rows["low"], rows["high"], pd.Series([0.0, paper])]).dropna()
    # A single wild interval must not flatten the others: the axis ends at three times the estimates' own span.
    span = max(rows["estimate"].abs().max(), abs(paper) if not math.isnan(paper) else 0) or 1.0
    low, high = max(all_ends.min(), -3 * span), min(all_ends.max(), 3 * span)
    pad = 0.06 * (high - low or 1.0)

    def x(value: float) -> float:
        return round(WIDTH * (min(max(value, low), high) - low + pad) / (high - low + 2 * pad), 1)

    height = ROW * len(rows) + 4
    parts = [f'<line x1="{x(0)}" x2="{x(0)}" y1="0" y2="{height}" stroke="#999" stroke-dasharray="2 2"/>']
    if not math.isnan(paper):
        parts.append(f'<line x1="{x(paper)}" x2="{x(paper)}" y1="0" y2="{height}" stroke="{PAPER}" stroke-width="3"/>')
    for k, row in enumerate(rows.to_dict("records")):
        marker, colour = VERDICT_LOOK[row["status"]]
        y = ROW * k + ROW / 2 + 2
        if not math.isnan(row["low"]):
            ends = f'x1="{x(row["low"])}" x2="{x(row["high"])}" y1="{y}" y2="{y}"'
            parts.append(f'<line {ends} stroke="{colour}" stroke-width="2"/>')
        if not math.isnan(row["estimate"]):
            place = f'transform="translate({x(row["estimate"])} {y})"'
            parts.append(f'<path d="{SHAPES[marker]}" {place} fill="{colour}" stroke="{colour}"/>')
    text = "; ".join(f"{r.network}, {r.profile} {_number(r.estimate)}, {r.status}" for r in rows.itertuples())
    text += "" if math.isnan(paper) else f"; the paper {_number(paper)}"
    return (
        f'<svg role="img" aria-label="{escape(text)}" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}">'
        f"{''.join(parts)}</svg>"
    )
