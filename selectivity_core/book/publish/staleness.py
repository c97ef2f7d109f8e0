"""Whether an executed notebook is still what its source, parameters, package and tables would give.

Beside each executed notebook stands `<name>.stamp.json`: digests of all it was made from, and of itself.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from selectivity_core.book.parameters import read_notebook
from selectivity_core.book.publish import hosting
from selectivity_core.runs import reads

PACKAGE = Path(__file__).resolve().parents[2]
LIBRARIES = ("torch", "matplotlib")  # what else a figure's content hangs on


@dataclass(frozen=True)
class Fingerprint:
    """What a notebook is about to be executed from.

    Attributes:
        notebook: digest of its cells and metadata, outputs left out.
        package: digest of the package's files.
        parameters: every parameter's value.
        versions: of the libraries in LIBRARIES; None where one is not installed.
        repository: where the notebook can be opened, as `hosting.repository` says.
    """

    notebook: str
    package: str
    parameters: dict[str, Any]
    versions: dict[str, str | None]
    repository: str | None


def fingerprint(notebook: Path, parameters: Mapping[str, Any]) -> Fingerprint:
    """Return the fingerprint of a notebook source and its checked parameters, as the disk is now.

    Raises:
        NotebookError: where `notebook` is no notebook.
    """
    return Fingerprint(
        notebook=_notebook_digest(notebook),
        package=_package_digest(),
        parameters=dict(parameters),
        versions={name: installed(name) for name in LIBRARIES},
        repository=hosting.repository(),
    )


def stamp_path(out: Path) -> Path:
    """Return where the stamp of the executed notebook `out` stands."""
    return out.with_suffix(".stamp.json")


def write_stamp(out: Path, made_from: Fingerprint, read: Mapping[str, str | None]) -> None:
    """Write the stamp of the executed notebook `out`.

    Args:
        out: the executed notebook, in place.
        made_from: taken before it was executed, so that a change during the run counts as one.
        read: what `reads.entries` gave: the digest of each file its tables came from.
    """
    stamp = {**asdict(made_from), "read": dict(read), "executed": reads.digest(out)}
    temporary = out.with_name(f".{out.stem}.{os.getpid()}.stamp.tmp")
    temporary.write_text(json.dumps(stamp, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    temporary.replace(stamp_path(out))


def why_stale(out: Path, now: Fingerprint) -> str | None:
    """Return in words why the executed notebook `out` must be made again, or None where it is current."""
    if not out.exists() or not stamp_path(out).exists():
        return "never executed"
    try:
        stamp = json.loads(stamp_path(out).read_text(encoding="utf-8"))
        return "; ".join(_changes(stamp, out, now)) or None
    except (ValueError, TypeError, KeyError, AttributeError):
        return f"{stamp_path(out).name} cannot be read"


def discard(out: Path) -> None:
    """Remove an executed notebook and its stamp, where they exist."""
    stamp_path(out).unlink(missing_ok=True)
    out.unlink(missing_ok=True)


def _changes(stamp: dict[str, Any], out: Path, now: Fingerprint) -> Iterator[str]:
    if stamp["notebook"] != now.notebook:
        yield "the notebook changed"
    if stamp["package"] != now.package:
        yield "the package changed"
    before, after = stamp["parameters"], json.loads(json.dumps(now.parameters))
    for name in sorted(before.keys() | after.keys()):
        if name not in before or name not in after or before[name] != after[name]:
            yield f"parameter {name} changed"
    for name, version in now.versions.items():
        if stamp["versions"].get(name) != version:
            yield f"{name} changed from {stamp['versions'].get(name)} to {version}"
    if stamp["repository"] != now.repository:
        yield "the repository's address changed"
    if paths := reads.changed(stamp["read"]):
        more = f" and {len(paths) - 1} more" if len(paths) > 1 else ""
        yield f"{_shown(paths[0])}{more} changed"
    if stamp["executed"] != reads.digest(out):
        yield "the executed copy was altered"


def _shown(path: str) -> str:
    here = Path.cwd()
    return str(Path(path).relative_to(here)) if Path(path).is_relative_to(here) else path


def _notebook_digest(path: Path) -> str:
    source = read_notebook(path)
    cells = [
        {key: cell.get(key) for key in ("cell_type", "source", "metadata", "attachments")} for cell in source.cells
    ]
    text = json.dumps([cells, source.metadata], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _package_digest() -> str:
    """Return one digest over names and content of the package's modules and of data that come with it."""
    total = hashlib.sha256()
    for path in sorted(PACKAGE.rglob("*")):
        inside = path.relative_to(PACKAGE)
        if path.is_file() and "__pycache__" not in inside.parts and not inside.name.startswith("."):
            total.update(f"{inside.as_posix()}\n{reads.digest(path)}\n".encode())
    return total.hexdigest()


def installed(name: str) -> str | None:
    """Return a library's version, or None where it is not installed."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
