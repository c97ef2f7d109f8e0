"""Training of many runs: crews (this process, worker processes), the queue that feeds them, and stopping on signals."""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections import Counter, deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Executor
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from functools import partial
from multiprocessing import Pipe, connection
from multiprocessing.connection import Connection
from pathlib import Path
from queue import SimpleQueue
from typing import Any, Literal

from ..errors import INTERRUPTED, SelectivityError
from ..spec import RunSpec
from .checkpoints import Stopped
from .profiles import keeps_epochs
from .store import RunStore

Attempt = Literal["finished", "stopped", "busy"]  # stored; stopped with a checkpoint; another process trains it
Report = Callable[[RunSpec, float], object]  # called with the share of a run that is done

DEATHS = 3  # of its worker, after which a run is set aside
GRACE = 8.0  # seconds that runs have to save their state once they are to stop
AGAIN = 0.5  # seconds after which a run that another process trains is asked for again
POLL = 0.2  # seconds between looks at whether to stop
REPORTS = 1.0  # seconds between reports of progress
# An interpreter of its own, with the modules of this one: no `if __name__ == "__main__"` is needed in scripts, and no
# shared memory is used.
START = """
import json, sys
sys.path[:] = json.loads(sys.argv[1])
from selectivity_core.runs import executing
executing.serve(int(sys.argv[2]))
"""


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
            checkpoints.epochs = store.epochs(spec) if keeps_epochs(spec) else None
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
Answer = float | Attempt | Exception  # of a worker: the share of a run that is done, or what came of it


class Crew(AbstractContextManager["Crew"]):
    """What trains runs: this process, or others.

    At its exit, runs in progress stop with a checkpoint, and its processes end.
    """

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


class Worker:
    """A process that trains on a device, or on one that it chooses."""

    def __init__(self, device: str | None) -> None:
        self.device = device
        self.spec: RunSpec | None = None  # the run in progress
        self.connection, theirs = Pipe()
        with theirs:
            self.process = subprocess.Popen(
                [sys.executable, "-c", START, json.dumps(sys.path), str(theirs.fileno())],
                pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL, stdout=2,
                env={"OMP_NUM_THREADS": "1", **os.environ},
                process_group=0,  # Ctrl-C reaches this process alone, which says when to stop
            )  # fmt: skip

    def begin(self, spec: RunSpec, order: dict[str, Any]) -> None:
        """Sends a run to train."""
        self.spec = spec
        with suppress(OSError):  # it died: `answer` says so
            self.connection.send({"spec": spec, "device": self.device, **order})

    def answer(self) -> Answer:
        """What it says next, once its connection is ready."""
        try:
            found: Answer = self.connection.recv()
        except (EOFError, OSError):
            code = self.process.wait()
            return WorkerDied(f"ended with code {code}" if code >= 0 else f"signal {-code} (out of memory?)")
        return found

    def close(self, deadline: float = 0.0) -> None:
        """Kills it, if it does not end by itself before a value of `time.monotonic`."""
        try:
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(max(0.0, deadline - time.monotonic()))
        finally:
            self.process.kill()
            self.process.wait()
            self.connection.close()


class Workers(Crew):
    """Up to `count` processes, started as they are needed, spread over GPUs where there are several."""

    def __init__(self, count: int, store: RunStore, data: str | Path | None, gpus: int, report: Report) -> None:
        self.order = {"store": store.path.absolute(), "data": data}
        self.report = report
        self._devices = [f"cuda:{k % gpus}" if gpus > 1 else None for k in range(count)]
        self._workers: dict[Connection, Worker] = {}

    def __exit__(self, *_: object) -> None:
        """Lets all of them save the run in progress and end; whoever does not end in time is killed."""
        deadline = time.monotonic() + GRACE
        with ExitStack() as each:
            for worker in self._workers.values():
                worker.connection.close()
                each.callback(worker.close, deadline)

    def free(self) -> bool:
        """Whether one is idle or can be started."""
        return bool(self._devices) or any(worker.spec is None for worker in self._workers.values())

    def start(self, spec: RunSpec, seconds: float) -> None:
        """Begins a run."""
        worker = next((worker for worker in self._workers.values() if worker.spec is None), None)
        if worker is None:
            worker = Worker(self._devices.pop(0))
            self._workers[worker.connection] = worker
        worker.begin(spec, self.order | {"seconds": seconds})

    def ended(self, wait: float) -> list[Ended]:
        """Reads what they say."""
        found: list[Ended] = []
        for ready in connection.wait(list(self._workers), wait):
            worker = self._workers[ready]  # type: ignore[index]
            answer = worker.answer()
            if isinstance(answer, float):
                if worker.spec is not None:
                    self.report(worker.spec, answer)
                continue
            if worker.spec is not None:
                found.append((worker.spec, answer))
                worker.spec = None
            if isinstance(answer, WorkerDied):
                del self._workers[worker.connection]
                self._devices.append(worker.device)
                worker.close()
        return found


def serve(descriptor: int) -> None:
    """The worker's side: trains what it is told to, and ends with its parent, however that ends."""
    parent = Connection(descriptor)
    orders: SimpleQueue[dict[str, Any] | None] = SimpleQueue()
    stop = threading.Event()

    def end(*_: object) -> None:
        stop.set()
        orders.put(None)

    def say(answer: Answer) -> None:
        with suppress(OSError):  # the parent is gone
            parent.send(answer)

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, end)
    threading.Thread(target=_listen, args=(parent, orders, end), daemon=True).start()
    while (order := orders.get()) is not None and not stop.is_set():
        say(_work(order, stop, say))
    os._exit(0)  # the listening thread may hold the interpreter's end up


def _listen(parent: Connection, orders: SimpleQueue[dict[str, Any] | None], end: Any) -> None:
    """Passes on what the parent sends; once it is gone, lets the run in progress save its state, and then ends."""
    number = os.getppid()
    with suppress(EOFError, OSError):
        while os.getppid() == number:  # another process may hold the connection open
            if parent.poll(1.0):
                orders.put(parent.recv())
    end()
    time.sleep(GRACE)
    os._exit(1)


def _work(order: dict[str, Any], stop: threading.Event, say: Any) -> Answer:
    deadline, said = time.monotonic() + order["seconds"], time.monotonic()

    def report(share: float) -> None:
        nonlocal said
        if time.monotonic() - said >= REPORTS:
            said = time.monotonic()
            say(share)

    try:
        attempt = train_and_store(
            order["spec"], RunStore(order["store"]), order["data"], device=order["device"],
            stop=lambda: stop.is_set() or time.monotonic() >= deadline, report=report,
        )  # fmt: skip
    except Exception as error:  # one failed run does not cost the others
        kind = "" if isinstance(error, SelectivityError) else f"{type(error).__name__}: "
        told = SelectivityError(f"{kind}{error}")  # not every error can be sent
        told.add_note(traceback.format_exc())
        return told
    if stop.is_set() and attempt == "stopped":
        os._exit(0)  # nobody listens, or the process was told to end: the run goes on in another one
    return attempt


def train_all(
    specs: Sequence[RunSpec],
    store: RunStore,
    *,
    executor: Executor | None = None,
    jobs: int | None = None,
    side_by_side: int | None = None,
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
    if side_by_side:
        from .side_by_side import by_shape

        specs = by_shape(specs)
    queue, busy, again, running, deaths = deque(specs), deque[RunSpec](), 0.0, 0, Counter[str]()
    with (
        stopping() as stop,
        _crew(specs, store, executor, jobs, side_by_side, data, digests or {}, stop, report) as crew,
    ):
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
    specs: Sequence[RunSpec], store: RunStore, executor: Executor | None, jobs: int | None, side_by_side: int | None,
    data: str | Path | None, digests: dict[str, str], stop: Callable[[], bool], report: Report,
) -> Crew:  # fmt: skip
    if executor is not None:
        from .cluster import Cluster, Elsewhere

        kind = Cluster if type(executor).__module__.startswith("distributed.") else Elsewhere
        return kind(executor, store, data, digests)
    if side_by_side:
        from .side_by_side import SideBySide

        return SideBySide(side_by_side, specs, store, data, stop, report)
    gpus = gpu_count()
    count = min(jobs or default_jobs(specs, gpus), len(specs))
    if count <= 1:
        return Here(store, data, stop, report)
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
            if caught == [signal.SIGTERM] and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
                print(INTERRUPTED, file=sys.stderr, flush=True)  # it ends the process without a word
            signal.raise_signal(caught[0])
