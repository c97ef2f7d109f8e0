"""Processes for the tests of sweeps: one that imports everything once and forks a child for each task.

A child can thus be killed after milliseconds, as often as a test likes.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from selectivity_core import RunSpec, RunStore, files, run, sweep
from selectivity_core.tables import VOLATILE

# For processes of their own: these tests' modules, and the package that is tested.
PATHS = os.pathsep.join(map(str, (Path(__file__).parent, Path(files.__file__).parents[1])))
TABLES = ("runs", "history", "layers", "units", "responses")
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT


class Children:
    """The parent's side: starts tasks, each in a process of its own, as many at a time as it likes."""

    def __init__(self) -> None:
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": PATHS}
        self.server = subprocess.Popen(
            [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )

    def start(self, store: Path, specs: list[RunSpec], **task: Any) -> int:
        """Starts a sweep; gives its process id. See `work` for what a task can hold."""
        content = {"store": str(store), "specs": [s.as_dict() for s in specs], **task}
        return self._ask(content)

    def command(self, *words: object) -> int:
        """Starts a command line; gives its process id."""
        return self._ask({"command": [str(word) for word in words]})

    def wait(self, process: int) -> int:
        """The exit code of what was started, negative for a signal."""
        return self._ask({"wait": process})

    def do(self, store: Path, specs: list[RunSpec], **task: Any) -> int:
        """Starts and waits."""
        return self.wait(self.start(store, specs, **task))

    def _ask(self, content: dict[str, Any]) -> int:
        self.server.stdin.write(json.dumps(content) + "\n")
        self.server.stdin.flush()
        return int(self.server.stdout.readline())

    def close(self) -> None:
        self.server.stdin.close()
        self.server.stdout.close()
        self.server.wait()


def count_trainings(folder: Path) -> None:
    """Notes each training of this process as a file in `folder`."""
    import secrets

    real = run.train

    def counted(spec, **options):
        (folder / f"{spec.id}-{secrets.token_hex(4)}").write_text("")
        return real(spec, **options)

    run.train = counted


def command(words: list[str]) -> int:
    """Runs a command line in silence; gives its exit code."""
    from contextlib import redirect_stderr, redirect_stdout

    from selectivity_core.cli import main

    with open(os.devnull, "w") as nowhere, redirect_stdout(nowhere), redirect_stderr(nowhere):  # noqa: PTH123
        return main(words)


def work(task: dict[str, Any]) -> None:
    """Sweeps `specs` into `store`, saving checkpoints every `every` seconds.

    `die_at`: the change to the file system, counted from 0, before which the process kills itself.
    `die_writing`: the file, counted from 0, that it leaves half-written.
    `log`: a folder for `count_trainings`, and with `answer` for the tables as text.
    `events`: a file for the number of changes to the file system.
    """
    every, real = task.get("every", 60.0), RunStore.checkpoints

    def checkpoints(self, spec):
        found = real(self, spec)
        found.every = every
        return found

    RunStore.checkpoints = checkpoints
    if "log" in task:
        count_trainings(Path(task["log"]))
    if "die_writing" in task:
        die_writing(task["die_writing"])
    if "die_at" in task or "events" in task:
        changes = watch(task["store"], task.get("die_at", -1))
    specs = [RunSpec.from_dict(content) for content in task["specs"]]
    tables = sweep(specs, task["store"], jobs=1, progress=False, time_budget=task.get("time_budget"))
    if "answer" in task:
        answer = Path(task["log"]) / f"answer{os.getpid()}"
        answer.write_text("".join(steady(tables, name).to_csv() for name in TABLES))
    if "events" in task:
        Path(task["events"]).write_text(str(changes[0]))


def die_writing(at: int) -> None:
    from selectivity_core.runs import store

    real, left = files.write, [at]

    def write(path: Path, content: bytes) -> None:
        if not left[0]:
            path.write_bytes(content[: len(content) // 2])
            os.kill(os.getpid(), signal.SIGKILL)
        left[0] -= 1
        real(path, content)

    files.write = store.write = write


def watch(folder: str, die_at: int) -> list[int]:
    """Counts changes under `folder` (files opened for writing, flushed, renamed, removed; folders made, removed)."""
    seen = [0]

    def note() -> None:
        if seen[0] == die_at:
            os.kill(os.getpid(), signal.SIGKILL)
        seen[0] += 1

    def hook(event: str, arguments: tuple) -> None:
        if event not in ("open", "os.mkdir", "os.rename", "os.remove", "os.rmdir", "shutil.rmtree"):
            return
        path = os.fspath(arguments[0]) if isinstance(arguments[0], str | os.PathLike) else ""
        if str(path).startswith(folder) and (event != "open" or arguments[2] & WRITING):
            note()

    real = os.fsync

    def fsync(handle: int) -> None:
        note()
        real(handle)

    os.fsync = fsync
    sys.addaudithook(hook)
    return seen


def waits_for(happened: Callable[[], object], seconds: float = 300) -> None:
    deadline = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def steady(tables: Any, name: str) -> Any:
    """A table without the columns in which two trainings of one spec may differ."""
    frame = getattr(tables, name)
    return frame[[c for c in frame if c not in VOLATILE and not c.startswith("provenance_")]]


def same(one: Any, other: Any) -> None:
    """Asserts that all tables are equal to the bit."""
    import pandas as pd

    for name in TABLES:
        pd.testing.assert_frame_equal(steady(one, name), steady(other, name), check_exact=True)


def serve() -> None:
    import tempfile

    import torch
    from tiny_specs import TINY, TINY_DIGITS

    from selectivity_core.runs.profiles import PROFILES

    torch.set_num_threads(1)
    PROFILES["digits"] = TINY_DIGITS
    with tempfile.TemporaryDirectory() as folder:  # imports all that a sweep needs
        sweep([TINY], folder, jobs=1, progress=False).runs  # noqa: B018
        command(["export", "--store", folder, "--to", f"{folder}/ledger"])
        command(["verify", "--store", folder, "--ledger", f"{folder}/ledger"])
        command(["import", folder, "--store", f"{folder}/other"])
    for line in sys.stdin:
        task = json.loads(line)
        if "wait" in task:
            print(os.waitstatus_to_exitcode(os.waitpid(task["wait"], 0)[1]), flush=True)
            continue
        child = os.fork()
        if not child:
            code = 1
            try:
                code = command(task["command"]) if "command" in task else work(task) or 0
            finally:
                sys.stderr.flush()
                os._exit(code)
        print(child, flush=True)


if __name__ == "__main__":
    serve()
