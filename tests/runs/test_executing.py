"""Runs handed out to whoever trains them, by made-up crews and in this process."""

import math
import os
import signal
import time

import pytest
from sweep_workers import same
from tiny_specs import TINY

from selectivity_core import RunStore, sweep
from selectivity_core.errors import ParameterError, SelectivityError
from selectivity_core.runs import executing
from selectivity_core.runs.checkpoints import Checkpoints
from selectivity_core.runs.executing import (
    Here,
    WorkerDied,
    default_jobs,
    gpu_count,
    stopping,
    train_all,
    train_and_store,
)

SPECS = [TINY.replace(seed=s) for s in range(4)]


class MadeUp(Here):
    """A crew of one that gives each run's results in turn, the last for ever; a run is known by its seed."""

    def __init__(self, **results):
        super().__init__(None, None, None, None)
        self.results, self.begun = results, []

    def start(self, spec, seconds):
        self.begun.append(spec.seed)
        left = self.results.get(f"seed{spec.seed}", ["finished"])
        return left.pop(0) if len(left) > 1 else left[0]


@pytest.fixture
def handed_out(monkeypatch, tmp_path):
    """A function that hands all runs to a made-up crew; gives the outcomes' seeds, texts, and the order of starts."""
    monkeypatch.setattr(executing, "AGAIN", 0.0)

    def run(deadline=math.inf, **results):
        crew = MadeUp(**results)
        monkeypatch.setattr(executing, "_crew", lambda *_: crew)
        found = list(train_all(SPECS, RunStore(tmp_path), deadline=deadline))
        return [(spec.seed, str(result)) for spec, result in found], crew.begun

    return run


def test_what_others_are_busy_with_is_asked_for_again_last(handed_out):
    found, begun = handed_out(seed1=["busy", "finished"], seed3=["busy", "busy", "finished"])
    assert found == [(0, "finished"), (2, "finished"), (1, "finished"), (3, "finished")]
    assert begun == [0, 1, 2, 3, 1, 3, 3]


@pytest.mark.fault("runs that end their worker, a made-up one", "finished")
def test_a_run_that_costs_its_third_worker_is_set_aside_by_name_and_the_others_finish(handed_out):
    died = WorkerDied("signal 9 (out of memory?)")
    found, begun = handed_out(seed0=[died], seed2=[died, died, "finished"])
    said = "its worker process died 3 times, the last by signal 9 (out of memory?)"
    assert found == [(1, "finished"), (3, "finished"), (0, said), (2, "finished")]
    assert begun == [0, 1, 2, 3, 0, 2, 0, 2]


@pytest.mark.fault("a run that fails", "finished")
def test_a_failed_run_costs_no_other(handed_out):
    found, _ = handed_out(seed1=[SelectivityError("no")])
    assert found == [(0, "finished"), (1, "no"), (2, "finished"), (3, "finished")]


def test_after_the_deadline_nothing_is_begun(handed_out):
    assert handed_out(deadline=time.monotonic()) == ([(s, "stopped") for s in range(4)], [])


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
    store, shares = RunStore(tmp_path), []
    with store.try_lock(TINY) as mine:
        assert mine
        assert train_and_store(TINY, store, None) == "busy"
    assert train_and_store(TINY, store, None, stop=lambda: True) == "stopped"
    assert store.folders() == store.unfinished() == []
    assert train_and_store(TINY, store, None, report=shares.append) == "finished"
    assert shares == [0.25, 0.5, 0.75, 1.0]  # two steps in each of two epochs
    assert store.ids() == [TINY.id]
    assert train_and_store(TINY, store, None, report=shares.append) == "finished"
    assert len(shares) == 4


def at_step(monkeypatch, step, act):
    """Calls `act` after so many steps, over all runs of this process; gives the list of steps."""
    steps, real = [], Checkpoints.after_step

    def after_step(self, trainer):
        steps.append((trainer.spec.seed, trainer.epoch, trainer.step))
        real(self, trainer)
        if len(steps) == step:
            act()

    monkeypatch.setattr(Checkpoints, "after_step", after_step)
    return steps


@pytest.mark.fault("the wall clock an hour ahead and behind", "resumed")
@pytest.mark.parametrize("hour", [3600.0, -3600.0])
def test_a_time_budget_stops_a_sweep_whatever_the_wall_clock_says_and_the_next_goes_on(tmp_path, monkeypatch, hour):
    now = [time.monotonic()]
    with monkeypatch.context() as patch:
        patch.setattr("time.time", lambda: hour)
        patch.setattr("time.monotonic", lambda: now[0])
        steps = at_step(patch, 6, lambda: now.append(now.pop() + 11.0))  # in the second run's second epoch
        first = sweep(SPECS[:3], tmp_path / "s", jobs=1, time_budget=10, progress=False)
    store = RunStore(tmp_path / "s")
    assert first.runs["run"].tolist() == [SPECS[0].id]
    assert store.unfinished() == [SPECS[1].id]
    assert store.checkpoints(SPECS[1]).position() == (1, 1)
    assert len(steps) == 7  # the seventh only saved
    second = sweep(SPECS[:3], store, jobs=1, progress=False)
    assert store.unfinished() == []
    same(second, sweep(SPECS[:3], tmp_path / "serial", jobs=1, progress=False))


@pytest.mark.parametrize("budget", [-1, math.nan, math.inf])
def test_a_time_budget_that_is_none_is_refused(tmp_path, budget):
    with pytest.raises(ParameterError, match=r"time_budget: .* given; seconds from 0 on are needed"):
        sweep(SPECS, tmp_path, time_budget=budget)


@pytest.mark.fault("Ctrl-C of a sweep in this process", "ended")
@pytest.mark.usefixtures("interrupts")
def test_ctrl_c_leaves_a_checkpoint_in_this_process_too(tmp_path, monkeypatch):
    before = signal.getsignal(signal.SIGINT)
    steps = at_step(monkeypatch, 6, lambda: os.kill(os.getpid(), signal.SIGINT))
    with pytest.raises(KeyboardInterrupt):
        sweep(SPECS, tmp_path, jobs=1, progress=False)
    assert len(steps) <= 7
    store = RunStore(tmp_path)
    assert store.ids() == [SPECS[0].id]
    assert store.unfinished() == [SPECS[1].id]
    assert signal.getsignal(signal.SIGINT) is before


@pytest.mark.fault("a second signal", "ended")
@pytest.mark.usefixtures("interrupts")
def test_a_second_signal_takes_its_course_at_once():
    with pytest.raises(KeyboardInterrupt), stopping() as stop:
        assert not stop()
        os.kill(os.getpid(), signal.SIGINT)
        assert stop()
        os.kill(os.getpid(), signal.SIGINT)
        raise AssertionError("it did not")


def test_sigterm_is_not_without_a_word(monkeypatch, capsys):
    raised = []
    monkeypatch.setattr(signal, "raise_signal", raised.append)
    with stopping() as stop:
        os.kill(os.getpid(), signal.SIGTERM)
        assert stop()
    assert raised == [signal.SIGTERM]
    assert capsys.readouterr().err.startswith("selectivity: interrupted; finished runs are kept")


@pytest.mark.fault("a step that does not end", "ended")
@pytest.mark.usefixtures("interrupts")
def test_a_signal_that_does_not_end_in_time_takes_its_course(monkeypatch):
    monkeypatch.setattr(executing, "GRACE", -0.95)
    with pytest.raises(KeyboardInterrupt), stopping():
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(30)


def test_ignored_signals_stay_ignored():
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with stopping() as stop:
            os.kill(os.getpid(), signal.SIGINT)
            assert not stop()
    finally:
        signal.signal(signal.SIGINT, before)
