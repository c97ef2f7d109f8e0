"""Where the repository is hosted, if that is known: the addresses at which a notebook opens in Binder or Colab."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
VARIABLE = "SELECTIVITY_REPOSITORY"
_GITHUB = re.compile(r"(?:https://(?:[^@/]+@)?|git@|ssh://git@)github\.com[:/]([\w.-]+/[\w.-]+?)(?:\.git)?/?")
BRANCH = "main"


def repository() -> str | None:
    """Owner and name on GitHub, by SELECTIVITY_REPOSITORY or the remote `origin`; None for any other host."""
    address = os.environ.get(VARIABLE) or _origin()
    found = _GITHUB.fullmatch(address.strip())
    return found[1] if found else None


def _origin() -> str:
    try:
        done = subprocess.run(
            ["git", "-C", str(ROOT), "remote", "get-url", "origin"],
            capture_output=True, text=True, timeout=10, check=True,
        )  # fmt: skip
        return done.stdout
    except (OSError, subprocess.SubprocessError):
        return ""


def links(name: str, notebook: str) -> dict[str, str]:
    """Button -> address, for a notebook at a path in the repository `name`."""
    return {
        "Binder": f"https://mybinder.org/v2/gh/{name}/{BRANCH}?labpath={notebook}",
        "Colab": f"https://colab.research.google.com/github/{name}/blob/{BRANCH}/{notebook}",
    }
