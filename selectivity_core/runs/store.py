"""The manifest of a finished run: what it is, and the checksums that make it whole."""

from __future__ import annotations

import io
import json
import math
import os
import secrets
from collections.abc import Iterable
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import StoreError
from ..files import flush_folder, make_folder, sha256, write
from ..spec import LATER, SCHEMA, RunSpec
from ..tables import COLUMNS, PROVENANCE, Tables, concat, empty
from .checkpoints import Checkpoints
from .locks import is_locked, lock, remove_leftovers, staged, try_lock
from .reads import record as record_read

if TYPE_CHECKING:
    import pandas as pd
    from torch import Tensor

    from ..run import Result

TABLES = ("runs", "history", "layers", "units", "responses")  # what a run leaves; the others are derived
FILES = (*(f"{name}.csv" for name in TABLES), "weights.safetensors")  # of a complete run
NEEDED = {"complete": set(FILES), "diverged": {"runs.csv", "history.csv"}}


def make_manifest(spec: dict[str, Any], run: str, status: str, digest: str, files: dict[str, bytes]) -> dict[str, Any]:
    """The manifest of a run that this code made.

    Args:
        spec: its fields.
        run: its id.
        status: "complete" or "diverged".
        digest: of its data.
        files: name -> content.
    """
    from ..training import RESULT_VERSION

    return {
        "id": run, "schema": SCHEMA, "result_version": RESULT_VERSION, "spec": spec, "status": status,
        "digest": digest,
        "files": {name: {"sha256": sha256(content), "bytes": len(content)} for name, content in files.items()},
    }  # fmt: skip


def parse_manifest(content: bytes, run: str) -> dict[str, Any]:
    """A manifest from its text; a damaged one can still be JSON.

    Raises:
        ValueError, KeyError, TypeError, AttributeError: it is not the manifest of `run`; the message says why.
    """
    found = json.loads(content)
    if found["id"] != run or (found["schema"] == SCHEMA and RunSpec.from_dict(found["spec"]).id != run):
        raise ValueError(f"it describes run {found['id']} or a spec of another id")
    if not isinstance(found["result_version"], int) or not isinstance(found["digest"], str):
        raise TypeError("result version or data digest is missing")
    if set(found["files"]) != NEEDED[found["status"]]:
        needed = ", ".join(sorted(NEEDED[found["status"]]))
        raise ValueError(f"it lists {', '.join(found['files'])}; {needed} are needed")
    for entry in found["files"].values():
        entry["sha256"], entry["bytes"]
    return found


def damaged(manifest: dict[str, Any], files: dict[str, bytes]) -> list[str]:
    """Names of the files that are missing or not what the manifest says."""
    return [
        name for name, entry in manifest["files"].items()
        if name not in files or len(files[name]) != entry["bytes"] or sha256(files[name]) != entry["sha256"]
    ]  # fmt: skip


TEXT = ("run", "other", "analysis", "layer", "form", "kind")
RUN_TEXT = (
    "run", "model", "dataset", "index", "milestones", "window", "schedule", "layers", "activation", "estimate",
    "precision", "status", "started", *(f"provenance_{name}" for name in PROVENANCE),
)  # fmt: skip


def to_csv(frame: pd.DataFrame) -> bytes:
    """A table as text that reads back equal: floats in their shortest exact form."""
    return frame.to_csv(index=False, na_rep="nan", lineterminator="\n").encode()


def from_csv(content: bytes, name: str) -> pd.DataFrame:
    """The table `name` that `to_csv` wrote."""
    import pandas as pd

    text = dict.fromkeys(RUN_TEXT if name == "runs" else TEXT, str)
    found = pd.read_csv(io.BytesIO(content), dtype=text, keep_default_na=False, na_values=["nan"])
    if name == "runs" and "run" in found:  # written before those fields came
        absent = {field: "" if value is None else value for field, value in LATER.items() if field not in found}
        found = found.assign(**absent)
        found = found[sorted(found, key=lambda c: COLUMNS["runs"].index(c) if c in COLUMNS["runs"] else math.inf)]
    return found


def default_store() -> RunStore:
    """The local store: SELECTIVITY_RUNS, else `runs/` of the checkout."""
    return RunStore(os.environ.get("SELECTIVITY_RUNS") or Path(__file__).resolve().parents[2] / "runs")


class RunStore:
    """Runs under one folder, each in a folder named by its spec's id.

    Args:
        path: the store's folder, made when something is first written.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path).expanduser()

    def folder(self, spec: RunSpec | str) -> Path:
        """Where a run lies, or will lie."""
        return self.path / (spec if isinstance(spec, str) else spec.id)

    def try_lock(self, spec: RunSpec) -> AbstractContextManager[bool]:
        """Held by the one process that trains a run; gives whether this one got it."""
        return try_lock(self._lock_file(spec.id))

    def in_training(self, spec: RunSpec | str) -> bool:
        """Whether a process holds the run's lock now."""
        return is_locked(self._lock_file(spec if isinstance(spec, str) else spec.id))

    def _lock_file(self, run: str) -> Path:
        return self.path / ".locks" / f"{run}.lock"

    def checkpoints(self, spec: RunSpec | str) -> Checkpoints:
        """The unfinished run's checkpoints."""
        return Checkpoints(self.path / ".checkpoints" / (spec if isinstance(spec, str) else spec.id))

    def unfinished(self) -> list[str]:
        """Ids of the runs that have checkpoints."""
        return sorted({p.parent.name for p in (self.path / ".checkpoints").glob("*/*.safetensors")})

    def manifest(self, spec: RunSpec | str) -> dict[str, Any] | None:
        """What a finished run's folder promises, or None where there is no such run.

        Raises:
            StoreError: there is one, and it cannot be read.
        """
        path = self.folder(spec) / "manifest.json"
        record_read(path)
        try:
            return parse_manifest(path.read_bytes(), path.parent.name)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise StoreError(f"{path}: cannot be read ({error}); remove {path.parent} to train the run anew") from error

    def holds(self, spec: RunSpec, digest: str | None = None) -> bool:
        """Whether the run is finished, by this result version and on these data (where their digest is known)."""
        from ..training import RESULT_VERSION

        manifest = self.manifest(spec)
        if manifest is None or manifest["result_version"] != RESULT_VERSION:
            return False
        return digest is None or manifest["digest"] == digest

    def ids(self) -> list[str]:
        """Ids of the finished runs."""
        if not self.path.is_dir():
            return []
        return sorted(p.parent.name for p in self.path.glob("*/manifest.json") if not p.parent.name.startswith("."))

    def folders(self) -> list[str]:
        """Names of all folders that stand where finished runs do, whole or not."""
        if not self.path.is_dir():
            return []
        return sorted(p.name for p in self.path.iterdir() if p.is_dir() and not p.name.startswith("."))

    def spec(self, run: str) -> RunSpec:
        """The spec of a finished run."""
        manifest = self.manifest(run)
        if manifest is None:
            raise StoreError(f"run {run}: not in {self.path}")
        return RunSpec.from_dict(manifest["spec"])

    def add(self, result: Result) -> None:
        """Commits a finished run; one that is already there is kept if it is current. Its checkpoints go.

        Raises:
            StoreError: it cannot be written; the store is as it was.
        """
        from safetensors.torch import save

        files = {f"{name}.csv": to_csv(getattr(result, name)) for name in TABLES if len(getattr(result, name))}
        if result.weights:
            files["weights.safetensors"] = save({k: v.contiguous() for k, v in result.weights.items()})
        status = str(result.runs["status"].iloc[0])
        manifest = make_manifest(result.spec.as_dict(), result.spec.id, status, result.digest, files)
        self.put(manifest, files)
        self.checkpoints(result.spec).clear()

    def put(self, manifest: dict[str, Any], files: dict[str, bytes]) -> bool:
        """Commits a run's files: all of them flushed, the manifest with their checksums last, then one rename.

        A run that is already there is kept if it is current or the new one is not, and otherwise moved to `.replaced`.

        Args:
            manifest: as a finished run has it.
            files: name -> content of the files that the manifest lists.

        Returns:
            whether the run was put there.

        Raises:
            StoreError: it cannot be written; the store is as it was.
        """
        run = manifest["id"]
        try:
            with staged(self.path / ".stage", run) as stage:
                for name, content in (files | {"manifest.json": json.dumps(manifest, indent=1).encode()}).items():
                    write(stage / name, content)
                flush_folder(stage)
                with lock(self.path / ".locks" / "commit.lock", poll=0.01):
                    return self._place(stage, run, manifest)
        except OSError as error:
            raise StoreError(f"{self.path}: the run cannot be stored ({error.strerror or error})") from error

    def _place(self, stage: Path, run: str, manifest: dict[str, Any]) -> bool:
        target = self.folder(run)
        aside: Path | None = None
        if target.exists():
            if self._outranks(run, manifest):
                return False
            aside = self.set_aside(run)
        try:
            stage.rename(target)
        except OSError:
            if aside is not None:
                aside.rename(target)
            raise
        flush_folder(self.path)
        return True

    def _outranks(self, run: str, other: dict[str, Any]) -> bool:
        """Whether the run that is there stays: of two current ones on the same data, or two stale, the first."""
        from ..training import RESULT_VERSION

        try:
            mine = self.manifest(run)
        except StoreError:
            return False
        if mine is None or other["result_version"] != RESULT_VERSION:
            return mine is not None
        return mine["result_version"] == RESULT_VERSION and mine["digest"] == other["digest"]

    def set_aside(self, run: str) -> Path:
        """Moves a finished run to `.replaced`, and says where it lies there."""
        try:
            return self.folder(run).rename(make_folder(self.path / ".replaced") / f"{run}-{secrets.token_hex(4)}")
        except OSError as error:
            raise StoreError(f"{self.folder(run)}: cannot be moved ({error.strerror or error})") from error

    def remove_leftovers(self, finished: Iterable[str]) -> None:
        """Removes what killed processes left: half-staged runs, and checkpoints of these finished runs."""
        remove_leftovers(self.path / ".stage")
        for run in set(finished) & {p.name for p in (self.path / ".checkpoints").glob("*")}:
            with try_lock(self._lock_file(run)) as free:
                if free:
                    self.checkpoints(run).clear()

    def content(self, run: str, name: str) -> bytes | None:
        """A file of a run, checked against the manifest before anything parses it; None where the run has none.

        Raises:
            StoreError: no such run, or a file that does not verify.
        """
        manifest = self.manifest(run)
        if manifest is None:
            raise StoreError(f"run {run}: not in {self.path}")
        if name not in manifest["files"]:
            return None
        path = self.folder(run) / name
        try:
            content = path.read_bytes()
        except OSError as error:
            raise StoreError(f"{path}: cannot be read ({error.strerror}); remove the run to train it anew") from error
        if sha256(content) != manifest["files"][name]["sha256"]:
            raise StoreError(f"{path}: differs from its manifest; remove {path.parent} to train the run anew")
        return content

    def table(self, run: str, name: str) -> pd.DataFrame:
        """One table of one run.

        Raises:
            StoreError: no such run, or a file that does not verify.
        """
        content = self.content(run, f"{name}.csv")
        return empty(name) if content is None else from_csv(content, name)

    def tables(self, specs: list[RunSpec]) -> Tables:
        """Tables of finished runs, rows in the order of the specs given."""
        return concat([Tables(partial(self.table, spec.id)) for spec in specs])

    def weights(self, spec: RunSpec | str, epoch: str = "best") -> dict[str, Tensor]:
        """Parameters and buffers of a finished run at its "best" or "last" epoch.

        Raises:
            StoreError: no such run, no weights (it diverged), or a file that does not verify.
        """
        from safetensors.torch import load

        run = spec if isinstance(spec, str) else spec.id
        content = self.content(run, "weights.safetensors")
        if content is None:
            raise StoreError(f"run {run}: has no weights (it diverged)")
        return {k.removeprefix(f"{epoch}/"): v for k, v in load(content).items() if k.startswith(f"{epoch}/")}
