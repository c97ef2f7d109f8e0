"""The status of a run, worked out from the files each time and never kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from ..errors import StoreError
from ..spec import SCHEMA, RunSpec
from .store import RunStore

if TYPE_CHECKING:
    import pandas as pd

Kind = Literal["complete", "diverged", "stale", "corrupt", "interrupted", "absent"]
KINDS: tuple[Kind, ...] = ("complete", "diverged", "stale", "corrupt", "interrupted", "absent")


@dataclass(frozen=True)
class RunStatus:
    """A run's status.

    Attributes:
        kind: one word.
        detail: where it was interrupted, what made it stale, which file is corrupt; "" where there is no more to say.
    """

    kind: Kind
    detail: str = ""

    def __str__(self) -> str:
        return f"{self.kind} ({self.detail})" if self.detail else self.kind


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
        return RunStatus("corrupt", f"no checkpoint verifies, the latest is {checkpoints.files()[0]}")
    if position is None:
        return found or RunStatus("absent", "in training now" if store.in_training(run) else "")
    epoch, step = position
    detail = f"at step {step} of epoch {epoch + 1}" + (", in training now" if store.in_training(run) else "")
    return RunStatus("interrupted", detail + (f"; before: stale, {found.detail}" if found else ""))


def _finished(store: RunStore, run: str, digest: str | None) -> RunStatus | None:
    from ..training import RESULT_VERSION

    try:
        manifest = store.manifest(run)
        if manifest is None:
            if store.folder(run).exists():
                return RunStatus("corrupt", f"{store.folder(run)} has no manifest")
            return None
        for name in sorted(manifest["files"]):
            store.content(run, name)
    except StoreError as error:
        return RunStatus("corrupt", str(error))
    reasons = []
    if manifest["schema"] != SCHEMA:
        reasons.append(f"schema {manifest['schema']}, now {SCHEMA}")
    if manifest["result_version"] != RESULT_VERSION:
        reasons.append(f"result version {manifest['result_version']}, now {RESULT_VERSION}")
    if digest is not None and manifest["digest"] != digest:
        reasons.append(f"data {manifest['digest'][:16]}, here {digest[:16]}")
    if reasons:
        return RunStatus("stale", "; ".join(reasons))
    if manifest["status"] == "diverged":
        return RunStatus("diverged", _diverged(store.table(run, "runs")))
    return RunStatus("complete")


def _diverged(runs: pd.DataFrame) -> str:
    row = runs.iloc[0]
    return (
        f"at step {row['diverged_step']:g} of epoch {row['diverged_epoch']:g}, α = {row['alpha']:g}, seed {row['seed']}"
    )
