"""A figure from its register entry: every panel drawn from its rows, with caption and alternative text."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from ..effects import signs_compared
from ..numbers import alpha_label, number
from ..paper.entries import DERIVED
from ..representations import distances, in_form, ratios
from ..study import MODEL_NAMES, Study, View
from . import morcos
from .accuracy import accuracy_against_selectivity, accuracy_by_alpha, accuracy_violins, collapsed, signs_violins
from .learning import time_to_learn
from .morcos_curves import CAPTIONS as CURVE_CAPTIONS
from .morcos_curves import KINDS as CURVES
from .representations import bound_by_alpha, bound_by_layer, cca_by_alpha, cca_layers, forms_in_words
from .selectivity import MEASURE_NAMES, by_alpha, by_layer, measure_in_words
from .shown import Nothing, Shown, show
from .style import panels
from .units import active_share, by_setting, rank_agreement, settings_in_words
from .words import (
    bands_in_words,
    further_values_in_words,
    index_in_words,
    intervals_in_words,
    means_in_words,
    signs_in_words,
)

Drawing = Callable[[Axes, View], str]
BANDED = ("tradeoff", "by_layer", "by_alpha", "two_networks", "leaky")
WITH_FURTHER = ("accuracy", "violins")
ACCURACIES = ("accuracy", "violins", "signs", "tradeoff")


def _accuracy(axes: Axes, view: View) -> str:
    value = view.panel.value or "test_accuracy"
    effects = accuracy_by_alpha(axes, view.runs(), value, further=view.further())
    return means_in_words(effects, value) + further_values_in_words(view.further(), value)


def _violins(axes: Axes, view: View) -> str:
    accuracy_violins(axes, view.runs(), further=view.further())
    further = further_values_in_words(view.further())
    spread = view.runs().groupby("alpha")["test_accuracy"].std()
    if not np.isfinite(spread).any():
        return f"one network at each α.{further}"
    return f"spread over networks (SD) from {spread.min() * 100:.1f} to {spread.max() * 100:.1f} points.{further}"


def _tradeoff(axes: Axes, view: View) -> str:
    means = view.means("si")
    runs = view.runs().merge(means[["run", "mean"]].rename(columns={"mean": "si_shown"}), on="run")
    index = "si_units" if view.panel.layers == "all" else "si_shown"
    accuracy_against_selectivity(axes, runs, index=index, null=means.groupby("alpha")["shuffled"].mean())
    return index_in_words(runs, index)


def _signs(axes: Axes, view: View) -> str:
    return signs_in_words(signs_violins(axes, view.runs()))


def _by_layer(axes: Axes, view: View) -> str:
    value, table = view.panel.value, view.table("layers")
    by_layer(axes, table, value)
    ends = []
    for alpha, rows in table.groupby("alpha"):
        means = rows.groupby("depth")[value].mean()
        ends.append(f"{alpha_label(alpha)}: {number(means.iloc[0], 2)} to {number(means.iloc[-1], 2)}")
    return f"{MEASURE_NAMES.get(value, value)} from the first to the last layer: {', '.join(ends)}."


def _by_alpha(axes: Axes, view: View) -> str:
    means = view.means(view.panel.value)
    by_alpha(axes, means, view.panel.value)
    return measure_in_words(means, view.panel.value)


def _two_networks(axes: Axes, view: View) -> str:
    groups = {MODEL_NAMES[v.model]: v.means(view.panel.value) for v in (view, view.other()) if len(v.runs())}
    by_setting(axes, groups, "mean", MEASURE_NAMES[view.panel.value])
    return f"{MEASURE_NAMES[view.panel.value]} by α, {settings_in_words(groups, 'mean')}"


def _leaky(axes: Axes, view: View) -> str:
    runs = view.runs()
    groups = {
        "ReLU" if name == "relu" else f"slope {name.partition(':')[2]}": rows
        for name, rows in runs.groupby("activation", sort=False)
    }
    by_setting(axes, groups, "test_accuracy", "test accuracy (%)", scale=100)
    return f"test accuracy (%) by α, {settings_in_words(groups, 'test_accuracy', digits=1, scale=100)}"


def _active(axes: Axes, view: View) -> str:
    sparse = active_share(axes, view.table("units"))
    listed = ", ".join(f"{alpha_label(a)}: {v * 100:.1f} %" for a, v in sparse.items())
    return f"share of units silent for at least half of the images by α: {listed}."


def _rank_agreement(axes: Axes, view: View) -> str:
    units = view.table("units")
    rho, n = rank_agreement(axes, units[units["alpha"] == 0])
    found = f"{number(rho, 2)} over {n} networks"
    return f"mean rank correlation of d′ and SI over units of a layer at α = 0: {found}."


def _t95(axes: Axes, view: View) -> str:
    medians = time_to_learn(axes, view.runs())
    listed = ", ".join(f"{alpha_label(a)}: {v:g}" for a, v in medians.items())
    return f"median epochs to 95 % of the best accuracy by α: {listed}."


def _pairs(view: View) -> pd.DataFrame:
    return distances(view.study.tables.pairs, view.runs())


def _cca_layers(axes: Axes, view: View) -> str:
    table = _pairs(view)
    alpha = min(_compared(table), key=lambda a: abs(a + 2))  # the paper's example is α = −2
    means = cca_layers(axes, table, alpha).mean()
    axes.set_title(f"{axes.get_title()} α = {alpha_label(alpha)}".strip())
    return (
        f"mean PWCCA distance at α = {alpha_label(alpha)}: within {means['within']:.3f}, to unregularised networks "
        f"{means['between']:.3f}, within those {means['baseline']:.3f}."
    )


def _compared(table: pd.DataFrame) -> list[float]:
    """The α values with distances within them, to α = 0 and within that."""
    return ratios(in_form(table, "paper"))["alpha"].tolist()


def _cca_by_alpha(value: str) -> Drawing:
    return lambda axes, view: forms_in_words(cca_by_alpha(axes, _pairs(view), value), value)


def _bounds(view: View) -> pd.DataFrame:
    return view.study.tables.bounds.merge(view.runs()[["run", "alpha", "seed"]], on="run")


def _bound_by_alpha(axes: Axes, view: View) -> str:
    means = bound_by_alpha(axes, _bounds(view))
    listed = "; ".join(
        f"{alpha_label(a)}: bound {row['bound']:.3f}, unit axes {row['axis']:.3f}, shifted {row['axis_shifted']:.3f}"
        for a, row in means.iterrows()
    )
    return f"mean selectivity by α: {listed}."


def _bound_by_layer(axes: Axes, view: View) -> str:
    means = bound_by_layer(axes, _bounds(view))["bound"].groupby("alpha").mean()
    return "bound averaged over layers by α: " + ", ".join(f"{alpha_label(a)}: {v:.3f}" for a, v in means.items()) + "."


KINDS: dict[str, Drawing] = {
    "accuracy": _accuracy, "violins": _violins, "tradeoff": _tradeoff, "signs": _signs, "by_layer": _by_layer,
    "by_alpha": _by_alpha, "two_networks": _two_networks, "leaky": _leaky, "active": _active,
    "rank_agreement": _rank_agreement, "t95": _t95, "cca_layers": _cca_layers, "cca_ratio": _cca_by_alpha("ratio"),
    "cca_excess": _cca_by_alpha("excess"), "bound_by_alpha": _bound_by_alpha, "bound_by_layer": _bound_by_layer,
    **CURVES, **morcos.KINDS,
}  # fmt: skip
CAPTIONS = CURVE_CAPTIONS | morcos.CAPTIONS


def draw(study: Study) -> Shown | Nothing:
    """Draws every panel of a study's figure that has rows, and says which have none and why.

    Args:
        study: of `gather`.
    """
    entry = study.figure
    views = [(panel, study.view(panel)) for panel in entry.panels]
    ready = [(panel, view) for panel, view in views if view is not None and _used(view)]
    absent = [panel for panel, _ in views if panel not in [p for p, _ in ready]]
    if not ready:
        return Nothing(study, absent)
    several = len({view.model for _, view in ready}) > 1
    figure, axes = panels(len(ready), columns=min(2, len(ready)), width=4.4, height=3.0, letters=False)
    alts = []
    for axis, (panel, view) in zip(axes, ready, strict=True):
        axis.set_title(panel.letter, loc="left", fontweight="bold")
        if several:
            axis.set_title(MODEL_NAMES[view.model])
        network = f"{MODEL_NAMES[view.model]}, " if several else ""
        alts.append(f"{panel.letter}{': ' if panel.letter else ''}{network}{KINDS[panel.kind](axis, view)}")
    parts = [
        f"{p.letter}{': ' if p.letter else ''}{p.title}{f' ({MODEL_NAMES[v.model]})' if several else ''}"
        for p, v in ready
    ]
    listed = "; ".join(parts)
    text = f"{entry.sentence} {listed[:1].upper() if not ready[0][0].letter else listed[:1]}{listed[1:]}."
    inferred = [p.letter or "the panel" for p, _ in ready if p.source == "inferred"]
    added = [p.letter for p, _ in ready if p.source == "added"]
    text += f" Inferred, not described in the paper's text: {', '.join(inferred)}." if inferred else ""
    text += f" Added by this book: {', '.join(added)}." if added else ""
    text += f" {entry.note}" if entry.note else ""
    if any(p.kind == "accuracy" for p, _ in ready):
        effects_of = next(v for p, v in ready if p.kind == "accuracy")
        text += f" {bands_in_words(effects_of.runs())}"
    elif spread := next((v for p, v in ready if p.kind in BANDED), None):
        text += f" {intervals_in_words(spread.runs())}".rstrip()
    if any(_below_the_axis(v) for p, v in ready if p.kind in ACCURACIES):
        text += " Triangles at the foot: means that lie below the axis."
    if any(p.kind in WITH_FURTHER and len(v.further()) for p, v in ready):
        text += " Hollow: networks at α = 0 that are in no mean."
    said = [words for p, v in ready if p.kind in CAPTIONS for words in CAPTIONS[p.kind](v)]
    text += "".join(f" {words}" for words in dict.fromkeys(said))
    used = tuple((panel.letter, _used(view)) for panel, view in ready)
    some = [
        f"{panel.letter or 'the panel'} ({len(runs)} of {len(view.runs())})"
        for (panel, view), (_, runs) in zip(ready, used, strict=True)
        if len(runs) < len(view.runs())
    ]
    text += f" From some of the networks only: {', '.join(some)}." if some else ""
    return show(figure, study, caption=text, alt=" ".join(alts), absent=absent, used=used)


def _below_the_axis(view: View) -> bool:
    further = view.further() if view.panel.kind in WITH_FURTHER else None
    return collapsed(view.runs(), view.panel.value or "test_accuracy", further)


def _used(view: View) -> tuple[str, ...]:
    """The runs that a panel is drawn from; none where they are not enough to draw it."""
    kind, runs = view.panel.kind, view.runs()["run"]
    if kind == "own" or (kind == "signs" and not len(signs_compared(view.runs()))):
        return ()
    if kind in morcos.USED:
        return morcos.USED[kind](view)
    table = DERIVED.get(kind, "units" if kind in ("active", "rank_agreement") else "runs")
    if table == "runs":
        beyond = view.further() if kind in WITH_FURTHER else view.other().runs() if view.panel.also else None
        return (*runs, *(() if beyond is None else beyond["run"]))
    rows = getattr(view.study.tables, table)
    if table == "pairs":
        rows = _pairs(view)
        if not _compared(rows):
            return ()
    there = set(rows["run"]) | set(rows.get("other", ()))
    return tuple(run for run in runs if run in there)
