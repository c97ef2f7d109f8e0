"""Small helpers for the figures of notebooks, on top of matplotlib, and pictures of verdicts."""

from __future__ import annotations

import io
import json
import math
import re
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import quote

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from IPython.core.getipython import get_ipython
from IPython.display import HTML, display
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator
from matplotlib.transforms import Bbox
from pandas.io.formats.style import Styler

from ..files import make_folder, replace
from ..models import MODEL_NAMES
from . import BADGES, BookError
from .contrasts import MEASURES
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
PIXELS = 100  # of the page to an inch of a figure
PHONE = 4.5  # inches of a figure that fit a phone's width with text that can be read


def use_style() -> None:
    """The book's style for all figures of this process, and for the tables that a notebook shows."""
    plt.rcParams.update(STYLE)
    if (shell := get_ipython()) is not None and shell.display_formatter is not None:
        shell.display_formatter.formatters["text/html"].for_type(Styler, with_minus)


def with_minus(table: Styler) -> str:
    """A table's HTML whose negative numbers have a minus sign for Python's hyphen, and zeros none."""
    return re.sub(r"(<td[^>]*>)-(?=[\d.])([^<]*)", _signed, table.to_html())


def _signed(cell: re.Match[str]) -> str:
    return cell[1] + (cell[2] if re.fullmatch(r"[0.]+( %)?", cell[2]) else f"−{cell[2]}")


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


def alpha_axis(ax: Axes, alphas: Iterable[float], name: str = "regulariser strength α") -> dict[float, int]:
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
        names = [_word(v) if isinstance(v, str) else label(v) for v in levels]
        parts.append(f"{' '.join(names)}: {_said(value)}")
    what = "" if y == "mean" else f" {_word(y)}"
    return f"{title}. Mean{what} by {f'{_word(by)} and ' if by else ''}{_word(x)}: {'; '.join(parts)}."


def networks(runs: pd.DataFrame) -> str:
    """How many networks a figure shows at each α, for its caption: "6 at α = 0; 3 at α = −2, 0.7"."""
    counts = runs.groupby("alpha")["run"].nunique()
    alike = sorted(counts.groupby(counts), key=lambda group: -group[0])
    return "; ".join(f"{count} at α = {', '.join(map(label, own.index))}" for count, own in alike)


def _said(value: float) -> str:
    """A number with three digits as it is read aloud, and rounding errors as 0."""
    return f"{round(value, 6) + 0:.3g}".replace("-", "−")


def _word(name: str) -> str:
    """A network, a measure or another column in words."""
    names = MODEL_NAMES | {"model": "network", "alpha": "α"}
    return names.get(name, MEASURES.get(name, name).removeprefix("mean ").replace("_", " "))


def panels(fig: Figure) -> list[list[int]]:
    """The panels of a figure, in the order of its axes: what can be read by itself.

    Axes are taken with titles, labels and legends; legends and texts of the figure are panels of their own. An axes
    and its colour bar are one panel, and so is what overlaps.

    Returns:
        Left, top, width and height of each on the page, in pixels, with a margin that ends where the figure does.
    """
    parts: list[Any] = [*filter(Axes.get_visible, fig.axes), *fig.legends, *fig.texts]
    boxes = {part: part.get_tightbbox().transformed(fig.dpi_scale_trans.inverted()) for part in parts}
    for bar in (part.colorbar for part in _mapped(fig) if part.colorbar is not None):
        boxes[bar.mappable.axes] = Bbox.union([boxes[bar.mappable.axes], boxes.pop(bar.ax)])
    found: list[Bbox] = []
    for box in boxes.values():
        place = len(found)
        while near := [k for k, other in enumerate(found) if other.overlaps(box)]:
            place, box = near[0], Bbox.union([found.pop(near[0]), box])
        found.insert(place, box)
    size = fig.get_size_inches()
    corners = [np.clip(box.padded(0.03).get_points(), 0, size) * PIXELS for box in found]
    high = size[1] * PIXELS  # where y begins on the page
    return [[round(float(v)) for v in (x0, high - y1, x1 - x0, y1 - y0)] for (x0, y0), (x1, y1) in corners]


def _mapped(fig: Figure) -> list[Any]:
    """What has its colours from a colour map."""
    return fig.findobj(lambda part: isinstance(part, ScalarMappable) and part.get_array() is not None)


def _with_numbers(fig: Figure) -> None:
    """Axes that share a scale have tick labels of their own each: on a phone an axes stands alone."""
    for ax in fig.axes:
        for axis, side in (("x", "labelbottom"), ("y", "labelleft")):
            if len(getattr(ax, f"get_shared_{axis}_axes")().get_siblings(ax)) > 1:
                ax.tick_params(axis, **{side: True})  # type: ignore[arg-type]


def show(
    fig: Figure, figure: str, caption: str, alt: str, *,
    part: str = "", save: str | Path = "", tables: Mapping[str, pd.DataFrame] | None = None, as_drawn: bool = False,
    scale: float = 1,
) -> None:  # fmt: skip
    """Puts a figure on the page, with the paper's number, an anchor for links, caption and alternative text.

    Args:
        fig: it stays usable afterwards.
        figure: id in the register ("fig4"), or another name for the anchor.
        caption: what the panels show.
        alt: what the picture shows, with its numbers, for those who cannot see it.
        part: suffix of the anchor, where a figure has several pictures.
        save: a folder into which the figure is written as PDF and PNG, and `tables` as CSV; none where empty. Files of
            the same name are replaced, unless a CSV among them has other content: then the whole set takes the next
            free name ("figure-4-2", …).
        tables: name -> the data behind the figure.
        as_drawn: keep the colours in the dark mode too, as is done where a colour map stands for numbers.
        scale: how much larger than drawn the page shows it where it has the room.

    Raises:
        BookError: an empty caption or alternative text.
    """
    if not caption.strip() or not alt.strip():
        raise BookError(f"figure {figure}: caption and alternative text are both needed")
    entry = FIGURES.get(figure)
    anchor = f"{entry.anchor if entry else figure}{part}"
    lead = f"<b>Figure {entry.number}{part.replace('-', ', ')}</b> ({escape(entry.paper)}). " if entry else ""
    _with_numbers(fig)
    drawn = _drawn(fig, "svg", metadata={"Date": None})
    source = f"data:image/svg+xml,{quote(drawn, safe=' /:;=,.+()')}"  # shorter than base64
    width = round(fig.get_figwidth() * PIXELS)
    more = f'width="{width}"'
    if as_drawn or _mapped(fig):
        more += ' class="selectivity-as-drawn"'
    if fig.get_figwidth() > PHONE and len(parts := panels(fig)) > 1:  # book.js shows them one by one on a phone
        more += f' data-panels="{json.dumps(parts)}"'
    display(
        HTML(
            f'<figure id="{escape(anchor)}" class="selectivity-figure"><img src="{source}" alt="{escape(alt)}" '
            f'{more} style="width: {round(scale * width)}px; max-width: 100%; background: white">'
            f"<figcaption>{lead}{escape(caption)}</figcaption></figure>"
        )
    )
    if save:
        folder = make_folder(Path(save).expanduser())
        data = {name: frame.to_csv(index=False).encode() for name, frame in (tables or {}).items()}
        stem, number = anchor, 1
        while any((p := folder / f"{stem}-{name}.csv").exists() and p.read_bytes() != data[name] for name in data):
            stem, number = f"{anchor}-{number + 1}", number + 1
        for kind in ("pdf", "png"):
            replace(folder / f"{stem}.{kind}", _drawn(fig, kind, dpi=200))
        for name, text in data.items():
            replace(folder / f"{stem}-{name}.csv", text)
    plt.close(fig)


def _drawn(fig: Figure, kind: str, **more: Any) -> bytes:
    fig.savefig(buffer := io.BytesIO(), format=kind, **more)
    return buffer.getvalue()


# Shape and colour of a verdict in pictures; text in these colours has contrast on white.
VERDICT_LOOK = {
    REPRODUCED: ("*", "#1a7f37"), SIZE_DIFFERS: ("D", "#9a5b00"), INCONCLUSIVE: ("s", "#666666"),
    **dict.fromkeys(FOR, ("o", "#1a7f37")), **dict.fromkeys(AGAINST, ("X", "#b3261e")),
}  # fmt: skip


def _judged(verdicts: pd.DataFrame) -> pd.DataFrame:
    return verdicts[~verdicts["status"].isin(UNJUDGED)]


# What the marks in a picture of verdicts mean.
KEY = (
    "Marks are ours, lines their 95 % intervals. A claim holds where the whole line lies on the claimed side of the "
    "dashed threshold: “sign” means this side. A purple bar is the paper's number, pale purple what agrees with it in "
    "size. An effect counts as none if its 90 % interval, which is shorter than the line, lies within the grey band. "
    "Green circle: the claim holds, in size too where the paper gives one. Green star: reproduced. "
    "Amber diamond: same sign, other size. Red cross: contradicted. Grey square: inconclusive."
)
POINTS = "points of accuracy (linear from −2 to 2, logarithmic beyond)"
LINE, ROOM, TICKS, WRAP = 0.142, 1.5, 0.34, 64  # inches a line of text, lines a row, inches of ticks, characters a line
FOREST = 1.5  # the scale at which its text is as large as a page's
BANDS = {"margin": "#e4e4e4", "paper": "#e9dcf3"}


def forest(verdicts: pd.DataFrame) -> Figure:
    """Ours with its 95 % interval, the paper's value and the claim's threshold, for what `verdicts.table` has judged.

    A row a claim, network and scale. Differences of accuracy share an axis, which is linear up to two points and
    logarithmic beyond; every other quantity has an axis of its own. The figure is as narrow as a phone: text stands
    above what it is about. `show` it with `scale=FOREST`.
    """
    rows = _judged(verdicts)
    rows = pd.concat([own for _, own in rows.groupby("claim", sort=False)] or [rows])  # scales of a claim side by side
    axis = rows["quantity"].mask(rows["unit"] == "points", POINTS)
    panels = {textwrap.fill(str(name), WRAP): _entries(own) for name, own in rows.groupby(axis, sort=False)}
    heights = [LINE * sum(len(text) + ROOM * bool(row) for text, row in entries) for entries in panels.values()]
    below = [TICKS + LINE * (1 + name.count("\n")) for name in panels]
    width, total = 4.2, sum(heights) + sum(below) or 0.5
    fig, top = plt.figure(figsize=(width, total), layout="none"), total
    for (name, entries), height, room in zip(panels.items(), heights, below, strict=True):
        ax = fig.add_axes((0.03, (top - height) / total, 0.94, height / total))
        _rows(ax, entries)
        ax.set_xlabel(name, fontsize=8)
        top -= height + room
    if not panels:
        fig.text(0, 0.5, "No claim of this page can be judged on these runs.")
    return fig


def _entries(rows: pd.DataFrame) -> list[tuple[list[str], dict[str, Any]]]:
    """Lines of text with the row that is drawn below them: none below a claim's own text."""
    found: list[tuple[list[str], dict[str, Any]]] = []
    for (claim, statement, *claimed), own in rows.groupby(["claim", "statement", "quantity", "claimed"], sort=False):
        code = f"$\\bf{{{claim}}}$"  # longer than what is seen of it
        lines = textwrap.wrap(f"{claim} {statement}", WRAP)
        lines[0] = lines[0].replace(claim, code, 1)
        found.append((["", *lines, *textwrap.wrap(f"claimed: {' is '.join(claimed)}", WRAP)], {}))
        for row in own.to_dict("records"):
            details = f"{row['verdict']}: {row['network']}, {row['profile']}, {row['where']}, n = {row['n']:g}"
            details = details.replace(" = ", "\u00a0=\u00a0")
            found.append((textwrap.wrap(details, WRAP), row))
    return found


def _rows(ax: Axes, entries: list[tuple[list[str], dict[str, Any]]]) -> None:
    """Draws the entries of one axis from top to bottom; a line of text is one unit of height."""
    drawn, place = [], 0.0
    for text, row in entries:
        colour = VERDICT_LOOK[row["status"]][1] if row else "black"
        ax.text(0, place, "\n".join(text), color=colour, fontsize=8, va="top", transform=ax.get_yaxis_transform())
        place += len(text)
        if row:
            drawn.append((place + ROOM / 2, row))
            place += ROOM
    ax.set_ylim(place, 0)
    if drawn[0][1]["unit"] == "points":
        ax.set_xscale("symlog", linthresh=2)
        ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: label(value)))
    else:
        ax.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
    marks = ["estimate", "low", "high", "threshold", "paper_value", "paper_low", "paper_high"]
    ends = [row[name] for name in marks for _, row in drawn]
    ends += [row["threshold"] + side * row["margin"] for side in (-1, 1) for _, row in drawn]
    ax.update_datalim([(x, 0) for x in ends if math.isfinite(x)])
    ax.autoscale_view(scaley=False)
    ax.set_xlim(limits := ax.get_xlim())
    if ax.get_xscale() == "symlog":
        few = [5] if max(map(abs, limits)) < 15 else [50]  # so that numbers do not touch
        ax.xaxis.set_major_locator(FixedLocator([0, *(side * x for x in (1, 2, 10, *few) for side in (-1, 1))]))
    for height, row in drawn:
        _row(ax, height, row)
    ax.set_yticks([])
    ax.spines["left"].set_visible(False)
    ax.tick_params(labelsize=8)
    ax.minorticks_off()


def _row(ax: Axes, height: float, row: dict[str, Any]) -> None:
    marker, colour = VERDICT_LOOK[row["status"]]
    threshold, margin = row["threshold"], row["margin"]
    bands = [(threshold - margin, threshold + margin, "margin"), (row["paper_low"], row["paper_high"], "paper")]
    for low, high, name in bands:
        if not math.isnan(low):
            ends = np.clip([low, high], *ax.get_xlim())
            ax.fill_between(ends, height - 0.5, height + 0.5, color=BANDS[name], linewidth=0, alpha=0.8)
    ax.plot([threshold] * 2, [height - 0.65, height + 0.65], color=GREY, linewidth=1, linestyle=(0, (2, 1.5)))
    ax.plot([row["paper_value"]] * 2, [height - 0.5, height + 0.5], color=PAPER, linewidth=2)
    ax.plot(np.clip([row["low"], row["high"]], *ax.get_xlim()), [height] * 2, color=colour, linewidth=1.6)
    ax.plot(row["estimate"], height, marker=marker, color=colour, markersize=6)


def badges(verdicts: pd.DataFrame, anchor: str) -> HTML:
    """The verdicts on a page's claims, each with its colour and how often it was given, as links to their picture."""
    counts = verdicts["status"].value_counts()
    links = " ".join(
        f'<a href="#{escape(anchor)}" style="border-left: 0.6em solid {VERDICT_LOOK[status][1]}; '
        f'padding: 0 0.5em; text-decoration: none">{escape(status)}{f" × {count}" if count > 1 else ""}</a>'
        for status, count in counts.items()
    )
    words = '<small><a href="../book/reading.html#verdicts">what these words mean</a></small>'
    return HTML(f'<p class="{BADGES}">{links} {words}</p>')


def claims(verdicts: pd.DataFrame, *, save: str | Path = "") -> None:
    """The claims of a page: a picture of ours beside the paper's, and a short table."""
    judged = _judged(verdicts)
    if len(judged):
        alt = "; ".join(f"{row.claim} {row.network} {row.status}, {_said(row.estimate)}" for row in judged.itertuples())
        words, name = f"Claims of the page. {alt}.", f"claims-{verdicts['figure'].iloc[0]}"  # each page its own files
        display(badges(judged, name))
        show(forest(verdicts), name, KEY, words, save=save, tables={"verdicts": verdicts}, scale=FOREST)
    columns = [
        "claim", "statement", "network", "paper_says", "verdict", "where", "n", "quantity", "estimate", "low", "high",
        "training",
    ]  # fmt: skip
    names = {"paper_says": "the paper", "low": "95 % from", "high": "to", "why": "not judged, because"}
    open_ones = verdicts[verdicts["status"].isin(UNJUDGED)]
    for shown in (judged[columns], open_ones[["claim", "statement", "network", "why"]]):
        if len(shown):
            styled = shown.rename(columns=names).style.hide().format(precision=3, na_rep="–")
            display(styled.format("{:.0f}", na_rep="–", subset=["n"]) if "n" in shown else styled)
