"""Finished runs moved from one store to another: as a folder, which is itself a store, or as one tar file.

An archive is not trusted. Every run is checked as `check_run` does, and what fails is refused by name; the rest is
taken. What may displace a run that is there already, the head of `store` says; a run made from another copy of its data
than the store's runs is refused.
"""

from __future__ import annotations

import io
import os
import secrets
import tarfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import StoreError
from ..files import MOST_BYTES, flush_folder, make_folder
from .manifests import check_run, is_current, read_folder
from .store import RunStore
from .validation import RUN_ID, is_litter, printable

PACKED = (".gz", ".tgz", ".zip", ".bz2", ".xz", ".zst", ".7z")
Found = tuple[str, dict[str, bytes] | ValueError]  # a run and its files, or what was found in place of them


@dataclass
class Moved:
    """What became of the runs that were to be imported, by id."""

    added: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)  # the store had them already
    refused: list[str] = field(default_factory=list)  # a line each on why they were not taken


def export_runs(store: RunStore, target: Path, tick: Callable[[], object] = lambda: None) -> int:
    """Copies a store's finished runs to a folder, or into a tar file, which is replaced; returns how many there are.

    Raises:
        StoreError: a run that does not verify, or a target that cannot be written or is of another kind.
    """
    if target.suffix.lower() in PACKED:
        raise StoreError(f"{target}: a folder, or a file whose name ends in .tar, is needed; it is not compressed")
    if store.path.resolve() in target.resolve().parents:
        raise StoreError(f"{target}: lies in the store itself")
    if target.suffix.lower() == ".tar":
        _write_tar(store, target, tick)
    elif refused := import_runs(RunStore(target), store.path, tick).refused:
        raise StoreError(f"{target}: {len(refused)} runs were not copied, the first: {refused[0]}")
    return len(store.ids())


def import_runs(store: RunStore, source: Path, tick: Callable[[], object] = lambda: None) -> Moved:
    """Adds the runs of what `export_runs` wrote, or of any store. What does not verify is refused, the rest is taken.

    Raises:
        StoreError: no such folder or file, not a tar file, or a store that cannot be written.
    """
    moved, copies = Moved(), dict[str, set[str]]()
    for run in store.ids():
        with suppress(StoreError):  # a damaged run can be mended by an import
            if (manifest := store.manifest(run)) is not None and is_current(manifest):
                copies.setdefault(manifest["spec"]["dataset"], set()).add(manifest["digest"])
    for run, files in _read_tar(source) if source.is_file() else _read_folder(source):
        try:
            if isinstance(files, ValueError):
                raise files
            manifest = check_run(run, files)
            dataset, digest = manifest["spec"]["dataset"], manifest["digest"]
            if digest not in (known := copies.setdefault(dataset, {digest})):
                raise ValueError(
                    f"made from another copy of {dataset} ({digest[:16]}) than the store's runs ({min(known)[:16]}); "
                    "import it into a store of its own"
                )
            added = store.put(manifest, {name: files[name] for name in manifest["files"]})
            if not added and (mine := store.manifest(run)) is not None and mine["digest"] != digest:
                raise ValueError("the store has it made from another copy of the data")
        except ValueError as error:
            moved.refused.append(printable(f"{f'run {run}' if RUN_ID.fullmatch(run) else repr(run)}: {error}"))
        else:
            (moved.added if added else moved.kept).append(run)
        tick()
    return moved


def _write_tar(store: RunStore, target: Path, tick: Callable[[], object]) -> None:
    stage = make_folder(target.parent) / f".{target.name}.{secrets.token_hex(6)}.part"
    try:
        with stage.open("xb") as file:
            with tarfile.open(fileobj=file, mode="w") as archive:
                for run in store.ids():
                    files = read_folder(store.folder(run))
                    for name in [*check_run(run, files)["files"], "manifest.json"]:
                        entry = tarfile.TarInfo(f"{run}/{name}")
                        entry.size = len(files[name])
                        archive.addfile(entry, io.BytesIO(files[name]))
                    tick()
            file.flush()
            os.fsync(file.fileno())
        stage.replace(target)
        flush_folder(target.parent)
    except ValueError as error:
        raise StoreError(f"{store.folder(run)}: {error}; nothing was written") from error
    except OSError as error:
        raise StoreError(f"{target}: cannot be written ({error.strerror or error})") from error
    finally:
        with suppress(OSError):
            stage.unlink()


def _read_folder(source: Path) -> Iterator[Found]:
    if not source.is_dir():
        raise StoreError(f"{source}: no such folder or file of runs")
    for run in RunStore(source).folders():
        try:
            yield run, read_folder(source / run)
        except ValueError as error:
            yield run, error


def _read_tar(source: Path) -> Iterator[Found]:
    """Files of a tar file run by run, as they lie in it. Anything else than plain files of runs is refused by name."""
    run, files, size = "", dict[str, bytes](), source.stat().st_size
    try:
        with tarfile.open(source, mode="r:") as archive:
            for entry in archive:
                parts = entry.name.removeprefix("./").split("/")
                if entry.isdir() or (not {"", ".."} & set(parts) and any(map(is_litter, parts))):
                    continue
                # A sparse file can say that it is larger than all of the archive.
                plain = entry.isreg() and not entry.issparse() and entry.size <= min(size, MOST_BYTES)
                if not plain or len(parts) != 2 or {"", ".."} & set(parts):
                    yield entry.name, ValueError("is no file of a run")
                    continue
                folder, name = parts
                if folder != run:
                    if run:
                        yield run, files
                    run, files = folder, {}
                content = archive.extractfile(entry)
                assert content is not None
                files[name] = content.read()
            end = archive.offset
        with source.open("rb") as file:  # the module takes a file that was cut between two entries for a whole one
            file.seek(end)
            if file.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
                raise tarfile.ReadError("the end is missing")
            if any(block.strip(b"\0") for block in iter(lambda: file.read(1 << 20), b"")):  # a second archive?
                raise tarfile.ReadError("something follows its end")
    except (tarfile.TarError, OSError, EOFError, ValueError, OverflowError) as error:
        raise StoreError(printable(f"{source}: not a tar file of runs, or a cut one ({error})")) from error
    if run:
        yield run, files
