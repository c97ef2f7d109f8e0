"""One number for each network's curve: the area under it (Morcos et al. 2018, 3.2)."""

from __future__ import annotations

import pandas as pd

from ..ablation.curves import NORMALISATIONS, areas_under
from ..data.catalogue import DATASETS

COLUMNS = ("run", "analysis", "kind", *NORMALISATIONS)


def areas(curves: pd.DataFrame, runs: pd.DataFrame) -> pd.DataFrame:
    """The area under every curve, averaged over its orderings, in each normalisation of `ablation_auc`.

    Of noise the scales take the place of fractions, evenly spaced as they are on a log axis, with no noise before the
    first: the area is then a mean over sizes of the noise.

    Args:
        curves: table `curves`.
        runs: table `runs`, for the chance of each run's data set: one in so many classes.

    Returns:
        a row a run, analysis and kind, in the order of the curves: run, analysis, kind, and initial, none and chance.
        Runs that `runs` does not have are left out.
    """
    classes = dict(zip(runs["run"], (DATASETS[name].classes for name in runs["dataset"]), strict=True))
    rows = []
    for (run, analysis, kind), curve in curves.groupby(["run", "analysis", "kind"], sort=False):
        if run not in classes:
            continue
        if kind == "noise":
            curve = curve.assign(fraction=curve["step"] / curve["step"].max())
        found = areas_under(curve, NORMALISATIONS, 1 / classes[run])
        means = {how: float(areas.mean()) for how, areas in found.items()}
        rows.append({"run": run, "analysis": analysis, "kind": kind, **means})
    return pd.DataFrame(rows, columns=list(COLUMNS))
