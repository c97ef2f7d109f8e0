"""How long imports take, each in an interpreter of its own."""

from __future__ import annotations

import subprocess
import sys

from .timing import Paired, in_turn

EVERY_NAME = "import selectivity_core as s; [getattr(s, name) for name in s.__all__]"


def run(code: str) -> None:
    """Runs a line of Python in a new interpreter.

    Raises:
        CalledProcessError: it fails.
    """
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def measure() -> dict[str, Paired]:
    """Both ratios."""
    codes = ("import selectivity_core", EVERY_NAME, "import torch")
    package, names, torch = in_turn([lambda code=code: run(code) for code in codes], rounds=7)
    return {"import": Paired(package, torch), "import-all": Paired(names, torch)}
