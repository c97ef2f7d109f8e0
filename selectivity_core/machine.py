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


# Settings of a user that narrow what the libraries choose of a processor's instructions.
LIMITS = ("ATEN_CPU_CAPABILITY", "ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA", "MKL_ENABLE_INSTRUCTIONS", "MKL_CBWR")
VECTOR = ("avx", "amx", "fma", "sve", "bf16", "fp16", "i8mm")  # how the names of instructions for arithmetic begin


@lru_cache(maxsize=1)
def instructions() -> str:
    """What torch and oneDNN choose their arithmetic by: torch's own choice, what the processor has, and `LIMITS`.

    oneDNN's choice cannot be asked of torch; it follows from the processor's instructions and the limits.
    """
    import torch

    found = torch.cpu.get_capabilities()
    has = sorted(name for name, there in found.items() if there is True and name.startswith(VECTOR))
    limits = [f"{name}={os.environ[name]}" for name in LIMITS if os.environ.get(name)]
    return " ".join([torch.backends.cpu.get_cpu_capability(), *has, *limits])


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
    """Package version and commit, torch version, device and processor names, instruction sets."""
    import torch

    name = torch.cuda.get_device_name(device) if device.startswith("cuda") else cpu_name()
    return {
        "version": version(), "commit": commit(), "torch": torch.__version__, "device": device, "processor": name,
        "instructions": instructions(),
    }  # fmt: skip
