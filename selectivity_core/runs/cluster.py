"""Runs trained through an executor or by the workers of a Dask scheduler, results coming back by value."""

from __future__ import annotations

import hashlib
import json
import math
import pydoc
import secrets
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent import futures
from concurrent.futures import CancelledError, Executor, Future
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from ..errors import DataError, ParameterError, SelectivityError
from ..machine import version
from ..run import Result, train
from ..spec import SCHEMA, RunSpec, field_names
from ..tables import COLUMNS
from ..training import RESULT_VERSION
from .checkpoints import Checkpoints, Stopped
from .executing import GRACE, POLL, Attempt, Crew, Ended
from .store import RunStore

TIMEOUT = 30  # seconds to wait for the scheduler
LOOK_EVERY = 2.0  # seconds between looks at which workers there are

# What must be the same here and on a worker.
_FORM = hashlib.sha256(json.dumps([field_names(), COLUMNS]).encode()).hexdigest()[:8]
VERSION = f"package {version() or 'uninstalled'}, schema {SCHEMA}, result version {RESULT_VERSION}, tables {_FORM}"
STOPPED: set[str] = set()  # sweeps whose runs in this process are to stop


def stop_sweep(sweep: str) -> None:
    """Stops the runs of a sweep that this process trains, at their next step."""
    STOPPED.add(sweep)


Paused = tuple[str, bytes]  # name and content of a run's last checkpoint


def train_by_value(
    spec: RunSpec, version: str, data: str | None, seconds: float, begun: Paused | None, sweep: str
) -> Result | Paused | None:
    """Trains a run where there is no store, from a checkpoint if it was begun.

    Args:
        version: `VERSION` of whoever asks.
        seconds: after which it stops.
        sweep: to which it belongs, for `stop_sweep`.

    Returns:
        the result; where the run was stopped, its checkpoint; None where it was stopped before it began.
    """
    if version != VERSION:
        raise SelectivityError(_differs(f"its worker has {VERSION}", version))
    deadline, abandoned = time.monotonic() + seconds, _abandoned()
    stop = lambda: sweep in STOPPED or time.monotonic() >= deadline or abandoned()  # noqa: E731
    if stop():
        return None
    with tempfile.TemporaryDirectory(prefix="selectivity-") as folder:
        checkpoints = Checkpoints(Path(folder), math.inf, stop=stop)
        if begun is not None:
            checkpoints.put(*begun)
        try:
            return train(spec, data=data, progress=False, checkpoints=checkpoints)
        except Stopped:
            return checkpoints.latest()


def _abandoned() -> Callable[[], bool]:
    """Whether the Dask task that this is called in was cancelled, or its client is gone; never true elsewhere."""
    try:
        worker = sys.modules["distributed"].get_worker()
        key = worker.get_current_task()
    except (KeyError, ValueError):
        return lambda: False
    return lambda: key not in worker.state.tasks or worker.state.tasks[key].state == "cancelled"


def _differs(theirs: str, ours: str) -> str:
    return f"{theirs}, here is {ours}: install the same version of this repository on all machines"


class Elsewhere(Crew):
    """An executor of `concurrent.futures` as a crew: as many runs at a time as it has workers.

    Each run's lock is held while it is trained there. Workers need this package and the data, no shared disk.
    """

    def __init__(self, executor: Executor, store: RunStore, data: str | Path | None, digests: dict[str, str]) -> None:
        self.executor, self.store, self.digests = executor, store, digests
        self.data = None if data is None else str(data)
        self.sweep = secrets.token_hex(8)
        self._futures: dict[Future[Any], tuple[RunSpec, ExitStack]] = {}
        self._gone = False

    def __exit__(self, *_: object) -> None:
        """Stops what is in progress and keeps what comes back in time."""
        if not self._futures:
            return
        self.stop()
        deadline = time.monotonic() + GRACE
        try:
            while self._futures and time.monotonic() < deadline:
                self.ended(POLL)
        finally:
            for future, (_spec, lock) in self._futures.items():
                future.cancel()
                lock.close()

    def slots(self) -> float:
        """How many runs it can train at a time."""
        return getattr(self.executor, "_max_workers", math.inf)

    def submit(self, *order: Any) -> Future[Any]:
        """Hands over an order for `train_by_value`."""
        return self.executor.submit(train_by_value, *order)

    def stop(self) -> None:
        """Stops the runs of this sweep."""
        stop_sweep(self.sweep)

    def free(self) -> bool:
        """Whether a worker of the executor is."""
        return self._gone or len(self._futures) < self.slots()

    def start(self, spec: RunSpec, seconds: float) -> Attempt | Exception | None:
        """Hands a run over."""
        with ExitStack() as held:
            try:
                if self._gone:
                    raise CancelledError
                if not held.enter_context(self.store.try_lock(spec)):
                    return "busy"
                if self.store.holds(spec, self.digests.get(spec.dataset)):
                    return "finished"
                begun = self.store.checkpoints(spec).latest()
                order = (spec, VERSION, self.data, seconds, begun, self.sweep)
                self._futures[self.submit(*order)] = (spec, held.pop_all())
                return None
            except Exception as error:
                return self._refused(error)

    def ended(self, wait: float) -> list[Ended]:
        """Stores what came back."""
        found: list[Ended] = []
        done = futures.wait(self._futures, wait, futures.FIRST_COMPLETED).done
        while done:  # a result is let go once it is stored
            spec, held = self._futures.pop(future := done.pop())
            with held:
                try:
                    found.append((spec, self._keep(future.result(), spec)))
                except Exception as error:
                    found.append((spec, self._refused(error)))
            del future
        return found

    def _refused(self, error: Exception) -> Exception:
        if isinstance(error, CancelledError):
            self._gone = True
            return SelectivityError("the executor gave it up (did it lose its scheduler?)")
        return error

    def _keep(self, found: Result | Paused | None, spec: RunSpec) -> Attempt:
        """Stores what a worker sent."""
        if not isinstance(found, Result):
            if found is not None:
                self.store.checkpoints(spec).put(*found)
            return "stopped"
        result_version = found.runs["provenance_result_version"].iloc[0]
        odd = [name for name, columns in COLUMNS.items() if tuple(getattr(found, name).columns) != columns]
        if found.spec != spec or result_version != str(RESULT_VERSION) or odd:
            what = f"tables {', '.join(odd)} of another form" if odd else f"result version {result_version}"
            raise SelectivityError(_differs(f"its worker sent a run with {what}", VERSION))
        here = self.digests.get(spec.dataset, found.digest)
        if found.digest != here:
            raise DataError(
                f"its worker has other data under the name {spec.dataset} "
                f"(digest {found.digest[:16]}, here {here[:16]})"
            )
        self.store.add(found)
        return "finished"


class Cluster(Elsewhere):
    """The workers of a Dask executor that have this very version of the package; others are named and get no run."""

    def __init__(self, executor: Any, *how: Any) -> None:
        super().__init__(executor, *how)
        self.client = executor._client
        self._versions: dict[str, str] = {}  # of the workers that were asked
        self._slots, self._looked = 0, -math.inf

    def slots(self) -> float:
        """How many runs its workers can train at a time.

        Raises:
            SelectivityError: no worker has this version, or the scheduler is gone.
        """
        if time.monotonic() - self._looked < LOOK_EVERY:
            return self._slots
        try:
            threads = self.client.nthreads()
            if new := [worker for worker in threads if worker not in self._versions]:
                self._ask(new)
        except (OSError, TimeoutError, ValueError) as error:
            raise SelectivityError(f"the scheduler is gone ({' '.join(str(error).split())})") from error
        self._slots = sum(count for worker, count in threads.items() if self._versions.get(worker) == VERSION)
        others = [w for w in threads if self._versions.get(w, VERSION) != VERSION]
        if others and len(others) == len(threads):
            raise SelectivityError(_differs(f"worker {others[0]} has {self._versions[others[0]]}", VERSION))
        self._looked = time.monotonic()
        return self._slots

    def _ask(self, workers: list[str]) -> None:
        # A call that a worker understands which has an older package or none: it cannot fail to be unpickled there.
        name = f"{__name__}.VERSION"
        for worker, found in self.client.run(pydoc.locate, name, workers=workers, on_error="return").items():
            self._versions[worker] = found if isinstance(found, str) else "no package that can be imported"
            if found != VERSION:
                said = f"worker {worker} gets no run: it has {self._versions[worker]}"
                print(_differs(said, VERSION), file=sys.stderr)

    def _same(self) -> list[str]:
        return [worker for worker, found in self._versions.items() if found == VERSION]

    def submit(self, *order: Any) -> Future[Any]:
        """As of any executor, to the workers of this version."""
        # pure=False: a task's key is its own, so that the results of an earlier client's tasks are never mixed in.
        executor = self.client.get_executor(pure=False, workers=self._same())
        future: Future[Any] = executor.submit(train_by_value, *order)
        return future

    def stop(self) -> None:
        """Stops the runs of this sweep on all workers."""
        self.client.run(stop_sweep, self.sweep, workers=self._same(), on_error="ignore")


@contextmanager
def scheduled(address: str) -> Iterator[Executor]:
    """A scheduler's executor, for `sweep`; its workers need this package and the data, no shared disk.

    Args:
        address: such as "tcp://10.0.0.1:8786".

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
        yield client.get_executor()
