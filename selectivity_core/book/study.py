"""What a figure notebook asks for: the runs of a figure at a profile, and a plain account of what is there."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from ..models import MODEL_NAMES
from ..runs.archive import ledger
from ..runs.derived import derive
from ..runs.planning import cost_in_words
from ..runs.profiles import SET_BY_GRID, Bound, check_overrides, find_profile, profile
from ..runs.store import default_store
from ..runs.sweeping import MAX_HOURS, OnMissing, runs_are, sweep
from ..spec import VARIED, RunSpec, field_names
from ..tables import Tables
from .numbers import alpha_label
from .paper.entries import FigureEntry, Panel
from .paper.figures import baselines, find_figure, models_for, setting
from .replicates import alone, further_in_words, wanted_runs
from .tasks import tasks_by_table
from .view import View

PAPER_DATA = {
    "resnet18": "Tiny ImageNet", "resnet50": "Tiny ImageNet", "resnet20": "CIFAR-10", "vgg16": "CIFAR-10",
    "mlp": "MNIST", "convnet11": "CIFAR-10",
}  # fmt: skip


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

    @property
    def baselines(self) -> list[RunSpec]:
        """The runs whose weights the figure's page needs."""
        return baselines(self.figure, self.specs)

    def view(self, panel: Panel) -> View | None:
        """What a panel is drawn from; None where the profile does not cover its network or no run is finished."""
        stands = panel.model if panel.model in self.models else None
        if stands is None and not set(self.figure.models) & set(self.models):
            stands = self.models[0]  # the profile covers none of the figure's networks: its own stands in
        if stands is None:
            return None
        view = View(self, panel, stands)
        return view if len(view.runs()) else None

    def runs(self, model: str | None = None) -> pd.DataFrame:
        """Completed runs (of one network), at α = 0 of seeds that another α has too: `further` has those beyond."""
        runs = self.complete(model)
        return runs[~alone(runs)]

    def further(self, model: str) -> pd.DataFrame:
        """Completed runs at α = 0 whose seeds no other α has: beside means of other seeds theirs would mislead."""
        runs = self.complete(model)
        return runs[alone(runs)]

    def complete(self, model: str | None = None) -> pd.DataFrame:
        """All completed runs (of one network); those that diverged are left out and counted by `account`."""
        runs = self.tables.runs
        return runs[(runs["status"] == "complete") & ((runs["model"] == model) | (model is None))]

    def table(self, name: str, model: str | None = None) -> pd.DataFrame:
        """A table of the same runs as `runs`, with model, α and seed joined on."""
        frame = self.tables.with_spec(name, "model", "alpha", "seed", *VARIED)
        return frame[frame["run"].isin(self.runs(model)["run"])]

    def setting(self, model: str) -> str:
        """Network and data in words, and whose place they take where they are not the paper's."""
        scale = find_profile(self.profile)
        sources = self.runs(model)["provenance_data"].unique()
        data = ", ".join(sorted(map(str, sources))) or scale.title
        changed = [f"{f} {_plain(ours)} instead of {_plain(its)}" for f, (ours, its) in self._overridden(model).items()]
        here = ", ".join([f"{MODEL_NAMES[model]} on {data}", *changed])
        if not scale.scaled_down and model in self.figure.models:
            return here
        own = (model,) if model in self.figure.models else self.figure.models
        theirs = " and ".join(f"{MODEL_NAMES[m]} on {PAPER_DATA.get(m, 'its data')}" for m in own)
        return f"{here} ({'scaled down; ' if scale.scaled_down else ''}the paper's is {theirs})"

    def _overridden(self, model: str) -> dict[str, tuple[Any, Any]]:
        """Fields that are neither the profile's nor the figure's own, each with its value here and there.

        At α = 0 settings of the regulariser are always the plain ones, so that a run at another α is looked at: one of
        the figure's first variant, which comes first.
        """
        mine = [s for s in self.specs if s.model == model]
        spec = next((s for s in mine if s.alpha), mine[0])
        variant = next((v for v in self.figure.variants if v.get("model", model) == model), {})
        own = {**(setting(self.figure, spec) if spec.alpha else {}), **variant}
        expected = profile(self.profile, model=model).replace(**own)
        pairs = {f: (getattr(spec, f), getattr(expected, f)) for f in field_names() if f not in SET_BY_GRID}
        return {f: pair for f, pair in pairs.items() if pair[0] != pair[1]}

    def replicates(self, model: str) -> str:
        """How many seeds there are at every α and setting: "3", or "2 to 3"."""
        seeds = self.runs(model).groupby(["alpha", *VARIED])["seed"].nunique()
        if not len(seeds):
            return "0"
        return f"{seeds.min()}" if seeds.nunique() == 1 else f"{seeds.min()} to {seeds.max()}"

    def lacking(self) -> list[str]:
        """What diverged and what is missing, with its cost and the command that trains it as code; a paragraph each."""
        found = []
        diverged = self.tables.runs[self.tables.runs["status"] == "diverged"]
        if len(diverged):
            where = "; ".join(
                f"{MODEL_NAMES[str(model)]} at α = {alpha_label(float(str(alpha)))}, "
                f"seed{'s' * (rows['seed'].nunique() > 1)} {', '.join(map(str, sorted(set(rows['seed']))))}"
                for (model, alpha), rows in diverged.groupby(["model", "alpha"])
            )
            found.append(f"Diverged, so neither drawn nor in any mean: {where}.")
        if self.missing:
            first = self.missing[0]
            length = f", {first.epochs} epochs" if len(self.figure.stretches) > 1 else ""
            found.append(
                f"{runs_are(len(self.missing), len(self.specs))} missing, the first: {MODEL_NAMES[first.model]} at "
                f"α = {alpha_label(first.alpha)}, seed {first.seed}{length}. {self.cost()} "
                f"To train them: `{self.command()}`"
            )
        return found

    def account(self) -> str:
        """n, profile, and what is missing or diverged, in Markdown."""
        lines = []
        for model in self.models:
            n = self.replicates(model)
            values = self.runs(model)["alpha"].nunique()
            where = f"each of {values} values of α" if values != 1 else "one value of α"
            more = further_in_words(self.further(model))
            lines.append(f"**{self.setting(model)}**: n = {n} {'seed' if n == '1' else 'seeds'} at {where}{more}.")
        return "\n\n".join([*lines, *self.lacking()])

    def cost(self) -> str:
        """What the missing runs would take, in a sentence."""
        return cost_in_words(self.missing, pd.concat([self.tables.runs, ledger().runs]))

    def command(self) -> str:
        """The command that trains this figure's runs."""
        alphas = ",".join(repr(a).removesuffix(".0") for a in sorted({s.alpha for s in self.specs}))
        words = ["selectivity", "sweep", "--profile", self.profile, "--figure", self.figure.id, f"--alphas={alphas}"]
        numbers = {s.seed for s in self.specs}
        if {s.seed for s in self.specs if s.alpha} in (numbers, set()):  # else the profile's own, more at α = 0
            # A lone number would be a count.
            words += ["--seeds", ",".join(map(str, sorted(numbers))) + "," * (len(numbers) == 1)]
        if self.models != list(models_for(self.figure, self.profile)) and len(self.models) == 1:
            words += ["--model", self.models[0]]
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
    bound_layers: int = 0,
    max_hours: float = MAX_HOURS,
) -> Study:
    """The runs of a figure: from the local store, then the ledger, then trained (or skipped, or refused).

    Args:
        figure: its id in the register.
        profile: at which scale.
        alphas: α values; the profile's where empty.
        seeds: a count or a list; where 0 or empty all that the ledger has of the whole grid, and at least the
            profile's number, with those that it has at α = 0 alone.
        overrides: other values for fields of the specs.
        on_missing: "train", "skip" or "raise".
        models: networks; the figure's own by default.
        bound_layers: for how many layers of a network the off-axis bound is worked out; the profile's number where 0.
        max_hours: of work that may be trained; see `sweep`.

    Raises:
        SpecError: a value that is not allowed.
        ParameterError: more work than `max_hours`.
        MissingRunsError: runs are missing and `on_missing` is "raise".
    """
    changes = check_overrides(overrides or {})
    store, kept = default_store(), ledger()
    ask: dict[str, Any] = {"alphas": alphas or None, "models": models, **changes}
    specs = wanted_runs(profile, figure, kept, seeds=seeds, **ask)
    tables = sweep(specs, store, on_missing=on_missing, ledger=kept, max_hours=max_hours)
    study = Study(find_figure(figure), profile, specs, tables)
    scale = find_profile(profile)
    limit = scale.bound
    if bound_layers:
        limit = replace(limit or Bound(scale.alphas, scale.seeds, 0), layers=bound_layers)
    wanted = tasks_by_table(study.figure, specs, set(study.runs()["run"]), limit, chosen=bool(alphas))
    for table, tasks in wanted.items():
        setattr(tables, table, derive(tasks, store, ledger=kept, on_missing=on_missing))
    return study
