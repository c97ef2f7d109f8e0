"""What a figure notebook asks for: the runs of a figure at a profile, and a plain account of what is there."""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from .errors import MissingRunsError, SpecError
from .ledgers import ledger
from .paper.figures import FigureEntry, find_figure, grid
from .profiles import find_profile, profile
from .spec import RunSpec, field_names
from .store import RunStore
from .sweeping import OnMissing, describe, sweep
from .tables import Tables

MODEL_NAMES = {
    "resnet18": "ResNet18", "resnet20": "ResNet20", "resnet50": "ResNet50", "vgg16": "VGG16", "mlp": "MLP",
    "convnet11": "11-layer convnet",
}  # fmt: skip
PAPER_DATA = {"resnet18": "Tiny ImageNet", "resnet50": "Tiny ImageNet", "resnet20": "CIFAR-10", "vgg16": "CIFAR-10"}


# What a grid sets itself; an override would be lost, or fight with it.
SET_BY_GRID = {"model": "the figure or --model", "alpha": "alphas", "seed": "seeds"}


def check_overrides(overrides: dict[str, Any]) -> dict[str, Any]:
    """Overrides as they were given; their values are checked by the spec.

    Raises:
        SpecError: a name that is no field of a run, or a field that the grid sets itself.
    """
    for name in overrides:
        if name in SET_BY_GRID:
            raise SpecError(f"overrides: {name} given; it is set by {SET_BY_GRID[name]}, not by an override")
        if name not in field_names():
            allowed = ", ".join(f for f in field_names() if f not in SET_BY_GRID)
            raise SpecError(f"overrides: {name!r} given, which is no field of a run; allowed: {allowed}")
    return overrides


def default_store() -> RunStore:
    """The local store: SELECTIVITY_RUNS, else `runs/` of the checkout."""
    given = os.environ.get("SELECTIVITY_RUNS")
    return RunStore(given or Path(__file__).resolve().parent.parent / "runs")


@dataclass
class Study:
    """The runs behind one figure.

    Attributes:
        figure: the register's entry.
        profile: the profile's name.
        specs: all runs that the figure wants.
        tables: those that are there.
    """

    figure: FigureEntry
    profile: str
    specs: list[RunSpec]
    tables: Tables

    @property
    def missing(self) -> list[RunSpec]:
        """Runs that are wanted and not there."""
        there = set(self.tables.runs["run"])
        return [s for s in self.specs if s.id not in there]

    @property
    def models(self) -> list[str]:
        """Networks, in the order of the figure."""
        return list(dict.fromkeys(s.model for s in self.specs))

    def runs(self, model: str | None = None) -> pd.DataFrame:
        """Completed runs (of one network); those that diverged are left out and counted by `account`."""
        runs = self.tables.runs
        keep = runs["status"] == "complete"
        return runs[keep & (runs["model"] == model)] if model else runs[keep]

    def table(self, name: str, model: str | None = None) -> pd.DataFrame:
        """A table of the completed runs (of one network), with model, α and seed joined on."""
        frame = self.tables.with_spec(name, "model", "alpha", "seed")
        return frame[frame["model"] == model] if model else frame

    def setting(self, model: str) -> str:
        """Network and data in words, and whose place they take where they are not the paper's."""
        scale = find_profile(self.profile)
        sources = self.runs(model)["provenance_data"].unique()
        data = ", ".join(sorted(map(str, sources))) or scale.title
        changed = [f"{f} {_plain(ours)} instead of {_plain(its)}" for f, (ours, its) in self._overridden(model).items()]
        here = ", ".join([f"{MODEL_NAMES[model]} on {data}", *changed])
        if not scale.scaled_down and model in self.figure.models:
            return here
        theirs = " and ".join(f"{MODEL_NAMES[m]} on {PAPER_DATA.get(m, 'its data')}" for m in self.figure.models)
        if model in self.figure.models:
            theirs = f"{MODEL_NAMES[model]} on {PAPER_DATA.get(model, 'its data')}"
        return f"{here} (scaled down; the paper's is {theirs})"

    def _overridden(self, model: str) -> dict[str, tuple[Any, Any]]:
        """Fields that are not the profile's, each with its value here and there.

        At α = 0 settings of the regulariser are always the plain ones, so that a run at another α is looked at.
        """
        base = profile(self.profile, model=model)
        mine = [s for s in self.specs if s.model == model]
        spec = next((s for s in mine if s.alpha), mine[0])
        pairs = {f: (getattr(spec, f), getattr(base, f)) for f in field_names() if f not in SET_BY_GRID}
        return {f: pair for f, pair in pairs.items() if pair[0] != pair[1]}

    def account(self) -> str:
        """n, profile, and what is missing or diverged, in Markdown."""
        lines = []
        for model in self.models:
            runs = self.runs(model)
            seeds = runs.groupby("alpha")["seed"].nunique()
            n = f"{seeds.min()}" if seeds.nunique() == 1 else f"{seeds.min()} to {seeds.max()}" if len(seeds) else "0"
            lines.append(f"**{self.setting(model)}**: n = {n} seeds at each of {len(seeds)} values of α.")
        diverged = self.tables.runs[self.tables.runs["status"] == "diverged"]
        if len(diverged):
            where = ", ".join(f"α = {a:g} (seed {s})" for a, s in zip(diverged["alpha"], diverged["seed"], strict=True))
            lines.append(f"Diverged, shown nowhere and averaged into nothing: {where}.")
        if self.missing:
            lines.append(
                f"**{len(self.missing)} of {len(self.specs)} runs are missing**, the first: "
                f"{describe(self.missing[0])}. To train them: `{self.command()}`."
            )
        return "\n\n".join(lines)

    def command(self) -> str:
        """The command that trains this figure's runs."""
        alphas = ",".join(f"{a:g}" for a in sorted({s.alpha for s in self.specs}))
        numbers = sorted({s.seed for s in self.specs})
        seeds = ",".join(map(str, numbers)) + ("," if len(numbers) == 1 else "")  # a lone number would be a count
        words = ["selectivity", "sweep", "--profile", self.profile, "--figure", self.figure.id, f"--alphas={alphas}"]
        words += ["--seeds", seeds]
        changed = {f: ours for model in self.models for f, (ours, _) in self._overridden(model).items()}
        for field, value in changed.items():
            words += ["--set", f"{field}={json.dumps(value)}"]
        return shlex.join(words)


def _plain(value: Any) -> str:
    """A field's value in a sentence."""
    return f"({', '.join(map(str, value))})" if isinstance(value, tuple) else str(value)


def gather(
    figure: str,
    *,
    profile: str,
    alphas: Sequence[float] = (),
    seeds: int | Sequence[int] = 0,
    overrides: dict[str, Any] | None = None,
    on_missing: OnMissing = "train",
    models: Sequence[str] | None = None,
) -> Study:
    """The runs of a figure: from the local store, then the ledger, then trained (or skipped, or refused).

    Args:
        figure: its id in the register.
        profile: at which scale.
        alphas: α values; the profile's where empty.
        seeds: a count or a list; the profile's where 0 or empty.
        overrides: other values for fields of the specs.
        on_missing: "train", "skip" or "raise".
        models: networks; the figure's own by default.

    Raises:
        SpecError: a value that is not allowed.
        MissingRunsError: nothing is there to draw.
    """
    changes = check_overrides(overrides or {})
    specs = grid(profile, figure, alphas=alphas or None, seeds=seeds or None, models=models, **changes)
    tables = sweep(specs, default_store(), on_missing=on_missing, ledger=ledger())
    study = Study(find_figure(figure), profile, specs, tables)
    if not len(study.runs()):
        raise MissingRunsError(
            f"figure {figure}: none of its {len(specs)} runs at profile {profile} is finished; "
            f"train them with `{study.command()}`"
        )
    return study
