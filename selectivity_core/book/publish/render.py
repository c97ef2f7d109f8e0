"""Jupyter Book, called one way."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from ...errors import BookError


def jupyter_book(root: Path, out: Path, *options: str) -> Path:
    """Renders the book in `root` into a folder below `out`, and gives that folder.

    Raises:
        BookError: Jupyter Book is not installed, or failed.
    """
    command = shutil.which("jupyter-book", path=str(Path(sys.executable).parent))
    if command is None:
        raise BookError("jupyter-book is not installed beside this Python; run `make env`")
    print("rendering pages …", flush=True)
    done = subprocess.run(
        [command, "build", ".", "-q", "--path-output", str(out), *options],
        cwd=root, text=True, capture_output=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise BookError(f"jupyter-book failed with exit code {done.returncode}:\n{(done.stdout + done.stderr)[-6000:]}")
    return out / "_build" / "html"
