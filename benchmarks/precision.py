"""What bf16 changes: digits runs in both precisions, paired by seed."""

from __future__ import annotations

import tempfile
from typing import Any

from selectivity_core import RunSpec, profile, sweep
from selectivity_core.book.contrasts import label
from selectivity_core.book.inference import mean_of
from selectivity_core.runs.profiles import expand

from .record import number

ALPHAS, SEEDS = (-1.0, 0.0, 1.0), 5
MEASURES = {"test_accuracy": "test accuracy", "si_units": "selectivity index"}


def specs(precision: str, base: RunSpec | None = None, seeds: int = SEEDS) -> list[RunSpec]:
    """Runs of the digits profile in one precision."""
    return expand((base or profile("digits")).replace(precision=precision), alphas=ALPHAS, seeds=range(seeds))


def measure(base: RunSpec | None = None, seeds: int = SEEDS) -> list[dict[str, Any]]:
    """One row for each α and measure: means in both precisions, and the 95 % t interval of the paired difference."""
    with tempfile.TemporaryDirectory(prefix="selectivity-bench-") as folder:
        wanted = [*specs("float32", base, seeds), *specs("bfloat16", base, seeds)]
        runs = sweep(wanted, folder, progress=False).runs
    rows = []
    for alpha in ALPHAS:
        for name, title in MEASURES.items():
            both = runs[runs["alpha"] == alpha].pivot_table(index="seed", columns="precision", values=name)
            found = mean_of(both["bfloat16"] - both["float32"])
            low, high = (number(bound, 4, signed=True) for bound in found.interval())
            rows.append({
                "α": label(alpha), "measure": title, "float32": f"{both['float32'].mean():.3f}",
                "bf16": f"{both['bfloat16'].mean():.3f}", "difference": number(found.mean, 4, signed=True),
                "95 % interval": f"{low} to {high}", "seeds": found.n,
            })  # fmt: skip
    return rows
