"""Sweeps over local processes: whatever is killed, and however, nothing is lost and no process is left."""

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from sweep_workers import same, waits_for
from tiny_specs import TINY

from selectivity_core import RunStore, sweep
from selectivity_core.errors import SelectivityError
from selectivity_core.runs import executing
from selectivity_core.runs.verification import run_status, store_problems

pytestmark = pytest.mark.slow
SPECS = [TINY.replace(seed=s) for s in range(4)]
ENDLESS = [TINY.replace(seed=s, epochs=100_000) for s in range(3)]
# Without a guard for `__main__`, and where the system has no semaphores to share (/dev/shm cannot be written).
CLIENT = """
import _multiprocessing, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # shells let what they start in the background ignore it
def refuse(*_, **__):
    raise PermissionError("/dev/shm")
_multiprocessing.SemLock = refuse
from tiny_specs import TINY
from selectivity_core import sweep
from selectivity_core.runs import executing
from selectivity_core.runs.checkpoints import Checkpoints
often = "from selectivity_core.runs.checkpoints import Checkpoints; Checkpoints.__init__.__defaults__ = (5.0,)"
exec(often)
executing.START = often + executing.START
sweep([TINY.replace(seed=s, epochs=100_000) for s in range(3)], sys.argv[1], jobs=int(sys.argv[2]), progress=False)
"""


def children(process: int) -> list[psutil.Process]:
    """The workers of a process that live."""
    found = []
    for child in psutil.Process(process).children():
        with contextlib.suppress(psutil.Error):
            found += [child] * any("executing.serve" in word for word in child.cmdline())
    return found


def sabotage(monkeypatch, code: str) -> None:
    """Lets workers run `code` before they serve."""
    monkeypatch.setattr(executing, "START", executing.START.replace("executing.serve", f"{code}\nexecuting.serve"))


def test_a_sweep_over_processes_gives_the_tables_of_a_serial_one_and_leaves_none(tmp_path):
    found = sweep([*SPECS, TINY.replace(seed=2)], tmp_path / "s", jobs=2, progress=False)
    assert children(os.getpid()) == []
    same(found, sweep(SPECS, tmp_path / "serial", jobs=1, progress=False))


DEADLY = """
import os
real = executing.train_and_store
def train_and_store(spec, *given, **options):
    if spec.seed == 1:
        os.kill(os.getpid(), 9)
    return real(spec, *given, **options)
executing.train_and_store = train_and_store
"""


@pytest.mark.fault("a run whose worker is always killed", "finished")
def test_a_run_that_takes_its_worker_along_is_set_aside_and_the_others_finish(tmp_path, monkeypatch):
    sabotage(monkeypatch, DEADLY)
    said = r"1 of 4 runs failed, the first: .*seed 1.*: its worker process died 3 times, the last by signal 9 \(out of"
    with pytest.raises(SelectivityError, match=said):
        sweep(SPECS, tmp_path, jobs=2, progress=False)
    assert RunStore(tmp_path).ids() == sorted(SPECS[k].id for k in (0, 2, 3))


@pytest.mark.fault("errors in workers", "finished")
def test_an_error_in_a_worker_is_named_with_its_kind_and_costs_no_other(tmp_path, monkeypatch):
    bad = TINY.replace(model="resnet20", width=1, dropout=0.5)
    with pytest.raises(SelectivityError, match=r"1 of 3 runs failed, the first: resnet20 .*: dropout: 0.5 given") as e:
        sweep([bad, *SPECS[:2]], tmp_path, jobs=2, progress=False)
    assert "Traceback" in "".join(e.value.__cause__.__notes__)
    assert RunStore(tmp_path).ids() == sorted(s.id for s in SPECS[:2])
    sabotage(monkeypatch, "executing.RunStore = None; print('a banner', flush=True)")
    with pytest.raises(SelectivityError, match=r"2 of 2 runs failed, .*: TypeError: 'NoneType' object is not callable"):
        sweep(SPECS[2:], tmp_path, jobs=2, progress=False)


@pytest.fixture
def client(tmp_path):
    """A function that starts a sweep of endless runs over so many processes, and waits for their first checkpoints."""
    started = []

    def start(jobs: int) -> tuple[subprocess.Popen, RunStore, list[psutil.Process]]:
        store = RunStore(tmp_path / "s")
        path = os.pathsep.join([str(Path(__file__).parents[1]), *sys.path])
        command = [sys.executable, "-c", CLIENT, str(store.path), str(jobs)]
        process = subprocess.Popen(command, env={**os.environ, "PYTHONPATH": path}, stderr=subprocess.DEVNULL)
        started.append(process)
        waits_for(lambda: len(store.unfinished()) == jobs)
        found = children(process.pid)
        assert len(found) == (jobs if jobs > 1 else 0)
        return process, store, found

    yield start
    for process in started:
        process.kill()
        process.wait()


@pytest.mark.fault("SIGINT, SIGTERM and SIGKILL of a sweep over processes", "ended")
@pytest.mark.parametrize(
    ("jobs", "number"), [(2, signal.SIGINT), (2, signal.SIGTERM), (2, signal.SIGKILL), (1, signal.SIGTERM)]
)
def test_on_every_signal_all_processes_end_and_runs_in_progress_have_their_checkpoint(client, jobs, number):
    process, store, found = client(jobs)
    before = [store.checkpoints(spec).position() for spec in ENDLESS[:jobs]]
    process.send_signal(number)
    assert process.wait(timeout=60) in (-number, 1)  # 1 with a traceback: KeyboardInterrupt
    waits_for(lambda: not any(p.is_running() for p in found), 60)
    assert sorted(store.unfinished()) == sorted(spec.id for spec in ENDLESS[:jobs])
    assert all(run_status(store, spec).kind == "interrupted" for spec in ENDLESS[:jobs])
    after = [store.checkpoints(spec).position() for spec in ENDLESS[:jobs]]
    assert all(then < now for then, now in zip(before, after, strict=True))  # saved again, at the end
    assert store_problems(store) == []


@pytest.mark.fault("workers ended and killed", "resumed")
def test_a_killed_worker_costs_a_restart_from_the_checkpoint(client):
    process, store, found = client(2)
    found[0].send_signal(signal.SIGTERM)  # as a system that runs out of something asks first
    waits_for(lambda: len(children(process.pid)) == 2 and not found[0].is_running())
    found[1].kill()
    waits_for(lambda: len(children(process.pid)) == 2 and not found[1].is_running())
    assert process.poll() is None
    assert len(store.unfinished()) == 2
