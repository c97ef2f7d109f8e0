"""Finished runs moved from one store to another: as a folder, which is itself a store, or as one tar file."""

from __future__ import annotations

import io
import os
import secrets
import tarfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import StoreError
from ..files import flush_folder, make_folder
from .store import RunStore, damaged, parse_manifest

MOST_BYTES = 4 << 30  # of a single file in an archive: more is no run's


@dataclass
class Moved:
    """What became of the runs that were to be imported, by id.

    Attributes:
        added: they are in the store now.
        kept: the store had them already.
        refused: a line each on why they were not taken.
    """

    added: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)


def export_runs(store: RunStore, target: Path, tick: Callable[[], object] = lambda: None) -> int:
    """Copies a store's finished runs to another folder, or into a tar file where the name ends in `.tar`.

    Args:
        store: where they lie.
        target: a folder (new, or with runs in it), or the tar file, which is replaced.
        tick: called after every run.

    Returns:
        how many runs there were.

    Raises:
        StoreError: a run that does not verify, or a target that cannot be written.
    """
    ids = store.ids()
    if target.suffix == ".tar":
        _write_tar(store, ids, target, tick)
        return len(ids)
    other = RunStore(target)
    for run in ids:
        manifest = store.manifest(run)
        assert manifest is not None
        other.put(manifest, _files(store, run, manifest["files"]))
        tick()
    return len(ids)


def import_runs(store: RunStore, source: Path, tick: Callable[[], object] = lambda: None) -> Moved:
    """Adds the runs of a folder or tar file to a store. What does not verify is refused, the rest is taken.

    A run that the store has already is kept, unless it is stale or damaged and the new one is current.

    Args:
        store: where they go.
        source: what `export_runs` wrote, or any store.
        tick: called after every run.

    Raises:
        StoreError: no such folder or file, not a tar file, or a store that cannot be written.
    """
    moved = Moved()
    for run, files in _read_tar(source) if source.is_file() else _read_folder(source):
        try:
            manifest = parse_manifest(files.pop("manifest.json"), run)
            if wrong := damaged(manifest, files) or sorted(set(files) - set(manifest["files"])):
                raise ValueError(f"{', '.join(wrong)}: not as the manifest says")
        except KeyError as error:
            moved.refused.append(f"run {run}: {error} is missing")
        except (ValueError, TypeError, AttributeError) as error:
            moved.refused.append(f"run {run}: {error}")
        else:
            (moved.added if store.put(manifest, files) else moved.kept).append(run)
        tick()
    return moved


def _files(store: RunStore, run: str, names: Iterable[str]) -> dict[str, bytes]:
    found = {name: store.content(run, name) for name in names}
    return {name: content for name, content in found.items() if content is not None}


def _write_tar(store: RunStore, ids: list[str], target: Path, tick: Callable[[], object]) -> None:
    stage = make_folder(target.parent) / f".{target.name}.{secrets.token_hex(6)}.part"
    try:
        with stage.open("xb") as file:
            with tarfile.open(fileobj=file, mode="w") as archive:
                for run in ids:
                    manifest = store.manifest(run)
                    assert manifest is not None
                    files = _files(store, run, manifest["files"])
                    files["manifest.json"] = (store.folder(run) / "manifest.json").read_bytes()
                    for name, content in files.items():
                        entry = tarfile.TarInfo(f"{run}/{name}")
                        entry.size = len(content)
                        archive.addfile(entry, io.BytesIO(content))
                    tick()
            file.flush()
            os.fsync(file.fileno())
        stage.replace(target)
        flush_folder(target.parent)
    except OSError as error:
        raise StoreError(f"{target}: cannot be written ({error.strerror or error})") from error
    finally:
        with suppress(OSError):
            stage.unlink()


def _read_folder(source: Path) -> Iterator[tuple[str, dict[str, bytes]]]:
    if not source.is_dir():
        raise StoreError(f"{source}: no such folder or file of runs")
    for run in RunStore(source).folders():
        try:
            yield run, {p.name: p.read_bytes() for p in (source / run).iterdir()}
        except OSError as error:
            raise StoreError(f"{source / run}: cannot be read ({error.strerror or error})") from error


def _read_tar(source: Path) -> Iterator[tuple[str, dict[str, bytes]]]:
    """Files of a tar file run by run, as they lie in it; anything else than plain files of runs is refused."""
    run, files = "", dict[str, bytes]()
    try:
        with tarfile.open(source, mode="r:") as archive:
            for entry in archive:
                if entry.isdir():
                    continue
                folder, _, name = entry.name.removeprefix("./").partition("/")
                plain = entry.isfile() and folder and name and "/" not in name and not folder.startswith(".")
                if not plain or entry.size > MOST_BYTES:
                    raise StoreError(f"{source}: {entry.name!r} is no file of a run")
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
    except (tarfile.TarError, OSError, EOFError) as error:
        raise StoreError(f"{source}: not a tar file of runs, or a cut one ({error})") from error
    if run:
        yield run, files
