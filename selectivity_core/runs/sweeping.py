"""A list of specs in, their tables out: what the store or the ledger has is read, the rest is trained."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import Executor
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ..errors import DataError, MissingRunsError, ParameterError, SelectivityError, SpecError, StoreError
from ..progress import bar, duration
from ..spec import RunSpec
from ..tables import Tables, joined
from .executing import default_jobs, gpu_count, train_all
from .manifests import is_current, result_version
from .store import RunStore
from .validation import copies_problems

if TYPE_CHECKING:
    import pandas as pd

OnMissing = Literal["train", "skip", "raise"]
MAX_HOURS = 4.0  # of work that the command line and notebooks train without being told to


def sweep(
    specs: Iterable[RunSpec],
    store: RunStore | str | Path,
    *,
    executor: Executor | None = None,
    jobs: int | None = None,
    side_by_side: int | None = None,
    on_missing: OnMissing = "train",
    data: str | Path | None = None,
    ledger: Tables | None = None,
    time_budget: float | None = None,
    max_hours: float | None = None,
    progress: bool = True,
) -> Tables:
    """The tables of many runs; what is missing is trained and stored.

    Ctrl-C and signals that end a process stop it within seconds: what is finished is stored, and runs in progress leave
    a checkpoint.

    Args:
        specs: the runs wanted; doubled ones count once.
        store: where finished runs are kept.
        executor: trains the missing runs; results come back by value and are stored here, so its workers need no
            shared disk. By default a pool of local processes that store what they train.
        jobs: local processes, each with the threads of its spec; by default as many as GPUs, or else as cores allow.
        side_by_side: instead of `jobs`, runs that train at once in this process, as captured graphs on the one device
            that `choose_device` gives: a GPU, which so many small networks keep busy (8 do on an H200). Runs that
            `captured.shape_of` refuses, and those whose weights are kept after every epoch, train as without it, one
            after the other. A run that is stopped leaves no checkpoint.
        on_missing: "train", "skip" (the tables then lack those runs), or "raise".
        data: the folder of data sets; see `data.data_root`.
        ledger: tables of finished runs that are read where the store lacks a run.
        time_budget: seconds after which the sweep stops: runs in progress leave a checkpoint at their next step, the
            tables lack what is not finished, and the same call later goes on from there.
        max_hours: refuse to train what takes more hours of work than that, all workers together, by the costs of
            finished runs. None, or a time budget, sets no limit.
        progress: show one bar: done, left, how long.

    Returns:
        Tables with rows in the order of the specs, whatever order they finished in.

    Raises:
        MissingRunsError: runs are missing and `on_missing` is "raise".
        DataError: data of runs to be trained on this machine that are missing, or not what their name says.
        ParameterError: an unknown `on_missing`, a time budget that is none, `side_by_side` with `executor` or `jobs`,
            or more work than `max_hours`.
        StoreError: runs made from several copies of data that are not at hand, or that do not verify.
        SelectivityError: runs that failed; all others were finished and stored first.
    """
    from ..data import load

    deadline = math.inf if time_budget is None else time.monotonic() + time_budget
    if side_by_side is not None:
        if executor is not None or jobs is not None or side_by_side < 1:
            raise ParameterError(
                f"side_by_side: {side_by_side!r} given; 1 or more is allowed, without executor or jobs"
            )
        os.environ.setdefault("CUDA_DEVICE_MAX_CONNECTIONS", "32")  # queues of a GPU; read when CUDA starts
    wanted = list(dict.fromkeys(specs))
    store = store if isinstance(store, RunStore) else RunStore(store)
    if on_missing not in ("train", "skip", "raise"):
        raise ParameterError(f'on_missing: {on_missing!r} given; "train", "skip" or "raise" is allowed')
    if time_budget is not None and not 0 <= time_budget < math.inf:
        raise ParameterError(f"time_budget: {time_budget!r} given; seconds from 0 on are needed")
    held, known, digests = at_hand(wanted, store, ledger, data, on_missing)
    missing = [s for s in wanted if s.id not in held and s.id not in known]
    some = f"{len(missing)} of {len(wanted)} runs"
    if missing and on_missing == "raise":
        raise MissingRunsError(f"{some} missing from {store.path}, the first: {run_label(missing[0])}")
    if on_missing == "train":
        store.remove_leftovers(held)
    if missing and on_missing == "train":
        work, ends = _cost(missing, store, ledger, jobs or side_by_side or default_jobs(missing, gpu_count()))
        if max_hours is not None and time_budget is None and work > 3600 * max_hours:
            raise ParameterError(
                f"{some} to be trained, which takes about {duration(work)} of work; "
                f"{duration(3600 * max_hours)} are allowed without --yes (in notebooks SELECTIVITY_MAX_HOURS, "
                f"in Python max_hours)"
            )
        if executor is None and time.monotonic() < deadline:
            for name in sorted({s.dataset for s in missing} - digests.keys()):
                load(name, data)  # raises what is wrong with it
        title = f"training {len(missing)} {'run' if len(missing) == 1 else 'runs'}"
        title += "" if executor else f", about {duration(ends)}"
        held |= _train_missing(
            missing, store, title if progress else None,
            executor=executor, jobs=jobs, side_by_side=side_by_side, data=data, digests=digests, deadline=deadline,
        )  # fmt: skip
    return Tables(lambda name: _table(name, [s.id for s in wanted], store, held, known, ledger))


def run_label(spec: RunSpec) -> str:
    """A run in words."""
    return f"{spec.model} on {spec.dataset}, α = {spec.alpha:g}, seed {spec.seed} ({spec.id})"


def at_hand(
    wanted: Sequence[RunSpec], store: RunStore, ledger: Tables | None, data: str | Path | None,
    on_missing: OnMissing = "train",
) -> tuple[set[str], set[str], dict[str, str]]:  # fmt: skip
    """Ids of the wanted runs that the store has, of those that the ledger has beside, and the digests of the data."""
    digests = data_digests(wanted, data)
    manifests = {s: store.manifest(s) for s in wanted}
    made_from = {s: m["digest"] for s, m in manifests.items() if m is not None and is_current(m)}
    made_from = {s: digest for s, digest in made_from.items() if digests.get(s.dataset, digest) == digest}
    unknown = [s for s in made_from if s.dataset not in digests]  # whose data are not at hand
    if problems := copies_problems((s.dataset, made_from[s], s.id) for s in unknown):
        raise StoreError(f"{store.path}: {problems[0]}; with the data at hand, those made from them are taken")
    held = {s.id for s in made_from}
    if ledger is None:
        return held, set(), digests
    here = {s.dataset: digest for s, digest in made_from.items()} | digests
    return held, _ledger_runs(ledger, wanted, held, here, on_missing), digests


def _cost(missing: Sequence[RunSpec], store: RunStore, ledger: Tables | None, workers: int) -> tuple[float, float]:
    """Seconds of work that runs take, and seconds until so many workers are done."""
    from .archive import ledger as read_ledger
    from .planning import cost_of, makespan, measured_costs, setting_of

    if ledger is None:
        with suppress(StoreError):  # beside an installed package there is none
            ledger = read_ledger()
    samples = measured_costs(store, ledger)
    known: dict[Any, float] = {}
    for setting, spec in {setting_of(spec): spec for spec in missing}.items():
        with suppress(SpecError):  # a network that cannot be: its runs fail by name
            known[setting] = cost_of(spec, samples).seconds
    seconds = [known.get(setting_of(spec), 0.0) for spec in missing]
    return sum(seconds), makespan(seconds, workers)


def _table(
    name: str, wanted: list[str], store: RunStore, held: set[str], known: set[str], ledger: Tables | None
) -> pd.DataFrame:
    """One table of the runs that the store or else the ledger has, rows in the order of the runs wanted."""
    frames = [store.table(run, name) for run in wanted if run in held]
    if ledger is not None:
        rest = getattr(ledger, name)
        frames.append(rest[rest["run"].isin(set(wanted) & known - held)])
    found, order = joined(name, frames), {run: k for k, run in enumerate(wanted)}
    return found.iloc[found["run"].map(order).argsort(kind="stable")].reset_index(drop=True) if len(found) else found


def _ledger_runs(
    ledger: Tables, wanted: Sequence[RunSpec], held: set[str], digests: dict[str, str], on_missing: OnMissing
) -> set[str]:
    """The ledger's runs that may stand in for wanted ones that the store lacks: current, and of the same data.

    Rows made from other data than those here are shown where every run of the data set comes from the ledger, and
    are stale where some come from the store or are about to be trained: one table never mixes two copies of the data.
    """
    runs = ledger.runs
    runs = runs[(runs["provenance_result_version"] == str(result_version())) & ~runs["run"].isin(held)]
    made_from = dict(zip(runs["run"], runs["provenance_digest"], strict=True))
    known: set[str] = set()
    for name in {s.dataset for s in wanted}:
        ids = [s.id for s in wanted if s.dataset == name]
        others = {run for run in ids if run in made_from}
        mixed = not held.isdisjoint(ids) or (on_missing == "train" and len(others) < len(ids))
        known |= {run for run in others if not mixed or digests.get(name) in (None, made_from[run])}
    return known


def data_digests(specs: Sequence[RunSpec], data: str | Path | None) -> dict[str, str]:
    """Digests of the data at hand, by data set; those that are not at hand cannot make a run stale."""
    from ..data import load

    found: dict[str, str] = {}
    for name in {s.dataset for s in specs}:
        try:
            found[name] = load(name, data).digest
        except DataError:
            continue
    return found


def _train_missing(specs: list[RunSpec], store: RunStore, title: str | None, **how: Any) -> set[str]:
    """Trains runs; gives the ids of those that are now in the store: all, unless a time budget stopped some."""
    finished: set[str] = set()
    errors: list[tuple[RunSpec, Exception]] = []
    shares: dict[str, float] = {}
    form = "{desc}: {percentage:3.0f}%|{bar}| [{elapsed}<{remaining}{postfix}]"
    shown = bar(title or "", len(specs), "run", disable=title is None, smoothing=0, bar_format=form)

    def report(spec: RunSpec, share: float) -> None:
        if not shares:  # workers load torch first, which says nothing of the rate
            shown.start_t = shown.last_print_t = time.time()
            shown.initial = share
        shown.set_postfix_str(f"{len(finished)} of {len(specs)} finished", refresh=False)
        shown.update(min(share - shares.get(spec.id, 0.0), len(specs) - shown.n))
        shares[spec.id] = share

    with shown, closing(train_all(specs, store, report=report, **how)) as outcomes:
        for spec, result in outcomes:
            if isinstance(result, Exception):
                errors.append((spec, result))
            elif result == "finished":
                finished.add(spec.id)
                report(spec, 1.0)
    if errors:
        spec, error = errors[0]
        kind = "" if isinstance(error, SelectivityError) else f"{type(error).__name__}: "
        message = " ".join(str(error).split())
        raise SelectivityError(
            f"{len(errors)} of {len(specs)} runs failed, the first: {run_label(spec)}: {kind}{message}"
        ) from error
    return finished
