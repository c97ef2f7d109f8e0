"""A run as files: the manifest that describes them, and the checks that they pass before anything uses them.

A fault is a ValueError, or a string in a list, of one printable line.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, cast

from pydantic import Field, TypeAdapter, ValidationError
from typing_extensions import TypedDict

from ..errors import SpecError
from ..files import MOST_BYTES, read, sha256
from ..spec import SCHEMA, RunSpec
from ..tables import empty
from .validation import RUN_ID, TABLES, from_csv, is_litter, joint_problems, printable, table_problems

if TYPE_CHECKING:
    import torch

FILES = (*(f"{name}.csv" for name in TABLES), "weights.safetensors")  # of a complete run
NEEDED = {"complete": set(FILES), "diverged": {"runs.csv", "history.csv"}}

Layout = dict[str, "tuple[torch.Size, torch.dtype]"]  # of a network's parameters and buffers, by name
Version = Annotated[int, Field(ge=1, le=9999)]
Digest = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class FileEntry(TypedDict):
    """What a manifest says of a file."""

    sha256: Digest
    bytes: Annotated[int, Field(ge=0, le=MOST_BYTES)]


class Manifest(TypedDict):
    """What a finished run's folder promises."""

    id: Annotated[str, Field(pattern=f"^{RUN_ID.pattern}$")]
    schema: Version
    result_version: Version
    spec: dict[str, Any]
    status: Literal["complete", "diverged"]
    digest: Digest
    files: dict[str, FileEntry]


@lru_cache(maxsize=1)
def _manifests() -> TypeAdapter[Manifest]:
    return TypeAdapter(Manifest)


def result_version() -> int:
    """That of this code, which is not loaded with torch before it is needed."""
    from ..training import RESULT_VERSION

    return RESULT_VERSION


def make_manifest(spec: dict[str, Any], run: str, status: str, digest: str, files: Mapping[str, bytes]) -> Manifest:
    """The manifest of a run that this code made, of its files' names and contents."""
    found = {
        "id": run, "schema": SCHEMA, "result_version": result_version(), "spec": spec, "status": status,
        "digest": digest,
        "files": {name: {"sha256": sha256(content), "bytes": len(content)} for name, content in files.items()},
    }  # fmt: skip
    return cast(Manifest, found)


def is_current(manifest: Manifest) -> bool:
    """Whether a run was made by this version: its schema and its result version."""
    return manifest["schema"] == SCHEMA and manifest["result_version"] == result_version()


def manifest_text(manifest: Manifest) -> bytes:
    """A manifest as it stands in a run's folder."""
    return json.dumps(manifest, indent=1).encode()


def parse_manifest(content: bytes, run: str) -> Manifest:
    """A manifest from its text; ValueError where it is not that of `run`."""
    try:
        found = _manifests().validate_json(content, strict=True)
    except ValidationError as error:  # JSON nested without end is one too
        first = error.errors()[0]
        raise ValueError(printable(": ".join([*map(str, first["loc"]), first["msg"]]))) from error
    if found["id"] != run:
        raise ValueError(f"it describes run {found['id']}")
    if found["schema"] != SCHEMA:
        return found  # of a version whose specs and files are not known here
    try:
        spec = RunSpec.from_dict(found["spec"]).id
    except (SpecError, TypeError, RecursionError) as error:
        raise ValueError(printable(error)) from error
    if spec != run:
        raise ValueError(f"its spec is that of run {spec}")
    if set(found["files"]) != NEEDED[found["status"]]:
        needed = ", ".join(sorted(NEEDED[found["status"]]))
        raise ValueError(printable(f"it lists {', '.join(found['files'])}; {needed} are needed"))
    return found


def read_folder(folder: Path) -> dict[str, bytes]:
    """The files of a run's folder. What systems leave there is passed over; anything but plain files is a fault."""
    found: dict[str, bytes] = {}
    name = folder.name
    try:
        for path in sorted(folder.iterdir()):
            name = path.name
            if not is_litter(name):
                found[name] = read(path)
    except OSError as error:
        raise ValueError(printable(f"{name!r} cannot be read ({error.strerror or error})")) from error
    return found


def read_run(run: str, files: Mapping[str, bytes]) -> Manifest:
    """The manifest of a run whose files are all there, each as the manifest says, and no others; else ValueError."""
    if not RUN_ID.fullmatch(run):
        raise ValueError("its name is no run's id")
    if "manifest.json" not in files:
        raise ValueError("it has no manifest.json")
    try:
        manifest = parse_manifest(files["manifest.json"], run)
    except ValueError as error:
        raise ValueError(f"manifest.json: {error}") from error
    wrong = set(files) ^ {*manifest["files"], "manifest.json"}
    for name, entry in manifest["files"].items():
        if name in files and (len(files[name]) != entry["bytes"] or sha256(files[name]) != entry["sha256"]):
            wrong.add(name)
    if wrong:
        raise ValueError(printable(f"{', '.join(sorted(wrong))}: not as the manifest says"))
    return manifest


def check_run(run: str, files: Mapping[str, bytes]) -> Manifest:
    """As `read_run`, with the content of every file checked: checksums only say that it is what somebody wrote."""
    manifest = read_run(run, files)
    if manifest["schema"] != SCHEMA:
        raise ValueError(f"it is of schema {manifest['schema']}; this version reads schema {SCHEMA}")
    problems, tables = [], {}
    for name in TABLES:
        content = files.get(f"{name}.csv")
        try:
            tables[name] = empty(name) if content is None else from_csv(content, name)
        except ValueError as error:
            raise ValueError(f"{name}.csv: {error}") from error
        problems += table_problems(name, tables[name])
    if problems:
        raise ValueError(problems[0])
    for name, frame in tables.items():
        if f"{name}.csv" in files and set(frame["run"]) != {run}:
            raise ValueError(f"{name}.csv: has rows of {', '.join(sorted({*frame['run']} - {run})) or 'no run'}")
    row = tables["runs"].iloc[0]
    for key, said in (
        ("status", manifest["status"]), ("provenance_digest", manifest["digest"]),
        ("provenance_result_version", str(manifest["result_version"])),
    ):  # fmt: skip
        if row[key] != said:
            problems.append(printable(f"runs.csv: {key} is {row[key]}, and {said} in the manifest"))
    problems += joint_problems(tables)
    if "weights.safetensors" in files:
        network = network_layout(RunSpec.from_dict(manifest["spec"])).items()
        wanted = {f"{epoch}/{name}": kind for epoch in ("best", "last") for name, kind in network}
        problems += weight_problems(files["weights.safetensors"], wanted)
    if problems:
        raise ValueError(problems[0])
    return manifest


def network_layout(spec: RunSpec) -> Layout:
    """Shape and type of each parameter and buffer of a spec's network."""
    return _layout(spec.replace(alpha=0.0, seed=0))


@lru_cache(maxsize=64)
def _layout(spec: RunSpec) -> Layout:
    import torch

    from ..models import network_of

    with torch.device("meta"):
        return {name: (value.shape, value.dtype) for name, value in network_of(spec).state_dict().items()}


def weight_problems(content: bytes, wanted: Layout) -> list[str]:
    """What keeps a file of weights from holding tensors of these shapes and types, all of them finite."""
    from safetensors import SafetensorError
    from safetensors.torch import load

    try:
        found = load(content)
    except (SafetensorError, ValueError, KeyError, TypeError, OverflowError, MemoryError) as error:
        return [printable(f"weights: no safetensors ({error})")]
    if odd := sorted(set(found) ^ set(wanted)):
        return [printable(f"weights: missing or unknown: {', '.join(odd)}")]
    for name, (shape, kind) in wanted.items():
        value = found[name]
        if value.shape != shape or value.dtype != kind:
            given = f"shape {list(value.shape)} and type {value.dtype}"
            return [f"weights: {name} has {given}; {list(shape)} and {kind} are needed"]
        if value.is_floating_point() and not value.isfinite().all():
            return [f"weights: {name} is not finite"]
    return []
