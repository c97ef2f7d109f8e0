"""The one way files are written: staged on the same file system, flushed to disk, renamed."""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
from pathlib import Path

from .errors import StoreError


def sha256(content: bytes) -> str:
    """Hexadecimal digest."""
    return hashlib.sha256(content).hexdigest()


def write(path: Path, content: bytes) -> None:
    """Writes a new file and flushes it to disk. The one function through which results reach the disk.

    Raises:
        StoreError: the disk is full, the folder cannot be written, …
    """
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
    """Puts `content` at `path`, whole or not at all, whatever stood there before.

    Raises:
        StoreError: it cannot be written; what stood there is untouched.
    """
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
    """The folder, made where it is missing.

    Raises:
        StoreError: it cannot be made.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"{path}: this folder cannot be made ({error.strerror or error})") from error
    return path
