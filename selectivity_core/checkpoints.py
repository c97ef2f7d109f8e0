"""The state of an unfinished run on disk, so that it can be taken up again exactly where it stood."""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING

from .files import make_folder, replace, sha256

if TYPE_CHECKING:
    from .training import Trainer

KEEP = 2


def _origin(trainer: Trainer) -> dict[str, str]:
    """What a checkpoint must share with the run that takes it up; a change of data or code starts anew."""
    from .training import RESULT_VERSION

    return {"spec": trainer.spec.id, "data": trainer.dataset.digest, "result version": str(RESULT_VERSION)}


class Checkpoints:
    """Checkpoints of one run in a folder of its own.

    A file's name holds its place in the run and its checksum, so that a damaged one is noticed before it is parsed
    and the one before it is taken instead.

    Args:
        folder: of this run.
        every: seconds between saves; runs shorter than that leave none.
    """

    def __init__(self, folder: Path, every: float = 60.0) -> None:
        self.folder, self.every = folder, every
        self._last = time.monotonic()

    def files(self) -> list[Path]:
        """Checkpoints there are, latest first."""
        return sorted(self.folder.glob("*.safetensors"), reverse=True)

    def save(self, trainer: Trainer, *, now: bool = False) -> None:
        """Saves the run's state if it is time to (or `now`); the earlier checkpoint stays until a later one is safe."""
        if not now and time.monotonic() - self._last < self.every:
            return
        from safetensors.torch import save

        tensors, rest = trainer.state()
        metadata = {"state": json.dumps(rest), **_origin(trainer)}
        plain = {k: v.detach().cpu().contiguous() for k, v in tensors.items()}
        content = save(plain, metadata=metadata)
        make_folder(self.folder)
        name = f"{trainer.epoch:06d}-{trainer.step:08d}-{sha256(content)[:32]}.safetensors"
        replace(self.folder / name, content)
        for old in self.files()[KEEP:]:
            old.unlink(missing_ok=True)
        self._last = time.monotonic()

    def restore(self, trainer: Trainer) -> bool:
        """Takes up the latest checkpoint that verifies; says on stderr which files do not. True where there was one."""
        import sys

        from safetensors import safe_open

        for path in self.files():
            if sha256(path.read_bytes())[:32] != path.stem.rpartition("-")[2]:
                print(f"{path}: damaged, the checkpoint before it is used", file=sys.stderr)
                continue
            with safe_open(path, framework="pt") as file:
                metadata = file.metadata()
                odd = [k for k, v in _origin(trainer).items() if metadata.get(k) != v]
                if odd:
                    print(f"{path}: of another {' and '.join(odd)}, it is not used", file=sys.stderr)
                    continue
                tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
            trainer.load_state(tensors, json.loads(metadata["state"]))
            return True
        return False

    def clear(self) -> None:
        """Removes the folder; the run is finished."""
        shutil.rmtree(self.folder, ignore_errors=True)
