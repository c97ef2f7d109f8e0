"""Tables that are worked out of trained networks afterwards: kept beside the runs, and in the ledger."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from ..arithmetic import standard
from ..errors import StoreError
from ..files import make_folder, replace, sha256
from ..progress import bar
from ..spec import RunSpec
from ..tables import COLUMNS, Tables, joined
from .archive import kept_networks, ledger_folder
from .profiles import profile_of
from .reads import note_read
from .store import RunStore
from .sweeping import OnMissing, at_hand, sweep
from .trained import TrainedRuns
from .validation import from_csv, printable, to_csv

FOLDER = ".derived"


@dataclass(frozen=True)
class Analysis:
    """Something worked out of one or two trained networks."""

    table: str  # that its rows belong to: one of `validation.DERIVED`
    kind: str  # its name; one table can hold several kinds
    version: int  # raised by hand when the same networks give other rows
    rows: Callable[..., pd.DataFrame]  # from the runs to the table's columns, less run, other, version
    settings: tuple[tuple[str, Any], ...] = ()  # what else decides the rows; part of the identity
    of_best: bool = True  # whether it asks for nothing but the best epoch's network, which a ledger may keep

    @property
    def label(self) -> str:
        """Kind, version and settings as the tables' column `analysis` has them."""
        return " ".join([f"{self.kind}/{self.version}", *(f"{k}={v}" for k, v in self.settings)])


@dataclass(frozen=True)
class Task:
    """An analysis of certain runs (one, or two in this order)."""

    analysis: Analysis
    runs: tuple[RunSpec, ...]

    @property
    def name(self) -> tuple[str, ...]:
        """What its rows have in the columns `analysis`, `run` and, of two runs, `other`."""
        return (self.analysis.label, *(spec.id for spec in self.runs))


def derive(
    tasks: Iterable[Task],
    store: RunStore,
    *,
    ledger: Tables | None = None,
    on_missing: OnMissing = "train",
    progress: bool = True,
    max_hours: float | None = None,
) -> pd.DataFrame:
    """The rows of many tasks of one table, in the order of the tasks: kept ones are read, the rest worked out and kept.

    The ledger is read where the store has no result, and its networks are measured where the store lacks a run. Where a
    result and the weights it needs are both missing, runs are trained, tasks left out, or MissingRunsError raised, as
    `on_missing` says; `max_hours` is as of `sweep`.
    """
    wanted = list(dict.fromkeys(tasks))
    if not wanted:
        return pd.DataFrame()
    table = wanted[0].analysis.table
    known = _of_ledger(table, ledger)
    networks = _networks(wanted, ledger)
    kept = {task: _kept(task, store, networks) for task in wanted}
    kept = {task: known.get(task.name) if rows is None else rows for task, rows in kept.items()}
    found = {task: rows for task, rows in kept.items() if rows is not None}
    missing = [task for task in wanted if task not in found]
    how: dict[str, Any] = {"on_missing": on_missing, "progress": progress, "max_hours": max_hours}
    there = _with_networks(missing, store, ledger, networks, how)
    found |= dict(_worked_out([task for task in missing if set(task.runs) <= there], store, networks, progress))
    return joined(table, [found[task] for task in wanted if task in found])


def _networks(tasks: Iterable[Task], ledger: Tables | None) -> dict[str, str]:
    """Run -> checksum of the networks that the ledger keeps of the tasks' profiles."""
    profiles = {profile_of(spec) for task in tasks for spec in task.runs}
    return {} if ledger is None else kept_networks(ledger_folder(), profiles)


def _with_networks(
    tasks: list[Task], store: RunStore, ledger: Tables | None, networks: Mapping[str, str], how: dict[str, Any]
) -> set[RunSpec]:
    """Runs of tasks whose networks the ledger keeps or the store has, those that both lack being trained first.

    The ledger's are for data that are here, and are those that the networks were trained on.
    """
    specs = list(dict.fromkeys(spec for task in tasks for spec in task.runs))
    if not specs:
        return set()
    _, known, digests = at_hand(specs, store, ledger, None, "skip")
    there = set() if ledger is None else set(zip(ledger.runs["run"], ledger.runs["provenance_digest"], strict=True))
    kept = {s for s in specs if s.id in known & networks.keys() and (s.id, digests.get(s.dataset)) in there}
    others = [spec for spec in specs if spec not in kept]
    others += [spec for task in tasks if not task.analysis.of_best for spec in task.runs]
    trained = sweep(others, store, **how).runs
    complete = set(trained.loc[trained["status"] == "complete", "run"])
    return kept - set(others) | {spec for spec in others if spec.id in complete}


def _worked_out(
    tasks: list[Task], store: RunStore, networks: Mapping[str, str], progress: bool
) -> Iterator[tuple[Task, pd.DataFrame]]:
    if not tasks:
        return
    runs = TrainedRuns(store)
    with bar(f"{tasks[0].analysis.kind}", len(tasks), "result", disable=not progress) as shown:
        for task in tasks:
            # Before the weights are read: where they change meanwhile, the result is stale and not taken for theirs.
            stamp = _stamp([spec.id for spec in task.runs], store, networks)
            with standard():
                rows = task.analysis.rows(runs, *task.runs, **dict(task.analysis.settings))
            rows = rows.assign(run=task.runs[0].id, other=task.runs[-1].id, analysis=task.analysis.label)
            rows = rows.reindex(columns=list(COLUMNS[task.analysis.table]))
            path = result_path(task, store)
            make_folder(path.parent)
            replace(path, gzip.compress(stamp + b"\n" + to_csv(rows), compresslevel=6, mtime=0))
            shown.update()
            yield task, rows


def result_path(task: Task, store: RunStore) -> Path:
    """Where a store keeps a result, or will keep it: analysis and run ids, hashed."""
    key = sha256(json.dumps(task.name).encode())[:20]
    return store.path / FOLDER / task.analysis.table / f"{key}.csv.gz"


def _stamp(runs: Iterable[str], store: RunStore, networks: Mapping[str, str]) -> bytes:
    """First line of a result: the weights it was worked out of, so that another training makes it stale."""

    def weights(run: str) -> str:
        manifest = store.manifest(run)
        if manifest is None:
            return networks.get(run, "")
        entry = manifest["files"].get("weights.safetensors")
        return entry["sha256"] if entry else ""  # a diverged run has none

    return json.dumps([weights(run) for run in runs]).encode()


def _kept(task: Task, store: RunStore, networks: Mapping[str, str]) -> pd.DataFrame | None:
    """A result that is there, whole and of the weights that are there; else None, and it is worked out anew."""
    path = result_path(task, store)
    note_read(path)
    try:
        stamp, rows = _read(path, task.analysis.table)
    except (OSError, ValueError):
        return None
    return rows if stamp == _stamp([spec.id for spec in task.runs], store, networks) else None


def _read(path: Path, table: str) -> tuple[bytes, pd.DataFrame]:
    """Stamp and rows of a kept result; OSError or ValueError where it cannot be read."""
    try:
        stamp, _, rows = gzip.decompress(path.read_bytes()).partition(b"\n")
    except (EOFError, zlib.error) as error:
        raise ValueError(printable(error)) from error
    return stamp, from_csv(rows, table)


def _of_ledger(table: str, ledger: Tables | None) -> dict[tuple[str, ...], pd.DataFrame]:
    if ledger is None or not len(rows := getattr(ledger, table)):
        return {}
    return dict(iter(rows.groupby(_keys(rows), sort=False)))


def _keys(rows: pd.DataFrame) -> list[str]:
    return ["analysis", "run", *(["other"] if "other" in rows else [])]


def ledger_results(table: str, ledger: Tables) -> set[tuple[str, ...]]:
    """The `Task.name` of every result that a table of the ledger holds."""
    rows = getattr(ledger, table)
    return set(rows[_keys(rows)].drop_duplicates().itertuples(index=False, name=None)) if len(rows) else set()


def has_results(store: RunStore) -> bool:
    """Whether anything that the store keeps was worked out of networks."""
    return any((store.path / FOLDER).glob("*/*.csv.gz"))


def kept_rows(store: RunStore, table: str, runs: set[str], networks: Mapping[str, str]) -> Iterator[pd.DataFrame]:
    """Every result of a table that the store keeps of these runs of its own, for the ledger, but for stale ones.

    `networks` has the checksums of the ledger's networks of runs that the store lacks; results of these count too.
    """
    for path in sorted((store.path / FOLDER / table).glob("*.csv.gz")):
        try:
            stamp, rows = _read(path, table)
        except (OSError, ValueError) as error:
            raise StoreError(f"{path}: not a result that can be read ({error}); remove it") from error
        ids = rows[[c for c in ("run", "other") if c in rows]].drop_duplicates().to_numpy().tolist()
        if len(ids) == 1 and set(ids[0]) <= runs | networks.keys() and stamp == _stamp(ids[0], store, networks):
            yield rows
