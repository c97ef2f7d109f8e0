"""The state of an unfinished run on disk, so that it can be taken up again exactly where it stood."""

from __future__ import annotations

import json
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..files import make_folder, replace, sha256
from .manifests import result_version
from .validation import is_litter, printable

if TYPE_CHECKING:
    from torch import Tensor

    from ..training import Trainer

KEEP = 2


class Stopped(Exception):
    """A run was told to stop; its state is saved."""


def _origin(trainer: Trainer) -> dict[str, str]:
    """What a checkpoint must share with the run that takes it up; a change of data or code starts anew."""
    return {"spec": trainer.spec.id, "data": trainer.dataset.digest, "result version": str(result_version())}


def _position(name: str) -> tuple[int, int]:
    epoch, step, *_ = name.split("-")
    return int(epoch), int(step)


def _verified(path: Path) -> bytes | None:
    """The content of a checkpoint whose checksum holds."""
    try:
        content = path.read_bytes()
    except OSError:
        return None
    return content if sha256(content)[:32] == path.stem.rpartition("-")[2] else None


def _misfit(tensors: dict[str, Tensor], trainer: Trainer) -> str | None:
    """The first parameter or buffer that is missing, or of another shape or type than the network's."""
    for name, mine in trainer.model.state_dict().items():
        found = tensors.get(f"model/{name}")
        if found is None or found.shape != mine.shape or found.dtype != mine.dtype:
            return name
    return None


class Checkpoints:
    """Checkpoints of one run in a folder of its own.

    A file's name holds its position in the run and its checksum, so that a damaged one is noticed before it is parsed
    and the one before it is taken instead.

    Args:
        folder: of this run.
        every: seconds between saves; a sixth of them before an epoch's measurement, which can take long.
        stop: asked after every step whether the run is to stop.
        report: called after every step with the share of the run that is done.

    Attributes:
        epochs: a folder where the weights are kept after every epoch; None for nowhere.
    """

    epochs: Path | None = None

    def __init__(
        self, folder: Path, every: float = 60.0, *, stop: Callable[[], bool] = lambda: False,
        report: Callable[[float], object] = lambda _: None,
    ) -> None:  # fmt: skip
        self.folder, self.every, self.stop, self.report = folder, every, stop, report
        self._last = time.monotonic()

    def files(self) -> list[Path]:
        """Checkpoints there are, latest first."""
        return sorted((p for p in self.folder.glob("*.safetensors") if not is_litter(p.name)), reverse=True)

    def latest(self) -> tuple[str, bytes] | None:
        """Name and content of the latest checkpoint that verifies; None without one."""
        return next(((p.name, content) for p in self.files() if (content := _verified(p)) is not None), None)

    def position(self) -> tuple[int, int] | None:
        """Epochs finished and steps taken in the next one by the latest checkpoint that verifies; None without one."""
        found = self.latest()
        return None if found is None else _position(found[0])

    def put(self, name: str, content: bytes) -> None:
        """Adds a checkpoint of the same run that was made elsewhere, as `latest` gave it."""
        make_folder(self.folder)
        replace(self.folder / Path(name).name, content)

    def after_step(self, trainer: Trainer) -> None:
        """Saves the run's state if it is time to, or if the run is to stop.

        Raises:
            Stopped: it is to stop, and its state is saved.
        """
        from safetensors.torch import save

        if self.epochs is not None and trainer.step == trainer.steps_per_epoch:
            # Before any checkpoint: a run that is taken up here takes no further step of this epoch.
            weights = {k: v.detach().cpu().contiguous() for k, v in trainer.model.state_dict().items()}
            replace(make_folder(self.epochs) / f"{trainer.epoch + 1:03d}.safetensors", save(weights))
        if self.stop():
            self.save(trainer)
            raise Stopped
        every = self.every / 6 if trainer.step == trainer.steps_per_epoch else self.every
        if time.monotonic() - self._last >= every:
            self.save(trainer)
        self.report((trainer.epoch + trainer.step / trainer.steps_per_epoch) / trainer.spec.epochs)

    def save(self, trainer: Trainer) -> None:
        """Saves the run's state now; the earlier checkpoint stays until a later one is safe."""
        from safetensors.torch import save

        tensors, rest = trainer.state()
        origin = _origin(trainer)
        plain = {k: v.detach().cpu().contiguous() for k, v in tensors.items()}
        content = save(plain, metadata={"state": json.dumps(rest), **origin})
        # The origin is in the file's name: checkpoints of another one are neither used nor removed.
        tag = sha256(json.dumps(origin).encode())[:8]
        path = self.folder / f"{trainer.epoch:06d}-{trainer.step:08d}-{tag}-{sha256(content)[:32]}.safetensors"
        make_folder(self.folder)
        replace(path, content)
        self._last = time.monotonic()
        if _verified(path) is None:
            _say(path, "does not read back as written, the checkpoint before it stays")
            path.unlink()
            return
        own = [p for p in self.files() if f"-{tag}-" in p.name and p != path]
        before = [p for p in own if _position(p.name) < _position(path.name)]
        for old in own:  # those not before it did not verify, or this run would have begun there
            if old not in before[: KEEP - 1]:
                old.unlink(missing_ok=True)

    def restore(self, trainer: Trainer) -> bool:
        """Takes up the latest checkpoint that verifies; says on stderr which files do not. True where there was one.

        What a killed process left half-written is removed: the run has one writer, who calls this.
        """
        from safetensors import SafetensorError, safe_open

        for part in self.folder.glob(".*.part"):
            part.unlink(missing_ok=True)
        for path in self.files():
            if _verified(path) is None:
                _say(path, "damaged, the checkpoint before it is used")
                continue
            try:
                with safe_open(path, framework="pt") as file:
                    metadata: dict[str, str] = file.metadata() or {}
                    tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
                rest: dict[str, Any] = json.loads(metadata.get("state", "{}"))
            except (SafetensorError, ValueError, RecursionError, OSError) as error:
                _say(path, f"cannot be read ({printable(error)}), it is not used")
                continue
            if odd := [k for k, v in _origin(trainer).items() if metadata.get(k) != v]:
                _say(path, f"of another {' and '.join(odd)}, it is not used")
                continue
            if name := _misfit(tensors, trainer):
                _say(path, f"its {name} does not fit the network, it is not used")
                continue
            trainer.load_state(tensors, rest)
            return True
        return False

    def clear(self) -> None:
        """Removes the folder; the run is finished."""
        shutil.rmtree(self.folder, ignore_errors=True)


def _say(path: Path, what: str) -> None:
    print(f"{path}: {what}", file=sys.stderr)
