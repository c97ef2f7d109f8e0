"""What a contrast finds, and what all contrasts share."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from ...errors import MissingRunsError
from ..inference import Estimate, mean_correlation

TEST_ACCURACY = "test_accuracy"
INF = math.inf


@dataclass(frozen=True)
class Finding:
    """What a contrast finds.

    Attributes:
        estimate: over networks.
        where: which α, layers or settings, as a label.
        points: whether the estimate is a difference of accuracies.
        level: the mean of the measure there, where the estimate is a change.
        family: how many findings the claim needs beside this one; corrections count them.
        p_corrected: for the family.
        met: False where a condition of the claim beside its sign fails.
        chosen: whether this one was picked among the family by the data.
    """

    estimate: Estimate
    where: str = ""
    points: bool = False
    level: float = math.nan
    family: int = 1
    p_corrected: float = math.nan
    met: bool = True
    chosen: bool = False


def label(alpha: float) -> str:
    """An α as figures write it."""
    return f"{alpha:g}".replace("-", "−")


def percent(measure: str) -> bool:
    """Whether changes of a measure are points of accuracy."""
    return measure.endswith("accuracy")


def in_range(rows: pd.DataFrame, low: float, high: float) -> pd.DataFrame:
    """The rows with α from `low` to `high`."""
    return rows[(rows["alpha"] >= low) & (rows["alpha"] <= high)]


def by_alpha(rows: pd.DataFrame) -> pd.DataFrame:
    """Values with a row for each seed and a column for each α."""
    return rows.pivot(index="seed", columns="alpha", values="value")


def needed(found: list[Finding], low: float, high: float) -> list[Finding]:
    """Findings that the claim needs all.

    Raises:
        MissingRunsError: there is none.
    """
    if not found:
        raise MissingRunsError(f"no run with α between {label(low)} and {label(high)}")
    return [replace(f, family=len(found)) for f in found]


def over_seeds(found: Sequence[float]) -> Estimate:
    """The mean correlation, one a seed.

    Raises:
        MissingRunsError: no seed has one.
    """
    if not np.isfinite(found).any():
        raise MissingRunsError("no seed has three values of α, as a correlation over α needs")
    return mean_correlation(found)
