"""Real faults under a store: a full disk, a file-size limit, a folder that is read-only, another file system."""

import errno
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from sweep_workers import PATHS
from tiny_specs import TINY

from selectivity_core import RunStore, sweep
from selectivity_core.data import load
from selectivity_core.errors import StoreError
from selectivity_core.run import Result
from selectivity_core.runs.verification import run_status, store_problems
from selectivity_core.training import Trainer

OTHER = TINY.replace(seed=1, alpha=1.0)


@pytest.fixture
def store(tmp_path, results):
    """A store with one run; the other is what a fault keeps out."""
    found = RunStore(tmp_path / "store")
    found.add(results[0])
    return found


def unharmed(store) -> None:
    assert store.ids() == [TINY.id]
    assert store_problems(store) == []
    assert [p for p in (store.path / ".stage").rglob("*") if p.is_file()] == []


def faulty(store: RunStore, result: Result, fault: Callable[[], None]) -> list[str]:
    """What a process of its own says when it adds a run and saves a checkpoint under a fault."""
    trainer, checkpoints = Trainer(OTHER, load("digits")), store.checkpoints(OTHER)
    checkpoints.save(trainer)
    RunStore(store.path.with_name("warm")).add(result)  # imports all that is needed: files may be out of reach then
    trainer.step = 1
    read, write = os.pipe()
    child = os.fork()
    if not child:
        fault()
        for call in (lambda: store.add(result), lambda: checkpoints.save(trainer)):
            try:
                call()
                said = "nothing raised"
            except BaseException as error:
                said = f"{type(error).__name__}: {error}"
            os.write(write, f"{said}\n".encode())
        os._exit(0)
    os.close(write)
    with os.fdopen(read) as pipe:
        said = pipe.read().splitlines()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    return said


def small_files() -> None:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (900, 900))


def no_root() -> None:
    """A root user ignores read-only flags."""
    if os.getuid() == 0:
        os.setuid(65534)


@pytest.mark.fault("a limit on the size of files", "whole")
def test_a_real_file_size_limit(store, results):
    said = faulty(store, results[2], small_files)
    assert len(said) == 2
    for line in said:
        assert line.startswith("StoreError: ")
        assert line.endswith("cannot be written (File too large)")
    assert store.checkpoints(OTHER).position() == (0, 0)
    unharmed(store)


@pytest.mark.fault("a folder that may not be written", "whole")
def test_a_real_read_only_folder(store, results):
    for folder in (store.path, *store.path.parents[:3]):  # another user has to get there
        folder.chmod(folder.stat().st_mode | 0o055)
    (store.path / ".checkpoints" / OTHER.id).mkdir(parents=True)
    folders = [store.path, *(p for p in store.path.rglob("*") if p.is_dir())]

    def read_only():
        for folder in folders:
            folder.chmod(0o555)
        no_root()

    said = faulty(store, results[2], read_only)
    for folder in folders:
        folder.chmod(0o755)
    assert len(said) == 2
    for line in said:
        assert line.startswith("StoreError: ")
        assert line.endswith("(Permission denied)")
    assert store.checkpoints(OTHER).position() == (0, 0)
    unharmed(store)


def test_a_read_only_store_can_be_read(store):
    """All that is asked of a finished run, where nothing can be written: leftovers stay, and locks cannot be asked."""
    (store.path / ".stage" / "left").mkdir()
    (store.path / ".locks" / f"{OTHER.id}.lock").write_text("")
    sweep([TINY], store, progress=False)  # whatever is imported when it is needed: others may not read the checkout
    for folder in (store.path, *store.path.parents):
        if folder.name.startswith(("store", "test_", "popen-", "pytest-")):
            folder.chmod(folder.stat().st_mode | 0o055)
    paths = [store.path, *store.path.rglob("*")]
    for path in paths:
        path.chmod(0o555 if path.is_dir() else 0o444)
    child = os.fork()
    if not child:
        code = 1
        try:
            no_root()
            tables = sweep([TINY], store, progress=False)
            assert len(tables.units) and store_problems(store) == [] and not store.in_training(OTHER)
            assert run_status(store, OTHER).kind == "absent"
            code = 0
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    for path in paths:
        path.chmod(0o755 if path.is_dir() else 0o644)


# In a mount namespace of its own, so that nothing outside is touched: 64 KiB hold the first run and half the second.
FULL = """
import sys
from pathlib import Path
from sweep_workers import PATHS
from tiny_specs import TINY
from selectivity_core import RunStore, train
from selectivity_core.data import load
from selectivity_core.errors import StoreError
from selectivity_core.run import Result
from selectivity_core.training import Trainer
from selectivity_core.runs.verification import store_problems
store = RunStore(sys.argv[1])
store.add(train(TINY, progress=False))
second = train(TINY.replace(seed=1), progress=False)
free = store.path / "filler"
try:
    while True:
        with free.open("ab") as file:
            file.write(bytes(4096))
except OSError as error:
    print(error.strerror)
try:
    store.add(second)
    print("nothing raised")
except StoreError as error:
    print(error)
free.unlink()
print(store.ids(), store_problems(store))
store.add(second)
print(len(store.ids()), store_problems(store))
"""


def can_mount() -> bool:
    try:
        done = subprocess.run(["unshare", "-rm", "true"], capture_output=True, check=False)
    except FileNotFoundError:
        return False
    return done.returncode == 0


@pytest.mark.fault("a disk that fills up", "whole")
@pytest.mark.slow
@pytest.mark.skipif(not can_mount(), reason="a small file system needs unshare -rm")
def test_a_really_full_disk(tmp_path):
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": PATHS}
    script = f'mount -t tmpfs -o size=400k tmpfs {tmp_path} && exec "{sys.executable}" -c "$0" {tmp_path}/store'
    done = subprocess.run(["unshare", "-rm", "sh", "-c", script, FULL], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    full, raised, before, after = done.stdout.splitlines()
    assert full == "No space left on device"
    assert raised.endswith("(No space left on device)")
    assert before == f"['{TINY.id}'] []"
    assert after == "2 []"


@pytest.mark.fault("a stage on another file system", "whole")
def test_a_stage_on_another_file_system_is_an_error(store, results, tmp_path):
    elsewhere = Path("/dev/shm") / f"selectivity-{os.getpid()}"
    if not elsewhere.parent.is_dir() or elsewhere.parent.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("there is no second file system")
    elsewhere.mkdir()
    try:
        (store.path / ".stage").rmdir()
        (store.path / ".stage").symlink_to(elsewhere)
        with pytest.raises(StoreError, match=r"cannot be stored \(Invalid cross-device link\)"):
            store.add(results[2])
        assert list(elsewhere.iterdir()) == []
        unharmed(store)
    finally:
        elsewhere.rmdir()
    (store.path / ".stage").unlink()
    store.add(results[2])
    assert len(store.ids()) == 2


@pytest.mark.fault("renaming or flushing fails", "kept")
@pytest.mark.parametrize("call", ["rename", "flush_folder"])
def test_a_failed_rename_or_flush_leaves_what_was_there(store, results, monkeypatch, call):
    """A stale run stands where the new one is to go: it must be there still."""
    run = store.folder(TINY)
    before = (run / "manifest.json").read_bytes()
    monkeypatch.setattr("selectivity_core.training.RESULT_VERSION", 2)
    left = [1] if call == "rename" else [0]  # the first rename sets the stale run aside

    def fail(*_args):
        if left[0]:
            left[0] -= 1
            return real(*_args)
        monkeypatch.undo()
        raise OSError(errno.EIO, "Input/output error")

    real = Path.rename
    monkeypatch.setattr(
        *((Path, "rename", fail) if call == "rename" else ("selectivity_core.runs.store.flush_folder", fail))
    )
    with pytest.raises(StoreError, match=r"cannot be stored \(Input/output error\)"):
        store.add(results[0])
    assert (run / "manifest.json").read_bytes() == before
    unharmed(store)


@pytest.mark.fault("a good run over a damaged one", "kept")
def test_a_damaged_run_gives_way_to_a_good_one(store, results):
    (store.folder(TINY) / "manifest.json").write_text("{")
    with pytest.raises(StoreError, match="cannot be read"):
        store.holds(TINY)
    store.add(results[0])
    assert store.holds(TINY)
    assert len(list((store.path / ".replaced").iterdir())) == 1


@pytest.mark.fault("stale runs over current ones", "kept")
def test_stale_results_never_replace_current_ones(store, results, monkeypatch):
    manifest = store.manifest(TINY)
    files = {name: store.content(TINY.id, name) for name in manifest["files"]}
    assert not store.put(manifest | {"result_version": 0}, files)
    assert store.manifest(TINY) == manifest
    other = manifest | {"digest": "1" * 64}
    assert not store.put(other, files)  # a current run is not displaced, whatever data another was made from,
    assert store.manifest(TINY) == manifest
    assert store.put(other, files, trained=True)  # unless that was trained here, on the data at hand
    assert store.manifest(TINY)["digest"] == "1" * 64


@pytest.mark.fault("a damaged run in a lower layer of an overlay file system", "kept")
def test_a_run_of_a_lower_layer_is_moved_by_copying(store, results, monkeypatch):
    """As on overlay file systems, whose lower folders cannot be renamed."""
    (store.folder(TINY) / "manifest.json").write_text("{")
    real = Path.rename

    def rename(self, target):
        if self == store.folder(TINY):
            raise OSError(errno.EXDEV, "Invalid cross-device link")
        return real(self, target)

    monkeypatch.setattr(Path, "rename", rename)
    store.add(results[0])
    unharmed(store)
    (aside,) = (store.path / ".replaced").iterdir()
    assert (aside / "manifest.json").read_text() == "{"
    assert len(list(aside.iterdir())) == 7
