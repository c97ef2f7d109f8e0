"""What the curves of Morcos et al. 2018 come to, network by network: tables that a verdict can rest on."""

from __future__ import annotations

from collections.abc import Callable, Hashable

import pandas as pd

from ...runs.analyses import ANALYSES
from ..numbers import NONE, number, p_value, span, with_span
from ..robustness import MEMORISED, around, compared, measured, memorised, trend
from ..statistics import Interval, interval, paired
from ..study import MODEL_NAMES, Study, View
from .morcos_curves import OF_KIND, network_curves, share_label
from .shown import Table
from .tested import Tested

NORMALISED = (("none", "area, not normalised"), ("chance", "area, chance taken off"))


def corruption_table(study: Study) -> Tested:
    """Figures 1 and 2: the area under each network's curves by the share of corrupted labels."""
    parts = []
    for view in _views(study, "ablation_curves", "noise_curves"):
        networks = _measured(view)
        found = trend(networks, "label_corruption")
        over = "noise, on its log axis" if view.panel.kind == "noise_curves" else "the share of units clamped"
        words = (
            f"{MODEL_NAMES[view.model]}: area under accuracy over {over}, as a share of the unperturbed accuracy. "
            f"Rank correlation with the share of corrupted labels: {_correlation(found)}."
        )
        table = _table(networks, "label_corruption", 0.0, "labels corrupted", share_label)
        parts.append((words, Table(table, "Area under the curve by corruption, against true labels")))
    return Tested(parts)


def norm_table(study: Study) -> Tested:
    """Figure 5b: the area under the ablation curves with batch norm and without."""
    return _compared(
        study, "batch_norm_curves", "batch_norm", False, "batch norm", lambda norm: "yes" if norm else "no"
    )


def clamp_table(study: Study) -> Tested:
    """Figure A1: the area under the ablation curves, units clamped to zero or to their mean."""
    return _compared(study, "zero_mean", "kind", "zero", "clamped to", str)


def dropout_table(study: Study) -> Tested:
    """Figure 5a: what is left up to the share of units that was dropped in training, and beyond it."""
    parts = []
    for view in _views(study, "dropout_curves"):
        found = network_curves(view)
        runs = view.runs().assign(counts=memorised(view.runs()))
        rows = []
        for rate in sorted(runs["dropout"].unique()):
            trained = runs[runs["dropout"] == rate]
            parts_of = around(found[found["run"].isin(trained["run"])], rate).merge(trained, on="run")
            rows += _dropout_rows(parts_of, rate)
        words = (
            f"{MODEL_NAMES[view.model]}: accuracy as a share of the unperturbed one, where as many units are clamped "
            "as were dropped in training, and its mean from there on. Differences are taken within seeds."
        )
        parts.append((words, Table(pd.DataFrame(rows), "Dropout: random labels against true ones")))
    return Tested(parts)


def _dropout_rows(networks: pd.DataFrame, rate: float) -> list[dict[str, str]]:
    counted = networks[networks["counts"]].set_index("seed")
    true = counted[counted["label_corruption"] == 0]
    rows = []
    for share, every in networks.groupby("label_corruption"):
        mine = counted[counted["label_corruption"] == share]
        test = paired(mine["beyond"], true["beyond"]) if share and len(mine) and len(true) else None
        rows.append(
            {
                "dropout": f"{rate:g}", "labels corrupted": share_label(float(share)),
                "memorised": f"{len(mine)} of {len(every)}" if share else NONE,
                "accuracy (%), training and test": " and ".join(
                    number(100 * every[c].mean(), 1) for c in ("train_accuracy_last", "test_accuracy")
                ),
                "epochs to 95 %": NONE if share else number(every["t95"].mean(), 1),
                "left at that share": with_span(interval(mine["within"].to_numpy()), 3),
                "beyond it": with_span(interval(mine["beyond"].to_numpy()), 3),
                "difference to true labels": NONE if test is None else _difference(test.estimate, test.low, test.high),
                "p, paired t": NONE if test is None else p_value(test.p),
            }
        )  # fmt: skip
    return rows


def _compared(
    study: Study, kind: str, setting: str, control: Hashable, title: str, label: Callable[..., str]
) -> Tested:
    parts = []
    for view in _views(study, kind):
        words = f"{MODEL_NAMES[view.model]}: area under the ablation curve, as a share of the unperturbed accuracy."
        table = _table(_measured(view), setting, control, title, label)
        parts.append(
            (words, Table(table, f"Area under the curve; differences are taken from “{title}: {label(control)}”"))
        )
    return Tested(parts)


def _views(study: Study, *kinds: str) -> list[View]:
    """The views of a figure's panels of some kinds that have curves."""
    views = [study.view(panel) for panel in study.figure.panels if panel.kind in kinds]
    return [view for view in views if view is not None and len(view.table("curves"))]


def _measured(view: View) -> pd.DataFrame:
    labels = [ANALYSES[name].label for name in OF_KIND[view.panel.kind]]
    curves = view.study.tables.curves
    return measured(curves[curves["analysis"].isin(labels)], view.runs())


def _table(
    networks: pd.DataFrame, setting: str, control: Hashable, title: str, label: Callable[..., str]
) -> pd.DataFrame:
    found = compared(networks, setting, control)
    kept = networks[networks["counts"]].groupby(setting)
    frame = pd.DataFrame({title: [label(level) for level in found[setting]]})
    if setting == "label_corruption":
        frame["memorised"] = [f"{n} of {every}" for n, every in zip(found["n"], found["all"], strict=True)]
    else:
        frame["n"] = found["n"]
    means = (100 * kept["train_accuracy_last"].mean()).reindex(found[setting])
    frame["training accuracy (%)"] = [number(v, 1) for v in means]
    frame["area"] = [
        with_span(Interval(row.mean, row.low, row.high, row.n, "t"), 3) for row in found.itertuples(index=False)
    ]
    for value, name in NORMALISED:
        frame[name] = [number(v, 3) for v in kept[value].mean().reindex(found[setting])]
    frame["difference (95 % simultaneous)"] = [
        NONE
        if row[setting] == control
        else _difference(row["difference"], row["difference_low"], row["difference_high"])
        for _, row in found.iterrows()
    ]
    frame["p, Dunnett"] = [p_value(p) for p in found["p_dunnett"]]
    return frame


def _difference(mean: float, low: float, high: float) -> str:
    return with_span(Interval(mean, low, high, 0, "t"), 3, signed=True)


def _correlation(found: Interval) -> str:
    if not found.n:
        return f"not known (it takes three shares that count, memorised to {MEMORISED:g}, in one seed)"
    networks = f"{found.n} seed{'s' if found.n > 1 else ''}"
    bounds = span(found, 2)
    return f"{number(found.mean, 2)} (mean over {networks}{'' if bounds == NONE else f', 95 % interval {bounds}'})"
