"""Whether what α costs depends on how long networks train: at an equal α, and at an equal index that α led to.

A longer schedule also lets the regulariser act for longer. At an equal α its networks differ in how far they were moved
as well as in what that costs them; at an equal index only the cost is left.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from .statistics import holm, paired, t_interval

COLUMNS = ["alpha", "epochs", "seed", "index", "gap"]


def at_equal_alpha(runs: pd.DataFrame) -> pd.DataFrame:
    """What each regularised network gains on the one at α = 0 of its seed and schedule.

    Args:
        runs: completed runs of one network: alpha, seed, epochs, test_accuracy, si_units.

    Returns:
        a row a network at α ≠ 0 with such a partner: alpha, epochs, seed, its index, gap (a share, not points).
    """
    rows = [
        (row["alpha"], row["epochs"], row["seed"], row["si_units"], row["test_accuracy"] - base["test_accuracy"])
        for base, others in _families(runs)
        for _, row in others.iterrows()
    ]
    return pd.DataFrame(rows, columns=COLUMNS).sort_values(COLUMNS[:3], ignore_index=True)


def at_equal_index(runs: pd.DataFrame) -> pd.DataFrame:
    """The same at one index for all schedules of a seed: the least that an α moved it to in any of them.

    Accuracy there is read off straight lines through a schedule's networks, from α = 0 on in the order of their index,
    and no further than to this α. Only the schedule that moved the index least is read at a network of its own: where a
    cost grows faster and faster with the index, the lines of the others overstate theirs. A seed that lacks a schedule
    which others have at this α is left out, as is one whose networks at α = 0 already lie beyond that index.

    Args:
        runs: as for `at_equal_alpha`.

    Returns:
        as `at_equal_alpha`; `index` is the common one.
    """
    families = list(_families(runs))
    rows = []
    for alpha in sorted({a for _, others in families for a in others["alpha"]}):
        sign = np.sign(alpha)
        lines: dict[int, dict[int, tuple[pd.Series, pd.DataFrame]]] = {}
        for base, others in families:
            if alpha in set(others["alpha"]):
                side = others[(others["alpha"] * sign > 0) & (others["alpha"].abs() <= abs(alpha))]
                lines.setdefault(int(base["seed"]), {})[int(base["epochs"])] = base, side
        schedules = {epochs for found in lines.values() for epochs in found}
        for seed, found in lines.items():
            reached = [side.loc[side["alpha"] == alpha, "si_units"].iloc[0] for _, side in found.values()]
            index = sign * min(sign * np.array(reached))
            if set(found) != schedules or any(sign * (index - base["si_units"]) <= 0 for base, _ in found.values()):
                continue
            for epochs, (base, side) in found.items():
                points = pd.concat([base.to_frame().T, side])[["si_units", "test_accuracy"]].astype(float)
                points = points.sort_values("si_units")
                accuracy = np.interp(index, points["si_units"], points["test_accuracy"])
                rows.append((alpha, epochs, seed, index, accuracy - base["test_accuracy"]))
    return pd.DataFrame(rows, columns=COLUMNS).sort_values(COLUMNS[:3], ignore_index=True)


def _families(runs: pd.DataFrame) -> list[tuple[pd.Series, pd.DataFrame]]:
    """The network at α = 0 of every seed and schedule, and those at other α beside it."""
    found = []
    for _, rows in runs.groupby(["epochs", "seed"]):
        base = rows[rows["alpha"] == 0]
        if len(base):
            found.append((base.iloc[0], rows[rows["alpha"] != 0]))
    return found


def over_seeds(gaps: pd.DataFrame) -> pd.DataFrame:
    """Means over seeds, with the 95 % t interval of the gap (NaN at one seed).

    Args:
        gaps: of `at_equal_alpha` or `at_equal_index`.

    Returns:
        a row an α and schedule: alpha, epochs, n, index, gap, low, high.
    """
    rows = []
    for (alpha, epochs), group in gaps.groupby(["alpha", "epochs"]):
        band = t_interval(group["gap"].to_numpy())
        rows.append((alpha, epochs, band.n, group["index"].mean(), band.mean, band.low, band.high))
    return pd.DataFrame(rows, columns=["alpha", "epochs", "n", "index", "gap", "low", "high"])


def closing(gaps: pd.DataFrame) -> pd.DataFrame:
    """By how much the gap at the longest schedule of an α differs from that at its shortest, paired by seed.

    Args:
        gaps: of `at_equal_alpha` or `at_equal_index`.

    Returns:
        a row an α with two schedules in some seed: alpha, shortest, longest, n, change (of gain: positive where a cost
        shrinks), low, high (95 %, paired t), p, and p_holm over the α values; NaN where there is no spread to judge by.
    """
    rows = []
    for alpha, group in gaps.groupby("alpha"):
        shortest, longest = group["epochs"].min(), group["epochs"].max()
        by_seed = group.pivot(index="seed", columns="epochs", values="gap")
        if shortest == longest or not len(by_seed[[shortest, longest]].dropna()):
            continue
        found = paired(by_seed[longest], by_seed[shortest])
        rows.append((alpha, shortest, longest, found.n_a, found.estimate, found.low, found.high, found.p))
    names = ["alpha", "shortest", "longest", "n", "change", "low", "high", "p"]
    frame = pd.DataFrame(rows, columns=names)
    return frame.assign(p_holm=holm(frame["p"].astype(float)))
