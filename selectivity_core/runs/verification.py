"""The status of runs, checks of stores and ledgers, and whether runs come out the same when they are trained anew."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import numpy as np
import pandas as pd
import torch

from ..errors import MissingRunsError, ParameterError, StoreError
from ..files import standing
from ..machine import choose_device, provenance
from ..seeds import generator
from ..spec import SCHEMA, RunSpec, field_names, spec_of
from ..tables import COLUMNS, LATE_MEASURES, RUN_NUMBERS, Tables
from .archive import DIGITS, PER_UNIT, in_digits, kept_problems, profiles_in, read_profile, strays
from .manifests import check_run, read_folder, read_run, result_version
from .profiles import profile_of
from .store import RunStore
from .sweeping import sweep
from .validation import TABLES, copies_of, copies_problems, equal_values, joint_problems, printable

Kind = Literal["complete", "diverged", "stale", "damaged", "interrupted", "absent"]
KINDS: tuple[Kind, ...] = get_args(Kind)
LIMIT = 3.0  # standard deviations over seeds, where the machine is another one
COMPARED = ("test_accuracy", "test_loss", "si_units")


@dataclass(frozen=True)
class RunStatus:
    """A run's status."""

    kind: Kind
    epoch: int = 0  # where it was interrupted or diverged, counted from 1
    step: int = 0  # as well; 0 where the epoch has not begun
    in_training: bool = False  # whether a process works on it
    problem: str = ""  # which file is damaged, or what made the finished run stale


def run_status(store: RunStore, run: RunSpec | str, digest: str | None = None) -> RunStatus:
    """The status of a run in a store, worked out from its files each time; all of a finished one's are checked.

    Where the digest of the data here is not known, data cannot make a run stale.
    """
    found = _finished(store, run if isinstance(run, str) else run.id, digest)
    if found is not None and found.kind != "stale":
        return found
    checkpoints = store.checkpoints(run)
    position = checkpoints.position()
    if position is None and checkpoints.files() and found is None:
        return RunStatus("damaged", problem=f"no checkpoint verifies, the latest is {checkpoints.files()[0]}")
    if position is None:
        return found or RunStatus("absent", in_training=store.in_training(run))
    epoch, step = position
    return RunStatus("interrupted", epoch + 1, step, store.in_training(run), found.problem if found else "")


def _finished(store: RunStore, run: str, digest: str | None) -> RunStatus | None:
    try:
        manifest = store.manifest(run)
        if manifest is None:
            if store.folder(run).exists():
                return RunStatus("damaged", problem=f"{store.folder(run)} has no manifest")
            return None
        for name in sorted(manifest["files"]):
            store.content(run, name)
    except StoreError as error:
        return RunStatus("damaged", problem=str(error))
    reasons = []
    if manifest["schema"] != SCHEMA:
        reasons.append(f"schema {manifest['schema']}, now {SCHEMA}")
    if manifest["result_version"] != result_version():
        reasons.append(f"result version {manifest['result_version']}, now {result_version()}")
    if digest is not None and manifest["digest"] != digest:
        reasons.append(f"data {manifest['digest'][:16]}, here {digest[:16]}")
    if reasons:
        return RunStatus("stale", problem="; ".join(reasons))
    if manifest["status"] == "diverged":
        row = store.table(run, "runs").iloc[0]
        return RunStatus("diverged", int(row["diverged_epoch"]), int(row["diverged_step"]))
    return RunStatus("complete")


def store_problems(store: RunStore, tick: Callable[[], object] = lambda: None) -> list[str]:
    """What is wrong with a store's finished runs, a line each: files, tables and weights are checked.

    Stale runs are whole: they are none. Of runs of another schema only the files are checked.
    """
    problems = []
    for run in store.folders():
        try:
            files = read_folder(store.folder(run))
            if read_run(run, files)["schema"] == SCHEMA:
                check_run(run, files)
        except ValueError as error:
            problems.append(printable(f"{store.folder(run)}: {error}"))
        tick()
    return problems


def ledger_problems(folder: Path) -> list[str]:
    """What is wrong with a ledger, a line each: values, rows, files, and profiles and copies of data that are mixed."""
    problems = [f"{path}: was left half-written" for path in sorted(folder.rglob(".*.part"))]
    made_from = []
    for name in profiles_in(folder):
        profile = folder / name
        if standing(profile) != profile:
            problems.append(f"{profile}: an export was killed; what is read is as before, and the next export mends it")
        problems += [f"{profile / stray}: is no table of a ledger" for stray in strays(profile)]
        try:
            tables = read_profile(profile)
        except StoreError as error:
            problems.append(str(error))
            continue
        made_from += copies_of(tables["runs"])
        found = joint_problems(tables)
        if not found:
            specs = {row["run"]: spec_of(row) for row in tables["runs"].to_dict("records")}
            complete = tables["runs"].loc[tables["runs"]["status"] == "complete", "run"]
            found = _misfiled(name, specs) + kept_problems(profile, {run: specs[run] for run in complete})
        problems += [f"{name}: {problem}" for problem in found]
    return list(map(printable, problems + copies_problems(made_from)))


def _misfiled(profile: str, specs: dict[str, RunSpec]) -> list[str]:
    belong: dict[str, list[str]] = {}
    for run, spec in specs.items():
        belong.setdefault(profile_of(spec), []).append(run)
    return [
        f"runs: {len(runs)} runs belong to profile {other}, {min(runs)} the first"
        for other, runs in belong.items()
        if other != profile
    ]


def sample(kept: Tables, count: int, seed: int) -> list[RunSpec]:
    """Runs of a ledger drawn at random, each once; all where it has fewer."""
    if count < 1:
        raise ParameterError(f"retrain: {count} given; at least 1 run is needed")
    if not len(kept.runs):
        raise MissingRunsError("the ledger has no run to train again")
    rows = kept.runs.sort_values("run").to_dict("records")
    chosen = torch.randperm(len(rows), generator=generator(seed, "retraining"))[:count]
    return [spec_of(rows[k]) for k in chosen.tolist()]


def retrain(specs: Sequence[RunSpec], kept: Tables, *, data: str | Path | None = None) -> pd.DataFrame:
    """Trains runs anew, in a store that is thrown away, and holds each against its row in the ledger.

    Returns:
        a row a run: whether it agrees; whether "bit for bit", in all of its row and in the digits kept of its other
        tables; whether it must, on the "same machine" (processor, instruction sets, torch and device); and what of
        accuracy, cross-entropy and index "differs most", in "standard deviations" over the seeds that the ledger has of
        this setting, or of the network's others (NaN where none has a spread), or which table does where they agree.
    """
    with tempfile.TemporaryDirectory(prefix="selectivity-retrain-") as folder:
        fresh = sweep(specs, RunStore(folder), data=data)
        return pd.DataFrame([_compared(spec, fresh, kept) for spec in specs])


def agrees(same: bool, expected: bool, furthest: float) -> bool:
    """Bit for bit where that is expected, else not beyond `LIMIT` standard deviations."""
    return same or (not expected and not furthest > LIMIT)


def _compared(spec: RunSpec, fresh: Tables, kept: Tables) -> dict[str, object]:
    new, old = (tables.runs[tables.runs["run"] == spec.id].iloc[0] for tables in (fresh, kept))
    here = provenance(choose_device().type)
    expected = all(old[f"provenance_{name}"] == here[name] for name in ("torch", "device", "processor", "instructions"))
    odd = [name for name in TABLES[1:] if not _same_rows(name, spec.id, fresh, kept)]
    same = not odd and all(equal_values(new[c], old[c]) for c in (*RUN_NUMBERS, "status", "diverged_step"))
    distances = {c: _in_spreads(float(new[c]), float(old[c]), _spread(kept.runs, old, c)) for c in COMPARED}
    # What differs and cannot be judged comes before what is within the limit, and after what is beyond it.
    measure = max(distances, key=lambda c: LIMIT if np.isnan(distances[c]) else distances[c])
    furthest = distances[measure]
    if odd and not furthest:
        measure = odd[0]
    if new["status"] != old["status"]:
        measure, furthest = "status", np.inf
    return {
        "run": spec.id, "model": spec.model, "dataset": spec.dataset, "alpha": spec.alpha, "seed": spec.seed,
        "agrees": agrees(same, expected, furthest), "bit for bit": same, "same machine": expected,
        "differs most": "" if same else measure, "standard deviations": 0.0 if same else furthest,
    }  # fmt: skip


def _same_rows(table: str, run: str, fresh: Tables, kept: Tables) -> bool:
    """Whether a run's rows in a table agree in the digits that a ledger keeps; it keeps units of some runs only."""
    new, old = (
        in_digits(frame[frame["run"] == run][list(COLUMNS[table])].reset_index(drop=True), DIGITS[table])
        for frame in (getattr(fresh, table), getattr(kept, table))
    )
    later = {m + end for m in LATE_MEASURES for end in ("", "_shuffled")}
    unknown = [c for c in old if c in later and old[c].isna().all()]  # measures that came after the run was archived
    new, old = new.drop(columns=unknown), old.drop(columns=unknown)
    return (table in PER_UNIT and old.empty) or bool(((new == old) | (new.isna() & old.isna())).all(axis=None))


def _spread(kept: pd.DataFrame, old: pd.Series, column: str) -> float:
    """Standard deviation over the seeds of a run's setting; where it has none, the median of its network's settings."""
    fields = [f for f in field_names() if f != "seed"]
    alike = kept[kept["model"] == old["model"]]
    spreads = alike.groupby(fields, sort=False)[column].transform("std")
    own = float(spreads[alike["run"] == old["run"]].iloc[0])
    return own if own > 0 else float(spreads[spreads > 0].median())


def _in_spreads(new: float, old: float, spread: float) -> float:
    if new == old:
        return 0.0
    return abs(new - old) / spread if spread > 0 else float("nan")
