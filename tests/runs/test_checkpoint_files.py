"""Checkpoints as files: which are kept, and what is done with those that are damaged or of another run."""

import hashlib

import pytest

from selectivity_core.data import load
from selectivity_core.errors import StoreError
from selectivity_core.runs.checkpoints import Checkpoints
from selectivity_core.training import Trainer, isolated


@pytest.fixture
def three(tmp_path, tiny):
    """A folder after checkpoints at epochs 0, 1 and 2, of which two stay."""
    checkpoints, trainer = Checkpoints(tmp_path / "run"), Trainer(tiny, load("digits"))
    with isolated(tiny):
        checkpoints.save(trainer)
        for _ in range(2):
            trainer.run_epoch()
            checkpoints.save(trainer)
    return checkpoints


def test_the_last_two_are_kept(three):
    assert [p.name[:6] for p in three.files()] == ["000002", "000001"]


@pytest.mark.fault("damaged checkpoints", "resumed")
@pytest.mark.parametrize("damage", ["flip", "cut", "empty", "dtype"])
def test_a_damaged_checkpoint_falls_back_to_the_one_before(three, tiny, capsys, damage):
    latest, content = three.files()[0], bytearray(three.files()[0].read_bytes())
    content[len(content) // 2] ^= 1
    whole = latest.read_bytes()
    spoilt = {"flip": bytes(content), "cut": whole[:-9], "empty": b"", "dtype": whole.replace(b'"F32"', b'"I32"')}[
        damage
    ]
    assert spoilt != whole
    latest.write_bytes(spoilt)
    trainer = Trainer(tiny, load("digits"))
    assert three.restore(trainer)
    assert trainer.epoch == 1
    assert f"{latest}: damaged" in capsys.readouterr().err


@pytest.mark.fault("forged checkpoints", "resumed")
@pytest.mark.parametrize("content", [b"", b"{", (1 << 62).to_bytes(8, "little") + b"{}"])
def test_a_checkpoint_that_is_none_though_its_checksum_holds_is_passed_over(three, tiny, capsys, content):
    name = f"000009-00000000-12345678-{hashlib.sha256(content).hexdigest()[:32]}.safetensors"
    (three.folder / name).write_bytes(content)
    (three.folder / "._000010-x.safetensors").write_bytes(b"")  # as some systems leave beside files
    trainer = Trainer(tiny, load("digits"))
    assert three.restore(trainer)
    assert trainer.epoch == 2
    assert f"{name}: cannot be read (" in capsys.readouterr().err
    three.save(trainer)


def test_none_that_verifies_means_a_fresh_start(three, tiny, capsys):
    for path in three.files():
        path.write_bytes(b"x" + path.read_bytes())
    trainer = Trainer(tiny, load("digits"))
    assert not three.restore(trainer)
    assert trainer.epoch == 0
    assert not Checkpoints(three.folder / "none").restore(trainer)
    assert capsys.readouterr().err.count("damaged") == 2


@pytest.mark.fault("checkpoints of another run, data or version", "unmixed")
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
    checkpoints.after_step(trainer)
    assert not checkpoints.files()
    checkpoints.every = 0
    checkpoints.after_step(trainer)
    assert len(checkpoints.files()) == 1


def test_an_epoch_is_saved_before_it_is_measured_where_that_is_due_soon(tmp_path, tiny, monkeypatch):
    now = [0.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    checkpoints, trainer = Checkpoints(tmp_path, every=60), Trainer(tiny, load("digits"))
    places = []
    for trainer.step, now[0] in ((1, 9.0), (2, 9.0), (1, 11.0), (2, 11.0), (1, 70.0), (1, 71.0)):  # two steps an epoch
        checkpoints.after_step(trainer)
        places.append(len(checkpoints.files()) and checkpoints.position())
        checkpoints.clear()
    assert places == [0, 0, 0, (0, 2), 0, (0, 1)]


def test_place_is_that_of_the_latest_that_verifies(three):
    assert three.position() == (2, 0)
    three.files()[0].write_bytes(b"")
    assert three.position() == (1, 0)
    three.files()[1].write_bytes(b"")
    assert three.position() is None
    assert three.latest() is None
    assert Checkpoints(three.folder / "none").position() is None


def test_a_checkpoint_made_elsewhere_can_be_put_here(three, tiny, tmp_path):
    other = Checkpoints(tmp_path / "other")
    other.put(*three.latest())
    trainer = Trainer(tiny, load("digits"))
    assert other.restore(trainer)
    assert trainer.epoch == 2


@pytest.mark.fault("a checkpoint half written", "resumed")
def test_what_a_kill_left_half_written_is_removed(three, tiny):
    part = three.folder / ".000003-00000000-x.safetensors.1234.part"
    part.write_bytes(b"half")
    three.restore(Trainer(tiny, load("digits")))
    assert not part.exists()


def test_damaged_ones_ahead_do_not_push_out_good_ones(three, tiny):
    latest = three.files()[0]
    latest.write_bytes(b"")
    trainer = Trainer(tiny.replace(epochs=3), load("digits"))
    trainer.spec = tiny
    with isolated(tiny):
        assert three.restore(trainer)
        trainer.run_epoch()
        three.save(trainer)
    assert [p.name[:6] for p in three.files()] == ["000002", "000001"]
    assert three.position() == (2, 0)


@pytest.mark.fault("a checkpoint that does not read back", "resumed")
def test_one_that_does_not_read_back_leaves_those_before(three, tiny, monkeypatch, capsys):
    before = three.files()

    def spoil(path, content):
        path.write_bytes(content[:-1])

    monkeypatch.setattr("selectivity_core.runs.checkpoints.replace", spoil)
    trainer = Trainer(tiny, load("digits"))
    trainer.epoch = 3
    three.save(trainer)
    assert three.files() == before
    assert "does not read back as written" in capsys.readouterr().err


def test_checkpoints_of_other_data_stay_while_the_run_is_trained_anew(three, tiny):
    before = three.files()
    trainer = Trainer(tiny, load("digits"))
    object.__setattr__(trainer.dataset, "digest", "0" * 64)
    with isolated(tiny):
        for _ in range(2):
            trainer.run_epoch()
            three.save(trainer)
    assert set(before) < set(three.files())
    assert len(three.files()) == 4


@pytest.mark.fault("checkpoints whose weights do not fit", "resumed")
@pytest.mark.parametrize("change", ["dtype", "shape", "name"])
def test_weights_that_do_not_fit_the_network_are_not_taken(three, tiny, capsys, change):
    """Consistently renamed, so that the checksum holds: what it guards against is a mistake, not the disk."""
    from safetensors import safe_open
    from safetensors.torch import save

    latest = three.files()[0]
    with safe_open(latest, framework="pt") as file:
        tensors, metadata = {k: file.get_tensor(k) for k in file.keys()}, file.metadata()  # noqa: SIM118
    weight = tensors.pop("model/fc1.weight")
    if change == "name":
        tensors["model/fc9.weight"] = weight
    else:
        tensors["model/fc1.weight"] = weight.double() if change == "dtype" else weight[:, :-1].contiguous()
    content = save(tensors, metadata=metadata)
    latest.unlink()
    start = latest.stem.rpartition("-")[0]
    three.put(f"{start}-{hashlib.sha256(content).hexdigest()[:32]}.safetensors", content)
    trainer = Trainer(tiny, load("digits"))
    assert three.restore(trainer)
    assert trainer.epoch == 1
    assert "its fc1.weight does not fit the network" in capsys.readouterr().err


@pytest.mark.fault("saving a checkpoint fails", "resumed")
def test_a_failed_save_leaves_the_earlier_ones(three, tiny, monkeypatch):
    before = {p: p.read_bytes() for p in three.files()}

    def full(path, content):
        raise StoreError(f"{path}: cannot be written (No space left on device)")

    monkeypatch.setattr("selectivity_core.files.write", full)
    with pytest.raises(StoreError, match="No space left"):
        three.save(Trainer(tiny.replace(seed=1), load("digits")))
    assert {p: p.read_bytes() for p in three.folder.iterdir()} == before


def test_clear(three):
    three.clear()
    assert not three.folder.exists()
    three.clear()
