import errno
import fcntl
import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from selectivity_core.errors import StoreError
from selectivity_core.runs.locks import is_locked, lock, try_lock

HOLDER = """
import sys, time
from pathlib import Path
from selectivity_core.runs.locks import is_locked, lock, try_lock
with lock(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def holder(path) -> subprocess.Popen:
    child = subprocess.Popen([sys.executable, "-c", HOLDER, str(path)], stdout=subprocess.PIPE, text=True)
    assert child.stdout.readline() == "held\n"
    return child


def acquires(path, within: float) -> bool:
    """Whether a thread gets the lock in time; it is let go again at once."""
    got = threading.Event()

    def body():
        with lock(path, poll=0.01):
            got.set()

    threading.Thread(target=body, daemon=True).start()
    return got.wait(within)


@pytest.mark.fault("the holder of a lock is killed", "finished")
def test_killing_the_holder_needs_no_unlocking(tmp_path):
    path = tmp_path / "sub" / "run.lock"
    child = holder(path)
    try:
        assert not acquires(path, 0.3)
    finally:
        child.send_signal(signal.SIGKILL)
        child.wait()
        child.stdout.close()
    assert acquires(path, 10)
    with lock(path):
        pass


def test_threads_of_one_process_take_turns(tmp_path):
    inside, most = [], []

    def body():
        with lock(tmp_path / "a", poll=0.001):
            inside.append(1)
            most.append(len(inside))
            time.sleep(0.005)
            inside.pop()

    threads = [threading.Thread(target=body, daemon=True) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1] * 6


def test_other_locks_are_free_and_an_error_releases(tmp_path):
    with pytest.raises(RuntimeError), lock(tmp_path / "a"):
        assert acquires(tmp_path / "b", 5)
        raise RuntimeError
    assert acquires(tmp_path / "a", 5)


@pytest.mark.fault("a process that holds a lock forks", "finished")
def test_a_forked_child_neither_holds_nor_is_kept_out_for_ever(tmp_path):
    path = tmp_path / "a"
    with lock(path):
        child = os.fork()
        if not child:
            signal.alarm(20)
            with lock(path, poll=0.01):
                os._exit(0 if (tmp_path / "released").exists() else 3)
        time.sleep(0.2)
        (tmp_path / "released").write_text("")
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


@pytest.mark.fault("a file system without locks", "named")
@pytest.mark.parametrize("code", [errno.ENOLCK, errno.ENOSYS])
def test_a_file_system_that_cannot_lock_is_refused(tmp_path, monkeypatch, code):
    def refuse(*_args):
        raise OSError(code, "No locks available")

    with monkeypatch.context() as patch:
        patch.setattr(fcntl, "flock", refuse)
        with pytest.raises(StoreError, match=r"a: cannot be locked here \(No locks available\)"):
            lock(tmp_path / "a").__enter__()
    assert acquires(tmp_path / "a", 5)


def test_a_lock_file_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "dir").mkdir()
    with pytest.raises(StoreError, match=r"dir: cannot be locked here \(Is a directory\)"):
        lock(tmp_path / "dir").__enter__()
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="file: this folder cannot be made"):
        lock(tmp_path / "file" / "a").__enter__()


def test_whether_it_is_locked_can_be_asked_in_a_read_only_place(tmp_path, monkeypatch):
    (tmp_path / "a").write_text("")

    def refuse(*_args):
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(os, "open", refuse)
    assert not is_locked(tmp_path / "a")


def test_try_lock_says_whether_it_got_it_and_never_waits(tmp_path):
    path = tmp_path / "run.lock"
    assert not is_locked(path)
    assert not path.exists()
    with try_lock(path) as mine, try_lock(path) as again:
        assert (mine, again) == (True, False)
        assert is_locked(path)
    assert not is_locked(path)
    child = holder(path)
    try:
        with try_lock(path) as mine:
            assert not mine
        assert is_locked(path)
    finally:
        child.kill()
        child.wait()
        child.stdout.close()
    assert not is_locked(path)


@pytest.mark.fault("a lock file is removed while it is waited for", "kept")
def test_a_lock_file_that_its_holder_removed_guards_nothing(tmp_path, monkeypatch):
    """Who waited for it must not take the file that is gone for the one that the next holder makes."""
    path, real = tmp_path / "run.lock", fcntl.flock

    def removed_meanwhile(handle, how):
        real(handle, how)
        path.unlink(missing_ok=True)

    with monkeypatch.context() as patch:
        patch.setattr(fcntl, "flock", removed_meanwhile)
        with try_lock(path) as mine:
            assert not mine
    assert acquires(path, 5)
