"""Finished runs on disk, each in a folder of its own.

What may displace what:

1. A run is in its place whole or not at all: its files are staged, flushed and described by a manifest with their
   checksums, then one rename puts them there. Whoever is killed leaves a stage that the next one removes.
2. A run is *current* if it has this version's schema and result version. A current, whole run is never displaced by one
   that comes from elsewhere (`put`), whatever data that was made from.
3. What is stale gives way to what is current, what is damaged to what is whole; it is moved to `.replaced`.
4. A run that is trained here (`add`) also goes before a current one that was made from other data than those at hand:
   `sweep` only trains what is missing for these data.
5. A store may hold runs made from several copies of a data set, after 4. `import` brings no second copy in; tables and
   ledgers never mix two: `sweep` and `export` name them and stop.
6. What enters from elsewhere is checked as in `manifests.check_run`. What is read back is held against its checksum.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import StoreError
from ..files import flush_folder, make_folder, move_folder, read, sha256, write
from ..spec import SCHEMA, RunSpec
from ..tables import Tables, concat, empty
from .checkpoints import Checkpoints
from .locks import cleared, is_locked, lock, staged, try_lock
from .manifests import Manifest, is_current, make_manifest, manifest_text, parse_manifest, read_folder, read_run
from .reads import note_read
from .validation import TABLES, from_csv, is_litter, to_csv

if TYPE_CHECKING:
    import pandas as pd
    from torch import Tensor

    from ..run import Result


STAGE = ".stage"


def default_store() -> RunStore:
    """The local store: SELECTIVITY_RUNS, else `runs/` of the checkout."""
    return RunStore(os.environ.get("SELECTIVITY_RUNS") or Path(__file__).resolve().parents[2] / "runs")


def _id(run: RunSpec | str) -> str:
    return run if isinstance(run, str) else run.id


class RunStore:
    """Runs under one folder, each in a folder named by its spec's id.

    Whatever reads or writes raises StoreError where that is not possible, a run is not there, or a file is not what its
    manifest says. A failed write leaves the store as it was.

    Args:
        path: the store's folder, made when something is first written.

    Raises:
        StoreError: `path` begins with a home folder that there is not.
    """

    def __init__(self, path: str | Path) -> None:
        try:
            self.path = Path(path).expanduser()
        except RuntimeError:
            raise StoreError(f"{path}: there is no home folder of that name") from None

    def folder(self, spec: RunSpec | str) -> Path:
        """Where a run lies, or will lie."""
        return self.path / _id(spec)

    def try_lock(self, spec: RunSpec) -> AbstractContextManager[bool]:
        """Held by the one process that trains a run; gives whether this one got it."""
        return try_lock(self._lock_file(spec))

    def in_training(self, spec: RunSpec | str) -> bool:
        """Whether a process holds the run's lock now."""
        return is_locked(self._lock_file(spec))

    def _lock_file(self, spec: RunSpec | str) -> Path:
        return self.path / ".locks" / f"{_id(spec)}.lock"

    def checkpoints(self, spec: RunSpec | str) -> Checkpoints:
        """The unfinished run's checkpoints."""
        return Checkpoints(self.path / ".checkpoints" / _id(spec))

    def epochs(self, spec: RunSpec | str) -> Path:
        """The folder of a run's weights after every epoch, `001.safetensors` first, where they were kept."""
        return self.path / ".epochs" / _id(spec)

    def unfinished(self) -> list[str]:
        """Ids of the runs that have checkpoints."""
        return sorted({p.parent.name for p in (self.path / ".checkpoints").glob("*/*.safetensors")})

    def folders(self) -> list[str]:
        """Names of all folders that stand where finished runs do, whole or not."""
        if not self.path.is_dir():
            return []
        return sorted(p.name for p in self.path.iterdir() if p.is_dir() and not is_litter(p.name))

    def ids(self) -> list[str]:
        """Ids of the finished runs."""
        return [run for run in self.folders() if (self.path / run / "manifest.json").exists()]

    def manifest(self, spec: RunSpec | str) -> Manifest | None:
        """What a finished run's folder promises, or None where there is no such run."""
        path = self.folder(spec) / "manifest.json"
        note_read(path)
        try:
            return parse_manifest(read(path), path.parent.name)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (OSError, ValueError) as error:
            raise StoreError(f"{path}: cannot be read ({error}); remove {path.parent} to train the run anew") from error

    def holds(self, spec: RunSpec, digest: str | None = None) -> bool:
        """Whether the run is finished, by this version and on these data (where their digest is known)."""
        manifest = self.manifest(spec)
        return manifest is not None and is_current(manifest) and digest in (None, manifest["digest"])

    def current(self) -> dict[str, Manifest]:
        """The manifests of the finished runs of this version, by id."""
        found = {run: self.manifest(run) for run in self.ids()}
        return {run: manifest for run, manifest in found.items() if manifest is not None and is_current(manifest)}

    def spec(self, run: str) -> RunSpec:
        """The spec of a finished run of this schema."""
        manifest = self._needed(run)
        if manifest["schema"] != SCHEMA:
            raise StoreError(f"run {run}: of schema {manifest['schema']}; this version reads schema {SCHEMA}")
        return RunSpec.from_dict(manifest["spec"])

    def _needed(self, run: str) -> Manifest:
        manifest = self.manifest(run)
        if manifest is None:
            raise StoreError(f"run {run}: not in {self.path}")
        return manifest

    def add(self, result: Result) -> None:
        """Commits a run that was trained here; one that is already there, current and of the same data, is kept.

        Its checkpoints go.
        """
        from safetensors.torch import save

        files = {f"{name}.csv": to_csv(getattr(result, name)) for name in TABLES if len(getattr(result, name))}
        if result.weights:
            files["weights.safetensors"] = save({k: v.contiguous() for k, v in result.weights.items()})
        status = str(result.runs["status"].iloc[0])
        manifest = make_manifest(result.spec.as_dict(), result.spec.id, status, result.digest, files)
        self.put(manifest, files, trained=True)
        self.checkpoints(result.spec).clear()

    def put(self, manifest: Manifest, files: Mapping[str, bytes], *, trained: bool = False) -> bool:
        """Commits a run's files: all of them flushed, the manifest with their checksums last, then one rename.

        What may displace a run that is already there, the head of this module says.

        Args:
            manifest: as a finished run has it.
            files: name -> content of the files that the manifest lists.
            trained: whether it was trained here, on the data at hand.

        Returns:
            whether the run was put there.
        """
        run, target = manifest["id"], self.folder(manifest["id"])
        try:
            with self._commit(), staged(self.path / STAGE, run) as stage:
                if target.exists() and self._stays(manifest, trained):
                    return False
                for name, content in {**files, "manifest.json": manifest_text(manifest)}.items():
                    write(stage / name, content)
                flush_folder(stage)
                aside = self.set_aside(run) if target.exists() else None
                try:
                    stage.rename(target)
                except OSError:
                    if aside is not None:
                        aside.rename(target)
                    raise
                flush_folder(self.path)
                return True
        except OSError as error:
            raise StoreError(f"{self.path}: the run cannot be stored ({error.strerror or error})") from error

    def _commit(self) -> AbstractContextManager[bool]:
        return lock(self.path / ".locks" / "commit.lock", poll=0.01)

    def _stays(self, other: Manifest, trained: bool) -> bool:
        """Whether the run that is there stays where another one of its id comes."""
        folder = self.folder(other["id"])
        try:
            mine = read_run(folder.name, read_folder(folder))
        except ValueError:
            return False
        if not is_current(other) or not is_current(mine):
            return not is_current(other)
        return not trained or mine["digest"] == other["digest"]

    def set_aside(self, run: str) -> Path:
        """Moves a finished run to `.replaced`, and says where it lies there."""
        aside = make_folder(self.path / ".replaced") / f"{run}-{secrets.token_hex(4)}"
        try:
            move_folder(self.folder(run), aside)
        except OSError as error:
            raise StoreError(f"{self.folder(run)}: cannot be moved ({error.strerror or error})") from error
        return aside

    def remove_leftovers(self, finished: Iterable[str]) -> None:
        """Removes what killed processes left: half-staged runs, and checkpoints of these finished runs."""
        with suppress(StoreError, OSError):  # in a read-only place nothing has to go
            if (self.path / STAGE).exists():
                with self._commit():
                    cleared(self.path / STAGE)
            for run in set(finished) & {p.name for p in (self.path / ".checkpoints").glob("*")}:
                with try_lock(self._lock_file(run)) as free:
                    if free:
                        self.checkpoints(run).clear()

    def content(self, run: str, name: str) -> bytes | None:
        """A file of a run, checked against the manifest before anything parses it; None where the run has none."""
        manifest = self._needed(run)
        if name not in manifest["files"]:
            return None
        path = self.folder(run) / name
        try:
            content = read(path)
        except (OSError, ValueError) as error:
            why = getattr(error, "strerror", None) or error
            raise StoreError(f"{path}: cannot be read ({why}); remove the run to train it anew") from error
        if sha256(content) != manifest["files"][name]["sha256"]:
            raise StoreError(f"{path}: differs from its manifest; remove {path.parent} to train the run anew")
        return content

    def table(self, run: str, name: str) -> pd.DataFrame:
        """One table of one run."""
        content = self.content(run, f"{name}.csv")
        if content is None:
            return empty(name)
        try:
            return from_csv(content, name)
        except ValueError as error:
            raise StoreError(f"{self.folder(run) / name}.csv: {error}") from error

    def tables(self, specs: list[RunSpec]) -> Tables:
        """Tables of finished runs, rows in the order of the specs given."""
        return concat([Tables(partial(self.table, spec.id)) for spec in specs])

    def weights(self, spec: RunSpec | str, epoch: str = "best") -> dict[str, Tensor]:
        """Parameters and buffers of a finished run at its "best" or "last" epoch; one that diverged has none."""
        from safetensors import SafetensorError
        from safetensors.torch import load

        run = _id(spec)
        content = self.content(run, "weights.safetensors")
        if content is None:
            raise StoreError(f"run {run}: has no weights (it diverged)")
        try:
            found = load(content)
        except SafetensorError as error:
            raise StoreError(f"{self.folder(run)}/weights.safetensors: {error}") from error
        return {k.removeprefix(f"{epoch}/"): v for k, v in found.items() if k.startswith(f"{epoch}/")}
