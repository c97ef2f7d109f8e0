"""Local processes that train: each one run at a time, told what to do over a connection."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
import traceback
from multiprocessing import Pipe, connection
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from ..errors import SelectivityError
from ..spec import RunSpec
from .executing import GRACE, Attempt, Crew, Ended, Report, WorkerDied, train_and_store
from .store import RunStore

# An interpreter of its own, with the modules of this one: no `if __name__ == "__main__"` is needed in scripts, and no
# shared memory is used.
START = """
import json, sys
sys.path[:] = json.loads(sys.argv[1])
from selectivity_core.runs import workers
workers.serve(int(sys.argv[2]))
"""
REPORTS = 1.0  # seconds between reports of progress

Answer = float | Attempt | Exception  # the share of a run that is done, or what came of it


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
        with contextlib.suppress(OSError):  # it died: `answer` says so
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
            with contextlib.suppress(subprocess.TimeoutExpired):
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
        with contextlib.ExitStack() as each:
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
    orders: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
    stop = threading.Event()

    def end(*_: object) -> None:
        stop.set()
        orders.put(None)

    def say(answer: Answer) -> None:
        with contextlib.suppress(OSError):  # the parent is gone
            parent.send(answer)

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, end)
    threading.Thread(target=_listen, args=(parent, orders, end), daemon=True).start()
    while (order := orders.get()) is not None and not stop.is_set():
        say(_work(order, stop, say))
    os._exit(0)  # the listening thread may hold the interpreter's end up


def _listen(parent: Connection, orders: queue.SimpleQueue[dict[str, Any] | None], end: Any) -> None:
    """Passes on what the parent sends; once it is gone, lets the run in progress save its state, and then ends."""
    number = os.getppid()
    with contextlib.suppress(EOFError, OSError):
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
