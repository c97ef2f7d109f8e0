"""Small helpers for the figures of notebooks, on top of matplotlib, and pictures of verdicts."""

from __future__ import annotations

import base64
import io
import math
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from html import escape
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
from .papers.figures import FIGURES
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
