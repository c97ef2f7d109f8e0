"""Figure B3, and the trained half of B4: the paper's regulariser against one with another estimate of the index."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes

from ..controls import PLAIN, against_control, by_run, control_of
from ..study import MODEL_NAMES, Study
from .numbers import NONE, number
from .shown import Nothing, Shown, Table, show
from .style import NULL, alpha_label, in_style, panels, percent
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
DRAWN = ("test_accuracy", "si", "si_shifted", "dprime", "class_share")


@in_style
def accuracy_at_selectivity(axes: Axes, groups: dict[str, pd.DataFrame]) -> None:
    """Test accuracy against the index, a dot a network; a line joins the means in the order of α.

    Args:
        axes: where to draw.
        groups: name -> rows of `controls.by_run`.
    """
    for (name, rows), marker, color in zip(groups.items(), "os", ("black", NULL), strict=True):
        axes.plot(rows["si"], percent(rows["test_accuracy"]), marker, ms=3, color=color, alpha=0.5, mew=0)
        means = rows.groupby("alpha")[["si", "test_accuracy"]].mean()
        axes.plot(means["si"], percent(means["test_accuracy"]), f"{marker}-", color=color, lw=1, label=name)
        for alpha, mean in means.iterrows():
            axes.annotate(
                alpha_label(alpha), (mean["si"], 100 * mean["test_accuracy"]), (3, 4 if marker == "o" else -10),  # type: ignore[arg-type]
                textcoords="offset points", fontsize=7, color=color,
            )  # fmt: skip
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
    if not len(_of(values, control)[NAMES[control][1]].query("alpha != 0")):
        return Nothing(study)
    groups = _of(values, control)
    figure, axes = panels(6, columns=3, width=3.5, height=2.8)
    alts = []
    for axis, measure in zip(axes, DRAWN, strict=False):
        name, scale, digits = MEASURES[measure]
        by_setting(axis, groups, measure, name if measure == "test_accuracy" else f"{name}, less chance", scale=scale)
        if axis is not axes[0]:
            axis.get_legend().remove()
        alts.append(f"{name} by α, {settings_in_words(groups, measure, digits, scale)}")
    accuracy_at_selectivity(axes[5], groups)
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
    model, control, values = _values(study, model)
    plain, other = NAMES[control]
    rows = []
    for measure, (name, scale, digits) in MEASURES.items():
        for row in against_control(values, control, measure).to_dict("records"):

            def text(column: str, row: dict = row, scale: int = scale, digits: int = digits) -> str:
                return number(scale * row[column], digits, signed=column not in ("baseline",))

            low, high = text("beyond_low"), text("beyond_high")
            rows.append(
                {
                    "measure": name, "α": alpha_label(row["alpha"]), "n": row["n"], "at α = 0": text("baseline"),
                    f"change, {plain}": text("plain_change"), f"change, {other}": text("other_change"),
                    "beyond": text("beyond"), "95 %": NONE if NONE in (low, high) else f"{low} to {high}",
                    "p, Holm": number(row["p_holm"], 3),
                }
            )  # fmt: skip
    columns = ["measure", "α", "n", "at α = 0", f"change, {plain}", f"change, {other}", "beyond", "95 %", "p, Holm"]
    return Table(
        pd.DataFrame(rows, columns=columns),
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
        f"at α = {alpha_label(row['alpha'])} {plain} change it by "
        f"{number(scale * row['plain_change'], digits, signed=True)}, {other} by "
        f"{number(scale * row['other_change'], digits, signed=True)}"
        for row in {row["alpha"]: row for row in ends}.values()
    )
    sentence = f"**{name[:1].upper()}{name[1:]}**: {told}. "
    tested = found.dropna(subset=["p_holm"])
    if not len(tested):
        return sentence + "With fewer than two seeds there is no test of the difference."
    clear = tested[tested["p_holm"] < 0.05]
    if not len(clear):
        return sentence + f"At none of {len(tested)} values of α can these seeds tell the two apart (Holm, 0.05)."
    listed = ", ".join(
        f"α = {alpha_label(r.alpha)} ({number(scale * r.beyond, digits, signed=True)})" for r in clear.itertuples()
    )
    return sentence + f"They differ clearly at {len(clear)} of {len(tested)} values of α: {listed} (Holm, 0.05)."


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
