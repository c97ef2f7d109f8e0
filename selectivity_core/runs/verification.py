"""Whether finished runs can be had again: a random sample of the ledger's is retrained and held against it."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from ..errors import MissingRunsError, ParameterError, SpecError, StoreError
from ..machine import choose_device, provenance
from ..seeds import generator
from ..spec import RunSpec, field_names, spec_of
from ..tables import COLUMNS, PROVENANCE, RUN_FIGURES, Tables
from .archive import DERIVED, TABLES, read_table
from .status import run_status
from .store import RunStore
from .sweeping import describe, sweep

if TYPE_CHECKING:
    import pandas as pd

LIMIT = 3.0  # standard deviations over seeds, where the machine is another one
JUDGED = ("test_accuracy", "test_loss", "si_units")


@dataclass(frozen=True)
class Agreement:
    """A kept run against the same run trained anew.

    Attributes:
        spec: the run.
        same: whether every figure of its row agrees to the last bit.
        expected: whether it must: processor, torch, device and threads are those of the kept run.
        furthest: of accuracy, cross-entropy and index the largest difference, in standard deviations over the seeds
            that the ledger has of this setting; NaN where they have no spread.
        measure: which of them.
    """

    spec: RunSpec
    same: bool
    expected: bool
    furthest: float
    measure: str

    @property
    def agrees(self) -> bool:
        """Bit for bit where that is expected, else not beyond `LIMIT` standard deviations."""
        return self.same or (not self.expected and not self.furthest > LIMIT)

    def __str__(self) -> str:
        where = "same processor, torch and threads" if self.expected else "another processor, device or torch"
        if self.same:
            return f"{describe(self.spec)}: agrees bit for bit ({where})"
        if np.isnan(self.furthest):
            found = f"{self.measure} differs, with no spread over seeds to hold it against"
        else:
            found = f"{self.measure} differs most, by {self.furthest:.2f} standard deviations over seeds"
        wanted = "bit for bit is expected" if self.expected else f"{LIMIT:g} are allowed"
        return f"{describe(self.spec)}: {'' if self.agrees else 'DISAGREES: '}{found}; {wanted} ({where})"


def sample(kept: Tables, count: int, seed: int) -> list[RunSpec]:
    """Runs of a ledger drawn at random, each once; all where it has fewer.

    Args:
        kept: the ledger.
        count: how many.
        seed: of the draw.

    Raises:
        ParameterError: a count below 1.
        MissingRunsError: the ledger has no run.
    """
    if count < 1:
        raise ParameterError(f"retrain: {count} given; at least 1 run is needed")
    if not len(kept.runs):
        raise MissingRunsError("the ledger has no run to train again")
    rows = kept.runs.sort_values("run").to_dict("records")
    chosen = torch.randperm(len(rows), generator=generator(seed, "retraining"))[:count]
    return [spec_of(rows[k]) for k in chosen.tolist()]


def retrain(specs: Sequence[RunSpec], kept: Tables, *, data: str | Path | None = None) -> list[Agreement]:
    """Trains runs anew, in a store that is thrown away, and holds each against its row in the ledger.

    Args:
        specs: of `sample`.
        kept: the ledger.
        data: the folder of data sets.
    """
    with tempfile.TemporaryDirectory(prefix="selectivity-retrain-") as folder:
        fresh = sweep(specs, RunStore(folder), data=data).runs
    return [_compared(spec, fresh, kept.runs) for spec in specs]


def _compared(spec: RunSpec, fresh: pd.DataFrame, kept: pd.DataFrame) -> Agreement:
    new, old = (frame[frame["run"] == spec.id].iloc[0] for frame in (fresh, kept))
    figures = [*RUN_FIGURES, "status", "diverged_step"]
    same = all(_equal(new[c], old[c]) for c in figures)
    here = provenance(choose_device().type)
    expected = all(old[f"provenance_{name}"] == here[name] for name in ("torch", "device", "processor"))
    like = kept
    for field in (f for f in field_names() if f != "seed"):
        like = like[like[field].map(lambda v, field=field: _equal(v, old[field]))]
    distances = {c: _in_spreads(float(new[c]), float(old[c]), like[c].astype(float).std(ddof=1)) for c in JUDGED}
    if new["status"] != old["status"]:
        return Agreement(spec, False, expected, np.inf, "status")
    # What differs and cannot be judged comes before what is within the limit, and after what is beyond it.
    measure = max(distances, key=lambda c: LIMIT if np.isnan(distances[c]) else distances[c])
    return Agreement(spec, same, expected, distances[measure], measure)


def _in_spreads(new: float, old: float, spread: float) -> float:
    if new == old:
        return 0.0
    return abs(new - old) / spread if spread > 0 else float("nan")


def _equal(a: Any, b: Any) -> bool:
    return bool(a == b or (a != a and b != b))


KEPT = (*TABLES, *DERIVED)
MAY_LACK = {"t95", "diverged_epoch", "diverged_step"}  # figures that a complete run may not have
EXTRAS = {"seed_rank"}  # what older ledgers have beside the columns of a table


def store_problems(store: RunStore, tick: Callable[[], object] = lambda: None) -> list[str]:
    """What does not verify of a store's finished runs, a line each. Stale runs are whole: they are none.

    Args:
        store: the store.
        tick: called after every run.
    """
    problems = []
    for run in store.folders():
        found = run_status(store, run)
        if found.kind == "corrupt":
            problems.append(f"run {run}: {found.detail}")
        else:
            problems += _wrong_tables(store, run)
        tick()
    return problems


def _wrong_tables(store: RunStore, run: str) -> list[str]:
    """Tables of a run whose checksums are right and whose rows are another run's."""
    manifest = store.manifest(run)
    if manifest is None:
        return []
    problems = []
    for name in (n.removesuffix(".csv") for n in manifest["files"] if n.endswith(".csv")):
        frame = store.table(run, name)
        if set(frame["run"]) != {run}:
            problems.append(f"run {run}: {name}.csv has rows of {', '.join(map(str, sorted(set(frame['run']))))}")
    return problems


def ledger_problems(folder: Path) -> list[str]:
    """What is wrong with the tables of a ledger, a line each.

    Args:
        folder: the ledger's; each folder in it is a profile.
    """
    problems = [f"{p}: was left half-written" for p in sorted(folder.rglob(".*.part"))]
    for profile in sorted(p for p in folder.iterdir() if p.is_dir()) if folder.is_dir() else ():
        try:
            tables = {name: read_table(profile / f"{name}.csv.gz", name) for name in KEPT}
        except StoreError as error:
            problems.append(str(error))
            continue
        problems += [f"{profile.name}: {p}" for p in _profile_problems(tables)]
        known = {f"{name}.csv.gz" for name in KEPT}
        strays = sorted(p.name for p in profile.iterdir() if p.name not in known and not p.name.endswith(".part"))
        problems += [f"{profile / name}: is no table of a ledger" for name in strays]
    return problems


def _profile_problems(tables: dict[str, pd.DataFrame]) -> list[str]:
    problems = []
    for name, frame in tables.items():
        odd = set(COLUMNS[name]) ^ (set(frame.columns) - EXTRAS)
        if odd:
            problems.append(f"{name}: columns missing or unknown: {', '.join(sorted(odd))}")
    if problems:
        return problems
    runs = tables["runs"]
    for run in runs["run"][runs["run"].duplicated()]:
        problems.append(f"runs: run {run} stands there twice")
    for row in runs.to_dict("records"):
        problems += [f"runs: run {row['run']}: {what}" for what in _row_problems(row)]
    status = dict(zip(runs["run"], runs["status"], strict=True))
    for name, frame in tables.items():
        named = {run for c in ("run", "other") if c in frame for run in frame[c].dropna() if run}
        strangers = sorted(map(str, named - set(status)))
        problems += [f"{name}: has rows of run {run}, which is not among the runs" for run in strangers]
    there = set(tables["layers"]["run"])
    for run, kind in status.items():
        if kind == "complete" and (run not in there or run not in set(tables["history"]["run"])):
            problems.append(f"run {run}: is complete and has no history or layers")
        if kind == "diverged" and run in there:
            problems.append(f"run {run}: diverged and has rows of layers")
    return problems


def _row_problems(row: dict[str, Any]) -> list[str]:
    try:
        spec = spec_of(row)
    except (SpecError, ValueError) as error:
        return [f"is no run's spec ({error})"]
    problems = []
    if spec.id != row["run"]:
        problems.append(f"its fields are those of run {spec.id}")
    if row["status"] not in ("complete", "diverged"):
        problems.append(f'status {row["status"]!r}; "complete" or "diverged" is allowed')
    figures = {name for name in RUN_FIGURES if not math.isfinite(row[name])}
    if row["status"] == "complete" and (lacking := sorted(figures - MAY_LACK)):
        problems.append(f"is complete and lacks {', '.join(lacking)}")
    if row["status"] == "diverged" and not math.isfinite(row["diverged_step"]):
        problems.append("diverged and does not say at which step")
    # A package that is run from a checkout without git has no commit, and one that is not installed no version.
    needed = [f"provenance_{name}" for name in PROVENANCE if name not in ("commit", "version")]
    lacking = [name for name in (*needed, "started") if not isinstance(row[name], str) or not row[name]]
    if lacking:
        problems.append(f"lacks {', '.join(lacking)}")
    return problems
