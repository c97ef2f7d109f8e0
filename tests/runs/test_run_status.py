import shutil

import pytest
from tiny_specs import DIVERGING, TINY

from selectivity_core import RunStore
from selectivity_core.data import load
from selectivity_core.runs.checkpoints import Checkpoints
from selectivity_core.runs.verification import RunStatus, run_status
from selectivity_core.training import Trainer, isolated


def test_absent_complete_diverged(store, tmp_path):
    assert run_status(RunStore(tmp_path / "none"), TINY) == RunStatus("absent")
    assert not (tmp_path / "none").exists()
    assert run_status(store, TINY.replace(seed=9)) == RunStatus("absent")
    assert run_status(store, TINY) == run_status(store, TINY.id) == RunStatus("complete")
    assert run_status(store, DIVERGING) == RunStatus("diverged", 1, 4)


def test_stale_says_whether_data_or_version_made_it_so(store, monkeypatch):
    digest = store.manifest(TINY)["digest"]
    assert run_status(store, TINY, digest).kind == "complete"
    assert run_status(store, TINY, "0" * 64) == RunStatus("stale", problem=f"data {digest[:16]}, here 0000000000000000")
    monkeypatch.setattr("selectivity_core.training.RESULT_VERSION", 2)
    assert run_status(store, TINY) == RunStatus("stale", problem="result version 1, now 2")
    assert run_status(store, TINY, "0" * 64).problem.count(";") == 1


@pytest.mark.fault("files of a run damaged, and its status asked for", "named")
@pytest.mark.parametrize("name", ["manifest.json", "units.csv", "weights.safetensors"])
@pytest.mark.parametrize("damage", ["cut", "flip", "gone"])
def test_damaged_names_the_file(store, name, damage):
    path = store.folder(TINY) / name
    content = bytearray(path.read_bytes())
    content[len(content) // 3] ^= 0x80
    path.write_bytes(bytes(content) if damage == "flip" else content[:-5])
    if damage == "gone":
        path.unlink()
    found = run_status(store, TINY)
    assert found.kind == "damaged"
    assert (str(store.folder(TINY)) if (name, damage) == ("manifest.json", "gone") else str(path)) in found.problem
    assert run_status(store, DIVERGING).kind == "diverged"


def test_interrupted_says_where(store, monkeypatch):
    spec = TINY.replace(seed=3)
    trainer, checkpoints = Trainer(spec, load("digits")), store.checkpoints(spec)
    with isolated(spec):
        trainer.run_epoch()
    trainer.step = 1
    checkpoints.save(trainer)
    assert run_status(store, spec) == RunStatus("interrupted", 2, 1)
    assert store.unfinished() == [spec.id]
    with store.try_lock(spec) as mine:
        assert mine
        assert run_status(store, spec) == RunStatus("interrupted", 2, 1, in_training=True)
        assert store.in_training(spec)
    assert not store.in_training(spec)
    (latest,) = checkpoints.files()
    latest.write_bytes(b"x")
    assert run_status(store, spec) == RunStatus("damaged", problem=f"no checkpoint verifies, the latest is {latest}")


def test_a_stale_run_that_is_being_trained_anew(store, tmp_path):
    trainer = Trainer(TINY, load("digits"))
    trainer.step = 1
    store.checkpoints(TINY).save(trainer)
    assert run_status(store, TINY).kind == "complete"
    found = run_status(store, TINY, "0" * 64)
    assert (found.kind, found.epoch, found.step) == ("interrupted", 1, 1) and found.problem.startswith("data ")


def test_status_is_never_stored(store):
    """It follows the files, both ways."""
    folder = store.folder(TINY)
    folder.rename(folder.with_name("away"))
    assert run_status(store, TINY).kind == "absent"
    shutil.copytree(folder.with_name("away"), folder)
    assert run_status(store, TINY).kind == "complete"
    assert Checkpoints(store.path / ".checkpoints" / TINY.id).files() == []
