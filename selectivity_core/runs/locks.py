"""Locks that the system releases when their holder dies, and folders in the making that are known by such a lock."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from ..errors import StoreError
from ..files import make_folder


@contextmanager
def lock(path: Path, *, poll: float = 0.2) -> Iterator[None]:
    """Holds the lock file at `path` for the body, waiting for whoever holds it.

    Threads exclude each other like processes; forked children hold nothing.

    Raises:
        StoreError: the file system cannot lock, or the file cannot be made.
    """
    # A lock file that its holder removed is noticed and made anew; no fallback to one that outlives its holder.
    held = FileLock(path, poll_interval=poll, fallback_to_soft=False)
    _acquire(held, path)
    try:
        yield
    finally:
        held.release()


@contextmanager
def try_lock(path: Path) -> Iterator[bool]:
    """As `lock`, without waiting: gives whether the lock is held for the body.

    Raises:
        StoreError: as for `lock`.
    """
    held = FileLock(path, fallback_to_soft=False)
    mine = _acquire(held, path, blocking=False)
    try:
        yield mine
    finally:
        if mine:
            held.release()


def _acquire(held: Any, path: Path, **how: bool) -> bool:
    make_folder(path.parent)
    try:
        held.acquire(**how)
    except Timeout:
        return False
    except OSError as error:
        raise StoreError(f"{path}: cannot be locked here ({error.strerror or error})") from error
    return True


def is_locked(path: Path) -> bool:
    """Whether someone holds the lock now; makes no file. False in a read-only place, where it cannot be told."""
    if not path.exists():
        return False
    try:
        with try_lock(path) as mine:
            return not mine
    except StoreError:
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
