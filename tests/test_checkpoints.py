import os
import signal
import subprocess
import sys
import time

import pandas as pd
import pytest
import torch

from selectivity_core import RunSpec, RunStore, train
from selectivity_core.checkpoints import Checkpoints
from selectivity_core.data import load
from selectivity_core.errors import StoreError
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
            checkpoints.save(t, now=True)
            raise Stop

    with isolated(spec):
        while trainer.epoch < epoch:
            trainer.run_epoch()
        if step == 0:
            checkpoints.save(trainer, now=True)
            return
        with pytest.raises(Stop):
            trainer.run_epoch(stop)


def same(one, other) -> None:
    for name in TABLES:
        pd.testing.assert_frame_equal(getattr(one, name), getattr(other, name), check_exact=True)
    columns = [c for c in one.runs if c not in ("seconds", "started") and not c.startswith("provenance_")]
    pd.testing.assert_frame_equal(one.runs[columns], other.runs[columns], check_exact=True)
    assert all(torch.equal(v, other.weights[k]) for k, v in one.weights.items())


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


@pytest.fixture
def three(tmp_path, tiny):
    """A folder after checkpoints at epochs 0, 1 and 2, of which two stay."""
    checkpoints, trainer = Checkpoints(tmp_path / "run"), Trainer(tiny, load("digits"))
    with isolated(tiny):
        checkpoints.save(trainer, now=True)
        for _ in range(2):
            trainer.run_epoch()
            checkpoints.save(trainer, now=True)
    return checkpoints


def test_the_last_two_are_kept(three):
    assert [p.name[:6] for p in three.files()] == ["000002", "000001"]


@pytest.mark.parametrize("damage", ["flip", "cut", "empty"])
def test_a_damaged_checkpoint_falls_back_to_the_one_before(three, tiny, capsys, damage):
    latest, content = three.files()[0], bytearray(three.files()[0].read_bytes())
    content[len(content) // 2] ^= 1
    latest.write_bytes({"flip": bytes(content), "cut": bytes(content[:-9]), "empty": b""}[damage])
    trainer = Trainer(tiny, load("digits"))
    assert three.restore(trainer)
    assert trainer.epoch == 1
    assert f"{latest}: damaged" in capsys.readouterr().err


def test_none_that_verifies_means_a_fresh_start(three, tiny, capsys):
    for path in three.files():
        path.write_bytes(b"x" + path.read_bytes())
    trainer = Trainer(tiny, load("digits"))
    assert not three.restore(trainer)
    assert trainer.epoch == 0
    assert not Checkpoints(three.folder / "none").restore(trainer)
    assert capsys.readouterr().err.count("damaged") == 2


def test_checkpoints_of_another_run_data_or_version_are_not_used(three, tiny, capsys, monkeypatch):
    assert not three.restore(Trainer(tiny.replace(alpha=1.0), load("digits")))
    assert "of another spec, it is not used" in capsys.readouterr().err
    trainer = Trainer(tiny, load("digits"))
    object.__setattr__(trainer.dataset, "digest", "0" * 64)
    assert not three.restore(trainer)
    assert "of another data, it is not used" in capsys.readouterr().err
    monkeypatch.setattr("selectivity_core.training.RESULT_VERSION", 2)
    assert not three.restore(Trainer(tiny, load("digits")))
    assert "of another result version, it is not used" in capsys.readouterr().err


def test_saves_wait_for_their_time(tmp_path, tiny):
    checkpoints, trainer = Checkpoints(tmp_path, every=3600), Trainer(tiny, load("digits"))
    checkpoints.save(trainer)
    assert not checkpoints.files()
    checkpoints.every = 0
    checkpoints.save(trainer)
    assert len(checkpoints.files()) == 1


def test_a_failed_save_leaves_the_earlier_ones(three, tiny, monkeypatch):
    before = {p: p.read_bytes() for p in three.files()}

    def full(path, content):
        raise StoreError(f"{path}: cannot be written (No space left on device)")

    monkeypatch.setattr("selectivity_core.files.write", full)
    with pytest.raises(StoreError, match="No space left"):
        three.save(Trainer(tiny.replace(seed=1), load("digits")), now=True)
    assert {p: p.read_bytes() for p in three.folder.iterdir()} == before


def test_clear(three):
    three.clear()
    assert not three.folder.exists()
    three.clear()


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
