"""The runs that claims are judged on, one value a network, and what a contrast finds in them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from ..data import DATASETS
from ..errors import MissingRunsError
from ..models import MODEL_NAMES
from ..tables import RUN_NUMBERS
from .inference import Estimate, mean_correlation
from .pages import VARIED, FigureRuns, gather
from .units import over_units

FITTED = 0.95  # training accuracy, on the labels trained with, from which on a network has fitted its training images
SPARSE, BUSY = 0.5, 0.8  # shares of the images: a sparse unit is active for at most, a busy one for at least so many
# Measure -> kind of row in table `bounds`.
BOUNDS = {"bound": "bound", "bound_last": "bound", "axis_shifted": "axis_shifted"}
TEST_ACCURACY, INF = "test_accuracy", math.inf
LAST_LAYERS = 2  # that "bound_last" averages over


class Evidence:
    """The runs of figures under one set of a page's parameters, each figure gathered once; see `pages.gather`."""

    def __init__(self, profile: str, **ask: Any) -> None:
        self.profile, self.ask = profile, ask
        self._figures: dict[str, FigureRuns] = {}

    def add(self, runs: FigureRuns) -> None:
        """Takes the runs of a figure as a page drew them."""
        self._figures[runs.figure.id] = runs

    def figure(self, name: str) -> FigureRuns:
        """All runs of a figure."""
        if name not in self._figures:
            self._figures[name] = gather(name, profile=self.profile, **self.ask)
        return self._figures[name]

    def of(self, figure: str, model: str) -> NetworkRuns:
        """The runs of one of a figure's networks."""
        return NetworkRuns(self, figure, model)


@dataclass(frozen=True)
class NetworkRuns:
    """The runs of one of a figure's networks."""

    evidence: Evidence
    figure: str
    model: str

    @property
    def name(self) -> str:
        """The network as pages write it."""
        return MODEL_NAMES[self.model]

    def other(self, figure: str = "", model: str = "") -> NetworkRuns:
        """The runs of another figure or network, under the same parameters."""
        return NetworkRuns(self.evidence, figure or self.figure, model or self.model)

    @property
    def of_figure(self) -> FigureRuns:
        """All runs of the figure."""
        return self.evidence.figure(self.figure)

    def runs(self) -> pd.DataFrame:
        """Completed runs; MissingRunsError where there is none."""
        runs = self.of_figure.runs
        runs = runs[runs["model"] == self.model]
        if not len(runs):
            raise MissingRunsError(f"no run of {self.name} is finished for Figure {self.of_figure.figure.number}")
        return runs

    def fitting(self) -> pd.Series:
        """The runs that fit their training images at the epoch whose units are measured."""
        runs = self.runs()
        return runs.loc[runs["train_accuracy"] >= FITTED, "run"]

    def table(self, name: str) -> pd.DataFrame:
        """A table of these runs with α, seed and what else varies; MissingRunsError where it has no row of them."""
        found = self.of_figure.table(name)
        found = found[found["model"] == self.model]
        if not len(found):
            raise MissingRunsError(f"table {name} has no row of {self.name} for Figure {self.of_figure.figure.number}")
        return found

    def values(self, measure: str) -> pd.DataFrame:
        """One value a network: run, alpha, seed, the fields in which runs vary, and value where there is one.

        A run that diverged has the accuracy of chance: leaving it out would flatter the setting that made it diverge.

        Args:
            measure: a column of `runs`; a measure of table `layers`, as its mean over all units ("informed" is mutual
                information less that of shuffled labels); "sparse" or "busy" (shares of units); "bound",
                "axis_shifted" or "bound_last" (means over the layers, or the last two, whose bound was worked out).

        Raises:
            MissingRunsError: no network has it.
        """
        runs = self.runs()
        keys = ["run", "alpha", "seed", *VARIED]
        rows = runs[keys].merge(self._measured(measure, runs), on="run", validate="one_to_one")
        if measure.endswith("accuracy"):
            lost = self.of_figure.diverged
            lost = lost[lost["model"] == self.model]
            chance = 1 / DATASETS[str(runs["dataset"].iloc[0])].classes
            rows = pd.concat([rows, lost[keys].assign(value=chance)]) if len(lost) else rows
        rows = rows[rows["value"].notna()].reset_index(drop=True)
        if not len(rows):
            raise MissingRunsError(f"no finished run of {self.name} has {measure.replace('_', ' ')}")
        return rows

    def _measured(self, measure: str, runs: pd.DataFrame) -> pd.DataFrame:
        if measure in RUN_NUMBERS:
            return runs[["run"]].assign(value=runs[measure].astype(float))
        if measure in ("sparse", "busy"):
            active = (units := self.table("units"))["active_samples"]
            share = (active <= SPARSE if measure == "sparse" else active >= BUSY).groupby(units["run"]).mean()
            return share.rename("value").reset_index()
        if measure in BOUNDS:
            rows = self.table("bounds")
            if measure == "bound_last":
                rows = rows[rows["depth"] > self.table("layers")["depth"].max() - LAST_LAYERS]
            rows = rows[rows["kind"] == BOUNDS[measure]]
            return rows.groupby("run", as_index=False)["value"].mean()
        means = over_units(self.table("layers"), "mutual_information" if measure == "informed" else measure)
        less = means["shuffled"] if measure == "informed" else 0.0
        return means[["run"]].assign(value=means["mean"] - less)


@dataclass(frozen=True)
class Finding:
    """What a contrast finds."""

    estimate: Estimate
    where: str = ""  # which α, layers or settings, as a label
    points: bool = False  # whether the estimate is a difference of accuracies
    level: float = math.nan  # the mean of the measure there, where the estimate is a change
    family: int = 1  # how many findings the claim needs; corrections count them
    p_corrected: float = math.nan  # for the family
    met: bool = True  # False where a condition of the claim beside its sign fails
    chosen: bool = False  # whether this one was picked among the family by the data
    steps: int = 1  # over how many steps of α the estimate is averaged
    fold: bool = False  # whether it is a share that is left, shown as the factor by which the measure is cut


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
    """Values by seed and α."""
    return rows.pivot(index="seed", columns="alpha", values="value")


def needed(found: list[Finding], low: float = 0.0, high: float = INF, why: str = "") -> list[Finding]:
    """Findings that the claim needs all; MissingRunsError where there is none, in a range of α or as `why` says."""
    if not found:
        raise MissingRunsError(why or f"no run with α between {label(low)} and {label(high)}")
    return [replace(f, family=len(found)) for f in found]


def over_seeds(found: Sequence[float]) -> Estimate:
    """The mean correlation, one a seed; MissingRunsError where no seed has one."""
    if not np.isfinite(found).any():
        raise MissingRunsError("no seed has three values of α, as a correlation over α needs")
    return mean_correlation(found)
