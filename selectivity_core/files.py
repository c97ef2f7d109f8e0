"""Results on disk: files and folders staged on the same file system, flushed to disk, renamed.

Written elsewhere are a tar file of runs (`runs/moving.py`), which is too large to be held in memory, the cache of
decoded images (`data/sources.py`), which need not survive, and a table for a caller (`claims --csv`), maybe a pipe.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import secrets
import shutil
import stat
from pathlib import Path

from .errors import StoreError

MOST_BYTES = 1 << 30  # of a file of results
BEFORE = ".before"  # behind the name of a folder that is being replaced


def sha256(content: bytes) -> str:
    """Hexadecimal digest."""
    return hashlib.sha256(content).hexdigest()


def read(path: Path) -> bytes:
    """The content of a plain file of at most `MOST_BYTES`, or a `ValueError`. A FIFO is not waited for."""
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        status = os.fstat(handle)
        if not stat.S_ISREG(status.st_mode) or status.st_size > MOST_BYTES:
            raise ValueError(f"{path.name!r} is no plain file of at most {MOST_BYTES:,} bytes")
        with os.fdopen(handle, "rb", closefd=False) as file:
            return file.read()
    finally:
        os.close(handle)


def write(path: Path, content: bytes) -> None:
    """Writes a new file and flushes it to disk, or raises `StoreError`. Results reach the disk through it."""
    try:
        with path.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise StoreError(f"{path}: cannot be written ({error.strerror or error})") from error


def flush_folder(path: Path) -> None:
    """Makes renames in a folder durable."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def replace(path: Path, content: bytes) -> None:
    """Puts `content` at `path`, whole or not at all, whatever stood there before."""
    stage = path.with_name(f".{path.name}.{secrets.token_hex(6)}.part")
    try:
        write(stage, content)
        stage.replace(path)
        flush_folder(path.parent)
    except OSError as error:
        raise StoreError(f"{path}: cannot be written ({error.strerror or error})") from error
    finally:
        with contextlib.suppress(OSError):
            stage.unlink()


def make_folder(path: Path) -> Path:
    """The folder, made where it is missing."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"{path}: this folder cannot be made ({error.strerror or error})") from error
    return path


def move_folder(source: Path, target: Path) -> None:
    """Renames a folder; one in a lower layer of an overlay file system, which cannot be, is copied whole first."""
    try:
        source.rename(target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        copy = target.with_name(f".{target.name}.{secrets.token_hex(6)}.part")
        shutil.copytree(source, copy)
        copy.rename(target)
        shutil.rmtree(source)


def replace_folder(path: Path, new: Path, trash: Path) -> None:
    """Puts the folder `new`, flushed and on the same file system, at `path`, whole or not at all.

    Two renames are needed, as none replaces a folder. Between them the old folder has a name that `read_in` knows, and
    is what counts until it is given up by a third, to `trash`. Only whoever holds the lock of the place may call this.
    Where it cannot be done, what stood there stands there still.
    """
    before = _before(path)
    _settle(path)
    if path.exists():
        move_folder(path, before)
    try:
        new.rename(path)
        flush_folder(path.parent)
    except OSError:
        _settle(path)
        raise
    if before.exists():
        before.rename(trash)


def _before(path: Path) -> Path:
    return path.with_name(f".{path.name}{BEFORE}")


def _settle(path: Path) -> None:
    """Takes back a replacement that did not come to its end."""
    before = _before(path)
    if before.exists():
        shutil.rmtree(path, ignore_errors=True)
        before.rename(path)


def standing(path: Path) -> Path:
    """The folder that counts: that of `replace_folder` before it came to its end, else `path`."""
    before = _before(path)
    return before if before.exists() else path


def read_in(path: Path, name: str) -> bytes | None:
    """A file of a folder that `replace_folder` may be replacing at this moment; None where the folder has none."""
    for _ in range(2):  # a replacement between the two steps below is over, or begun, at the second look
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            return read(standing(path) / name)
    return None
