import math
import os
import signal
import threading
import time
from concurrent.futures import BrokenExecutor, Executor, Future, ThreadPoolExecutor

import psutil
import pytest
from sweep_workers import same
from tiny_specs import TINY

from selectivity_core import RunStore, sweep, train
from selectivity_core.errors import ParameterError, SelectivityError
from selectivity_core.runs.checkpoints import Checkpoints
from selectivity_core.runs.executing import (
    Paused,
    _rounds,
    default_jobs,
    gpu_count,
    train_all,
    train_and_store,
    train_by_value,
)

SPECS = [TINY.replace(seed=s) for s in range(4)]


def attempts(*rounds):
    """An attempt that gives these results, round by round; a spec's place in SPECS is its key."""
    asked, left = [], list(rounds)

    def attempt(specs, patience):
        asked.append(([SPECS.index(s) for s in specs], patience))
        results = left.pop(0)
        for spec in specs:
            yield spec, results[SPECS.index(spec)]

    return attempt, asked


def test_what_others_are_busy_with_is_asked_for_again_with_patience():
    attempt, asked = attempts(["finished", "busy", "finished", "busy"], {1: "finished", 3: "busy"}, {3: "finished"})
    found = [SPECS.index(o.spec) for o in _rounds(SPECS, attempt)]
    assert found == [0, 2, 1, 3]
    assert asked == [([0, 1, 2, 3], 0.0), ([1, 3], 5.0), ([3], 5.0)]


def test_a_pool_that_lost_a_worker_goes_on_as_long_as_runs_finish():
    lost = BrokenExecutor("gone")
    attempt, asked = attempts(
        ["finished", lost, lost, lost], {1: lost, 2: lost, 3: lost}, {1: "finished", 2: lost, 3: lost},
        {2: lost, 3: lost}, {2: "finished", 3: "stopped"},
    )  # fmt: skip
    found = list(_rounds(SPECS, attempt))
    assert [(SPECS.index(o.spec), o.error, o.stopped) for o in found] == [
        (0, None, False), (1, None, False), (2, None, False), (3, None, True),
    ]  # fmt: skip
    assert len(asked) == 5


def test_a_pool_that_only_loses_workers_is_given_up():
    lost = BrokenExecutor("gone")
    attempt, asked = attempts(*[dict.fromkeys(range(4), lost)] * 3)
    found = list(_rounds(SPECS, attempt))
    assert len(asked) == 3
    assert len(found) == 4
    assert all("killed, 3 times in a row (out of memory?)" in str(o.error) for o in found)


@pytest.mark.slow
def test_a_killed_pool_worker_does_not_end_the_sweep(tmp_path):
    specs = [TINY.replace(seed=s, epochs=150) for s in range(6)]
    store, killed = RunStore(tmp_path / "s"), []

    def kill_one():
        while not store.ids():
            time.sleep(0.05)
        for child in psutil.Process().children(recursive=True):
            if "loky" in " ".join(child.cmdline()) and "resource_tracker" not in " ".join(child.cmdline()):
                os.kill(child.pid, signal.SIGKILL)
                killed.append(child.pid)
                return

    thread = threading.Thread(target=kill_one, daemon=True)
    thread.start()
    found = sweep(specs, store, jobs=2, progress=False)
    thread.join()
    assert len(killed) == 1
    same(found, sweep(specs, tmp_path / "serial", jobs=1, progress=False))


def test_jobs_follow_cores_threads_and_gpus(monkeypatch):
    monkeypatch.setattr("joblib.cpu_count", lambda: 12)
    assert gpu_count() == 0  # tests run on the CPU
    assert default_jobs(SPECS, 0) == 12
    assert default_jobs([TINY.replace(threads=5), TINY], 0) == 2
    assert default_jobs([TINY.replace(threads=99)], 0) == 1
    assert default_jobs(SPECS, 3) == 3
    monkeypatch.setenv("SELECTIVITY_DEVICE", "cuda:1")
    assert gpu_count() == 1
    monkeypatch.setenv("SELECTIVITY_DEVICE", "cuda")
    monkeypatch.setattr("torch.cuda.device_count", lambda: 4)
    assert gpu_count() == 4


def test_train_and_store_says_busy_or_stopped(tmp_path):
    store = RunStore(tmp_path)
    with store.try_lock(TINY) as mine:
        assert mine
        assert train_and_store(TINY, tmp_path, None) == "busy"
        clock = time.monotonic()
        assert train_and_store(TINY, tmp_path, None, patience=0.3) == "busy"
        assert time.monotonic() - clock >= 0.3
        assert train_and_store(TINY, tmp_path, None, deadline=time.time() + 0.3, patience=99) == "stopped"
    assert train_and_store(TINY, tmp_path, None, deadline=0.0) == "stopped"
    assert store.folders() == store.unfinished() == []
    assert train_and_store(TINY, tmp_path, None) == "finished"
    assert store.ids() == [TINY.id]


def test_busy_runs_are_left_to_whoever_has_them_while_others_are_trained(tmp_path):
    store, order = RunStore(tmp_path), []
    with store.try_lock(SPECS[0]):
        for outcome in train_all(SPECS, store, jobs=1):
            order.append(SPECS.index(outcome.spec))
            if len(order) == 3:
                break
    assert order == [1, 2, 3]


def test_a_run_stopped_without_a_store_travels_as_its_checkpoint(tmp_path, monkeypatch):
    spec = TINY.replace(epochs=10)
    assert train_by_value(spec, None, deadline=0.0) is None
    real, steps = Checkpoints.after_step, []

    def after_step(self, trainer):
        steps.append((trainer.epoch, trainer.step))
        self.deadline = 0.0 if len(steps) == 7 else math.inf
        real(self, trainer)

    monkeypatch.setattr(Checkpoints, "after_step", after_step)
    paused = train_by_value(spec, None)
    assert isinstance(paused, Paused)
    result = train_by_value(spec, None, begun=paused)
    assert len(steps) == 20  # two steps an epoch, none twice
    same(result, train(spec, progress=False))


class Inline(Executor):
    """Does everything at once, in this process."""

    def submit(self, call, /, *args):
        future: Future = Future()
        try:
            future.set_result(call(*args))
        except Exception as error:
            future.set_exception(error)
        return future


def test_a_time_budget_stops_a_sweep_and_the_next_goes_on(tmp_path, monkeypatch):
    for executor in (None, Inline()):
        store, steps, real = RunStore(tmp_path / type(executor).__name__), [], Checkpoints.after_step

        def after_step(self, trainer, steps=steps, real=real):
            steps.append(1)
            if len(steps) == 7:  # inside the second run
                self.deadline = 0.0
            real(self, trainer)

        with monkeypatch.context() as patch:
            patch.setattr(Checkpoints, "after_step", after_step)
            first = sweep(SPECS[:2], store, executor=executor, jobs=1, time_budget=3600, progress=False)
            assert first.runs["run"].tolist() == [SPECS[0].id]
            assert store.unfinished() == [SPECS[1].id]
            assert store.checkpoints(SPECS[1]).place() == (1, 1)
            second = sweep(SPECS[:2], store, executor=executor, jobs=1, time_budget=3600, progress=False)
        assert len(steps) == 8
        assert store.unfinished() == []
        same(second, sweep(SPECS[:2], tmp_path / "serial", jobs=1, progress=False))


def test_a_time_budget_of_nothing_begins_nothing(tmp_path):
    for executor in (None, Inline()):
        assert not len(sweep(SPECS, tmp_path, executor=executor, jobs=1, time_budget=0, progress=False).runs)
    assert RunStore(tmp_path).unfinished() == RunStore(tmp_path).folders() == []


@pytest.mark.parametrize("budget", [-1, math.nan, math.inf])
def test_a_time_budget_that_is_none_is_refused(tmp_path, budget):
    with pytest.raises(ParameterError, match=r"time_budget: .* given; seconds from 0 on are needed"):
        sweep(SPECS, tmp_path, time_budget=budget)


def test_results_of_other_code_or_data_are_refused(tmp_path, monkeypatch):
    def by_another_version(spec, *_):
        result = train(spec, progress=False)
        result.runs["provenance_result_version"] = "7"
        return result

    def with_other_data(spec, *_):
        result = train(spec, progress=False)
        result.digest = "0" * 64
        return result

    for wrong, message in (
        (by_another_version, r"another version of the code \(result version 7, here 1\)"),
        (with_other_data, r"other data under the name digits \(digest 0000000000000000, here "),
    ):
        monkeypatch.setattr("selectivity_core.runs.executing.train_by_value", wrong)
        with pytest.raises(SelectivityError, match=rf"1 of 1 runs failed, the first: .*{message}"):
            sweep([TINY], tmp_path, executor=Inline(), progress=False)
    assert RunStore(tmp_path).folders() == []


def test_an_executor_that_gives_up_is_one_clear_line(tmp_path):
    class Lost(Executor):
        def submit(self, call, /, *args):
            future: Future = Future()
            future.cancel()
            future.set_running_or_notify_cancel()
            return future

    with pytest.raises(SelectivityError, match=r"2 of 2 runs failed.*the executor gave it up") as raised:
        sweep(SPECS[:2], tmp_path, executor=Lost(), progress=False)
    assert "\n" not in str(raised.value)


def test_two_sweeps_with_executors_on_one_store_both_end_well(tmp_path):
    answers, threads = [], []
    with ThreadPoolExecutor(2) as pool:
        for _ in range(2):
            ask = lambda: answers.append(sweep(SPECS, tmp_path, executor=pool, progress=False))  # noqa: E731
            threads.append(threading.Thread(target=ask, daemon=True))
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(answers) == 2
    same(*answers)
    assert not (tmp_path / ".replaced").exists()
