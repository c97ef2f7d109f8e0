"""How cost grows: the exponent of time or memory in one size, beside that of the work done.

An exponent is the slope of a straight line through the logarithms, fitted to all sizes.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from functools import partial
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from selectivity_core import build_model, profile, sweep
from selectivity_core.indices import class_means, index_of_means
from selectivity_core.runs.profiles import expand
from selectivity_core.watching import record

from .memory import measured
from .record import number
from .regulariser_step import step
from .sweeps import in_empty_folder
from .timing import in_turn, timed

ROUNDS = 3
STEP = {"width": 8, "classes": 10, "batch": 128}
TERM = {"units": 688, "classes": 10, "batch": 256}  # ResNet20's units
SIZES: dict[str, dict[str, tuple[int, ...]]] = {
    "step": {"width": (8, 16, 32), "classes": (10, 50, 200), "batch": (64, 128, 256)},
    "term": {"units": (688, 2752, 11008), "classes": (10, 50, 200), "batch": (256, 1024, 4096)},
    "sweep": {"runs": (4, 8, 16), "workers": (1, 2)},
    "memory": {"layers": (8, 16, 32)},
}


def exponent(sizes: Sequence[float], costs: Sequence[float]) -> float:
    """Slope of log cost over log size."""
    return float(np.polyfit(np.log(sizes), np.log(costs), 1)[0])


def step_work(width: int, classes: int, batch: int) -> float:
    """Floating-point operations of a ResNet20 training step with the regulariser, as matrix products count them."""
    with torch.device("meta"), torch.random.fork_rng(devices=[]):
        model = build_model("resnet20", channels=3, image_size=32, classes=classes, width=width)
        images = torch.empty(batch, 3, 32, 32)
    with FlopCounterMode(display=False) as counter, record(model) as seen:
        model(images).sum().backward()
    units = sum(activity.shape[1] for activity in seen.values())
    return counter.get_total_flops() + 4.0 * classes * batch * units  # class means and their gradient


def term(units: int, classes: int, batch: int) -> Callable[[], None]:
    """The index of a batch's activity, and its gradient."""
    activity = torch.rand(batch, units, requires_grad=True)
    labels = torch.arange(batch) % classes

    def run() -> None:
        activity.grad = None
        index_of_means(class_means(activity, labels)[2]).mean().backward()

    return run


def sweep_of(runs: int = 8, workers: int = 2) -> Callable[[], None]:
    """A sweep of digits runs of 16 epochs into an empty store."""
    specs = expand(profile("digits").replace(milestones=()).replace(epochs=16), alphas=(0.0,), seeds=range(runs))

    def into(folder: Path) -> None:
        _ = sweep(specs, folder, jobs=workers, progress=False).runs

    return partial(in_empty_folder, into)


def _timed(works: Sequence[Callable[[], object]]) -> list[float]:
    return [statistics.median(times) for times in in_turn(works, ROUNDS)]


def _row(
    cost: str, size: str, sizes: Sequence[int], costs: Sequence[float], work: float, unit: str = "seconds"
) -> dict[str, Any]:
    return {
        "cost": cost, "size": size, "sizes": ", ".join(map(str, sizes)), "measured": amounts(costs, unit),
        "exponent": number(exponent(sizes, costs)), "exponent of the work": number(work),
    }  # fmt: skip


def amounts(costs: Sequence[float], unit: str) -> str:
    """Costs with their unit: seconds, in milliseconds where all are short, or bytes, in MiB."""
    scale, name = (2**20, "MiB") if unit == "bytes" else (1, "s") if max(costs) >= 0.1 else (0.001, "ms")
    return f"{', '.join(f'{c / scale:.3g}' for c in costs)} {name}"


def measure() -> list[dict[str, Any]]:
    """One row for each cost and size: medians of times (of sweeps one each), and memory."""
    rows = []
    for size, sizes in SIZES["step"].items():
        cases = [STEP | {size: value} for value in sizes]
        work = exponent(sizes, [step_work(**case) for case in cases])
        rows.append(_row("a training step", size, sizes, _timed([step("ours", **c) for c in cases]), work))
    for size, sizes in SIZES["term"].items():
        cases = [TERM | {size: value} for value in sizes]
        work = exponent(sizes, [prod(case.values()) for case in cases])
        rows.append(_row("the regulariser's term", size, sizes, _timed([term(**c) for c in cases]), work))
    for size, sizes in SIZES["sweep"].items():
        # Shared by two workers the work is halved; on a machine of one core it could not be.
        work = 1.0 if size == "runs" else -1.0
        rows.append(_row("a sweep", size, sizes, [timed(sweep_of(**{size: value})) for value in sizes], work))
    (sizes,) = SIZES["memory"].values()
    rows.append(_row("peak memory of unit tables", "layers", sizes, [float(measured(k)) for k in sizes], 1.0, "bytes"))
    return rows
