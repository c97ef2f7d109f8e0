"""A sweep on a real Dask cluster of two workers on this machine: workers and client are killed on the way."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from sweep_workers import same
from tiny_specs import TINY

from selectivity_core import RunStore, sweep
from selectivity_core.errors import ParameterError, SelectivityError
from selectivity_core.runs.executing import scheduled
from selectivity_core.runs.verification import store_problems

SPECS = [TINY.replace(seed=s, alpha=a, epochs=60) for s in range(4) for a in (-1.0, 0.0, 1.0)]
CLIENT = """
import sys
from tiny_specs import TINY
from selectivity_core import sweep
from selectivity_core.runs.executing import scheduled
specs = [TINY.replace(seed=s, alpha=a, epochs=60) for s in range(4) for a in (-1.0, 0.0, 1.0)]
with scheduled(sys.argv[1]) as executor:
    sweep(specs, sys.argv[2], executor=executor, progress=False)
"""
DASK = [sys.executable, "-m", "dask"]  # the command `dask` of this very environment


@pytest.fixture
def cluster(tmp_path):
    """Address of a scheduler, and a function that starts a worker in a folder of its own."""
    environment = {
        **os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path(__file__).parents[1]),
        "DASK_DISTRIBUTED__SCHEDULER__WORKER_TTL": "30s",
    }  # fmt: skip
    started = []

    def start(*words):
        folder = tmp_path / f"process{len(started)}"  # no worker sees the store
        folder.mkdir()
        with (folder / "log").open("w") as log:
            child = subprocess.Popen([*DASK, *words], cwd=folder, env=environment, stdout=log, stderr=log)
        started.append(child)
        return child

    file = tmp_path / "scheduler.json"
    start(
        "scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--no-show", "--scheduler-file", str(file)
    )
    waits_for(file.exists)
    address = json.loads(file.read_text())["address"]

    def worker():
        return start("worker", address, "--host", "127.0.0.1", "--nthreads", "1", "--no-dashboard", "--no-nanny")

    yield address, worker, environment
    for child in started:
        with contextlib.suppress(psutil.NoSuchProcess):
            child.kill()
        child.wait()


def waits_for(happened, seconds: float = 300) -> None:
    deadline = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.slow
def test_a_cluster_that_loses_a_worker_and_its_client_gives_the_tables_of_a_serial_sweep(tmp_path, cluster):
    address, worker, environment = cluster
    store, workers = RunStore(tmp_path / "store"), [worker(), worker()]
    command = [sys.executable, "-c", CLIENT, address, str(store.path)]
    client = subprocess.Popen(command, env=environment)
    waits_for(lambda: len(store.ids()) >= 2)
    workers[0].kill()  # in the middle of a run: runs follow one another without a pause
    replacement = worker()
    seen = len(store.ids())
    waits_for(lambda: len(store.ids()) > seen)
    client.kill()
    assert client.wait() == -signal.SIGKILL
    left = store.ids()
    assert 0 < len(left) < len(SPECS)
    assert store_problems(store) == []
    kept = {run: (store.folder(run) / "manifest.json").stat().st_mtime_ns for run in left}
    again = subprocess.run(command, env=environment, timeout=300, capture_output=True, text=True)
    assert again.returncode == 0, again.stderr
    assert workers[0].wait() == -signal.SIGKILL
    assert workers[1].poll() is None
    assert replacement.poll() is None
    assert store.ids() == sorted(s.id for s in SPECS)
    assert all((store.folder(run) / "manifest.json").stat().st_mtime_ns == at for run, at in kept.items())
    assert not (store.path / ".replaced").exists()  # each run was stored once
    assert store_problems(store) == []
    same(sweep(SPECS, store, on_missing="raise"), sweep(SPECS, tmp_path / "serial", jobs=1, progress=False))


@pytest.mark.parametrize("address", ["localhost", "localhost:8786", "tcp://", "http://localhost", ""])
def test_what_is_no_address_is_refused(address):
    with pytest.raises(ParameterError, match=r"scheduler: .* given; an address such as tcp://"), scheduled(address):
        pass


def test_without_dask_the_remedy_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(SelectivityError, match="Dask is not installed; install this package with its extra `cluster`"):
        scheduled("tcp://127.0.0.1:1").__enter__()


@pytest.mark.slow
def test_no_scheduler_there_is_one_clear_line(monkeypatch):
    monkeypatch.setattr("selectivity_core.runs.executing.TIMEOUT", 1)
    with pytest.raises(SelectivityError, match=r"scheduler: nothing answers at tcp://127\.0\.0\.1:9 ") as raised:
        scheduled("tcp://127.0.0.1:9").__enter__()
    assert "\n" not in str(raised.value)
