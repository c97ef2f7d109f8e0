"""A crew that trains several runs at once in this process, on one device, by captured graphs."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from queue import Empty, SimpleQueue

from ..captured import CapturedTrainer, DeviceData, shape_of
from ..data import load
from ..errors import SpecError
from ..machine import choose_device
from ..run import result_of
from ..spec import RunSpec
from ..training import Trainer, isolated
from .checkpoints import Stopped
from .executing import Attempt, Crew, Ended, Here, Report
from .profiles import keeps_epochs
from .store import RunStore


def captured_shape(spec: RunSpec) -> RunSpec | None:
    """The shape of a run that captured training serves; None for others, and where weights of all epochs are kept."""
    try:
        return None if keeps_epochs(spec) else shape_of(spec)
    except SpecError:
        return None


def by_shape(specs: Sequence[RunSpec]) -> list[RunSpec]:
    """Runs of one shape after those of another; those that train by themselves come last."""
    shapes = dict.fromkeys(map(captured_shape, specs))
    shapes.pop(None, None)
    return [spec for shape in (*shapes, None) for spec in specs if captured_shape(spec) == shape]


class SideBySide(Crew):
    """This process, which trains up to `count` runs of one shape at once, each in a thread, and all others in turn.

    Graphs are captured for a shape while nothing trains. A run that is stopped leaves no checkpoint.
    """

    def __init__(
        self, count: int, specs: Sequence[RunSpec], store: RunStore, data: str | Path | None,
        stop: Callable[[], bool], report: Report,
    ) -> None:  # fmt: skip
        self.store, self.data, self.stop, self.report = store, data, stop, report
        self._alone = Here(store, data, stop, report)
        self.count, self.of_shape = count, Counter(map(captured_shape, specs))
        self._shape: RunSpec | None = None
        self._idle: list[CapturedTrainer] = []
        self._threads: list[threading.Thread] = []
        self._said: SimpleQueue[tuple[RunSpec, float | Attempt | Exception]] = SimpleQueue()
        self._ending = threading.Event()
        self._settings = ExitStack()  # of the process, while threads train

    def __exit__(self, *_: object) -> None:
        """Stops the runs in progress at the end of their epoch."""
        self._ending.set()
        self._settle()

    def free(self) -> bool:
        """Whether a run can begin at once."""
        return self._shape is None or bool(self._idle)

    def start(self, spec: RunSpec, seconds: float) -> Attempt | Exception | None:
        """Begins a run; of another shape than those in progress, once they ended."""
        deadline = time.monotonic() + seconds
        try:
            shape = captured_shape(spec)
            if shape != self._shape:
                self._settle()
            if shape is None:
                return self._alone.start(spec, deadline - time.monotonic())
            if self._shape is None:
                self._capture(shape)
        except Exception as error:  # one failed run does not cost the others
            self._settle()
            return error
        thread = threading.Thread(target=self._work, args=(self._idle.pop(), spec, deadline), daemon=True)
        self._threads.append(thread)
        thread.start()
        return None

    def ended(self, wait: float) -> list[Ended]:
        """Reads what the threads say."""
        found: list[Ended] = []
        try:
            while True:
                spec, said = self._said.get(timeout=0 if found else wait)
                if isinstance(said, float):
                    self.report(spec, said)
                else:
                    found.append((spec, said))
        except Empty:
            return found

    def _capture(self, shape: RunSpec) -> None:
        self._settings.enter_context(isolated(shape))
        data = DeviceData.of(load(shape.dataset, self.data), choose_device())
        self._idle = [CapturedTrainer(shape, data) for _ in range(min(self.count, self.of_shape[shape]))]
        self._shape = shape

    def _settle(self) -> None:
        """Waits for the runs in progress, and gives the device free."""
        for thread in self._threads:
            thread.join()
        self._threads, self._idle, self._shape = [], [], None
        self._settings.close()

    def _work(self, captured: CapturedTrainer, spec: RunSpec, deadline: float) -> None:
        """What a thread does."""

        def after_epoch(epoch: int) -> None:
            if self._ending.is_set() or self.stop() or time.monotonic() >= deadline:
                raise Stopped
            self._said.put((spec, epoch / spec.epochs))

        said: Attempt | Exception = "finished"
        try:
            dataset = captured.data.dataset
            with self.store.try_lock(spec) as mine:
                if not mine:
                    said = "busy"
                elif not self.store.holds(spec, dataset.digest):
                    trainer = Trainer(spec, dataset, captured.device)
                    self.store.add(result_of(trainer, partial(captured.train, trainer, after_epoch)))
        except Stopped:
            said = "stopped"
        except Exception as error:
            said = error
        self._idle.append(captured)
        self._said.put((spec, said))
