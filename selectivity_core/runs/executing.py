"""Runs handed out one at a time to whoever trains them, and stopped with their state saved."""

from __future__ import annotations

import math
import signal
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Executor
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from ..errors import SelectivityError
from ..spec import RunSpec
from .checkpoints import Stopped
from .store import RunStore

if TYPE_CHECKING:
    pass

Attempt = Literal["finished", "stopped", "busy"]  # stored; stopped with a checkpoint; another process trains it
Report = Callable[[RunSpec, float], object]  # called with the share of a run that is done

DEATHS = 3  # of its worker, after which a run is set aside
GRACE = 8.0  # seconds that runs have to save their state once they are to stop
AGAIN = 0.5  # seconds after which a run that another process trains is asked for again
POLL = 0.2  # seconds between looks at whether to stop


class WorkerDied(Exception):
    """The process that trained a run is gone; the message says how it ended."""


def train_and_store(
    spec: RunSpec, store: RunStore, data: str | Path | None, *, stop: Callable[[], bool] = lambda: False,
    report: Callable[[float], object] = lambda _: None, device: str | None = None,
) -> Attempt:  # fmt: skip
    """Trains a run, from its checkpoint where there is one, unless another process does or has done so."""
    import torch

    from ..data import load
    from ..run import train

    if stop():
        return "stopped"
    dataset = load(spec.dataset, data)
    with store.try_lock(spec) as mine:
        if not mine:
            return "busy"
        if not store.holds(spec, dataset.digest):
            checkpoints = store.checkpoints(spec)
            checkpoints.stop, checkpoints.report = stop, report
            try:
                result = train(
                    spec, data=dataset, progress=False, device=torch.device(device) if device else None,
                    checkpoints=checkpoints,
                )  # fmt: skip
            except Stopped:
                return "stopped"
            store.add(result)
        return "finished"


Ended = tuple[RunSpec, Attempt | Exception]  # a run, and what came of it


class Crew(AbstractContextManager["Crew"]):
    """Whoever trains. At its exit, runs in progress stop with a checkpoint, and its processes end."""

    def __exit__(self, *_: object) -> None: ...

    def free(self) -> bool:
        """Whether it can begin a run at once."""
        return True

    def start(self, spec: RunSpec, seconds: float) -> Attempt | Exception | None:
        """Begins a run, which stops after so many seconds; gives what came of it where that is known already."""
        raise NotImplementedError

    def ended(self, wait: float) -> list[Ended]:
        """The runs that ended since the last call; where there is none, waits for one, so many seconds at most."""
        return []


class Here(Crew):
    """This process, which trains one run after the other."""

    def __init__(self, store: RunStore, data: str | Path | None, stop: Callable[[], bool], report: Report) -> None:
        self.store, self.data, self.stop, self.report = store, data, stop, report

    def start(self, spec: RunSpec, seconds: float) -> Attempt | Exception:
        """Trains a run."""
        deadline = time.monotonic() + seconds
        stop = lambda: self.stop() or time.monotonic() >= deadline  # noqa: E731
        try:
            return train_and_store(spec, self.store, self.data, stop=stop, report=partial(self.report, spec))
        except Exception as error:  # one failed run does not cost the others
            return error


def train_all(
    specs: Sequence[RunSpec],
    store: RunStore,
    *,
    executor: Executor | None = None,
    jobs: int | None = None,
    data: str | Path | None = None,
    digests: dict[str, str] | None = None,
    deadline: float = math.inf,
    report: Report = lambda _spec, _share: None,
) -> Generator[Ended, None, None]:
    """Trains runs, each given once, and stores them; gives each with what came of it. Arguments are as of `sweep`.

    The first SIGINT, SIGTERM or SIGHUP stops everything: runs in progress save their state, workers end, and the signal
    then takes its usual course.

    Args:
        digests: data set -> digest of the data here, which a worker's must equal.
        deadline: the value of `time.monotonic` from which on nothing is begun and what runs is stopped.
    """
    queue, busy, again, running, deaths = deque(specs), deque[RunSpec](), 0.0, 0, Counter[str]()
    with stopping() as stop, _crew(specs, store, executor, jobs, data, digests or {}, stop, report) as crew:
        while not stop() and (queue or busy or running):
            found: list[Ended] = []
            if time.monotonic() >= deadline:
                found = [(spec, "stopped") for spec in (*queue, *busy)]
                queue.clear()
                busy.clear()
            elif not queue and time.monotonic() >= again:
                queue, busy = busy, queue
            while queue and not found and not stop() and crew.free():
                result = crew.start(spec := queue.popleft(), deadline - time.monotonic())
                found += [(spec, result)] if result is not None else []
                running += result is None
            ended = crew.ended(0 if found else POLL) if running else []
            running -= len(ended)
            if not running and not found and not ended:
                time.sleep(POLL)
            for spec, result in (*found, *ended):
                if result == "busy":
                    busy.append(spec)
                    again = time.monotonic() + AGAIN
                    continue
                if isinstance(result, WorkerDied):
                    deaths[spec.id] += 1
                    if deaths[spec.id] < DEATHS:
                        queue.append(spec)  # the last: whatever needs too much memory does not take the others along
                        continue
                    result = SelectivityError(f"its worker process died {DEATHS} times, the last by {result}")
                yield spec, result


def _crew(
    specs: Sequence[RunSpec], store: RunStore, executor: Executor | None, jobs: int | None, data: str | Path | None,
    digests: dict[str, str], stop: Callable[[], bool], report: Report,
) -> Crew:  # fmt: skip
    if executor is not None:
        from .cluster import Cluster, Elsewhere

        kind = Cluster if type(executor).__module__.startswith("distributed.") else Elsewhere
        return kind(executor, store, data, digests)
    gpus = gpu_count()
    count = min(jobs or default_jobs(specs, gpus), len(specs))
    if count <= 1:
        return Here(store, data, stop, report)
    from .workers import Workers

    return Workers(count, store, data, gpus, report)


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


SIGNALS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]


@contextmanager
def stopping() -> Iterator[Callable[[], bool]]:
    """Gives whether one of `SIGNALS` came; it takes its usual course when the body ends, or after `GRACE` seconds.

    A second signal takes its usual course at once. Outside the main thread signals are left as they are.
    """
    caught: list[int] = []
    former = {}
    if threading.current_thread() is threading.main_thread():
        handlers = {number: signal.getsignal(number) for number in SIGNALS}
        former = {number: handler for number, handler in handlers.items() if handler not in (None, signal.SIG_IGN)}

    def restore() -> None:
        while former:
            signal.signal(*former.popitem())

    def note(number: int, _frame: object) -> None:
        caught.append(number)
        if len(caught) == 1:
            timer.start()
        else:
            restore()
            signal.raise_signal(number)

    timer = threading.Timer(GRACE + 1, lambda: signal.pthread_kill(threading.main_thread().ident or 0, caught[0]))
    timer.daemon = True
    for number in list(former):
        signal.signal(number, note)
    try:
        yield lambda: bool(caught)
    finally:
        timer.cancel()
        restore()
        if len(caught) == 1:
            signal.raise_signal(caught[0])
