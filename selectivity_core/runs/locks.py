"""Locks that the system releases when their holder dies, and folders in the making under such a lock."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from ..errors import StoreError
from ..files import make_folder


def lock(path: Path, *, poll: float = 0.2) -> AbstractContextManager[bool]:
    """Holds the lock file at `path` for the body, waiting for whoever holds it.

    Threads exclude each other like processes; forked children hold nothing.

    Raises:
        StoreError: the file system cannot lock, or the file cannot be made.
    """
    return _held(path, poll_interval=poll)


def try_lock(path: Path) -> AbstractContextManager[bool]:
    """As `lock`, without waiting: gives whether the lock is held for the body."""
    return _held(path, blocking=False)


@contextmanager
def _held(path: Path, **how: Any) -> Iterator[bool]:
    make_folder(path.parent)
    # A lock file that its holder removed is noticed and made anew; no fallback to one that outlives its holder.
    held = FileLock(path, fallback_to_soft=False, **how)
    try:
        held.acquire()
    except Timeout:
        pass
    except OSError as error:
        raise StoreError(f"{path}: cannot be locked here ({error.strerror or error})") from error
    try:
        yield held.is_locked
    finally:
        held.release()


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
    """A new folder in `parent`; gone after the body unless it was renamed away.

    Only whoever holds the lock of the place may call this: what a killed process left in `parent` is removed.
    """
    folder = make_folder(cleared(parent) / name)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def cleared(folder: Path) -> Path:
    """The folder, without what lay there."""
    shutil.rmtree(folder, ignore_errors=True)
    return make_folder(folder)
