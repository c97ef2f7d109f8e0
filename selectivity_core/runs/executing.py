"""What a worker process is asked to do: train one run, beside the store or without it."""

from __future__ import annotations

import math
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, CancelledError, Executor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast

from ..errors import ParameterError, SelectivityError
from ..spec import RunSpec
from .checkpoints import Checkpoints, Stopped
from .store import RunStore

if TYPE_CHECKING:
    from ..run import Result

Attempt = Literal["finished", "stopped", "busy"]


@dataclass(frozen=True)
class Paused:
    """The last checkpoint of a run that its deadline stopped on a worker without the store."""

    name: str
    content: bytes


def train_by_value(
    spec: RunSpec, data: str | Path | None, deadline: float = math.inf, begun: Paused | None = None
) -> Result | Paused | None:
    """Trains a run where there is no store.

    Returns:
        the result; where the deadline stopped the run, its checkpoint; None where it was over before the run began.
    """
    from ..run import train

    if time.time() >= deadline:
        return None
    with tempfile.TemporaryDirectory(prefix="selectivity-") as folder:
        checkpoints = Checkpoints(Path(folder), math.inf, deadline)
        if begun is not None:
            checkpoints.put(begun.name, begun.content)
        try:
            return train(spec, data=data, progress=False, checkpoints=checkpoints)
        except Stopped:
            latest = checkpoints.latest()
            return Paused(latest[0], latest[1]) if latest else None


def train_and_store(
    spec: RunSpec, path: Path, data: str | Path | None, deadline: float = math.inf, patience: float = 0.0, *,
    device: str | None = None, progress: bool = False,
) -> Attempt:  # fmt: skip
    """Trains a run unless another process did so meanwhile, from its checkpoint where there is one.

    Returns:
        "finished" where it is in the store, "stopped" by the deadline, or "busy" where another process has been
        training it for `patience` seconds.
    """
    import torch

    from ..data import load
    from ..run import train

    store, dataset, asked = RunStore(path), load(spec.dataset, data), time.monotonic()
    while time.time() < deadline:
        with store.try_lock(spec) as mine:
            if mine:
                if not store.holds(spec, dataset.digest):
                    checkpoints = store.checkpoints(spec)
                    checkpoints.deadline = deadline
                    where = torch.device(device) if device else None
                    try:
                        result = train(spec, data=dataset, progress=progress, device=where, checkpoints=checkpoints)
                    except Stopped:
                        return "stopped"
                    store.add(result)
                return "finished"
        if time.monotonic() - asked >= patience:
            return "busy"
        time.sleep(0.1)
    return "stopped"


BREAKS = 3  # times in a row that the local pool may lose a worker without finishing a run
PATIENCE = 5.0  # seconds to wait for a run that another process trains, once nothing else is left to do


@dataclass(frozen=True)
class Outcome:
    """What came of one run: finished and stored, failed, or stopped by the deadline."""

    spec: RunSpec
    error: Exception | None = None
    stopped: bool = False


def train_all(
    specs: Sequence[RunSpec],
    store: RunStore,
    *,
    executor: Executor | None = None,
    jobs: int | None = None,
    data: str | Path | None = None,
    digests: dict[str, str] | None = None,
    deadline: float = math.inf,
    progress: bool = False,
) -> Iterator[Outcome]:
    """Trains runs and stores them; gives each one's outcome as they end.

    Args:
        specs: the runs, each once.
        store: where they are kept.
        executor: trains them elsewhere, results coming back by value; by default local processes.
        jobs: local processes; by default as many as GPUs, or else as cores allow.
        data: the folder of data sets.
        digests: data set -> digest of the data here, which a worker's must equal.
        deadline: seconds since 1970 after which nothing is begun and what runs is stopped, with a checkpoint.
        progress: show a bar over epochs where only one run is trained, here.
    """
    if executor is not None:
        yield from _through(executor, specs, store, data, digests or {}, deadline)
        return
    gpus = gpu_count()
    count = min(jobs or default_jobs(specs, gpus), max(1, len(specs)))
    if count == 1:
        yield from _rounds(specs, lambda s, patience: _here(s, store, data, deadline, patience, progress))
    else:
        yield from _rounds(specs, lambda s, patience: _pooled(s, store, data, deadline, patience, count, gpus))


def gpu_count() -> int:
    """GPUs that local runs may use; 0 where they run on the CPU."""
    import torch

    from ..machine import choose_device

    device = choose_device()
    if device.type != "cuda":
        return 0
    return 1 if device.index is not None else torch.cuda.device_count()


def default_jobs(specs: Sequence[RunSpec], gpus: int) -> int:
    """Local processes by default: one a GPU, else one for every `threads` cores that this process may use."""
    import joblib

    return gpus or max(1, joblib.cpu_count() // max((s.threads for s in specs), default=1))


def _rounds(
    specs: Sequence[RunSpec], attempt: Callable[[list[RunSpec], float], Iterator[tuple[RunSpec, Attempt | Exception]]]
) -> Iterator[Outcome]:
    """Runs `attempt` over the specs, then again over those that another process was busy with or a dead worker had."""
    left, breaks, patience = list(specs), 0, 0.0
    while left:
        again: list[RunSpec] = []
        broken = finished = False
        for spec, result in attempt(left, patience):
            if result == "busy" or isinstance(result, BrokenExecutor):
                again.append(spec)
                broken |= result != "busy"
            else:
                finished |= result == "finished"
                yield Outcome(spec, result if isinstance(result, Exception) else None, result == "stopped")
        breaks = breaks * (not finished) + broken
        if breaks == BREAKS:
            killed = SelectivityError(f"its worker process was killed, {BREAKS} times in a row (out of memory?)")
            yield from (Outcome(spec, killed) for spec in again)
            return
        left, patience = again, PATIENCE


def _here(
    specs: Sequence[RunSpec], store: RunStore, data: str | Path | None, deadline: float, patience: float, progress: bool
) -> Iterator[tuple[RunSpec, Attempt | Exception]]:
    for spec in specs:
        try:
            yield spec, train_and_store(spec, store.path, data, deadline, patience, progress=progress)
        except Exception as error:  # one failed run does not cost the others
            yield spec, error


def _pooled(
    specs: Sequence[RunSpec], store: RunStore, data: str | Path | None, deadline: float, patience: float,
    count: int, gpus: int,
) -> Iterator[tuple[RunSpec, Attempt | Exception]]:  # fmt: skip
    # loky's workers start from a clean interpreter and need no `if __name__ == "__main__"` in scripts.
    from joblib.externals.loky import get_reusable_executor

    pool = get_reusable_executor(max_workers=count)
    futures = {}
    for k, spec in enumerate(specs):
        device = f"cuda:{k % gpus}" if gpus > 1 else None
        try:
            futures[pool.submit(train_and_store, spec, store.path, data, deadline, patience, device=device)] = spec
        except BrokenExecutor as error:
            yield spec, error
    try:
        for future in as_completed(list(futures)):
            spec, failure = futures.pop(future), cast(Exception | None, future.exception())
            yield spec, failure or future.result()
    finally:
        for future in futures:
            future.cancel()


def _through(
    executor: Executor, specs: Sequence[RunSpec], store: RunStore, data: str | Path | None,
    digests: dict[str, str], deadline: float,
) -> Iterator[Outcome]:  # fmt: skip
    futures = {}
    for spec in specs:
        latest = store.checkpoints(spec).latest()
        begun = Paused(latest[0], latest[1]) if latest else None
        futures[executor.submit(train_by_value, spec, data, deadline, begun)] = spec
    try:
        for future in as_completed(list(futures)):
            spec = futures.pop(future)  # a result is let go once it is stored
            try:
                yield Outcome(spec, stopped=not _keep(future.result(), spec, store, digests))
            except CancelledError:
                yield Outcome(spec, SelectivityError("the executor gave it up (did it lose its scheduler?)"))
            except Exception as error:
                yield Outcome(spec, error)
            del future
    finally:
        for future in futures:
            future.cancel()


def _keep(found: Result | Paused | None, spec: RunSpec, store: RunStore, digests: dict[str, str]) -> bool:
    """Stores what a worker sent; whether that is a finished run."""
    from ..training import RESULT_VERSION

    if found is None:
        return False
    if isinstance(found, Paused):
        store.checkpoints(spec).put(found.name, found.content)
        return False
    version = found.runs["provenance_result_version"].iloc[0]
    if found.spec != spec or version != str(RESULT_VERSION):
        raise SelectivityError(
            f"its worker has another version of the code (result version {version}, here {RESULT_VERSION}); "
            "install the same one on all machines"
        )
    here = digests.get(spec.dataset)
    if here is not None and found.digest != here:
        raise SelectivityError(
            f"its worker has other data under the name {spec.dataset} (digest {found.digest[:16]}, here {here[:16]})"
        )
    store.add(found)
    return True


TIMEOUT = 30  # seconds to wait for the scheduler


@contextmanager
def scheduled(address: str) -> Iterator[Executor]:
    """An executor whose runs the workers of a scheduler train; they need this package and the data, no shared disk.

    Args:
        address: the scheduler's, such as "tcp://10.0.0.1:8786".

    Raises:
        ParameterError: not an address.
        SelectivityError: Dask is not installed, or nothing answers there.
    """
    kind, separator, rest = address.partition("://")
    if not separator or kind not in ("tcp", "tls", "ws", "wss") or not rest:
        raise ParameterError(f"scheduler: {address!r} given; an address such as tcp://10.0.0.1:8786 is needed")
    try:
        from distributed import Client
    except ImportError as error:
        raise SelectivityError(
            "scheduler: Dask is not installed; install this package with its extra `cluster`"
        ) from error
    try:
        client = Client(address, timeout=TIMEOUT, set_as_default=False)
    except (OSError, TimeoutError, ValueError) as error:
        message = " ".join(str(error).split())
        raise SelectivityError(f"scheduler: nothing answers at {address} ({message})") from error
    with client:
        # pure=False: a task's key is its own, so that the results of an earlier client's tasks are never mixed in.
        yield client.get_executor(pure=False)
