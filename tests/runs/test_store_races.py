"""Several that commit one run at the same moment."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from sweep_workers import PATHS
from tiny_specs import TINY

from selectivity_core import RunStore
from selectivity_core.runs.verification import store_problems

FILES = {"runs.csv": b"run\n", "history.csv": b"run\n"}


@pytest.mark.fault("two threads store one run at the same moment", "kept")
def test_two_that_commit_one_run_at_the_same_moment_both_succeed(tmp_path, results):
    store, errors, start = RunStore(tmp_path), [], threading.Barrier(8)

    def add():
        start.wait()
        try:
            store.add(results[0])
        except Exception as error:
            errors.append(error)

    for _ in range(3):
        threads = [threading.Thread(target=add, daemon=True) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert errors == []
        assert store_problems(store) == []
        assert store.ids() == [TINY.id]
        store.set_aside(TINY.id)
    assert len(list((store.path / ".replaced").iterdir())) == 3


COMMIT = """
import sys
from pathlib import Path
from test_store_races import FILES
from tiny_specs import TINY
from selectivity_core import RunStore
from selectivity_core.runs.manifests import make_manifest
manifest = make_manifest(TINY.as_dict(), TINY.id, "diverged", "0" * 64, FILES)
print("ready", flush=True)
sys.stdin.read()  # until the test closes it: all begin at once
for k in range(30):
    RunStore(Path(sys.argv[1]) / str(k)).put(manifest, FILES)
"""


@pytest.mark.fault("two processes store one run at the same moment", "kept")
def test_two_processes_that_commit_one_run_at_the_same_moment_both_succeed(tmp_path):
    # Processes of their own: a fork of this one, which has threads, can wait for ever on a lock that it inherits held.
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([PATHS, str(Path(__file__).parent)])}
    command = [sys.executable, "-c", COMMIT, str(tmp_path)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    children = [subprocess.Popen(command, env=environment, **pipes) for _ in range(4)]
    assert [child.stdout.readline() for child in children] == ["ready\n"] * 4
    for child in children:
        child.stdin.close()
    for child in children:
        with child:
            pass
    assert [child.returncode for child in children] == [0] * 4
    for k in range(30):
        store = RunStore(tmp_path / str(k))
        assert store.manifest(TINY)["status"] == "diverged"
        assert not (store.path / ".replaced").exists()
        assert list((store.path / ".stage").iterdir()) == []
