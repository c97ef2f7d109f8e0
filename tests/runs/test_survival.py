"""Sweeps that are killed without warning: what they leave is whole or absent, and what comes of them is the same."""

import contextlib
import os
import random
import signal
import subprocess
import sys
import time

import pytest
from sweep_workers import PATHS, Children, same
from tiny_specs import DIVERGING, TINY

from selectivity_core import RunStore, sweep
from selectivity_core.runs.verification import run_status, store_problems

pytestmark = pytest.mark.slow
CHECKPOINTED = TINY.replace(epochs=3, alpha=1.0)


@pytest.fixture(scope="module")
def children():
    found = Children()
    yield found
    found.close()


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """Tables of the run, and of one that diverges, which nothing disturbed."""
    return sweep([CHECKPOINTED, DIVERGING], tmp_path_factory.mktemp("whole"), jobs=1, progress=False)


def whole_or_absent(path) -> None:
    store = RunStore(path)
    assert store_problems(store) == []
    for run in store.folders():
        assert run_status(store, run).kind in ("complete", "diverged")


def recovers(children, path, undisturbed) -> None:
    """The next sweep finishes what is left, leaves nothing lying about, and gives the same tables."""
    specs = [CHECKPOINTED, DIVERGING]
    assert children.do(path, specs, every=0) == 0
    same(sweep(specs, path, on_missing="raise"), undisturbed)
    store = RunStore(path)
    assert store.ids() == sorted(s.id for s in specs)
    assert not list((store.path / ".stage").iterdir())
    assert store.unfinished() == []
    assert not (store.path / ".replaced").exists()


@pytest.mark.fault("killed before every change to the file system", "whole")
def test_killed_before_every_change_to_the_file_system(children, tmp_path, undisturbed, record_property):
    specs = [CHECKPOINTED, DIVERGING]
    assert children.do(tmp_path / "whole", specs, every=0, events=str(tmp_path / "events")) == 0
    changes = int((tmp_path / "events").read_text())
    assert changes > 100
    record_property("tried", changes)
    for k in range(changes):
        path = tmp_path / str(k)
        assert children.do(path, specs, every=0, die_at=k) == -signal.SIGKILL, k
        whole_or_absent(path)
        if k % 5 == 0 or k > changes - 20:  # the rest would only repeat it
            recovers(children, path, undisturbed)


@pytest.mark.fault("killed while each file is half written", "whole")
def test_killed_while_each_file_is_half_written(children, tmp_path, undisturbed, record_property):
    killed = 0
    while True:
        path = tmp_path / str(killed)
        code = children.do(path, [CHECKPOINTED, DIVERGING], every=0, die_writing=killed)
        whole_or_absent(path)
        if code == 0:
            break
        assert code == -signal.SIGKILL
        recovers(children, path, undisturbed)
        killed += 1
    # checkpoints (six and three steps), seven files of a complete run, three of one that diverged
    assert killed == 6 + 3 + 7 + 3
    record_property("tried", killed)


@pytest.mark.fault("killed at random times", "resumed")
def test_killed_at_20_random_times(children, tmp_path, undisturbed, record_property):
    clock = time.monotonic()
    assert children.do(tmp_path / "whole", [CHECKPOINTED, DIVERGING], every=0) == 0
    takes, draw = time.monotonic() - clock, random.Random(0)
    record_property("tried", 20)
    for k in range(20):
        path = tmp_path / str(k)
        child = children.start(path, [CHECKPOINTED, DIVERGING], every=0)
        time.sleep(draw.uniform(0, 0.9) * takes)
        kill(child)
        assert children.wait(child) in (-signal.SIGKILL, 0)
        whole_or_absent(path)
        recovers(children, path, undisturbed)


def kill(process: int) -> None:
    with contextlib.suppress(ProcessLookupError):  # it was faster
        os.kill(process, signal.SIGKILL)


@pytest.mark.fault("200 runs by two processes that are killed again and again", "same")
def test_200_runs_by_two_processes_that_are_killed_again_and_again(children, tmp_path, record_property):
    """As a sweep of days that is killed every 8 to 20 s, scaled: a kill every half to three times what a run takes."""
    specs = [TINY.replace(seed=s, alpha=a) for s in range(40) for a in (-1.0, -0.4, 0.0, 0.4, 1.0)]
    calm, wild, draw = RunStore(tmp_path / "calm"), RunStore(tmp_path / "wild"), random.Random(1)
    clock = time.monotonic()
    pair = [children.start(calm.path, specs[k::2]) for k in range(2)]
    assert [children.wait(process) for process in pair] == [0, 0]
    takes = (time.monotonic() - clock) / 100  # a run, on this machine as busy as it is
    kills, order = 0, {0: specs, 1: specs[::-1]}
    running = {k: children.start(wild.path, order[k], every=0.02) for k in order}
    while running:
        for k, process in list(running.items()):
            time.sleep(draw.uniform(0.5, 3) * takes * (1 + kills / 200))
            kill(process)
            if children.wait(process) == 0:
                del running[k]
                continue
            kills += 1
            whole_folders(wild)
            running[k] = children.start(wild.path, order[k], every=0.02)
        assert kills < 1000
    print(f"{kills} kills")
    record_property("tried", kills)
    assert kills >= 5
    assert wild.ids() == calm.ids()
    whole_or_absent(wild.path)
    same(sweep(specs, wild, on_missing="raise"), sweep(specs, calm, on_missing="raise"))


def whole_folders(store) -> None:
    """Whatever stands where finished runs do has a manifest and all its files, at any moment."""
    for run in store.folders():
        assert {p.name for p in store.folder(run).iterdir()} == {*store.manifest(run)["files"], "manifest.json"}


CLIENT = """
import sys
from sweep_workers import count_trainings
from tiny_specs import TINY
from selectivity_core import sweep
sweep([TINY.replace(seed=s, epochs=40) for s in range(8)], sys.argv[1], jobs=2, progress=False)
"""


@pytest.mark.fault("a sweep over processes is killed and called again", "same")
def test_a_sweep_with_a_pool_is_killed_and_called_again(tmp_path):
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": PATHS}
    command, store = [sys.executable, "-c", CLIENT, str(tmp_path / "s")], RunStore(tmp_path / "s")
    child = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 600
    while not store.ids() and time.monotonic() < deadline:
        time.sleep(0.05)
    child.kill()
    child.wait()
    left = store.ids()
    assert 0 < len(left) < 8
    assert subprocess.run(command, env=environment, timeout=600).returncode == 0
    specs = [TINY.replace(seed=s, epochs=40) for s in range(8)]
    assert store.ids() == sorted(s.id for s in specs)
    serial = sweep(specs, tmp_path / "serial", jobs=1, progress=False)
    same(sweep(specs, store, on_missing="raise"), serial)


@pytest.mark.fault("eight processes asked for one run", "kept")
def test_eight_processes_asked_for_one_run_train_it_once(children, tmp_path):
    (tmp_path / "log").mkdir()
    task = {"log": str(tmp_path / "log"), "answer": True}
    crowd = [children.start(tmp_path / "s", [TINY.replace(epochs=200)], **task) for _ in range(8)]
    assert [children.wait(process) for process in crowd] == [0] * 8
    assert len(list((tmp_path / "log").glob("*-*"))) == 1
    answers = [path.read_text() for path in (tmp_path / "log").glob("answer*")]
    assert len(answers) == 8
    assert len(set(answers)) == 1


@pytest.mark.fault("the process that trains a run is killed while another waits", "resumed")
def test_killing_the_holder_hands_the_run_over(children, tmp_path):
    store, spec = RunStore(tmp_path / "s"), TINY.replace(epochs=5000)
    first = children.start(store.path, [spec], every=0.05)
    deadline = time.monotonic() + 120
    while store.checkpoints(spec).position() is None:
        assert time.monotonic() < deadline, "no checkpoint came: the training failed"
        time.sleep(0.05)
    assert run_status(store, spec).kind == "interrupted"
    assert run_status(store, spec).in_training
    second = children.start(store.path, [spec], every=0.05, time_budget=3.0)
    time.sleep(0.5)
    kill(first)
    assert children.wait(first) == -signal.SIGKILL
    before = store.checkpoints(spec).position()
    assert children.wait(second) == 0
    assert store.checkpoints(spec).position() > before
    assert not run_status(store, spec).in_training
