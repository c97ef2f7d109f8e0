"""Peak memory of unit tables for a network of so many layers, in a process of its own.

python -m benchmarks.memory LAYERS
"""

from __future__ import annotations

import resource
import subprocess
import sys
from pathlib import Path

import torch
from torch import nn

from selectivity_core.models.network import Part, UnitNetwork, Units, mean_over_positions

IMAGES, UNITS, SIZE = 3_000, 128, 4


class Column(UnitNetwork):
    """Layers of 1x1 convolutions, all of one width."""

    def __init__(self, layers: int) -> None:
        super().__init__()
        self.convolutions = nn.ModuleList(nn.Conv2d(UNITS if k else 3, UNITS, 1) for k in range(layers))
        self.units = nn.ModuleList(Units() for _ in range(layers))
        self.fc = nn.Linear(UNITS, 10)
        self.unit_filters = {f"units.{k}": f"convolutions.{k}" for k in range(layers)}

    def parts(self) -> list[Part]:
        """Each layer, then the classifier."""
        pairs = zip(self.convolutions, self.units, strict=True)
        layers = [lambda x, c=convolution, u=units: u(c(x)) for convolution, units in pairs]
        return [*layers, mean_over_positions, self.fc]


def peak() -> int:
    """Bytes of this process's largest resident set so far."""
    status = Path("/proc/self/status")
    if status.exists():  # Linux's ru_maxrss starts from the size of the process that started this one
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
        return 1024 * int(line.split()[1])
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def tables(layers: int) -> int:
    """Bytes by which unit tables of `layers` layers raise this process's peak."""
    from selectivity_core.evaluation import measured_units

    from .images import generated

    torch.set_num_threads(1)
    measured_units(Column(1), generated(10, 10, 100, SIZE), "float32", 0, shuffles=0)  # loads what is loaded once
    model, data = Column(layers), generated(10, 10, IMAGES, SIZE)
    before = peak()
    measured_units(model, data, "float32", 0, shuffles=0)
    return peak() - before


def measured(layers: int) -> int:
    """`tables` in a new process."""
    command = [sys.executable, "-m", "benchmarks.memory", str(layers)]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


if __name__ == "__main__":
    print(tables(int(sys.argv[1])))
