"""Figure B3, and the trained half of B4: the paper's regulariser against one with another estimate of the index."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes

from ..controls import PLAIN, against_control, by_run, control_of
from ..numbers import alpha_label, number, p_value
from ..study import MODEL_NAMES, Study
from .shown import Nothing, Shown, Table, show
from .style import in_style, keep_apart, panels, percent, remove_legend
from .units import by_setting, settings_in_words

# Control -> how the paper's estimate and the control are called beside each other.
NAMES = {"shuffled": ("true labels", "permuted labels"), "unbiased": ("whole batch", "two halves")}
CONTROLS = {
    "shuffled": "Permuted labels: the labels that the index is computed with are permuted anew in every batch",
    "unbiased": "Two halves: the preferred class is chosen on one half of the batch, the means are taken on the other",
}
# Column -> its name, the factor it is shown with, and decimals.
MEASURES = {
    "test_accuracy": ("test accuracy (%)", 100, 1), "si": ("index SI", 1, 3), "si_shifted": ("shifted SI", 1, 3),
    "dprime": ("d′", 1, 2), "class_share": ("class share η²", 1, 3), "precision": ("precision", 1, 3),
    "mutual_information": ("mutual information (bits)", 1, 3), "mean_over_sd": ("mean/SD, median", 1, 2),
}  # fmt: skip
SHADES = ("0.0", "0.65")  # as `by_setting` has them
DRAWN = ("test_accuracy", "si", "si_shifted", "dprime", "class_share")


@in_style
def accuracy_at_selectivity(axes: Axes, groups: dict[str, pd.DataFrame]) -> None:
    """Test accuracy against the index, a dot a network; a line joins the means in the order of α.

    Args:
        axes: where to draw.
        groups: name -> rows of `controls.by_run`.
    """
    labels = []
    for (name, rows), marker, color in zip(groups.items(), "os", SHADES, strict=True):
        axes.plot(rows["si"], percent(rows["test_accuracy"]), marker, ms=3, color=color, alpha=0.5, mew=0)
        means = rows.groupby("alpha")[["si", "test_accuracy"]].mean()
        axes.plot(means["si"], percent(means["test_accuracy"]), f"{marker}-", color=color, lw=1, label=name)
        for alpha, mean in means.iterrows():
            labels.append(axes.annotate(
                alpha_label(alpha), (mean["si"], 100 * mean["test_accuracy"]), (5, 4), textcoords="offset points",
                fontsize=7, color="black" if marker == "o" else "0.4",
            ))  # fmt: skip
    keep_apart(axes, labels)
    axes.set_xlabel("index SI, less chance")
    axes.set_ylabel("test accuracy (%)")


def estimates(study: Study, model: str | None = None, part: str = "") -> Shown | Nothing:
    """What α does under the paper's estimate and under the control's: accuracy, the index, shift-free measures.

    Args:
        study: of a figure that compares two estimates ("classes", "batches").
        model: the network; the study's first by default.
        part: of the figure, where it has other pictures too.

    Raises:
        ParameterError: the study compares no estimates.
    """
    model, control, values = _values(study, model)
    groups = _of(values, control)
    if not all(rows["alpha"].nunique() > 1 for rows in groups.values()):
        return Nothing(study, part=part)
    figure, axes = panels(6, columns=3, width=3.5, height=2.8)
    alts = []
    for axis, measure in zip(axes, DRAWN, strict=False):
        name, scale, digits = MEASURES[measure]
        by_setting(axis, groups, measure, name if measure == "test_accuracy" else f"{name}, less chance", scale=scale)
        if axis is not axes[0]:
            remove_legend(axis)
        alts.append(f"{name} by α, {settings_in_words(groups, measure, digits, scale)}")
    axes[0].set_ylim(max(axes[0].get_ylim()[0], 0), min(axes[0].get_ylim()[1], 102))  # intervals may pass the bounds
    accuracy_at_selectivity(axes[5], groups)
    alts.append("The last panel draws these accuracies against these indices.")
    caption = (
        f"{MODEL_NAMES[model]} trained with the paper's regulariser ({NAMES[control][0]}) and with a control. "
        f"{CONTROLS[control]}. (a) Test accuracy, (b) the index, (c–e) measures that no offset moves, by α; means over "
        "units less what shuffled labels give on the test set, 95 % intervals over seeds. (f) Accuracy against the "
        "index, a dot a network, means labelled with α."
    )
    return show(figure, study, part=part, caption=caption, alt=" ".join(alts))


def control_table(study: Study, model: str | None = None) -> Table:
    """For every measure and α: the change under the paper's regulariser, under the control, and the difference.

    Args and errors as for `estimates`.
    """
    _, control, values = _values(study, model)
    plain, other = NAMES[control]
    changes = {
        "plain_change": f"change, {plain}", "other_change": f"change, {other}", "beyond": "beyond",
        "beyond_low": "from", "beyond_high": "to (95 %)",
    }  # fmt: skip
    parts = []
    for measure, (name, scale, digits) in MEASURES.items():
        found = against_control(values, control, measure)
        shown = pd.DataFrame({"measure": name, "α": [alpha_label(a) for a in found["alpha"]], "n": found["n"]})
        shown["at α = 0"] = [number(scale * v, digits) for v in found["baseline"]]
        for column, title in changes.items():
            shown[title] = [number(scale * v, digits, signed=True) for v in found[column]]
        shown["p, Holm"] = [p_value(p) for p in found["p_holm"]]
        shown[f"{other}, % of change"] = [number(100 * v, 0) for v in found["share"]]
        parts.append(shown)
    return Table(
        pd.concat(parts, ignore_index=True),
        f"Changes since α = 0, and what {plain} do beyond {other} at the same α; paired by seed (t test), Holm over α",
    )


def control_in_words(study: Study, model: str | None = None) -> str:
    """What the paper's regulariser does beyond the control, a Markdown list; numbers and words are computed.

    Args and errors as for `estimates`.
    """
    _, control, values = _values(study, model)
    lines = []
    for measure in DRAWN:
        found = against_control(values, control, measure)
        if len(found):
            lines.append(f"* {_measure_in_words(found, measure, control)}")
    return "\n".join(lines) or "No pair of runs is finished: there is nothing to compare."


def _measure_in_words(found: pd.DataFrame, measure: str, control: str) -> str:
    name, scale, digits = MEASURES[measure]
    plain, other = NAMES[control]
    ends = [found.loc[found["alpha"].idxmin()], found.loc[found["alpha"].idxmax()]]
    told = "; ".join(
        f"at α = {alpha_label(row['alpha'])} it changes with {plain} by "
        f"{number(scale * row['plain_change'], digits, signed=True)}, with {other} by "
        f"{number(scale * row['other_change'], digits, signed=True)}"
        for row in {row["alpha"]: row for row in ends}.values()
    )
    sentence = f"**{name}**: {told}. {_share_in_words(found, other)}"
    tested = found.dropna(subset=["p_holm"])
    if not len(tested):
        return sentence + "With fewer than two seeds there is no test of the difference."
    clear = tested[tested["p_holm"] < 0.05]
    if not len(clear):
        return sentence + f"These seeds can tell the two apart at no α (Holm, 0.05; {len(tested)} tested)."
    listed = ", ".join(
        f"α = {alpha_label(r.alpha)} ({number(scale * r.beyond, digits, signed=True)})" for r in clear.itertuples()
    )
    return sentence + f"They differ clearly at {listed} (Holm, 0.05; {len(tested)} tested)."


def _share_in_words(found: pd.DataFrame, other: str) -> str:
    known = found.dropna(subset=["share"])
    if not len(known):
        return ""
    listed = ", ".join(
        f"{number(100 * r.share, 0)} %"
        + ("" if pd.isna(r.share_low) else f" ({number(100 * r.share_low, 0)} to {number(100 * r.share_high, 0)})")
        + f" at α = {alpha_label(r.alpha)}"
        for r in known.itertuples()
    )
    return f"Of the change that the paper's regulariser brings, {other} bring {listed}. "


def _values(study: Study, model: str | None) -> tuple[str, str, pd.DataFrame]:
    model = model or study.models[0]
    control = control_of(study.specs)
    return model, control, by_run(study.runs(model), study.table("layers", model), study.table("units", model))


def _of(values: pd.DataFrame, control: str) -> dict[str, pd.DataFrame]:
    """Rows of each estimate under its name, both with the networks at α = 0."""
    baseline = values["alpha"] == 0
    return {
        name: values[baseline | (values["estimate"] == estimate)]
        for name, estimate in zip(NAMES[control], (PLAIN, control), strict=True)
    }
