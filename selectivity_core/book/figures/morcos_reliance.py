"""Does α change how much networks rely on single units? Neither paper shows it."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from ...runs.analyses import ANALYSES
from ..effects import against_baseline
from ..numbers import NONE, alpha_label, number, p_value
from ..robustness import measured
from ..statistics import interval
from ..study import MODEL_NAMES, Study
from .morcos_training import WAYS
from .shown import Nothing, Shown, Table, show
from .style import GREY, alpha_axis, alpha_color, in_style, panels

# What is done to the units, and how the areas under those curves are called.
DONE = {
    "ablation-test-mean": ("clamped to their mean", "o-"), "ablation-test": ("clamped to zero", "s--"),
    "noise-test": ("noise of their own SD", "D-"),
}  # fmt: skip
JUDGED = "ablation-test-mean"
WAY = "chance"  # networks of unlike accuracy are compared: what chance gives must not count as what survives
AXIS = "area under the curve, above chance"
SHIFT = 0.08  # of one line against another, so that intervals do not hide each other


def reliance(study: Study, model: str) -> dict[str, pd.DataFrame]:
    """Analysis -> areas of a network's runs, a row a run, with its α and seed.

    Areas above chance are NaN where a network is under twice chance: there is nothing to lose.
    """
    runs = study.runs(model)
    curves = study.tables.curves
    return {name: measured(curves[curves["analysis"] == ANALYSES[name].label], runs) for name in DONE}


def effects(study: Study, model: str, name: str = JUDGED, way: str = WAY) -> pd.DataFrame:
    """Areas at every α and their difference to α = 0 in the judging block model; α without any area are left out."""
    found = reliance(study, model)[name]
    found = found[found[way].notna()]
    return against_baseline(found, way) if len(found) else pd.DataFrame()


def reliance_figure(study: Study) -> Shown | Nothing:
    """Areas by α of every network: units clamped to their mean and to zero, and noise on all of them."""
    models = [model for model in study.models if len(reliance(study, model)[JUDGED])]
    if not models:
        return Nothing(study)
    figure, axes = panels(2 * len(models), columns=2, width=4.4, height=3.0)
    alts, used = list[str](), list[tuple[str, tuple[str, ...]]]()
    for k, model in enumerate(models):
        found = reliance(study, model)
        for axis, names in ((axes[2 * k], list(DONE)[:2]), (axes[2 * k + 1], list(DONE)[2:])):
            areas_by_alpha(axis, {name: found[name] for name in names})
            axis.set_title(MODEL_NAMES[model])
            used.append(("abcdefgh"[len(used)], tuple(found[names[0]]["run"])))
        alts.append(f"{MODEL_NAMES[model]}, mean {AXIS}: {'; '.join(_listed(found[n], DONE[n][0]) for n in DONE)}.")
    caption = (
        "Does α change the reliance on single units? Left: test accuracy that survives as units of the last three "
        "layers are clamped in random order, to their mean or to zero, as the area under the curve. Right: under noise "
        "on all units in units of their own standard deviation, over scales evenly spaced on a log axis. Larger areas "
        "mean less reliance. Areas are of accuracy above chance; networks under twice chance have none. "
        "Bars: 95 % intervals over seeds."
    )
    return show(figure, study, caption=caption, alt=" ".join(alts), used=tuple(used))


@in_style
def areas_by_alpha(axes: Axes, found: dict[str, pd.DataFrame], way: str = WAY) -> None:
    """A line for each thing done to the units, with intervals over seeds.

    Args:
        axes: where to draw.
        found: analysis -> areas with α.
        way: which normalisation.
    """
    alphas = sorted({a for rows in found.values() for a in rows["alpha"]})
    places = alpha_axis(axes, alphas)
    for k, (name, rows) in enumerate(found.items()):
        label, style = DONE[name]
        shift = SHIFT * (2 * k - len(found) + 1)
        bands = {a: interval(rows.loc[rows["alpha"] == a, way].to_numpy()) for a in alphas}
        bands = {a: band for a, band in bands.items() if band.n}
        across, means = [places[a] + shift for a in bands], [band.mean for band in bands.values()]
        axes.plot(across, means, style[1:], color="#999999", zorder=1, lw=1)
        for alpha, band in bands.items():
            low, high = np.nan_to_num([band.mean - band.low, band.high - band.mean])
            axes.errorbar(
                places[alpha] + shift,
                band.mean,
                [[low], [high]],
                fmt=style[0],
                color=alpha_color(alpha, alphas),
                capsize=2,
            )
        axes.plot([], [], style, color=GREY, label=label)
    axes.set_ylabel(AXIS)
    axes.legend(loc="best")


def _listed(rows: pd.DataFrame, label: str) -> str:
    means = rows.groupby("alpha")[WAY].mean()
    return f"{label}, " + ", ".join(f"{alpha_label(a)}: {number(v, 3)}" for a, v in means.items())


def reliance_in_words(study: Study) -> str:
    """What the mean clamp says of each network, in Markdown: where α clearly changes the area, and which way."""
    return "\n\n".join(f"**{MODEL_NAMES[model]}.** {_judged(effects(study, model))}" for model in study.models)


def _judged(found: pd.DataFrame) -> str:
    if not len(found) or found["p_holm"].isna().all():
        return "Too few networks are there to compare α with 0."
    others = found[found["alpha"] != 0].dropna(subset=["p_holm"])
    clear = others[others["p_holm"] < 0.05]
    if not len(clear):
        widest = (others["difference_high"] - others["difference_low"]).max()
        return (
            f"At none of {len(others)} values of α does the area with units clamped to their mean differ clearly from "
            f"that at α = 0 (Holm-corrected level 0.05; the widest interval spans {number(widest, 3)})."
        )
    parts = [
        f"at α = {alpha_label(row.alpha)} they rely {'less' if row.difference > 0 else 'more'} on single units (area "
        f"{number(row.difference, 3, signed=True)}, 95 % simultaneous interval {number(row.difference_low, 3)} to "
        f"{number(row.difference_high, 3)})"
        for row in clear.itertuples()
    ]
    rest = len(others) - len(clear)
    return f"With units clamped to their mean, {'; '.join(parts)}. For {rest} other values these seeds cannot tell."


def reliance_table(study: Study) -> Table:
    """Every network, thing done and α: the area in each normalisation, and the difference to α = 0 of that judged."""
    rows = []
    for model in study.models:
        for name, areas in reliance(study, model).items():
            compared = effects(study, model, name)
            tests = compared.set_index("alpha") if len(compared) else compared
            for alpha, some in areas.groupby("alpha"):
                row = {"network": MODEL_NAMES[model], "units": DONE[name][0], "α": alpha_label(alpha)}
                row |= {"n": str(len(some))} | {label: number(some[way].mean(), 3) for way, label in WAYS.items()}
                rows.append(row | _difference(tests.loc[alpha] if alpha in tests.index else None))
    if not rows:
        return Table(pd.DataFrame({"network": []}), "No network is finished")
    return Table(
        pd.DataFrame(rows),
        "Areas in three normalisations; difference of the area above chance to α = 0: one block model over seeds with "
        "Dunnett's contrasts. The verdict rests on units clamped to their mean",
    )


def _difference(test: pd.Series | None) -> dict[str, str]:
    if test is None or np.isnan(test["difference"]):
        return {"difference": NONE, "95 % simultaneous": NONE, "p, Holm": NONE}
    bounds = f"{number(test['difference_low'], 3)} to {number(test['difference_high'], 3)}"
    p = p_value(test["p_holm"])
    return {"difference": number(test["difference"], 3, signed=True), "95 % simultaneous": bounds, "p, Holm": p}
