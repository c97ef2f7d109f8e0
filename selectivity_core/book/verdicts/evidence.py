"""What verdicts are computed from: the finished runs of a figure's networks, and one value a network."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any

import pandas as pd

from ...errors import MissingRunsError
from ...models import MODEL_NAMES
from ...runs.archive import ledger
from ...runs.derived import FOLDER, Task, derive, ledger_results
from ...runs.profiles import check_overrides, find_profile
from ...runs.reads import record as record_read
from ...runs.store import RunStore, default_store
from ...runs.sweeping import OnMissing, sweep
from ...spec import VARIED
from ...tables import RUN_FIGURES, Tables
from ..effects import over_units
from ..paper.figures import find_figure
from ..replicates import wanted_runs
from ..study import Study, gather
from ..tasks import tasks_by_table

SILENT, MOSTLY = 0.5, 0.8  # of the images: a sparse unit is active for at most, a busy one for at least so many
# Shares of units by their share of active samples (Leavitt & Morcos, A.11).
SHARES = {"sparse": lambda active: active <= SILENT, "busy": lambda active: active >= MOSTLY}
BOUNDS = {"bound": "bound", "bound_last": "bound", "axis": "axis"}  # measure -> kind of row in table `bounds`
LAST = 2  # layers that "bound_last" averages over


class ReadOnce(RunStore):
    """A store that reads each table of a run once: most figures share their runs."""

    def table(self, run: str, name: str) -> pd.DataFrame:
        """One table of a run; not to be changed by whoever asks."""
        key = (run, name)
        if key not in self._found:
            self._found[key] = super().table(run, name)
        return self._found[key]

    @cached_property
    def _found(self) -> dict[tuple[str, str], pd.DataFrame]:
        return {}


class Evidence:
    """The runs that a profile has, figure by figure, each read once.

    Args:
        profile: at which scale.
        seeds, overrides, on_missing: as for `study.gather`; "skip" neither trains nor works anything out.
        studies: studies at hand, by figure; nothing is read then.
    """

    def __init__(
        self,
        profile: str,
        *,
        seeds: int = 0,
        overrides: dict[str, Any] | None = None,
        on_missing: OnMissing = "skip",
        studies: Mapping[str, Study] | None = None,
    ) -> None:
        find_profile(profile)
        self.profile, self.seeds, self.on_missing = profile, seeds, on_missing
        self.overrides = check_overrides(overrides or {})
        self._closed = studies is not None
        self._studies = dict(studies or {})
        self._values: dict[tuple[str, ...], pd.DataFrame] = {}

    @cached_property
    def _store(self) -> RunStore:
        return ReadOnce(default_store().path)

    @cached_property
    def _ledger(self) -> Tables:
        return ledger()

    def study(self, figure: str) -> Study:
        """All runs of a figure.

        Raises:
            MissingRunsError: none is at hand.
        """
        if figure not in self._studies:
            if self._closed:
                raise MissingRunsError(f"no run of {figure} is at hand")
            self._studies[figure] = self._read(figure)
        return self._studies[figure]

    def runs(self, figure: str, model: str) -> pd.DataFrame:
        """Completed runs of one of a figure's networks.

        Raises:
            MissingRunsError: there is none.
        """
        runs = self.study(figure).runs(model)
        if not len(runs):
            raise MissingRunsError(
                f"no run of {MODEL_NAMES[model]} is finished for Figure {find_figure(figure).number}"
            )
        return runs

    def table(self, name: str, figure: str, model: str) -> pd.DataFrame:
        """A table of these runs with α, seed and what else varies joined on.

        Raises:
            MissingRunsError: it has no row of them.
        """
        found = self.study(figure).table(name, model) if len(self.runs(figure, model)) else pd.DataFrame()
        if not len(found):
            raise MissingRunsError(f"table {name} has no row of {model} for {figure}")
        return found

    def values(self, figure: str, model: str, measure: str) -> pd.DataFrame:
        """One value a network.

        Args:
            figure: whose runs.
            model: which network.
            measure: a figure of `runs`, a measure of table `layers` (its mean over all units; "informed" is mutual
                information less that of shuffled labels), "sparse" or "busy" (shares of units), or "bound", "axis" or
                "bound_last" (means over the layers, or the last two, whose off-axis bound was worked out).

        Returns:
            run, alpha, seed, the fields in which runs vary, and value; networks without the value are left out.

        Raises:
            MissingRunsError: no network has it.
        """
        key = (figure, model, measure)
        if key not in self._values:
            runs = self.runs(figure, model)
            found = self._measured(figure, model, measure, runs)
            rows = runs[["run", "alpha", "seed", *VARIED]].merge(found, on="run", validate="one_to_one")
            self._values[key] = rows[rows["value"].notna()].reset_index(drop=True)
        if not len(self._values[key]):
            raise MissingRunsError(f"no finished run of {model} has {measure}")
        return self._values[key]

    def _measured(self, figure: str, model: str, measure: str, runs: pd.DataFrame) -> pd.DataFrame:
        if measure in RUN_FIGURES:
            return runs[["run"]].assign(value=runs[measure].astype(float))
        if measure in SHARES:
            units = self.table("units", figure, model)
            share = SHARES[measure](units["active_samples"]).groupby(units["run"]).mean()
            return share.rename("value").reset_index()
        if measure in BOUNDS:
            rows = self.table("bounds", figure, model)
            if measure == "bound_last":
                last = self.table("layers", figure, model)["depth"].max()
                rows = rows[rows["depth"] > last - LAST]
            rows = rows[rows["kind"] == BOUNDS[measure]]
            return rows.groupby("run", as_index=False)["value"].mean()
        layers = self.table("layers", figure, model)
        means = over_units(layers, "mutual_information" if measure == "informed" else measure)
        less = means["shuffled"] if measure == "informed" else 0.0
        return means[["run"]].assign(value=means["mean"] - less)

    def _read(self, figure: str) -> Study:
        ask = {"seeds": self.seeds, "overrides": self.overrides, "on_missing": self.on_missing}
        if self.on_missing != "skip":
            return gather(figure, profile=self.profile, **ask)  # type: ignore[arg-type]
        store, known, entry = self._store, self._ledger, find_figure(figure)
        specs = wanted_runs(self.profile, figure, known, seeds=self.seeds, **self.overrides)
        study = Study(entry, self.profile, specs, sweep(specs, store, on_missing="skip", ledger=known, progress=False))
        # All that can have been worked out, at whichever α.
        bound, finished = find_profile(self.profile).bound, set(study.runs()["run"])
        for table, tasks in tasks_by_table(entry, specs, finished, bound, chosen=True, every=True).items():
            kept = list(_kept(tasks, store, known))
            if kept:
                rows = derive(kept, store, ledger=known, on_missing="skip", progress=False)
                setattr(study.tables, table, rows)
        return study


def _kept(tasks: list[Task], store: RunStore, kept: Tables) -> Iterator[Task]:
    """Those whose result the store or the ledger has, so that nothing is worked out for a verdict."""
    listed = ledger_results(tasks[0].analysis.table, kept)
    for task in tasks:
        path = store.path / FOLDER / task.analysis.table / f"{task.key}.csv.gz"
        record_read(path)  # so that a page notices when there is one
        if path.is_file() or task.name in listed:
            yield task
