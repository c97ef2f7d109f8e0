"""Whether what is kept can be trusted: every run of a store against its manifest, every table of a ledger in itself."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import SpecError, StoreError
from .ledgers import DERIVED, TABLES, read_table
from .rows import spec_of
from .run_status import run_status
from .store import RunStore
from .tables import COLUMNS, PROVENANCE, RUN_FIGURES

if TYPE_CHECKING:
    import pandas as pd

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
