"""Colours, sizes and labels: blue for α < 0, red for α > 0, darker for larger |α|, grey for 0."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import product
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.text import Annotation
from matplotlib.ticker import MaxNLocator
from matplotlib.transforms import Bbox

from ..numbers import alpha_label

RC: dict[Any, Any] = {
    "figure.dpi": 100, "font.size": 9, "axes.titlesize": 9.5,
    "axes.spines.top": False, "axes.spines.right": False, "axes.grid": True, "grid.color": "#e6e6e6",
    "grid.linewidth": 0.6, "axes.axisbelow": True, "legend.frameon": False, "legend.fontsize": 8,
    "svg.hashsalt": "selectivity", "lines.markersize": 4.5, "lines.linewidth": 1.4,
}  # fmt: skip
in_style = mpl.rc_context(RC)  # decorates what draws: legends and ticks take their sizes when they are made
GREY = "#555555"
ON_TOP: dict[str, Any] = {"frameon": True, "framealpha": 1, "edgecolor": "none"}  # of a legend that lines pass behind
NULL = "#b8860b"  # what shuffled labels give


def alpha_color(alpha: float, alphas: Iterable[float]) -> str:
    """The colour of an α among those shown: its rank in |α| decides how dark it is."""
    if alpha == 0:
        return GREY
    sizes = sorted({abs(a) for a in alphas if a})
    place = (sizes.index(abs(alpha)) + 1) / len(sizes) if abs(alpha) in sizes else 1.0
    ramp = mpl.colormaps["Blues" if alpha < 0 else "Reds"]
    return mpl.colors.to_hex(ramp(0.35 + 0.6 * place))


def panels(
    count: int, *, columns: int | None = None, width: float = 3.6, height: float = 2.9, letters: bool = True
) -> tuple[Figure, list[Axes]]:
    """A figure of `count` panels in a row (or in `columns`), lettered a, b, c where several are to be."""
    columns = columns or count
    rows = -(-count // columns)
    with mpl.rc_context(RC):
        figure = Figure(figsize=(width * columns, height * rows), layout="constrained")
        grid = figure.subplots(rows, columns, squeeze=False).ravel().tolist()
    for spare in grid[count:]:
        spare.remove()
    if count > 1 and letters:
        for letter, axes in zip("abcdefghijklmnop", grid[:count], strict=False):
            axes.set_title(letter, loc="left", fontweight="bold")
    return figure, grid[:count]


def alpha_axis(axes: Axes, alphas: list[float]) -> dict[float, int]:
    """Evenly spaced places for α values, as the paper draws them; returns where each stands."""
    places = {alpha: k for k, alpha in enumerate(alphas)}
    axes.set_xticks(list(places.values()), [alpha_label(a) for a in alphas], rotation=45 if len(alphas) > 6 else 0)
    axes.set_xlim(-0.6, len(alphas) - 0.4)
    axes.set_xlabel("regulariser scale α")
    return places


# Where a label may stand beside its point, in points, and how it is aligned there; the first that is free is taken.
BESIDE = [((x, y), side, edge) for x, side in ((5, "left"), (-5, "right")) for y, edge in ((4, "bottom"), (-4, "top"))]
POINT = 3  # pixels from a point's middle to its rim


def keep_apart(axes: Axes, labels: Sequence[Annotation]) -> None:
    """Moves labels around their points: none covers another or a point, none is nearer to another point than to its
    own; none lies on an error bar where there is other room. One that has no room at all is taken away.

    Call it when all else is drawn: room is measured at the limits that the axes have then.
    """
    axes.autoscale_view()
    points = axes.transData.transform([label.xy for label in labels])
    taken = [Bbox([point - POINT, point + POINT]) for point in points]
    bars = [
        Bbox(axes.transData.transform(segment))
        for lines in axes.collections
        if isinstance(lines, LineCollection)
        for segment in lines.get_segments()
        if len(segment) == 2  # nothing is left of a bar whose ends are not known
    ]
    for own, label in zip(points, labels, strict=True):
        for avoided, (place, side, edge) in product((taken + bars, taken), BESIDE):
            label.set_position(place)
            label.set(ha=side, va=edge)
            box = label.get_window_extent()
            away = [_distance(box, point) for point in points]
            if not any(_meet(box, other) for other in avoided) and _distance(box, own) <= min(away):
                taken.append(box)
                break
        else:
            label.remove()


def _meet(box: Bbox, other: Bbox) -> bool:
    """Whether two boxes share a point; of a bar, whose box has no width or no height, too."""
    return box.x0 < other.xmax and other.xmin < box.x1 and box.y0 < other.ymax and other.ymin < box.y1


def _distance(box: Bbox, point: np.ndarray) -> float:
    """Pixels from the middle of a box to a point."""
    return float(np.hypot((box.x0 + box.x1) / 2 - point[0], (box.y0 + box.y1) / 2 - point[1]))


def remove_legend(axes: Axes) -> None:
    """Takes the legend away, where there is one."""
    if (legend := axes.get_legend()) is not None:
        legend.remove()


def layer_axis(axes: Axes) -> None:
    """Layers are counted in whole numbers."""
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("layer of units")


def percent(values: object) -> np.ndarray:
    """Fractions as percentages."""
    return np.asarray(values, dtype=float) * 100
