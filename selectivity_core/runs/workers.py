"""Local processes that train: each one run at a time, told what to do over a pipe whose end is theirs too."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import selectors
import signal
import subprocess
import sys
import threading
import time
import traceback
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from ..errors import SelectivityError
from ..spec import RunSpec
from .executing import GRACE, Attempt, Ended, Report, WorkerDied, train_and_store
from .store import RunStore

# An interpreter of its own, with the modules of this one: no `if __name__ == "__main__"` is needed in scripts, nothing
# is pickled, and no shared memory is used.
START = """
import json, sys
sys.path[:] = json.loads(sys.argv[1])
from selectivity_core.runs import workers
workers.serve(int(sys.argv[2]))
"""
REPORTS = 1.0  # seconds between reports of progress


class Worker:
    """A process that trains on a device, or on one that it chooses."""

    def __init__(self, device: str | None) -> None:
        self.device, self._text = device, b""
        self.spec: RunSpec | None = None  # the run in progress
        self.output, answers = os.pipe()
        self.process = subprocess.Popen(
            [sys.executable, "-c", START, json.dumps(sys.path), str(answers)], stdin=subprocess.PIPE, bufsize=0,
            stdout=2, pass_fds=[answers],  # what libraries print does not get between the answers
            env={"OMP_NUM_THREADS": "1", **os.environ},
            process_group=0,  # Ctrl-C reaches this process alone, which says when to stop
        )  # fmt: skip
        os.close(answers)

    def begin(self, spec: RunSpec, **order: Any) -> None:
        """Sends a run to train."""
        self.spec = spec
        order |= {"spec": spec.as_dict(), "device": self.device}
        with contextlib.suppress(BrokenPipeError):  # it died: `answers` says so
            self.process.stdin.write(json.dumps(order).encode() + b"\n")  # type: ignore[union-attr]

    def answers(self) -> list[dict[str, Any]]:
        """What came since the last call; at the end of its output, that it died."""
        content = os.read(self.output, 1 << 16)
        if not content:
            code = self.process.wait()
            return [{"died": f"ended with code {code}" if code >= 0 else f"signal {-code} (out of memory?)"}]
        *lines, self._text = (self._text + content).split(b"\n")
        return [json.loads(line) for line in lines]

    def close(self, deadline: float = 0.0) -> None:
        """Kills it, if it does not end by itself before a value of `time.monotonic`."""
        try:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(max(0.0, deadline - time.monotonic()))
        finally:
            self.process.kill()
            self.process.wait()
            self.process.stdin.close()  # type: ignore[union-attr]
            os.close(self.output)


class Workers(AbstractContextManager["Workers"]):
    """Up to `count` processes, started as they are needed.

    Args:
        count: how many train side by side.
        store: where they store what they train.
        data: the folder of data sets.
        gpus: over how many they are spread; 0 where they choose for themselves.
        report: called with a run and the share of it that is done.
    """

    def __init__(self, count: int, store: RunStore, data: str | Path | None, gpus: int, report: Report) -> None:
        self.order = {"store": str(store.path.absolute()), "data": None if data is None else str(data)}
        self.report = report
        self._devices = [f"cuda:{k % gpus}" if gpus > 1 else None for k in range(count)]
        self._selector = selectors.DefaultSelector()

    def _all(self) -> list[Worker]:
        return [key.data for key in self._selector.get_map().values()]

    def __exit__(self, *_: object) -> None:
        """Lets all of them save the run in progress and end; whoever does not end in time is killed."""
        for worker in self._all():
            worker.process.stdin.close()  # type: ignore[union-attr]
        deadline = time.monotonic() + GRACE
        with contextlib.ExitStack() as each:
            each.callback(self._selector.close)
            for worker in self._all():
                each.callback(worker.close, deadline)

    def free(self) -> bool:
        """Whether one is idle or can be started."""
        return bool(self._devices) or any(worker.spec is None for worker in self._all())

    def start(self, spec: RunSpec, seconds: float) -> None:
        """Begins a run."""
        worker = next((worker for worker in self._all() if worker.spec is None), None)
        if worker is None:
            worker = Worker(self._devices.pop(0))
            self._selector.register(worker.output, selectors.EVENT_READ, worker)
        worker.begin(spec, seconds=seconds, **self.order)

    def ended(self, wait: float) -> Ended:
        """Reads what they say."""
        found: Ended = []
        for key, _ in self._selector.select(wait):
            worker: Worker = key.data
            for answer in worker.answers():
                if worker.spec is not None and "share" in answer:
                    self.report(worker.spec, answer["share"])
                    continue
                if worker.spec is not None:
                    found.append((worker.spec, _result(answer)))
                    worker.spec = None
                if "died" in answer:
                    self._selector.unregister(worker.output)
                    self._devices.append(worker.device)
                    worker.close()
        return found


def _result(answer: dict[str, Any]) -> Attempt | Exception:
    if "died" in answer:
        return WorkerDied(answer["died"])
    if "error" in answer:
        error = SelectivityError(answer["error"])
        error.add_note(answer["traceback"])
        return error
    found: Attempt = answer["attempt"]
    return found


def serve(answers: int) -> None:
    """The worker's side: trains what it is told to, and ends with its parent, however that ends.

    Args:
        answers: the file descriptor that it answers on.
    """
    orders: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
    stop = threading.Event()

    def end(*_: object) -> None:
        stop.set()
        orders.put(None)

    def say(**answer: Any) -> None:
        with contextlib.suppress(OSError):  # the parent is gone
            os.write(answers, json.dumps(answer).encode() + b"\n")

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, end)
    threading.Thread(target=_listen, args=(orders, end), daemon=True).start()
    while (order := orders.get()) is not None and not stop.is_set():
        say(**_work(order, stop, say))
    os._exit(0)  # the listening thread may hold the interpreter's end up


def _listen(orders: queue.SimpleQueue[dict[str, Any] | None], end: Any) -> None:
    """Passes on what the parent sends; once it is gone, lets the run in progress save its state, and then ends."""
    parent, text = os.getppid(), b""
    with selectors.DefaultSelector() as selector:
        selector.register(0, selectors.EVENT_READ)
        while os.getppid() == parent:  # another process may hold the pipe open
            if not selector.select(1.0):
                continue
            content = os.read(0, 1 << 16)
            if not content:
                break
            *lines, text = (text + content).split(b"\n")
            for line in lines:
                orders.put(json.loads(line))
    end()
    time.sleep(GRACE)
    os._exit(1)


def _work(order: dict[str, Any], stop: threading.Event, say: Any) -> dict[str, Any]:
    deadline, said = time.monotonic() + order["seconds"], time.monotonic()

    def report(share: float) -> None:
        nonlocal said
        if time.monotonic() - said >= REPORTS:
            said = time.monotonic()
            say(share=share)

    try:
        attempt = train_and_store(
            RunSpec.from_dict(order["spec"]), RunStore(order["store"]), order["data"], device=order["device"],
            stop=lambda: stop.is_set() or time.monotonic() >= deadline, report=report,
        )  # fmt: skip
    except Exception as error:  # one failed run does not cost the others
        kind = "" if isinstance(error, SelectivityError) else f"{type(error).__name__}: "
        return {"error": f"{kind}{error}", "traceback": traceback.format_exc()}
    if stop.is_set() and attempt == "stopped":
        os._exit(0)  # nobody listens, or the process was told to end: the run goes on in another one
    return {"attempt": attempt}
