"""The scoreboard: every claim by topic, the paper's value and ours for every profile on one axis for each quantity."""

from __future__ import annotations

import math
from collections.abc import Iterable
from html import escape
from importlib.resources import files

import pandas as pd
from IPython.display import HTML
from matplotlib.ticker import MaxNLocator

from .papers.figures import find_figure
from .plots import BANDS, PAPER, VERDICT_LOOK
from .verdicts import STATUSES, UNJUDGED

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
# Claims about ResNet50, whose one figure has both signs of α, that belong elsewhere than that figure.
CLAIM_TOPICS = {"L005": "Raising selectivity", "L053": "Raising selectivity", "L054": "How far α moves the index"}
WIDTH, ROW, EDGE = 300, 16, 14  # of a claim's axis, a profile's line on it, and room for numbers at its ends, in pixels
SHAPES = {"*": "M0-6 2-2 6-2 3 1 4 6 0 3-4 6-3 1-6-2-2-2Z", "o": "M-4 0A4 4 0 1 1 4 0 4 4 0 1 1-4 0Z",
          "D": "M0-5 5 0 0 5-5 0Z", "X": "M-4-4 4 4M4-4-4 4", "s": "M-3.5-3.5H3.5V3.5H-3.5Z"}  # fmt: skip


def scoreboard(verdicts: pd.DataFrame) -> HTML:
    """All claims that were judged for some profile, in folded groups by topic, with filters by profile and verdict."""
    judged = verdicts[~verdicts["status"].isin(UNJUDGED)]
    by_figure = {figure: topic for topic, figures in TOPICS.items() for figure in figures}
    topics = judged["claim"].map(CLAIM_TOPICS).fillna(judged["figure"].map(by_figure))
    groups = []
    for topic in TOPICS:
        own = judged[topics == topic]
        if not len(own):
            continue
        rows = "".join(_claim(group) for _, group in own.groupby("claim", sort=False))
        counts = {status: n for status in STATUSES if (n := sum(own["status"] == status))}
        chips = " ".join(_chip(status, f"{n} × {status}", _data(verdict=status)) for status, n in counts.items())
        groups.append(f"<details><summary><b>{escape(topic)}</b><br><small>{chips}</small></summary>{rows}</details>")
    style, script = ((files(__package__) / f"scoreboard.{kind}").read_text("utf-8") for kind in ("css", "js"))
    filters = _select("profile", judged["profile"].unique()) + _select("verdict", judged["status"].unique())
    return HTML(
        f'<div class="selectivity-scoreboard"><style>{style}</style>'
        f'<p class="filters" hidden>{filters}<span aria-live="polite"></span></p>'  # the script shows them
        f"{''.join(groups)}</div><script>{script}</script>"
    )


def _data(**values: str) -> str:
    """The attributes by which the script finds what a filter chooses."""
    return " ".join(f'data-{name}="{escape(value)}"' for name, value in values.items())


def _chip(status: str, text: str, attributes: str = "") -> str:
    return f'<span {attributes} style="--look: {VERDICT_LOOK[status][1]}">{escape(text)}</span>'


def _select(name: str, values: Iterable[str]) -> str:
    options = "".join(f"<option>{escape(v)}</option>" for v in values)
    return f'<label>{name} <select data-filter="{name}"><option value="">all</option>{options}</select></label> '


def _claim(rows: pd.DataFrame) -> str:
    first = rows.iloc[0].to_dict()
    figure = find_figure(first["figure"])
    link = f'<a href="{figure.notebook}.html">{escape(figure.paper)}, Figure {figure.number}</a>'
    says = f" <small>The paper: {escape(first['paper_says'])}.</small>" if first["paper_says"] else ""
    axes = "".join(_axis(own) for _, own in rows.groupby(["quantity", "claimed"], sort=False))
    lines = []
    for row in rows.to_dict("records"):
        training, place = row["training"], ", ".join((row["network"], row["profile"], row["where"]))
        in_training = "" if math.isnan(training) else f"; in training {_number(training)}"
        ends = f"{_number(row['low'])} to {_number(row['high'])}"
        lines.append(
            f"<li {_data(profile=row['profile'], verdict=row['status'])}>"
            f"{_chip(row['status'], row['verdict'])} <small>{escape(place)}: "
            f"{_number(row['estimate'])} ({ends}), n = {row['n']:g}{in_training}</small></li>"
        )
    return (
        f'<div class="claim" id="{escape(first["claim"])}"><p>{escape(first["claim"])} '
        f"{escape(first['statement'])}{says} {link}</p>{axes}<ul>{''.join(lines)}</ul></div>"
    )


def _number(value: float) -> str:
    return "–" if math.isnan(value) else f"{value if abs(value) >= 5e-5 else 0:.3g}".replace("-", "−")


def _axis(rows: pd.DataFrame) -> str:
    """One axis for a claim's rows of the same quantity: thresholds, intervals, markers by verdict, the paper's bar."""
    first = rows.iloc[0]
    paper, threshold = float(first["paper_value"]), float(first["threshold"])
    bands = {"margin": (threshold - first["margin"], threshold + first["margin"]),
             "paper": (first["paper_low"], first["paper_high"])}  # fmt: skip
    fixed = pd.Series([paper, threshold, *bands["margin"], *bands["paper"]]).replace([math.inf, -math.inf], math.nan)
    estimates = pd.concat([rows["estimate"], fixed]).dropna()
    ends = pd.concat([estimates, rows["low"], rows["high"]]).dropna()
    # A single wild interval must not flatten the others: beyond the estimates the axis goes on for their own span.
    span = (estimates.max() - estimates.min()) or 1.0
    low, high = max(ends.min(), estimates.min() - span), min(ends.max(), estimates.max() + span)
    pad = 0.06 * (high - low or 1.0)

    def x(value: float) -> float:
        return round(WIDTH * (min(max(value, low - pad), high + pad) - low + pad) / (high - low + 2 * pad), 1)

    height, parts = ROW * len(rows) + 4, []
    for name, (start, end) in bands.items():
        if not math.isnan(start):
            place = f'x="{x(start)}" width="{round(x(end) - x(start), 1)}"'
            parts.append(f'<rect {place} y="0" height="{height}" fill="{BANDS[name]}"/>')
    if not math.isnan(threshold):
        place = f'x1="{x(threshold)}" x2="{x(threshold)}" y1="0" y2="{height}"'
        parts.append(f'<line {place} stroke="#555" stroke-dasharray="3 2"/>')
    if not math.isnan(paper):
        parts.append(f'<line x1="{x(paper)}" x2="{x(paper)}" y1="0" y2="{height}" stroke="{PAPER}" stroke-width="3"/>')
    for k, row in enumerate(rows.to_dict("records")):
        marker, colour = VERDICT_LOOK[row["status"]]
        y = ROW * k + ROW / 2 + 2
        parts.append(f"<g {_data(profile=row['profile'], verdict=row['status'])}>")
        if not math.isnan(row["low"]):
            ends = f'x1="{x(row["low"])}" x2="{x(row["high"])}" y1="{y}" y2="{y}"'
            parts.append(f'<line {ends} stroke="{colour}" stroke-width="2"/>')
        if not math.isnan(row["estimate"]):
            place = f'transform="translate({x(row["estimate"])} {y})"'
            parts.append(f'<path d="{SHAPES[marker]}" {place} fill="{colour}" stroke="{colour}" stroke-width="1.5"/>')
        parts.append("</g>")
    for tick in MaxNLocator(4, steps=[1, 2, 5, 10]).tick_values(low, high):
        if low - pad <= tick <= high + pad:
            parts.append(f'<path d="M{x(tick)} {height}v4" stroke="#444"/>')
            parts.append(f'<text x="{x(tick)}" y="{height + 15}">{_number(tick)}</text>')
    text = "; ".join(f"{r.network}, {r.profile} {_number(r.estimate)}, {r.status}" for r in rows.itertuples())
    text += "" if math.isnan(paper) else f"; the paper {_number(paper)}"
    size = f'viewBox="-{EDGE} 0 {WIDTH + 2 * EDGE} {height + 18}" width="{WIDTH + 2 * EDGE}"'
    caption = f"claimed: {first['quantity']} is {first['claimed']}"
    return (
        f'<div><svg role="img" aria-label="{escape(text)}" {size}>{"".join(parts)}</svg><br>'
        f"<small>{escape(caption)}</small></div>"
    )
