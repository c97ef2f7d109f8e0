"""From runs to effects: what α does against α = 0, and what its sign does at equal size."""

from __future__ import annotations

import numpy as np
import pandas as pd

from .statistics import bonferroni, dunnett_block, holm, interval, rank_sum, rank_sum_floor, stars, welch


def against_baseline(runs: pd.DataFrame, value: str = "test_accuracy") -> pd.DataFrame:
    """Each α against α = 0: the judging test (block model, Dunnett) beside the paper's (Welch, Bonferroni).

    Args:
        runs: completed runs of one network: alpha, seed, `value`.
        value: the column compared.

    Returns:
        a row an α, ascending: n, mean, low and high (95 % interval of the mean), difference to α = 0 with its
        simultaneous interval, p values, and the mark of the Holm-corrected block contrasts. Tests are NaN where
        fewer than two seeds are there.
    """
    rows = []
    baseline = runs.loc[runs["alpha"] == 0, value].to_numpy()
    contrasts = {}
    if len(baseline) and runs["alpha"].nunique() > 1 and runs["seed"].nunique() > 1:
        contrasts = {float(c.treatment): c for c in dunnett_block(runs, value=value)}  # type: ignore[arg-type]
    for alpha, group in runs.groupby("alpha"):
        values = group[value].to_numpy()
        band = interval(values)
        row = {"alpha": float(alpha), "n": len(values), "mean": band.mean, "low": band.low, "high": band.high}
        contrast = contrasts.get(row["alpha"])
        row |= {"difference": np.nan, "difference_low": np.nan, "difference_high": np.nan}
        row |= {"p_dunnett": np.nan, "p_block": np.nan, "p_welch": np.nan}
        if contrast is not None:
            row |= {"difference": contrast.estimate, "difference_low": contrast.low}
            row |= {"difference_high": contrast.high, "p_dunnett": contrast.p_adjusted}
            row |= {"p_block": contrast.p_unadjusted, "p_welch": welch(values, baseline).p}
        rows.append(row)
    frame = pd.DataFrame(rows)
    frame["p_holm"] = holm(frame["p_block"])
    frame["p_welch_bonferroni"] = bonferroni(frame["p_welch"])
    frame["mark"] = [stars(p) for p in frame["p_holm"]]
    return frame


def signs_compared(runs: pd.DataFrame, value: str = "test_accuracy") -> pd.DataFrame:
    """α < 0 against α > 0 at equal |α| by rank sums (Leavitt & Morcos, Fig. 4a).

    Args:
        runs: completed runs of one network: alpha, seed, `value`.
        value: the column compared.

    Returns:
        a row a size |α| that has both signs: n and mean of each, their difference (negative sign minus positive), the
        rank-sum p with Holm and Bonferroni, the mark, and `reachable`: whether so few seeds could reach 0.05 at all.
    """
    rows = []
    for size in sorted({abs(a) for a in runs["alpha"]} - {0.0}):
        below = runs.loc[runs["alpha"] == -size, value].to_numpy()
        above = runs.loc[runs["alpha"] == size, value].to_numpy()
        if not len(below) or not len(above):
            continue
        tested = rank_sum(below, above)
        rows.append(
            {
                "size": size, "n_negative": len(below), "n_positive": len(above), "negative": below.mean(),
                "positive": above.mean(), "difference": below.mean() - above.mean(), "p": tested.p,
                "floor": rank_sum_floor(len(below), len(above)),
            }
        )  # fmt: skip
    frame = pd.DataFrame(
        rows, columns=["size", "n_negative", "n_positive", "negative", "positive", "difference", "p", "floor"]
    )
    frame["p_holm"], frame["p_bonferroni"] = holm(frame["p"]), bonferroni(frame["p"])
    frame["mark"] = [stars(p) for p in frame["p_holm"]]
    # Holm never falls when a p value grows: at the floors it is as low as it can get.
    frame["reachable"] = holm(frame["floor"].where(frame["p"].notna())) <= 0.05
    return frame


def over_units(layers: pd.DataFrame, value: str, which: str = "all") -> pd.DataFrame:
    """A measure's mean over the units of each network, from the means of its layers.

    Args:
        layers: table `layers` with alpha and seed.
        value: one of its columns; "si_living" counts living units only.
        which: "all" layers, the "first3" or the "last3".

    Returns:
        a row a run: run, alpha, seed, `mean`, and `shuffled`: what shuffled labels give (NaN where that is unknown).
        Both are over living units for "si_living": dead ones have an index of 0 under any labels.
    """
    rows = layers
    if which != "all":
        rank = rows.groupby("run")["depth"].rank(ascending=which == "first3")
        rows = rows[rank <= 3]
    alive = 1 - rows["dead"] if value == "si_living" else 1
    weight = rows["units"] * alive
    null = rows.get(f"{'si' if value == 'si_living' else value}_shuffled")
    kept = rows[value].notna()  # a layer without living units has no mean
    frame = rows[["run", "alpha", "seed"]].assign(
        weight=weight.where(kept, 0.0), mean=(weight * rows[value]).where(kept, 0.0),
        units=rows["units"], shuffled=np.nan if null is None else rows["units"] * null,
    )  # fmt: skip
    sums = frame.groupby(["run", "alpha", "seed"], sort=False, as_index=False).sum(min_count=1)
    sums["mean"] = sums["mean"] / sums["weight"].where(sums["weight"] > 0)
    counted = sums["weight"] if value == "si_living" else sums["units"]
    sums["shuffled"] = sums["shuffled"] / counted.where(counted > 0)
    return sums[["run", "alpha", "seed", "mean", "shuffled"]]
