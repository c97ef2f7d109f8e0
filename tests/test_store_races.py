"""Several that commit one run at the same moment."""

import os
import threading

import pytest
from tiny_specs import TINY

from selectivity_core import RunStore, train
from selectivity_core.manifests import make_manifest
from selectivity_core.verification import store_problems

FILES = {"runs.csv": b"run\n", "history.csv": b"run\n"}


@pytest.fixture(scope="module")
def results():
    return [train(TINY, progress=False)]


def test_two_that_commit_one_run_at_the_same_moment_both_succeed(tmp_path, results):
    store, errors, start = RunStore(tmp_path), [], threading.Barrier(8)

    def add():
        start.wait()
        try:
            store.add(results[0])
        except Exception as error:
            errors.append(error)

    for _ in range(3):
        threads = [threading.Thread(target=add) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert errors == []
        assert store_problems(store) == []
        assert store.ids() == [TINY.id]
        store.set_aside(TINY.id)
    assert len(list((store.path / ".replaced").iterdir())) == 3


def test_two_processes_that_commit_one_run_at_the_same_moment_both_succeed(tmp_path, results):
    manifest = make_manifest(TINY.as_dict(), TINY.id, "diverged", "0" * 64, FILES)
    ready, go = os.pipe()
    children = []
    for _ in range(4):
        child = os.fork()
        if not child:
            code = 1
            try:
                os.close(go)
                os.read(ready, 1)  # until the parent closes its end: all begin at once
                for k in range(30):
                    RunStore(tmp_path / str(k)).put(manifest, FILES)
                code = 0
            finally:
                os._exit(code)
        children.append(child)
    os.close(ready)
    os.close(go)
    assert [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children] == [0] * 4
    for k in range(30):
        store = RunStore(tmp_path / str(k))
        assert store.manifest(TINY)["status"] == "diverged"
        assert not (store.path / ".replaced").exists()
        assert list((store.path / ".stage").iterdir()) == []
