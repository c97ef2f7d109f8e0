"""What one panel of a figure is drawn from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import pandas as pd

from ..runs.profiles import PLAIN
from ..tables import Tables
from .effects import over_units
from .paper.entries import Panel
from .paper.figures import on_side


class Runs(Protocol):
    """What a view asks of a `study.Study`."""

    tables: Tables

    def runs(self, model: str | None = None) -> pd.DataFrame:
        """Completed runs of a network."""

    def further(self, model: str) -> pd.DataFrame:
        """Completed runs at α = 0 whose seeds no other α has."""

    def table(self, name: str, model: str | None = None) -> pd.DataFrame:
        """A table of these runs, with α and seed joined on."""


@dataclass(frozen=True)
class View:
    """What one panel is drawn from: one network's runs at the panel's α values and settings.

    Attributes:
        study: all runs of the figure.
        panel: the register's.
        model: the network that is drawn: the panel's, or the one that stands in for it.
    """

    study: Runs
    panel: Panel
    model: str

    def _chosen(self, frame: pd.DataFrame) -> pd.DataFrame:
        keep = frame["alpha"].isin(on_side(frame["alpha"].unique(), self.panel.side))
        for name, value in self.panel.where.items():
            keep &= (frame[name] == value) | ((frame["alpha"] == 0) & (name in PLAIN))
        return frame[keep]

    def runs(self) -> pd.DataFrame:
        """Completed runs."""
        return self._chosen(self.study.runs(self.model))

    def further(self) -> pd.DataFrame:
        """Completed runs at α = 0 that are in no mean, since no other α has their seeds."""
        return self._chosen(self.study.further(self.model))

    def table(self, name: str) -> pd.DataFrame:
        """A table of these runs, with α and seed joined on."""
        return self._chosen(self.study.table(name, self.model))

    def means(self, value: str) -> pd.DataFrame:
        """A measure's mean over the units of the panel's layers: run, alpha, seed, mean, shuffled."""
        return over_units(self.table("layers"), value, self.panel.layers)

    def other(self) -> View:
        """The panel's second network."""
        return View(self.study, self.panel, self.panel.also)
