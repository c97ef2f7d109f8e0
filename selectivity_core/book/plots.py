"""Small helpers for the figures of notebooks, on top of matplotlib, and pictures of verdicts."""

from __future__ import annotations

import base64
import io
import math
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from importlib.resources import files
from pathlib import Path
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from IPython.display import HTML, display
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator

from ..files import make_folder, replace
from . import BookError
from .evidence import label
from .papers.figures import FIGURES, find_figure
from .verdicts import AGAINST, FOR, INCONCLUSIVE, REPRODUCED, SIZE_DIFFERS, UNJUDGED

STYLE: dict[Any, Any] = {
    "figure.dpi": 100, "font.size": 9, "axes.titlesize": 9.5, "axes.titlelocation": "left",
    "axes.spines.top": False, "axes.spines.right": False, "axes.grid": True, "grid.color": "#e6e6e6",
    "grid.linewidth": 0.6, "axes.axisbelow": True, "legend.frameon": False, "legend.fontsize": 8,
    "svg.hashsalt": "selectivity", "lines.markersize": 4.5, "lines.linewidth": 1.4,
    "figure.constrained_layout.use": True,
}  # fmt: skip
GREY = "#555555"  # α = 0, and what is neither below nor above it
PAPER = "#7b3fa0"  # the paper's values
CHANCE = "#b8860b"  # what shuffled labels give


def use_style() -> None:
    """The book's style for all figures of this process."""
    plt.rcParams.update(STYLE)


def alpha_palette(alphas: Iterable[float]) -> dict[float, str]:
    """α -> colour: blue below 0, red above, grey at 0, darker further from 0. A palette for seaborn's `hue`."""
    values = sorted(set(map(float, alphas)))
    sizes = sorted({abs(a) for a in values if a})
    found = {}
    for alpha in values:
        ramp = mpl.colormaps["Blues" if alpha < 0 else "Reds"]
        place = (sizes.index(abs(alpha)) + 1) / len(sizes) if alpha else 0
        found[alpha] = mpl.colors.to_hex(ramp(0.35 + 0.6 * place)) if alpha else GREY
    return found


def alpha_axis(ax: Axes, alphas: Iterable[float], name: str = "regulariser scale α") -> dict[float, int]:
    """Evenly spaced places for α values along x, as the paper draws them: α -> its place, for `map`."""
    places = {alpha: k for k, alpha in enumerate(sorted(set(map(float, alphas))))}
    ax.set_xticks(list(places.values()), [label(a) for a in places], rotation=45 if len(places) > 7 else 0)
    ax.set_xlim(-0.6, len(places) - 0.4)
    ax.set_xlabel(name)
    return places


def layer_axis(ax: Axes) -> None:
    """Layers of units along x, counted in whole numbers from 0."""
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.set_xlabel("layer of units")


def interval(
    ax: Axes, x: Sequence[float], frame: pd.DataFrame, value: str, low: str, high: str, **style: object
) -> None:
    """Means with intervals at `x`: columns of `frame`; intervals that are NaN are left out."""
    mean = frame[value].to_numpy(float)
    bars = np.abs(np.stack([mean - frame[low].to_numpy(float), frame[high].to_numpy(float) - mean]))
    ax.errorbar(x, mean, yerr=np.nan_to_num(bars), **{"fmt": "o", "capsize": 2, **style})  # type: ignore[arg-type]


def p_value(p: float) -> str:
    """A p value as tables show it, for `Styler.format`."""
    return "–" if math.isnan(p) else "<0.001" if p < 0.001 else f"{p:.3f}"


def stars(p: float) -> str:
    """The mark of a corrected p value: * 0.05, ** 0.01, *** 0.001."""
    return "" if math.isnan(p) else "*" * sum(p < limit for limit in (0.05, 0.01, 0.001))


def mark(ax: Axes, x: Sequence[float], y: Sequence[float], p: Sequence[float]) -> None:
    """Writes the stars of p values above points."""
    for place, height, value in zip(x, y, p, strict=True):
        if stars(value):
            ax.annotate(stars(value), (place, height), (0, 3), textcoords="offset points", ha="center", fontsize=10)


def letter(axes: Sequence[Axes]) -> None:
    """Letters a, b, c before the titles of several panels."""
    for name, ax in zip("abcdefghijklmnopqrstuvwxyz", axes, strict=False):
        ax.set_title(f"$\\bf{{{name}}}$  {ax.get_title(loc='left') or ax.get_title()}", loc="left")


def describe(title: str, frame: pd.DataFrame, x: str, y: str, by: str = "") -> str:
    """Alternative text that states the numbers of a plot: means of `y` at every `x` (for each level of `by`)."""
    means = frame.groupby([by, x] if by else x)[y].mean().dropna()
    parts = []
    for where, value in means.items():
        levels = where if isinstance(where, tuple) else (where,)
        parts.append(f"{' '.join(v if isinstance(v, str) else label(v) for v in levels)}: {value:.3g}")
    return f"{title}. Mean {y} by {f'{by} and ' if by else ''}{x}: {'; '.join(parts)}."


def show(
    fig: Figure, figure: str, caption: str, alt: str, *,
    part: str = "", save: str | Path = "", tables: Mapping[str, pd.DataFrame] | None = None,
) -> None:  # fmt: skip
    """Puts a figure on the page, with the paper's number, an anchor for links, caption and alternative text.

    Args:
        fig: it stays usable afterwards.
        figure: id in the register ("fig4"), or another name for the anchor.
        caption: what the panels show.
        alt: what the picture shows, with its numbers, for those who cannot see it.
        part: suffix of the anchor, where a figure has several pictures.
        save: a folder into which the figure is written as PDF and PNG, and `tables` as CSV; none where empty.
        tables: name -> the data behind the figure.

    Raises:
        BookError: an empty caption or alternative text.
    """
    if not caption.strip() or not alt.strip():
        raise BookError(f"figure {figure}: caption and alternative text are both needed")
    entry = FIGURES.get(figure)
    anchor = f"{entry.anchor if entry else figure}{part}"
    lead = f"<b>Figure {entry.number}{part.replace('-', ', ')}</b> ({escape(entry.paper)}). " if entry else ""
    source = f"data:image/svg+xml;base64,{base64.b64encode(_drawn(fig, 'svg', metadata={'Date': None})).decode()}"
    width = round(fig.get_size_inches()[0] * 100)
    display(
        HTML(
            f'<figure id="{escape(anchor)}" class="selectivity-figure"><img src="{source}" alt="{escape(alt)}" '
            f'width="{width}" style="max-width: 100%; background: white">'
            f"<figcaption>{lead}{escape(caption)}</figcaption></figure>"
        )
    )
    if save:
        folder = make_folder(Path(save).expanduser())
        for kind in ("pdf", "png"):
            replace(folder / f"{anchor}.{kind}", _drawn(fig, kind, dpi=200))
        for name, frame in (tables or {}).items():
            replace(folder / f"{anchor}-{name}.csv", frame.to_csv(index=False).encode())
    plt.close(fig)


def _drawn(fig: Figure, kind: str, **more: Any) -> bytes:
    fig.savefig(buffer := io.BytesIO(), format=kind, **more)
    return buffer.getvalue()


# Shape and colour of a verdict in pictures: filled where sign and size agree, open where the size does not.
VERDICT_LOOK = {
    REPRODUCED: ("*", "#1a7f37"), SIZE_DIFFERS: ("D", "#b26a00"), INCONCLUSIVE: ("s", "#8a8a8a"),
    **dict.fromkeys(FOR, ("o", "#1a7f37")), **dict.fromkeys(AGAINST, ("X", "#b3261e")),
}  # fmt: skip
BADGES = "selectivity-badges"  # the class of the verdicts that a page shows below its title


def _judged(verdicts: pd.DataFrame) -> pd.DataFrame:
    return verdicts[~verdicts["status"].isin(UNJUDGED)]


def forest(verdicts: pd.DataFrame) -> Figure:
    """Ours with its 95 % interval beside the paper's value, a row a claim and scale that `verdicts.table` has judged.

    Rows in points of accuracy share an axis, which is linear up to two points and logarithmic beyond; every other claim
    has an axis of its own.
    """
    rows = _judged(verdicts)
    rows = pd.concat([own for _, own in rows.groupby("claim", sort=False)] or [rows])  # scales of a claim side by side
    panels = [own for unit, own in rows.groupby("unit", sort=False) if unit]
    panels += [own for _, own in rows[rows["unit"] == ""].groupby("claim", sort=False)]
    heights = [max(1, len(own)) for own in panels] or [1]
    size = (8.6, 0.62 * sum(heights) + 0.45 * len(heights))
    fig, axes = plt.subplots(len(heights), 1, figsize=size, squeeze=False, height_ratios=heights)
    for ax, own in zip(axes[:, 0], panels, strict=False):
        _rows(ax, own)
    if not panels:
        axes[0, 0].set_axis_off()
        axes[0, 0].text(0, 0.5, "No claim of this page can be judged on these runs.")
    return fig


def _rows(ax: Axes, own: pd.DataFrame) -> None:
    names = []
    for place, row in enumerate(own.to_dict("records")):
        marker, colour = VERDICT_LOOK[row["status"]]
        ax.plot([row["low"], row["high"]], [place, place], color=colour, linewidth=1.6)
        ax.plot(row["estimate"], place, marker=marker, color=colour, markersize=7)
        if not math.isnan(row["paper_value"]):
            ax.plot(row["paper_value"], place, marker="|", color=PAPER, markersize=16, markeredgewidth=2)
        ax.text(
            1.01, place, str(row["status"]), color=colour, fontsize=7, va="center", transform=ax.get_yaxis_transform()
        )
        lines = textwrap.wrap(f"{row['claim']}  {row['statement']}", 66)
        names.append("\n".join([*lines, f"{row['network']}, {row['profile']}, {row['where']}, n = {row['n']:g}"]))
    ax.axvline(0, color="#bbbbbb", linewidth=0.8)
    if own["unit"].iloc[0]:
        ax.set_xscale("symlog", linthresh=2)
        ax.xaxis.set_major_locator(FixedLocator([-50, -20, -10, -5, -2, -1, 0, 1, 2, 5, 10, 20, 50]))
        ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: label(value)))
        ax.set_xlabel("points of accuracy", fontsize=7)
    ax.margins(x=0.1)
    ax.set_yticks(range(len(names)), names, fontsize=7)
    ax.set_ylim(len(names) - 0.5, -0.5)
    ax.tick_params(labelsize=7)
    ax.minorticks_off()
    ax.grid(visible=False, axis="y")


def badges(verdicts: pd.DataFrame, anchor: str) -> HTML:
    """The verdicts on a page's claims, each with its colour and how often it was given, as links to their picture."""
    counts = verdicts["status"].value_counts()
    links = " ".join(
        f'<a href="#{escape(anchor)}" style="border-left: 0.6em solid {VERDICT_LOOK[status][1]}; '
        f'padding: 0 0.5em; text-decoration: none">{escape(status)}{f" × {count}" if count > 1 else ""}</a>'
        for status, count in counts.items()
    )
    return HTML(f'<p class="{BADGES}">{links}</p>')


def claims(verdicts: pd.DataFrame, *, save: str | Path = "") -> None:
    """The claims of a page: a picture of ours beside the paper's, and a short table."""
    judged = _judged(verdicts)
    if len(judged):
        alt = "; ".join(f"{row.claim} {row.network} {row.status}, {row.estimate:.3g}" for row in judged.itertuples())
        caption = (
            "Ours with its 95 % interval; a purple bar where the paper gives a number. Green: same sign, and size "
            "where the paper gives one. Diamonds: same sign, other size. Red: the opposite. Grey: open."
        )
        words, name = f"Claims of the page. {alt}.", f"claims-{verdicts['figure'].iloc[0]}"  # each page its own files
        display(badges(judged, name))
        show(forest(verdicts), name, caption, words, save=save, tables={"verdicts": verdicts})
    columns = [
        "claim", "statement", "network", "paper_says", "status", "where", "n", "estimate", "low", "high", "training",
    ]  # fmt: skip
    names = {"paper_says": "the paper", "low": "95 % from", "high": "to", "why": "not judged, because"}
    open_ones = verdicts[verdicts["status"].isin(UNJUDGED)]
    for shown in (judged[columns], open_ones[["claim", "statement", "network", "why"]]):
        if len(shown):
            styled = shown.rename(columns=names).style.hide().format(precision=3, na_rep="–")
            display(styled.format("{:.0f}", na_rep="–", subset=["n"]) if "n" in shown else styled)


# The scoreboard: every claim with the paper's value and ours at every scale on one axis, by topic.

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
    judged = _judged(verdicts)
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
