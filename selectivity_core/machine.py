"""The machine that a run is made on: where it is trained, and what its results say of package, torch and processor."""

from __future__ import annotations

import os
import platform
import subprocess
from functools import lru_cache
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


@lru_cache(maxsize=1)
def commit() -> str:
    """The commit of the checkout that the package runs from ("+" behind it where files differ), or ""."""
    root = Path(__file__).resolve().parent.parent
    try:
        run = lambda *args: subprocess.run(  # noqa: E731
            ["git", "-C", str(root), *args], capture_output=True, text=True, timeout=10, check=True
        ).stdout.strip()
        if Path(run("rev-parse", "--show-toplevel")).resolve() != root:
            return ""
        changed = run("status", "--porcelain", "--", "selectivity_core")
        return run("rev-parse", "--short=12", "HEAD") + ("+" if changed else "")
    except (OSError, subprocess.SubprocessError):
        return ""


@lru_cache(maxsize=1)
def cpu_name() -> str:
    """The processor's model name."""
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def version() -> str:
    """The package's version, or "" where it runs uninstalled."""
    try:
        return metadata.version("selectivity-core")
    except metadata.PackageNotFoundError:
        return ""


def choose_device() -> torch.device:
    """SELECTIVITY_DEVICE where it is set, else a GPU where there is one, else the CPU."""
    import torch

    given = os.environ.get("SELECTIVITY_DEVICE")
    return torch.device(given or ("cuda" if torch.cuda.is_available() else "cpu"))


def provenance(device: str) -> dict[str, str]:
    """Package version and commit, torch version, device and processor names."""
    import torch

    name = torch.cuda.get_device_name(device) if device.startswith("cuda") else cpu_name()
    return {"version": version(), "commit": commit(), "torch": torch.__version__, "device": device, "processor": name}
