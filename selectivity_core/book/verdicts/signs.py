"""Predicates that set lowering selectivity against raising it at equal |α|."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pandas as pd

from ...errors import MissingRunsError
from ..effects import signs_compared
from ..numbers import alpha_label
from ..statistics import detectable_effect, rank_sum
from .alphas import ACCURACY
from .evidence import Evidence
from .findings import Finding, contrasts, sample


def signs_ranked(evidence: Evidence, figure: str, model: str, *, size: float) -> list[Finding]:
    """α = −size against α = size by Wilcoxon's rank sum, corrected (Holm) for all sizes of the figure.

    The paper's own test. It cannot reach its level with few networks: 3 against 3 never falls below p = 0.1.
    """
    runs = evidence.runs(figure, model)
    table = signs_compared(runs)
    row = table[table["size"] == size]
    if not len(row):
        raise MissingRunsError(f"no runs at both α = {alpha_label(-size)} and α = {size:g}")
    sides = [runs.loc[runs["alpha"] == a, ACCURACY].to_numpy() for a in (-size, size)]
    tested, found = rank_sum(*sides), row.iloc[0]
    spread = math.sqrt(np.mean([np.var(s, ddof=1) for s in sides])) if min(map(len, sides)) > 1 else math.nan
    least = detectable_effect(spread, len(sides[0]), len(sides[1]), comparisons=len(table))
    return [
        Finding(
            float(found["difference"]), math.nan, math.nan, min(map(len, sides)), tested.name, f"|α| = {size:g}", True,
            len(table), float(found["p_holm"]), exact=tested.p, limits=(tested.low, tested.high), least=least,
            reachable=bool(found["reachable"]),
        )
    ]  # fmt: skip


def signs_at(evidence: Evidence, figure: str, model: str, *, size: float) -> list[Finding]:
    """α = −size less α = size in the block model, its spread pooled around α = size."""
    rows = evidence.values(figure, model, ACCURACY)
    found = contrasts(rows, control=size, points=True)
    if -size not in found:
        raise MissingRunsError(f"no run at α = {alpha_label(-size)}")
    own = found[-size]
    # The other α only lend their spread: this is the one comparison.
    return [replace(own, family=1, corrected=math.nan, test="block model", where=f"|α| = {size:g}", level=None)]


def signs_averaged(evidence: Evidence, figure: str, model: str) -> list[Finding]:
    """α < 0 less α > 0 at equal |α|, averaged over all sizes that were run; one value a seed."""
    rows = evidence.values(figure, model, ACCURACY)
    cells = rows.pivot(index="seed", columns="alpha", values="value")
    sizes = [a for a in cells.columns if a > 0 and -a in cells.columns]
    if not sizes:
        raise MissingRunsError("no size of α was run with both signs")
    differences = pd.concat([cells[-a] - cells[a] for a in sizes], axis=1).dropna().mean(axis=1)
    listed = ", ".join(f"{a:g}" for a in sizes)
    return [sample(differences, "t over seeds", where=f"mean over |α| = {listed}", points=True)]
