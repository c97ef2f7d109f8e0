"""The manifest of a finished run: what it is, and the checksums that make it whole."""

from __future__ import annotations

import json
from typing import Any

from .files import sha256
from .spec import SCHEMA, RunSpec

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
    from .training import RESULT_VERSION

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
