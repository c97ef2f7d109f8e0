"""What a run was made with: package, torch, processor. It stands beside results and never decides them."""

from __future__ import annotations

import platform
import subprocess
from functools import lru_cache
from importlib import metadata
from pathlib import Path


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


def provenance(device: str) -> dict[str, str]:
    """Package version and commit, torch version, device and processor names."""
    import torch

    name = torch.cuda.get_device_name(device) if device.startswith("cuda") else cpu_name()
    return {"version": version(), "commit": commit(), "torch": torch.__version__, "device": device, "processor": name}
