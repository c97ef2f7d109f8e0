import os
import signal
import subprocess
import sys
import time

import pandas as pd
import pytest
import torch

from selectivity_core import RunSpec, RunStore, train
from selectivity_core.data import load
from selectivity_core.runs.checkpoints import Checkpoints, Stopped
from selectivity_core.training import Trainer, isolated

TABLES = ("history", "layers", "units", "responses")
# every kind of state: batch norm, momentum, a schedule, a warm-up, augmentation, dropout, corrupted labels
SPECS = {
    "mlp": RunSpec(
        model="mlp", width=8, epochs=4, milestones=(2,), train_size=50, batch_size=16, alpha=1.0, warmup_epochs=1.5,
        augment=True, dropout=0.3, label_corruption=0.2, estimate="shuffled",
    ),
    "resnet20": RunSpec(width=1, epochs=3, milestones=(1,), train_size=40, batch_size=16, precision="bfloat16"),
}  # fmt: skip


class Stop(Exception):
    pass


def interrupted(spec: RunSpec, epoch: int, step: int, checkpoints: Checkpoints) -> None:
    """Trains up to a place in the run, saves there, and drops everything."""
    trainer = Trainer(spec, load("digits"))

    def stop(t: Trainer) -> None:
        if (t.epoch, t.step) == (epoch, step):
            checkpoints.save(t)
            raise Stop

    with isolated(spec):
        while trainer.epoch < epoch:
            trainer.run_epoch()
        if step == 0:
            checkpoints.save(trainer)
            return
        with pytest.raises(Stop):
            trainer.run_epoch(stop)


def same(one, other) -> None:
    for name in TABLES:
        pd.testing.assert_frame_equal(getattr(one, name), getattr(other, name), check_exact=True)
    columns = [c for c in one.runs if c not in ("seconds", "started") and not c.startswith("provenance_")]
    pd.testing.assert_frame_equal(one.runs[columns], other.runs[columns], check_exact=True)
    assert all(torch.equal(v, other.weights[k]) for k, v in one.weights.items())


@pytest.mark.fault("stopped at chosen steps of many settings", "same")
@pytest.mark.parametrize(
    ("name", "epoch", "step"),
    [("mlp", 0, 1), ("mlp", 1, 0), ("mlp", 1, 3), ("mlp", 2, 0), ("mlp", 3, 4), ("resnet20", 1, 0), ("resnet20", 1, 2)],
)
def test_a_resumed_run_is_bit_equal(tmp_path, name, epoch, step):
    spec, checkpoints = SPECS[name], Checkpoints(tmp_path)
    whole = train(spec, progress=False)
    interrupted(spec, epoch, step, checkpoints)
    assert [p.name[:15] for p in checkpoints.files()] == [f"{epoch:06d}-{step:08d}"]
    trainer = Trainer(spec, load("digits"))
    assert Checkpoints(tmp_path).restore(trainer)
    assert (trainer.epoch, trainer.step) == (epoch, step)
    same(train(spec, progress=False, checkpoints=Checkpoints(tmp_path)), whole)


@pytest.mark.fault("stopped inside an epoch, at its end, and again", "same")
def test_a_run_that_is_stopped_inside_an_epoch_goes_on_bit_equal(tmp_path):
    spec, asked = SPECS["mlp"].replace(epochs=10), []

    def stop():
        asked.append(1)
        return len(asked) in (2, 4, 19)

    places = []
    for _ in range(3):
        with pytest.raises(Stopped):
            train(spec, progress=False, checkpoints=Checkpoints(tmp_path, stop=stop))
        places.append(Checkpoints(tmp_path).position())
    assert places == [(0, 2), (0, 4), (4, 3)]  # four steps an epoch: inside the first, at its end, inside the fifth
    resumed = train(spec, progress=False, checkpoints=Checkpoints(tmp_path, stop=stop))
    same(resumed, train(spec, progress=False))
    assert len(asked) == 40


@pytest.mark.fault("killed while it trains", "resumed")
@pytest.mark.slow
def test_a_killed_run_is_taken_up_again(tmp_path):
    spec = SPECS["mlp"].replace(epochs=200)
    script = f"""
from selectivity_core import RunSpec, train, RunStore
store, spec = RunStore({str(tmp_path)!r}), RunSpec.from_dict({spec.as_dict()!r})
checkpoints = store.checkpoints(spec)
checkpoints.every = 0.05
train(spec, progress=False, checkpoints=checkpoints)
"""
    child = subprocess.Popen([sys.executable, "-c", script], env={**os.environ, "OMP_NUM_THREADS": "1"})
    checkpoints = RunStore(tmp_path).checkpoints(spec)
    deadline = time.monotonic() + 120
    while not checkpoints.files() and time.monotonic() < deadline:
        time.sleep(0.02)
    time.sleep(0.3)
    child.send_signal(signal.SIGKILL)
    assert child.wait() == -signal.SIGKILL
    resumed = Trainer(spec, load("digits"))
    assert checkpoints.restore(resumed)
    assert 0 < resumed.epoch < 200
    same(train(spec, progress=False, checkpoints=checkpoints), train(spec, progress=False))
