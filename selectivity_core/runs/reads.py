"""A log of the files that a process read its results from, which tells when what was made of them is out of date.

Where the environment variable SELECTIVITY_READS names a file, every `note_read` adds one line of JSON to it. The
processes that a notebook starts inherit the variable, so that one log holds what all of them read.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path

from ..errors import StoreError
from ..files import sha256

VARIABLE = "SELECTIVITY_READS"


def file_digest(path: Path) -> str | None:
    """Return the sha256 of a file's content in hexadecimal, or None where there is no such file."""
    try:
        return sha256(path.read_bytes())
    except FileNotFoundError:
        return None


def note_read(path: Path | str) -> None:
    """Note that a result was read from `path`, or that it was looked for there and absent.

    Does nothing where SELECTIVITY_READS is not set.
    """
    log = os.environ.get(VARIABLE)
    if not log:
        return
    line = json.dumps({"path": os.path.abspath(path), "sha256": file_digest(Path(path))}) + "\n"  # noqa: PTH100  # keeps links
    try:  # one write to a file opened for appending: lines of several processes never mix
        descriptor = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
        try:
            os.write(descriptor, line.encode())
        finally:
            os.close(descriptor)
    except OSError as error:
        raise StoreError(f"{VARIABLE}: {log} cannot be written ({error.strerror})") from error


def entries(log_path: Path) -> dict[str, str | None]:
    """Return the last recorded digest of each path in a log; None stands for a file that was absent.

    Raises:
        StoreError: where a line of the log cannot be read.
    """
    found: dict[str, str | None] = {}
    if not log_path.exists():
        return found
    for number, line in enumerate(log_path.read_text(encoding="utf-8").splitlines(), start=1):
        try:
            entry = json.loads(line)
            found[entry["path"]] = entry["sha256"]
        except (ValueError, TypeError, KeyError, RecursionError):
            raise StoreError(f"{log_path}, line {number}: not an entry of a read log: {line[:80]!r}") from None
    return found


def changed(entries: Mapping[str, str | None]) -> list[str]:
    """Return the paths, sorted, whose content is no longer what `entries` says."""
    return sorted(path for path, before in entries.items() if file_digest(Path(path)) != before)
