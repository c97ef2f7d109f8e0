"""The status of a run, worked out from the files each time and never kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ..errors import StoreError
from ..spec import SCHEMA, RunSpec
from .store import RunStore

Kind = Literal["complete", "diverged", "stale", "corrupt", "interrupted", "absent"]
KINDS: tuple[Kind, ...] = ("complete", "diverged", "stale", "corrupt", "interrupted", "absent")


@dataclass(frozen=True)
class RunStatus:
    """A run's status.

    Attributes:
        kind: one word.
        epoch, step: where it was interrupted or diverged, both counted from 1 (step 0: the epoch has not begun).
        in_training: whether a process works on it.
        problem: which file is corrupt, or what made the finished run stale.
    """

    kind: Kind
    epoch: int = 0
    step: int = 0
    in_training: bool = False
    problem: str = ""


def run_status(store: RunStore, run: RunSpec | str, digest: str | None = None) -> RunStatus:
    """The status of a run in a store; every file of a finished one is checked.

    Args:
        store: where to look.
        run: the spec or its id.
        digest: of the data here; where it is not known, data cannot make a run stale.
    """
    found = _finished(store, run if isinstance(run, str) else run.id, digest)
    if found is not None and found.kind != "stale":
        return found
    checkpoints = store.checkpoints(run)
    position = checkpoints.position()
    if position is None and checkpoints.files() and found is None:
        return RunStatus("corrupt", problem=f"no checkpoint verifies, the latest is {checkpoints.files()[0]}")
    if position is None:
        return found or RunStatus("absent", in_training=store.in_training(run))
    epoch, step = position
    return RunStatus("interrupted", epoch + 1, step, store.in_training(run), found.problem if found else "")


def _finished(store: RunStore, run: str, digest: str | None) -> RunStatus | None:
    from ..training import RESULT_VERSION

    try:
        manifest = store.manifest(run)
        if manifest is None:
            if store.folder(run).exists():
                return RunStatus("corrupt", problem=f"{store.folder(run)} has no manifest")
            return None
        for name in sorted(manifest["files"]):
            store.content(run, name)
    except StoreError as error:
        return RunStatus("corrupt", problem=str(error))
    reasons = []
    if manifest["schema"] != SCHEMA:
        reasons.append(f"schema {manifest['schema']}, now {SCHEMA}")
    if manifest["result_version"] != RESULT_VERSION:
        reasons.append(f"result version {manifest['result_version']}, now {RESULT_VERSION}")
    if digest is not None and manifest["digest"] != digest:
        reasons.append(f"data {manifest['digest'][:16]}, here {digest[:16]}")
    if reasons:
        return RunStatus("stale", problem="; ".join(reasons))
    if manifest["status"] == "diverged":
        row = store.table(run, "runs").iloc[0]
        return RunStatus("diverged", int(row["diverged_epoch"]), int(row["diverged_step"]))
    return RunStatus("complete")
