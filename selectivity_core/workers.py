"""What a worker process is asked to do: train one run, beside the store or without it."""

from __future__ import annotations

import math
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from .checkpoints import Checkpoints, Stopped
from .spec import RunSpec
from .store import RunStore

if TYPE_CHECKING:
    from .run import Result

Attempt = Literal["finished", "stopped", "busy"]


@dataclass(frozen=True)
class Paused:
    """The last checkpoint of a run that its deadline stopped on a worker without the store."""

    name: str
    content: bytes


def train_by_value(
    spec: RunSpec, data: str | Path | None, deadline: float = math.inf, begun: Paused | None = None
) -> Result | Paused | None:
    """Trains a run where there is no store.

    Returns:
        the result; where the deadline stopped the run, its checkpoint; None where it was over before the run began.
    """
    from .run import train

    if time.time() >= deadline:
        return None
    with tempfile.TemporaryDirectory(prefix="selectivity-") as folder:
        checkpoints = Checkpoints(Path(folder), math.inf, deadline)
        if begun is not None:
            checkpoints.put(begun.name, begun.content)
        try:
            return train(spec, data=data, progress=False, checkpoints=checkpoints)
        except Stopped:
            latest = checkpoints.latest()
            return Paused(latest[0], latest[1]) if latest else None


def train_and_store(
    spec: RunSpec, path: Path, data: str | Path | None, deadline: float = math.inf, patience: float = 0.0, *,
    device: str | None = None, progress: bool = False,
) -> Attempt:  # fmt: skip
    """Trains a run unless another process did so meanwhile, from its checkpoint where there is one.

    Returns:
        "finished" where it is in the store, "stopped" by the deadline, or "busy" where another process has been
        training it for `patience` seconds.
    """
    import torch

    from .data import load
    from .run import train

    store, dataset, asked = RunStore(path), load(spec.dataset, data), time.monotonic()
    while time.time() < deadline:
        with store.try_lock(spec) as mine:
            if mine:
                if not store.holds(spec, dataset.digest):
                    checkpoints = store.checkpoints(spec)
                    checkpoints.deadline = deadline
                    where = torch.device(device) if device else None
                    try:
                        result = train(spec, data=dataset, progress=progress, device=where, checkpoints=checkpoints)
                    except Stopped:
                        return "stopped"
                    store.add(result)
                return "finished"
        if time.monotonic() - asked >= patience:
            return "busy"
        time.sleep(0.1)
    return "stopped"
