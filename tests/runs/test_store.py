import os
import random
import shutil
import signal
import subprocess
import sys

import pandas as pd
import pytest
import torch
from sweep_workers import PATHS

from selectivity_core import RunStore
from selectivity_core.errors import StoreError
from selectivity_core.runs.manifests import FILES
from selectivity_core.runs.validation import TABLES, from_csv, to_csv

NAMES = ("runs.csv", "history.csv", "layers.csv", "units.csv", "responses.csv", "weights.safetensors", "manifest.json")


@pytest.fixture
def store(tmp_path, results):
    found = RunStore(tmp_path / "store")
    found.add(results[0])
    return found


@pytest.mark.parametrize("which", [0, 1], ids=["complete", "diverged"])
def test_a_run_reads_back_equal(tmp_path, results, which):
    result, store = results[which], RunStore(tmp_path)
    assert not store.holds(result.spec)
    assert store.manifest(result.spec) is None
    assert store.ids() == []
    store.add(result)
    assert store.holds(result.spec)
    assert store.holds(result.spec, result.digest)
    assert store.ids() == [result.spec.id]
    assert store.spec(result.spec.id) == result.spec
    tables = store.tables([result.spec])
    for name in TABLES:
        frame = getattr(result, name)
        if len(frame):
            pd.testing.assert_frame_equal(getattr(tables, name), frame, check_exact=True)
        assert len(getattr(tables, name)) == len(frame)


def test_weights_read_back_equal(store, results):
    for epoch in ("best", "last"):
        found = store.weights(results[0].spec, epoch)
        assert all(torch.equal(v, results[0].weights[f"{epoch}/{k}"]) for k, v in found.items())
        assert len(found) == len(results[0].weights) / 2


def test_a_diverged_run_has_no_weights(tmp_path, results):
    store = RunStore(tmp_path)
    store.add(results[1])
    with pytest.raises(StoreError, match=f"run {results[1].spec.id}: has no weights"):
        store.weights(results[1].spec)
    assert not len(store.table(results[1].spec.id, "units"))


def test_only_whole_files_in_their_places(store, results):
    assert {p.name for p in store.folder(results[0].spec).iterdir()} == set(NAMES) == {*FILES, "manifest.json"}
    assert not list((store.path / ".stage").iterdir())


@pytest.mark.fault("one byte of a run flipped", "named")
@pytest.mark.parametrize("name", NAMES)
def test_one_flipped_byte_is_noticed(store, results, name):
    path, run = store.folder(results[0].spec) / name, results[0].spec.id
    whole, draw = path.read_bytes(), random.Random(name)
    for place in draw.sample(range(len(whole)), 60):
        content = bytearray(whole)
        content[place] ^= 1 << draw.randrange(8)
        path.write_bytes(content)
        try:
            for table in TABLES:
                pd.testing.assert_frame_equal(store.table(run, table), getattr(results[0], table), check_exact=True)
            assert all(torch.equal(v, results[0].weights[f"best/{k}"]) for k, v in store.weights(run).items())
        except StoreError as error:
            assert str(path.parent) in str(error)
        else:  # sizes, the result version and the data's digest are not what tables are checked by
            assert name == "manifest.json", place
    path.write_bytes(whole)
    assert store.holds(results[0].spec)


@pytest.mark.fault("files of a run cut, emptied, removed", "named")
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("length", [0, -1])
def test_truncation_and_missing_files_are_noticed(store, results, name, length):
    path, run = store.folder(results[0].spec) / name, results[0].spec.id
    path.write_bytes(path.read_bytes()[:length])

    def read():
        return [store.table(run, t) for t in TABLES], store.weights(run)

    with pytest.raises(StoreError, match=name):
        read()
    path.unlink()
    if name == "manifest.json":
        assert not store.holds(results[0].spec)
        assert store.ids() == []
    else:
        with pytest.raises(StoreError, match=rf"{name}: cannot be read \(No such file.*train it anew"):
            read()


@pytest.mark.fault("manifests that are none", "named")
@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"{}", b"null", b'{"id": 3}', b"\xff\xfe"])
def test_a_manifest_that_is_none_is_named(store, results, content):
    (store.folder(results[0].spec) / "manifest.json").write_bytes(content)
    with pytest.raises(StoreError, match=r"manifest\.json: cannot be read .*remove .* to train the run anew"):
        store.holds(results[0].spec)


@pytest.mark.fault("a run under the name of another", "named")
def test_a_run_under_anothers_name_is_refused(store, results):
    other = results[0].spec.replace(seed=1)
    shutil.copytree(store.folder(results[0].spec), store.folder(other))
    with pytest.raises(StoreError, match="it describes run"):
        store.tables([other]).runs  # noqa: B018


@pytest.mark.fault("a second training of a current run, and of a stale one", "kept")
def test_a_current_run_is_kept_and_a_stale_one_set_aside(store, results, monkeypatch):
    manifest = store.folder(results[0].spec) / "manifest.json"
    before = manifest.stat().st_ino
    store.add(results[0])
    assert manifest.stat().st_ino == before
    assert not store.holds(results[0].spec, "0" * 64)
    monkeypatch.setattr("selectivity_core.training.RESULT_VERSION", 2)
    assert not store.holds(results[0].spec)
    store.add(results[0])
    assert store.holds(results[0].spec)
    assert len(list((store.path / ".replaced").iterdir())) == 1
    assert store.ids() == [results[0].spec.id]


@pytest.mark.fault("writing fails at each file of a run", "whole")
@pytest.mark.parametrize("at", range(len(NAMES)))
def test_a_failed_write_leaves_the_store_as_it_was(tmp_path, results, monkeypatch, at):
    from selectivity_core.runs import store as module

    real, left = module.write, [at]

    def full(path, content):
        if not left[0]:
            raise StoreError(f"{path}: cannot be written (No space left on device)")
        left[0] -= 1
        real(path, content)

    store = RunStore(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(module, "write", full)
        with pytest.raises(StoreError, match="No space left"):
            store.add(results[0])
    assert store.ids() == []
    assert [p.name for p in tmp_path.rglob("*") if p.is_file()] == ["commit.lock"]
    store.add(results[0])
    assert store.holds(results[0].spec)


KILLED = """
import os, signal, sys
from pathlib import Path
from selectivity_core import RunSpec, RunStore, train
from selectivity_core.runs import store
real, left = store.write, [int(sys.argv[2])]
def write(path, content):
    if not left[0]:
        path.write_bytes(content[: len(content) // 2])
        os.kill(os.getpid(), signal.SIGKILL)
    left[0] -= 1
    real(path, content)
store.write = write
if left[0] == 7:  # all files are there: at the rename
    os.rename = Path.rename = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
from tiny_specs import TINY
RunStore(sys.argv[1]).add(train(TINY, progress=False))
"""


@pytest.mark.fault("killed at some files of a run", "whole")
@pytest.mark.slow
@pytest.mark.parametrize("at", [3, 6, 7])
def test_a_run_is_whole_or_absent_after_a_kill(tmp_path, results, at):
    environment = {**os.environ, "PYTHONPATH": PATHS}
    child = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path), str(at)], env=environment)
    assert child.returncode == -signal.SIGKILL
    store, spec = RunStore(tmp_path), results[0].spec
    assert store.ids() == []
    assert not store.holds(spec)
    assert not store.folder(spec).exists()
    store.add(results[0])
    assert store.ids() == [spec.id]
    pd.testing.assert_frame_equal(store.table(spec.id, "units"), results[0].units, check_exact=True)


@pytest.mark.fault("a store that cannot be written", "named")
def test_a_store_that_cannot_be_written_is_one_clear_line(tmp_path, results):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match=r"file/.*cannot be made") as raised:
        RunStore(tmp_path / "file").add(results[0])
    assert "\n" not in str(raised.value)
    with pytest.raises(StoreError, match="run 0000: not in"):
        RunStore(tmp_path / "none").table("0000", "runs")


def test_csv_keeps_every_bit():
    draw = torch.rand(3000, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    values = (draw * 10.0 ** ((draw * 1e6).round() % 600 - 300)).tolist()
    values[:2] = [0.1 + 0.2, float("nan")]
    frame = pd.DataFrame({"run": "1e5", "layer": "0012", "unit": range(3000), "class": 0, "mean": values})
    pd.testing.assert_frame_equal(from_csv(to_csv(frame), "responses"), frame, check_exact=True)
