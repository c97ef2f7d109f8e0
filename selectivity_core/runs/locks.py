"""One writer a run: a lock that the system releases when its holder dies."""

from __future__ import annotations

import errno
import fcntl
import os
import secrets
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..errors import StoreError
from ..files import make_folder

_HELD: set[str] = set()  # a record lock belongs to the process, so threads of one process are kept apart here
_GUARD = threading.Lock()
os.register_at_fork(after_in_child=_HELD.clear)  # a child does not hold what its parent holds


@contextmanager
def lock(path: Path, *, poll: float = 0.2) -> Iterator[None]:
    """Holds the lock file at `path` for the body, waiting for whoever holds it.

    It is a POSIX record lock: children do not inherit it, and it is gone with its process.

    Raises:
        StoreError: the file system cannot lock, or the file cannot be made.
    """
    while True:
        with try_lock(path) as held:
            if held:
                yield
                return
        time.sleep(poll)


@contextmanager
def try_lock(path: Path) -> Iterator[bool]:
    """As `lock`, without waiting: gives whether the lock is held for the body.

    Raises:
        StoreError: as for `lock`.
    """
    make_folder(path.parent)
    key = str(path.resolve())
    if not _claim(key):  # not even opened: closing the file here would let go of the other thread's lock
        yield False
        return
    try:
        try:
            handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        except OSError as error:
            raise StoreError(f"{path}: the lock file cannot be made ({error.strerror})") from error
        try:
            yield _acquired(handle, path)
        finally:
            os.close(handle)  # releases the lock
    finally:
        with _GUARD:
            _HELD.discard(key)


def is_locked(path: Path) -> bool:
    """Whether someone holds the lock now; makes no file.

    Raises:
        StoreError: as for `lock`.
    """
    if not path.exists():
        return False
    with try_lock(path) as mine:
        return not mine


def _claim(key: str) -> bool:
    with _GUARD:
        if key in _HELD:
            return False
        _HELD.add(key)
        return True


def _acquired(handle: int, path: Path) -> bool:
    try:
        fcntl.lockf(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in (errno.EACCES, errno.EAGAIN):
            return False
        raise StoreError(
            f"{path}: this file system cannot lock ({error.strerror}); put the store on one that can"
        ) from error
    try:  # an earlier holder may have removed the file between its opening and here: then it guards nothing
        return os.path.samestat(os.fstat(handle), path.stat())
    except FileNotFoundError:
        return False


@contextmanager
def staged(parent: Path, name: str) -> Iterator[Path]:
    """A new folder in `parent` whose name starts with `name`; gone after the body unless it was renamed away.

    A lock file beside it says that its owner lives.

    Raises:
        StoreError: it cannot be made, or the file system cannot lock.
    """
    folder = make_folder(parent) / f"{name}-{secrets.token_hex(6)}"
    with lock(_lock_of(folder)):
        try:
            yield make_folder(folder)
        finally:
            _remove(folder)


def remove_leftovers(parent: Path) -> int:
    """Removes the folders that processes left behind which were killed; those of living ones stay.

    Returns:
        how many there were.
    """
    if not parent.is_dir():
        return 0
    found = 0
    for name in sorted({p.name.removesuffix(".lock") for p in parent.iterdir()}):
        folder = parent / name
        with try_lock(_lock_of(folder)) as dead:
            if dead:
                found += folder.exists()
                _remove(folder)
    return found


def _lock_of(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.lock")


def _remove(folder: Path) -> None:
    """The folder first: while it is there, so is its lock file."""
    shutil.rmtree(folder, ignore_errors=True)
    _lock_of(folder).unlink(missing_ok=True)
