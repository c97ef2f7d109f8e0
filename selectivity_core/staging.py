"""Folders in which something is put together before it is renamed into place."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .files import make_folder
from .locks import lock, try_lock


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
