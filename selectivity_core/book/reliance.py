"""How much networks rely on single units: curves under ablation or noise, one number a network."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ..ablation.curves import NORMALISATIONS, areas_under
from ..data import DATASETS
from ..errors import MissingRunsError
from ..runs.analyses import ANALYSES
from .evidence import fitted


def curves_of(curves: pd.DataFrame, analysis: str) -> pd.DataFrame:
    """The rows of one analysis ("ablation", "noise", …) of table `curves`."""
    return curves[curves["analysis"] == ANALYSES[analysis].label] if len(curves) else curves


def by_network(curves: pd.DataFrame) -> pd.DataFrame:
    """Every network's own curve: orderings (draws of noise) are no replicates, so they are averaged first.

    Returns:
        run, analysis, kind, step, fraction, accuracy.
    """
    keys = ["run", "analysis", "kind", "step", "fraction"]
    return curves.groupby(keys, sort=False, as_index=False)["accuracy"].mean()


def areas(curves: pd.DataFrame, runs: pd.DataFrame) -> pd.DataFrame:
    """The area under every curve, averaged over its orderings, in each normalisation of `ablation_auc`.

    Of noise the scales take the place of fractions, evenly spaced as they are on a log axis, with no noise before the
    first: the area is then a mean over sizes of the noise.

    Args:
        curves: table `curves`.
        runs: table `runs`.

    Returns:
        a row a run, analysis and kind: analysis, kind, initial, none, chance, the columns of `runs`, and `fits`:
        whether the network has fitted its training images.
    """
    classes = dict(zip(runs["run"], (DATASETS[name].classes for name in runs["dataset"]), strict=True))
    rows = []
    for (run, analysis, kind), curve in curves.groupby(["run", "analysis", "kind"], sort=False):
        if run not in classes:
            continue
        if kind == "noise":
            curve = curve.assign(fraction=curve["step"] / curve["step"].max())
        found = areas_under(curve, NORMALISATIONS, 1 / classes[run])
        rows.append({"run": run, "analysis": analysis, "kind": kind, **{k: float(v.mean()) for k, v in found.items()}})
    frame = pd.DataFrame(rows, columns=["run", "analysis", "kind", *NORMALISATIONS])
    return frame.merge(runs.assign(fits=fitted(runs)), on="run", validate="many_to_one")


def left_out(runs: pd.DataFrame, *by: str) -> pd.DataFrame:
    """Networks that have not fitted their training images, for each setting that has any.

    Args:
        runs: table `runs`, or `areas`.
        by: columns that tell settings apart.

    Returns:
        a row a setting, as pages show it: `by`, networks (all of the setting), left out (how many of them), seeds
        (theirs) and lowest training accuracy (%).
    """
    once = runs.drop_duplicates("run")
    out = once[~fitted(once)].sort_values("seed").groupby(list(by))
    found = pd.DataFrame(
        {
            "networks": once.groupby(list(by)).size(), "left out": out.size(),
            "seeds": out["seed"].agg(lambda seeds: ", ".join(map(str, seeds))),
            "lowest training accuracy (%)": 100 * out["train_accuracy_last"].min(),
        }
    )  # fmt: skip
    return found.dropna().astype({"left out": int}).reset_index()


def fitting(areas: pd.DataFrame) -> pd.DataFrame:
    """The rows of `areas` whose networks fit their training images.

    Raises:
        MissingRunsError: none does, so that reliance cannot be compared.
    """
    if not areas["fits"].any():
        best = 100 * areas["train_accuracy_last"].max()
        raise MissingRunsError(
            f"no network fits its training images (the best has {best:.0f} % of them right at its last epoch); "
            "train for more epochs to compare reliance"
        )
    return areas[areas["fits"]]


def kept_within_and_beyond(curves: pd.DataFrame, share: float) -> pd.DataFrame:
    """What is left of accuracy at a share of ablated units, and on average beyond it.

    Args:
        curves: of `by_network`, one analysis and kind.
        share: of units, such as the share that training dropped; in [0, 1).

    Returns:
        a row a run: run, within (accuracy at the share, over accuracy with no unit ablated) and beyond (the mean of the
        same over larger shares).
    """
    rows = []
    for run, curve in curves.sort_values("step").groupby("run", sort=False):
        places, kept = curve["fraction"].to_numpy(), curve["accuracy"].to_numpy() / curve["accuracy"].iloc[0]
        within = float(np.interp(share, places, kept))
        after = places > share
        area = np.trapezoid([within, *kept[after]], [share, *places[after]])
        rows.append({"run": run, "within": within, "beyond": float(area / (1 - share))})
    return pd.DataFrame(rows, columns=["run", "within", "beyond"])
