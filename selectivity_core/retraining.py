"""Whether finished runs can be had again: a random sample of the ledger's is retrained and held against it."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from .errors import MissingRunsError, ParameterError
from .machine import choose_device, provenance
from .rows import spec_of
from .seeds import generator
from .spec import RunSpec, field_names
from .store import RunStore
from .sweeping import describe, sweep
from .tables import RUN_FIGURES, Tables

if TYPE_CHECKING:
    import pandas as pd

LIMIT = 3.0  # standard deviations over seeds, where the machine is another one
JUDGED = ("test_accuracy", "test_loss", "si_units")


@dataclass(frozen=True)
class Agreement:
    """A kept run against the same run trained anew.

    Attributes:
        spec: the run.
        same: whether every figure of its row agrees to the last bit.
        expected: whether it must: processor, torch, device and threads are those of the kept run.
        furthest: of accuracy, cross-entropy and index the largest difference, in standard deviations over the seeds
            that the ledger has of this setting; NaN where they have no spread.
        measure: which of them.
    """

    spec: RunSpec
    same: bool
    expected: bool
    furthest: float
    measure: str

    @property
    def agrees(self) -> bool:
        """Bit for bit where that is expected, else not beyond `LIMIT` standard deviations."""
        return self.same or (not self.expected and not self.furthest > LIMIT)

    def __str__(self) -> str:
        where = "same processor, torch and threads" if self.expected else "another processor, device or torch"
        if self.same:
            return f"{describe(self.spec)}: agrees bit for bit ({where})"
        if np.isnan(self.furthest):
            found = f"{self.measure} differs, with no spread over seeds to hold it against"
        else:
            found = f"{self.measure} differs most, by {self.furthest:.2f} standard deviations over seeds"
        wanted = "bit for bit is expected" if self.expected else f"{LIMIT:g} are allowed"
        return f"{describe(self.spec)}: {'' if self.agrees else 'DISAGREES: '}{found}; {wanted} ({where})"


def sample(kept: Tables, count: int, seed: int) -> list[RunSpec]:
    """Runs of a ledger drawn at random, each once; all where it has fewer.

    Args:
        kept: the ledger.
        count: how many.
        seed: of the draw.

    Raises:
        ParameterError: a count below 1.
        MissingRunsError: the ledger has no run.
    """
    if count < 1:
        raise ParameterError(f"retrain: {count} given; at least 1 run is needed")
    if not len(kept.runs):
        raise MissingRunsError("the ledger has no run to train again")
    rows = kept.runs.sort_values("run").to_dict("records")
    chosen = torch.randperm(len(rows), generator=generator(seed, "retraining"))[:count]
    return [spec_of(rows[k]) for k in chosen.tolist()]


def retrain(specs: Sequence[RunSpec], kept: Tables, *, data: str | Path | None = None) -> list[Agreement]:
    """Trains runs anew, in a store that is thrown away, and holds each against its row in the ledger.

    Args:
        specs: of `sample`.
        kept: the ledger.
        data: the folder of data sets.
    """
    with tempfile.TemporaryDirectory(prefix="selectivity-retrain-") as folder:
        fresh = sweep(specs, RunStore(folder), data=data).runs
    return [_compared(spec, fresh, kept.runs) for spec in specs]


def _compared(spec: RunSpec, fresh: pd.DataFrame, kept: pd.DataFrame) -> Agreement:
    new, old = (frame[frame["run"] == spec.id].iloc[0] for frame in (fresh, kept))
    figures = [*RUN_FIGURES, "status", "diverged_step"]
    same = all(_equal(new[c], old[c]) for c in figures)
    here = provenance(choose_device().type)
    expected = all(old[f"provenance_{name}"] == here[name] for name in ("torch", "device", "processor"))
    like = kept
    for field in (f for f in field_names() if f != "seed"):
        like = like[like[field].map(lambda v, field=field: _equal(v, old[field]))]
    distances = {c: _in_spreads(float(new[c]), float(old[c]), like[c].astype(float).std(ddof=1)) for c in JUDGED}
    if new["status"] != old["status"]:
        return Agreement(spec, False, expected, np.inf, "status")
    # What differs and cannot be judged comes before what is within the limit, and after what is beyond it.
    measure = max(distances, key=lambda c: LIMIT if np.isnan(distances[c]) else distances[c])
    return Agreement(spec, same, expected, distances[measure], measure)


def _in_spreads(new: float, old: float, spread: float) -> float:
    if new == old:
        return 0.0
    return abs(new - old) / spread if spread > 0 else float("nan")


def _equal(a: Any, b: Any) -> bool:
    return bool(a == b or (a != a and b != b))
