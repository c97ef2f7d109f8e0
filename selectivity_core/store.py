"""Finished and unfinished runs on disk. A run appears whole or not at all."""

from __future__ import annotations

import io
import json
import os
import secrets
import shutil
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .checkpoints import Checkpoints
from .errors import StoreError
from .files import flush_folder, make_folder, sha256, write
from .locks import lock
from .reads import record as record_read
from .spec import SCHEMA, RunSpec
from .tables import PROVENANCE, Tables, concat, empty

if TYPE_CHECKING:
    import pandas as pd
    from torch import Tensor

    from .run import Result

TABLES = ("runs", "history", "layers", "units", "responses")  # what a run leaves; the others are derived
FILES = (*(f"{name}.csv" for name in TABLES), "weights.safetensors")  # of a complete run
TEXT = ("run", "other", "layer", "form", "kind")
RUN_TEXT = (
    "run", "model", "dataset", "index", "milestones", "layers", "activation", "estimate", "precision", "status",
    "started", *(f"provenance_{name}" for name in PROVENANCE),
)  # fmt: skip


def to_csv(frame: pd.DataFrame) -> bytes:
    """A table as text that reads back equal: floats in their shortest exact form."""
    return frame.to_csv(index=False, na_rep="nan", lineterminator="\n").encode()


def from_csv(content: bytes, name: str) -> pd.DataFrame:
    """The table `name` that `to_csv` wrote."""
    import pandas as pd

    text = dict.fromkeys(RUN_TEXT if name == "runs" else TEXT, str)
    return pd.read_csv(io.BytesIO(content), dtype=text, keep_default_na=False, na_values=["nan"])


def _check_manifest(content: dict[str, Any], run: str) -> None:
    """Raises one of several errors where a manifest is not one of `run`: a damaged one can still be JSON."""
    if content["id"] != run or (content["schema"] == SCHEMA and RunSpec.from_dict(content["spec"]).id != run):
        raise ValueError(f"it describes run {content['id']} or a spec of another id")
    if not isinstance(content["result_version"], int) or not isinstance(content["digest"], str):
        raise TypeError("result version or data digest is missing")
    needed = {"complete": set(FILES), "diverged": {"runs.csv", "history.csv"}}[content["status"]]
    if set(content["files"]) != needed:
        raise ValueError(f"it lists {', '.join(content['files'])}; {', '.join(sorted(needed))} are needed")
    for entry in content["files"].values():
        entry["sha256"], entry["bytes"]


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

    def lock(self, spec: RunSpec) -> AbstractContextManager[None]:
        """Held by the one process that trains a run; others wait."""
        return lock(self.path / ".locks" / f"{spec.id}.lock")

    def checkpoints(self, spec: RunSpec) -> Checkpoints:
        """The unfinished run's checkpoints."""
        return Checkpoints(self.path / ".checkpoints" / spec.id)

    def manifest(self, spec: RunSpec | str) -> dict[str, Any] | None:
        """What a finished run's folder promises, or None where there is no such run.

        Raises:
            StoreError: there is one, and it cannot be read.
        """
        path = self.folder(spec) / "manifest.json"
        record_read(path)
        try:
            content = json.loads(path.read_bytes())
            _check_manifest(content, path.parent.name)
            return content
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise StoreError(f"{path}: cannot be read ({error}); remove {path.parent} to train the run anew") from error

    def holds(self, spec: RunSpec, digest: str | None = None) -> bool:
        """Whether the run is finished, by this result version and on these data (where their digest is known)."""
        from .training import RESULT_VERSION

        manifest = self.manifest(spec)
        if manifest is None or manifest["result_version"] != RESULT_VERSION:
            return False
        return digest is None or manifest["digest"] == digest

    def ids(self) -> list[str]:
        """Ids of the finished runs."""
        if not self.path.is_dir():
            return []
        return sorted(p.parent.name for p in self.path.glob("*/manifest.json") if not p.parent.name.startswith("."))

    def spec(self, run: str) -> RunSpec:
        """The spec of a finished run."""
        manifest = self.manifest(run)
        if manifest is None:
            raise StoreError(f"run {run}: not in {self.path}")
        return RunSpec.from_dict(manifest["spec"])

    def add(self, result: Result) -> None:
        """Commits a finished run: every file flushed, the manifest with their checksums last, then one rename.

        A run that is already there is kept if it is current, and otherwise moved to `.replaced`.

        Raises:
            StoreError: it cannot be written; the store is as it was.
        """
        from safetensors.torch import save

        from .training import RESULT_VERSION

        files = {f"{name}.csv": to_csv(getattr(result, name)) for name in TABLES if len(getattr(result, name))}
        if result.weights:
            files["weights.safetensors"] = save({k: v.contiguous() for k, v in result.weights.items()})
        manifest = {
            "id": result.spec.id, "schema": SCHEMA, "result_version": RESULT_VERSION, "spec": result.spec.as_dict(),
            "status": str(result.runs["status"].iloc[0]), "digest": result.digest,
            "files": {name: {"sha256": sha256(content), "bytes": len(content)} for name, content in files.items()},
        }  # fmt: skip
        files["manifest.json"] = json.dumps(manifest, indent=1).encode()
        stage = make_folder(self.path / ".stage") / f"{result.spec.id}-{os.getpid()}-{secrets.token_hex(4)}"
        try:
            make_folder(stage)
            for name, content in files.items():
                write(stage / name, content)
            flush_folder(stage)
            self._place(stage, result)
        except OSError as error:
            raise StoreError(f"{self.path}: the run cannot be stored ({error.strerror or error})") from error
        finally:
            shutil.rmtree(stage, ignore_errors=True)
        self.checkpoints(result.spec).clear()

    def _place(self, stage: Path, result: Result) -> None:
        target = self.folder(result.spec)
        if target.exists():
            if self.holds(result.spec, result.digest):
                return
            aside = make_folder(self.path / ".replaced") / f"{target.name}-{secrets.token_hex(4)}"
            target.rename(aside)
        stage.rename(target)
        flush_folder(self.path)

    def _file(self, run: str, name: str) -> bytes | None:
        """A file of a run, checked against the manifest before anything parses it; None where the run has none."""
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
        content = self._file(run, f"{name}.csv")
        return empty(name) if content is None else from_csv(content, name)

    def tables(self, specs: list[RunSpec]) -> Tables:
        """Tables of finished runs, rows in the order of the specs given."""
        return concat([Tables(lambda name, run=spec.id: self.table(run, name)) for spec in specs])

    def weights(self, spec: RunSpec | str, epoch: str = "best") -> dict[str, Tensor]:
        """Parameters and buffers of a finished run at its "best" or "last" epoch.

        Raises:
            StoreError: no such run, no weights (it diverged), or a file that does not verify.
        """
        from safetensors.torch import load

        run = spec if isinstance(spec, str) else spec.id
        content = self._file(run, "weights.safetensors")
        if content is None:
            raise StoreError(f"run {run}: has no weights (it diverged)")
        return {k.removeprefix(f"{epoch}/"): v for k, v in load(content).items() if k.startswith(f"{epoch}/")}
