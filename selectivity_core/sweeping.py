"""A list of specs in, their tables out: what the store or the ledger has is read, the rest is trained."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor, Future, as_completed
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from .errors import MissingRunsError, SelectivityError
from .progress import bar
from .spec import RunSpec
from .store import RunStore
from .tables import Tables, empty

if TYPE_CHECKING:
    import pandas as pd

    from .run import Result

OnMissing = Literal["train", "skip", "raise"]


def sweep(
    specs: Iterable[RunSpec],
    store: RunStore | str | Path,
    *,
    executor: Executor | None = None,
    jobs: int | None = None,
    on_missing: OnMissing = "train",
    data: str | Path | None = None,
    ledger: Tables | None = None,
    progress: bool = True,
) -> Tables:
    """The tables of many runs; what is missing is trained and stored.

    Args:
        specs: the runs wanted; doubled ones count once.
        store: where finished runs are kept.
        executor: trains the missing runs; results come back by value and are stored here, so its workers need no
            shared disk. By default a pool of local processes that store what they train.
        jobs: local processes, one thread each; by default as many as cores.
        on_missing: "train", "skip" (the tables then lack those runs), or "raise".
        data: the folder of data sets; see `data.data_root`.
        ledger: tables of finished runs that are read where the store lacks a run.
        progress: show one bar: done, left, how long.

    Returns:
        Tables with rows in the order of the specs, whatever order they finished in.

    Raises:
        MissingRunsError: runs are missing and `on_missing` is "raise".
        SelectivityError: runs that failed; all others were finished and stored first.
    """
    wanted = list(dict.fromkeys(specs))
    store = store if isinstance(store, RunStore) else RunStore(store)
    if on_missing not in ("train", "skip", "raise"):
        raise ValueError(f'on_missing: {on_missing!r} given; "train", "skip" or "raise" is allowed')
    digests = _digests(wanted, data)
    known = _current(ledger) if ledger is not None else set()
    held = {s.id for s in wanted if store.holds(s, digests.get(s.dataset))}
    missing = [s for s in wanted if s.id not in held and s.id not in known]
    if missing and on_missing == "raise":
        raise MissingRunsError(
            f"{len(missing)} of {len(wanted)} runs are missing from {store.path}, the first: {describe(missing[0])}"
        )
    if missing and on_missing == "train":
        _train_all(missing, store, executor, jobs, data, progress)
        held |= {s.id for s in missing}
    return Tables(lambda name: _table(name, [s.id for s in wanted], store, held, known, ledger))


def describe(spec: RunSpec) -> str:
    """A run in words."""
    return f"{spec.model} on {spec.dataset}, α = {spec.alpha:g}, seed {spec.seed} ({spec.id})"


def _table(
    name: str, wanted: list[str], store: RunStore, held: set[str], known: set[str], ledger: Tables | None
) -> pd.DataFrame:
    """One table of the runs that the store or else the ledger has, rows in the order of the runs wanted."""
    import pandas as pd

    frames = [store.table(run, name) for run in wanted if run in held]
    if ledger is not None:
        rest = getattr(ledger, name)
        frames.append(rest[rest["run"].isin(set(wanted) & known - held)])
    frames = [frame for frame in frames if len(frame)]
    if not frames:
        return empty(name)
    joined = pd.concat(frames, ignore_index=True)
    order = {run: k for k, run in enumerate(wanted)}
    return joined.iloc[joined["run"].map(order).argsort(kind="stable")].reset_index(drop=True)


def _current(ledger: Tables) -> set[str]:
    """The ledger's runs of this result version; others are trained anew."""
    from .training import RESULT_VERSION

    runs = ledger.runs
    return set(runs.loc[runs["provenance_result_version"] == str(RESULT_VERSION), "run"])


def _digests(specs: Sequence[RunSpec], data: str | Path | None) -> dict[str, str]:
    """Digests of the data at hand, by data set; those that are not at hand cannot make a run stale."""
    from .data import load
    from .errors import DataError

    found = {}
    for name in {s.dataset for s in specs}:
        try:
            found[name] = load(name, data).digest
        except DataError:
            continue
    return found


def _train_all(
    specs: list[RunSpec], store: RunStore, executor: Executor | None, jobs: int | None,
    data: str | Path | None, progress: bool,
) -> None:  # fmt: skip
    errors: list[tuple[RunSpec, Exception]] = []
    with bar(f"training {len(specs)} runs", len(specs), "run", disable=not progress, smoothing=0) as shown:
        for spec, outcome in _outcomes(specs, store, executor, jobs, data):
            try:
                result = outcome()
            except Exception as error:  # one failed run does not cost the others
                errors.append((spec, error))
                continue
            if result is not None:
                store.add(result)
            shown.update()
    if errors:
        spec, error = errors[0]
        kind = "" if isinstance(error, SelectivityError) else f"{type(error).__name__}: "
        raise SelectivityError(
            f"{len(errors)} of {len(specs)} runs failed, the first: {describe(spec)}: {kind}{error}"
        ) from error


def _outcomes(
    specs: list[RunSpec], store: RunStore, executor: Executor | None, jobs: int | None, data: str | Path | None
) -> Iterable[tuple[RunSpec, Callable[[], Result | None]]]:
    """Each spec with a function that waits for its result (None where the worker stored it), as they finish."""
    count = min(jobs or os.cpu_count() or 1, len(specs))
    if executor is None and count == 1:
        for spec in specs:
            yield spec, lambda spec=spec: _train_and_store(spec, store.path, data)
        return
    futures: dict[Future, RunSpec]
    if executor is None:
        # loky's workers start from a clean interpreter and need no `if __name__ == "__main__"` in scripts.
        from joblib.externals.loky import get_reusable_executor

        pool = get_reusable_executor(max_workers=count)
        futures = {pool.submit(_train_and_store, spec, store.path, data): spec for spec in specs}
    else:
        futures = {executor.submit(_train_by_value, spec, data): spec for spec in specs}
    try:
        for future in as_completed(list(futures)):
            yield futures.pop(future), future.result  # a result is let go once it is stored
    finally:
        for future in futures:
            future.cancel()


def _train_by_value(spec: RunSpec, data: str | Path | None) -> Result:
    from .run import train

    return train(spec, data=data, progress=False)


def _train_and_store(spec: RunSpec, path: Path, data: str | Path | None) -> None:
    """Trains a run unless another process did so meanwhile, from its checkpoint where there is one."""
    from .data import load
    from .run import train

    store, dataset = RunStore(path), load(spec.dataset, data)
    with store.lock(spec):
        if not store.holds(spec, dataset.digest):
            store.add(train(spec, data=dataset, progress=False, checkpoints=store.checkpoints(spec)))
