"""What a network keeps under ablation or noise, by how it was trained: one number a network, paired by seed."""

from __future__ import annotations

from collections.abc import Hashable

import numpy as np
import pandas as pd

from ..errors import ParameterError
from .areas import areas
from .statistics import Interval, dunnett_block, interval, mean_correlation, spearman

MEMORISED = 0.95  # training accuracy from which on a network trained on corrupted labels counts


def memorised(runs: pd.DataFrame) -> pd.Series:
    """Which networks count: those trained on true labels, and those that know the corrupted ones by heart.

    Args:
        runs: table `runs`: label_corruption, and train_accuracy_last (on the labels trained with, dropout off).

    Returns:
        a truth value for each row.
    """
    return (runs["label_corruption"] == 0) | (runs["train_accuracy_last"] >= MEMORISED)


def by_network(curves: pd.DataFrame) -> pd.DataFrame:
    """Every network's own curve: orderings are no replicates, so they are averaged first.

    Args:
        curves: table `curves`; draws of noise stand in its column `ordering`.

    Returns:
        run, analysis, kind, step, fraction, accuracy (mean over orderings) and sd (over orderings, with n − 1; NaN for
        a single one).
    """
    keys = ["run", "analysis", "kind", "step", "fraction"]
    grouped = curves.groupby(keys, sort=False)["accuracy"]
    return grouped.agg(accuracy="mean", sd="std").reset_index()


def measured(curves: pd.DataFrame, runs: pd.DataFrame) -> pd.DataFrame:
    """Areas of every curve beside how its network was trained, and whether that network counts.

    Args:
        curves: table `curves`.
        runs: table `runs`.

    Returns:
        the columns of `areas.areas`, those of `runs`, and `counts`.
    """
    return areas(curves, runs).merge(runs.assign(counts=memorised(runs)), on="run", validate="many_to_one")


def compared(networks: pd.DataFrame, setting: str, control: Hashable, value: str = "initial") -> pd.DataFrame:
    """Each level of a setting against one of them, in the block model over seeds with Dunnett's contrasts.

    Args:
        networks: of `measured`, one row for each level and seed; those that do not count are left out of all but `all`.
        setting: the column that differs, such as label_corruption.
        control: the level that the others are held against.
        value: the column compared.

    Returns:
        a row a level, in the order of the levels: `setting`, all (networks trained), n (those that count), mean with
        its 95 % interval (low, high), difference to the control with its simultaneous interval (difference_low,
        difference_high), p_dunnett. What so few networks do not give is NaN.
    """
    kept = networks[networks["counts"] & networks[value].notna()]
    contrasts = {}
    if (kept[setting] == control).any() and kept[setting].nunique() > 1 and kept["seed"].nunique() > 1:
        named = kept.assign(level=kept[setting].map(str))  # truth values as columns would select rows
        tested = dunnett_block(named, value=value, treatment="level", control=str(control))
        contrasts = {c.treatment: c for c in tested}
    rows = []
    for level, every in networks.groupby(setting, sort=True):
        band = interval(kept.loc[kept[setting] == level, value].to_numpy())
        found = contrasts.get(str(level))
        rows.append(
            {
                setting: level, "all": len(every), "n": band.n, "mean": band.mean, "low": band.low, "high": band.high,
                "difference": found.estimate if found else np.nan,
                "difference_low": found.low if found else np.nan,
                "difference_high": found.high if found else np.nan,
                "p_dunnett": found.p_adjusted if found else np.nan,
            }
        )  # fmt: skip
    return pd.DataFrame(rows)


def trend(networks: pd.DataFrame, setting: str, value: str = "initial") -> Interval:
    """Spearman's correlation of a setting and a value over the networks of each seed, averaged over seeds.

    Args:
        networks: of `measured`; those that do not count are left out, and seeds with fewer than three that do.
        setting: the column that differs, with numbers.
        value: the column correlated with it.
    """
    kept = networks[networks["counts"]]
    found = [spearman(rows[setting], rows[value]) for _, rows in kept.groupby("seed")]
    return mean_correlation([rho for rho, n in found if n > 2])


def around(curves: pd.DataFrame, share: float) -> pd.DataFrame:
    """What is left of the accuracy when so many units are clamped, and how much of it outlives the clamping of more.

    Args:
        curves: of `by_network`.
        share: a share of the units, at least 0 and below 1, such as the dropout that a network was trained with.

    Returns:
        a row a run, both as shares of the unperturbed accuracy: `within`, what is left at that share, and `beyond`, the
        mean from there to all units clamped. Between two steps accuracy counts as a straight line.
    """
    if not 0 <= share < 1:
        raise ParameterError(f"share: {share!r} given; a number from 0 on and below 1 is needed")
    rows = []
    for run, curve in curves.sort_values("step").groupby("run", sort=False):
        places, kept = curve["fraction"].to_numpy(), curve["accuracy"].to_numpy() / curve["accuracy"].iloc[0]
        within = float(np.interp(share, places, kept))
        after = places > share
        area = np.trapezoid([within, *kept[after]], [share, *places[after]])
        rows.append({"run": run, "within": within, "beyond": float(area / (1 - share))})
    return pd.DataFrame(rows, columns=["run", "within", "beyond"])
