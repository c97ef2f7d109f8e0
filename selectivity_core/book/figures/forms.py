"""Figure B5: the PWCCA figures under the form that the paper's code computes and under the textbook's."""

from __future__ import annotations

import matplotlib as mpl
import pandas as pd
from matplotlib.axes import Axes

from ...tables import empty
from ..forms import JUDGED, PAPER, disagreements, layer_ratios, ratios_by_form
from ..numbers import alpha_label, number
from ..representations import FORMS, distances
from ..study import MODEL_NAMES, Study
from .representations import cca_layers
from .shown import Nothing, Shown, Table, show
from .style import GREY, RC, alpha_axis, in_style, layer_axis, panels, remove_legend

STYLES = {
    "paper": ("paper's", "o-", "black"), "paper, reversed": ("paper's, reversed", "o:", "#777777"),
    "textbook": ("textbook's", "s-", "#00838f"), "textbook, reversed": ("textbook's, reversed", "s:", "#4db6ac"),
}  # fmt: skip
NAMES = {form: label for form, (label, _, _) in STYLES.items()} | {
    "paper, averaged": "paper's, both orders", "textbook, averaged": "textbook's, both orders",
}  # fmt: skip
EXAMPLE = -2.0  # the paper's own example of distances layer by layer
NO_PAIR = "The activity of two networks at α = 0 is needed here, and their weights are not in the local store."


@in_style
def by_alpha(axes: Axes, found: pd.DataFrame, value: str) -> None:
    """The ratio or the excess by α in all four forms.

    Args:
        axes: where to draw.
        found: of `forms.ratios_by_form`.
        value: "ratio" or "excess".
    """
    places = alpha_axis(axes, sorted(found["alpha"].unique()))
    for form, (label, style, color) in STYLES.items():
        rows = found[found["form"] == form]
        axes.plot([places[a] for a in rows["alpha"]], rows[value], style, color=color, label=label, lw=1.1)
    axes.axhline(1.0 if value == "ratio" else 0.0, color=GREY, lw=0.8, ls="--")
    axes.set_ylabel("ratio ρ(α, 0) / ρ(α, α)" if value == "ratio" else "excess 2ρ(α, 0) − ρ(α, α) − ρ(0, 0)")
    if value == "ratio":
        axes.legend(loc="best")


@in_style
def by_layer(axes: Axes, found: pd.DataFrame, alpha: float) -> None:
    """The ratio of every layer at one α in all four forms (`forms.layer_ratios`)."""
    for form, (label, style, color) in STYLES.items():
        axes.plot(found.index + 1, found[form], style, color=color, label=label, lw=1.1, ms=3.5)
    axes.axhline(1.0, color=GREY, lw=0.8, ls="--")
    layer_axis(axes)
    axes.set_ylabel(f"ratio at α = {alpha_label(alpha)}")


@in_style
def by_offset(axes: Axes, moved: pd.DataFrame) -> pd.DataFrame:
    """The distance, averaged over layers, after a constant was added to every unit (`forms.with_offset`).

    Returns:
        the means drawn: a row a shift, a column a form.
    """
    means = moved.groupby(["shift", "form"])["distance"].mean().unstack("form")
    for form, (label, style, color) in STYLES.items():
        axes.plot(means.index, means[form], style, color=color, label=label, lw=1.1)
    axes.set_xlabel("constant added to every unit (SDs)")
    axes.set_ylabel("PWCCA distance ρ, mean of layers")
    axes.set_ylim(0, None)
    return means


def forms_figure(study: Study, moved: pd.DataFrame | None, model: str | None = None) -> Shown | Nothing:
    """Figure B5: ratio and excess by α, the ratio by layer, and what an offset does, in all four forms.

    Args:
        study: of figure "pwcca".
        moved: of `forms.with_offset` for two of its networks at α = 0; None where their weights are not at hand: that
            panel is then left out and the caption says so.
        model: the network; the study's first by default.
    """
    model, table = _distances(study, model)
    found = ratios_by_form(table)
    if not len(found):
        return Nothing(study)
    alpha = example_alpha(found)
    figure, axes = panels(3 + (moved is not None), columns=2, width=4.6, height=3.1)
    by_alpha(axes[0], found, "ratio")
    by_alpha(axes[1], found, "excess")
    by_layer(axes[2], layer_ratios(table, alpha), alpha)
    caption = [
        f"{MODEL_NAMES[model]}. (a) The paper's ratio and (b) the excess by α, means over layers and pairs of networks "
        f"of different seeds, in the form that the paper's code computes and in the textbook's, with the regularised "
        f"network as first argument and as second (reversed). (c) The ratio layer by layer at α = {alpha_label(alpha)}."
    ]
    alt = [
        f"{value} by α. "
        + "; ".join(f"{NAMES[form]}: {_listed(found[found['form'] == form], value)}" for form in FORMS)
        + "."
        for value in ("ratio", "excess")
    ]
    if moved is None:
        caption.append("The panel on offset is left out: the networks' weights are not in the local store.")
    else:
        means = by_offset(axes[3], moved)
        caption.append(
            "(d) The distance of two networks trained at α = 0, after a constant was added to every unit of both, in "
            "SDs of the unit."
        )
        first, last = means.iloc[0], means.iloc[-1]
        alt.append(
            f"distance with {means.index[0]:g} and with {means.index[-1]:g} SDs added: "
            + "; ".join(f"{NAMES[form]} {number(first[form], 3)} and {number(last[form], 3)}" for form in FORMS)
            + "."
        )
    return show(figure, study, caption=" ".join(caption), alt=" ".join(alt))


def layers_in_both_forms(study: Study, model: str | None = None) -> Shown | Nothing:
    """The distances layer by layer at one α, once in the paper's form and once in the textbook's."""
    model, table = _distances(study, model)
    found = ratios_by_form(table)
    if not len(found):
        return Nothing(study, part="-layers")
    alpha = example_alpha(found)
    figure, axes = panels(2, width=4.6, height=3.3)
    alts = []
    for axis, form in zip(axes, (PAPER, JUDGED), strict=True):
        means = cca_layers(axis, table, alpha, form).mean()
        axis.set_title(NAMES[form])
        remove_legend(axis)
        alts.append(
            f"{NAMES[form]}: mean over layers within α {number(means['within'], 3)}, to α = 0 "
            f"{number(means['between'], 3)}, within α = 0 {number(means['baseline'], 3)}."
        )
    with mpl.rc_context(RC):
        axes[-1].legend(loc="center left", bbox_to_anchor=(1, 0.5))
    return show(
        figure, study, part="-layers", alt=" ".join(alts),
        caption=f"Distances layer by layer at α = {alpha_label(alpha)} in the paper's form (a) and in the textbook's "
        "(b), averaged over both argument orders: within α, between α and 0, within α = 0. The golden line is the "
        "distance to activity whose rows are shuffled.",
    )  # fmt: skip


def example_alpha(found: pd.DataFrame) -> float:
    """The α shown layer by layer: of those there are the one nearest to −2."""
    return min((float(a) for a in found["alpha"].unique()), key=lambda a: (abs(a - EXAMPLE), a))


def forms_table(study: Study, model: str | None = None) -> Table:
    """Ratio and excess at every α in every form, with the test that exchanges networks."""
    found = ratios_by_form(_distances(study, model)[1])
    shown = pd.DataFrame(
        {
            "form": [NAMES[f] for f in found["form"]],
            "α": [alpha_label(a) for a in found["alpha"]],
            "ratio": [number(v, 3) for v in found["ratio"]],
            "excess": [number(v, 4, signed=True) for v in found["excess"]],
            "p, exchanging networks": [number(p, 3) for p in found["p_networks"]],
        }
    )
    return Table(shown, "Ratio and excess by form, means over layers")


def disagreement_table(study: Study, model: str | None = None) -> Table:
    """Where the paper's form and the textbook's averaged over orders point to different sides, α by α."""
    found = disagreements(_distances(study, model)[1])
    shown = pd.DataFrame(
        {
            "α": [alpha_label(a) for a in found["alpha"]],
            "layers": found["layers"],
            "layers whose ratio disagrees": found["layers_ratio"],
            "layers whose excess disagrees": found["layers_excess"],
            "mean ratio": ["disagree" if b else "agree" for b in found["ratio"]],
            "mean excess": ["disagree" if b else "agree" for b in found["excess"]],
        }
    )
    return Table(shown, "The paper's form, in the paper's order, against the textbook's averaged over both orders")


def rotation_table(turned: pd.DataFrame) -> Table:
    """What a rotation of a layer does (`forms.rotated`): means over layers, and the largest distance to a copy."""
    means = turned.groupby(["form", "pair"])["distance"].mean().unstack("pair")
    most = turned[turned["pair"] == "copy"].groupby("form")["distance"].max()
    change = turned.pivot(index=["form", "depth"], columns="pair", values="distance")
    largest = (change["rotated"] - change["as is"]).abs().groupby("form").max()
    shown = pd.DataFrame(
        {
            "form": [NAMES[f] for f in FORMS],
            "to its rotated copy, at most": [f"{most[f]:.0e}".replace("-", "−") for f in FORMS],
            "to another network": [number(means.loc[f, "as is"], 3) for f in FORMS],
            "the same, first one rotated": [number(means.loc[f, "rotated"], 3) for f in FORMS],
            "largest change in a layer": [number(largest[f], 3) for f in FORMS],
        }
    )
    return Table(shown, "Distances before and after the units of a layer were rotated at random; means over layers")


def forms_in_words(study: Study, moved: pd.DataFrame | None, model: str | None = None) -> str:
    """Where the paper's form disagrees with the textbook's, and what an offset does; numbers and words computed."""
    _, table = _distances(study, model)
    apart = disagreements(table)
    if not len(apart):
        return (
            "Pairs of networks of different seeds are needed, at α = 0 and at another α: there is nothing to compare."
        )
    found = ratios_by_form(table).set_index(["form", "alpha"])
    sentences = [_side_in_words(apart, found, value) for value in ("ratio", "excess")]
    layers = int(apart["layers"].sum())
    sentences.append(
        f"Layer by layer the ratio lies on different sides of 1 in {int(apart['layers_ratio'].sum())} of {layers} "
        f"cases, the excess on different sides of 0 in {int(apart['layers_excess'].sum())}."
    )
    for form, name in (("paper", "the paper's form"), ("textbook", "the textbook's")):
        gap = (found.loc[f"{form}, reversed", "ratio"] - found.loc[form, "ratio"]).abs()
        sentences.append(f"In {name} the order of the arguments alone moves the ratio by up to {number(gap.max())}.")
    if moved is not None and moved["shift"].nunique() > 1:
        means = moved.groupby(["form", "shift"])["distance"].mean().unstack("shift")
        changes = ", ".join(
            f"{NAMES[form]} {number(100 * (means.loc[form].iloc[-1] / means.loc[form].iloc[0] - 1), 1, signed=True)} %"
            for form in FORMS
        )
        sentences.append(
            f"Raising a constant on every unit from {means.columns[0]:g} to {means.columns[-1]:g} SDs changes the mean "
            f"distance of two networks at α = 0: {changes}."
        )
    return " ".join(sentences)


def _side_in_words(apart: pd.DataFrame, found: pd.DataFrame, value: str) -> str:
    edge = 1 if value == "ratio" else 0
    where = apart.loc[apart[value], "alpha"]
    if not len(where):
        return f"The mean {value} lies on the same side of {edge} in both forms at all α ({len(apart)})."
    listed = ", ".join(
        f"α = {alpha_label(a)} ({number(found[value][PAPER, a], 3)} against {number(found[value][JUDGED, a], 3)})"
        for a in where
    )
    return (
        f"The mean {value} lies on different sides of {edge} in the paper's form and in the textbook's at {len(where)} "
        f"of {len(apart)} values of α: {listed}."
    )


def _distances(study: Study, model: str | None) -> tuple[str, pd.DataFrame]:
    model, pairs = model or study.models[0], study.tables.pairs
    return model, distances(pairs if len(pairs) else empty("pairs"), study.runs(model))


def _listed(rows: pd.DataFrame, value: str) -> str:
    return ", ".join(f"{alpha_label(a)}: {number(v, 3)}" for a, v in zip(rows["alpha"], rows[value], strict=True))
