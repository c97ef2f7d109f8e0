"""What a run costs in time and disk: measured on a finished run of its setting, or extrapolated from the nearest."""

from __future__ import annotations

import csv
import heapq
import io
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from ..data import DATASETS
from ..models import network_of
from ..spec import RunSpec, field_names, spec_of

if TYPE_CHECKING:
    import pandas as pd

    from ..tables import Tables
    from .store import RunStore

# Fields that hardly change what a run costs. Whether anything is regularised does, and stands beside the others.
CHEAP = (
    "alpha", "seed", "lr", "milestones", "momentum", "weight_decay", "index", "layers", "warmup_epochs", "estimate",
    "label_corruption", "schedule", "window", "nesterov",
)  # fmt: skip
COSTLY = tuple(name for name in field_names() if name not in CHEAP)
# Bytes of a row of text in a run's tables; tests compare them with real runs.
UNIT_ROW, RESPONSE_ROW, OTHER_ROW = 330, 50, 250

Setting = tuple[Any, ...]


@dataclass(frozen=True)
class Sample:
    """A finished run's cost: seconds, and where it ran."""

    spec: RunSpec
    seconds: float
    device: str
    processor: str


@dataclass(frozen=True)
class Cost:
    """What one run of a setting costs.

    Attributes:
        seconds: by one worker.
        bytes: on disk.
        measured: whether a run of this very setting was measured; otherwise it is extrapolated.
        sample: the run that was measured.
        arithmetic: how many times that run's multiply-adds it takes.
    """

    seconds: float
    bytes: float
    measured: bool
    sample: Sample
    arithmetic: float


# By these where neither store nor ledger has a run: small images are nearly all overhead, larger ones arithmetic.
REFERENCE = (
    Sample(RunSpec(), 4.9, "cpu", "a core of an AMD EPYC"),
    Sample(
        RunSpec(
            dataset="cifar10", epochs=8, batch_size=256, milestones=(4, 6), width=16, train_size=45_000, augment=True,
            precision="bfloat16",
        ),
        523.0, "cpu", "a core of an AMD EPYC",
    ),
)  # fmt: skip


def setting_of(spec: RunSpec) -> Setting:
    """What decides a run's cost: runs that agree in it cost the same but for chance."""
    return (*(getattr(spec, name) for name in COSTLY), spec.alpha != 0)


def cost_of(spec: RunSpec, samples: Iterable[Sample]) -> Cost:
    """A run's cost: that of the fastest run of its setting, else of the nearest setting's by their arithmetic.

    The fastest counts because the others shared the machine with more.
    """
    fastest: dict[Setting, Sample] = {}
    for sample in sorted(samples, key=lambda s: -s.seconds) or REFERENCE:
        fastest[setting_of(sample.spec)] = sample
    same = fastest.get(setting_of(spec))
    found = same or min(fastest.values(), key=lambda s: _distance(s.spec, spec))
    ratio = 1.0 if same else work(spec) / work(found.spec)
    seconds = found.seconds if same else max(1.0, found.seconds * ratio)  # the smallest run takes a second
    return Cost(seconds, estimated_bytes(spec), same is not None, found, ratio)


def _distance(one: RunSpec, other: RunSpec) -> tuple[Any, ...]:
    """How far two settings are apart for the purpose of cost: the same network on the same data first.

    Of others the one whose steps have the most similar arithmetic: what a multiply-add costs depends on that above all,
    and a small network's steps are nearly all overhead.
    """
    names = ("model", "dataset", "width", "precision", "threads")
    differ = any(getattr(one, name) != getattr(other, name) for name in names)
    steps = abs(math.log(_step(one) / _step(other)))
    return (differ, steps, (one.alpha == 0) != (other.alpha == 0), abs(math.log(work(one) / work(other))))


def _step(spec: RunSpec) -> float:
    """Multiply-adds of one pass over a batch."""
    return float(_network(spec)[0] * spec.batch_size)


def work(spec: RunSpec) -> float:
    """Arithmetic of a run in multiply-adds: three passes over training images, one over those it is measured on."""
    shape = DATASETS[spec.dataset]
    passes = 3 * spec.train_size + shape.validation + shape.test
    return float(_network(spec)[0] * passes * spec.epochs)


def estimated_bytes(spec: RunSpec) -> float:
    """Disk of a finished run: two sets of 32-bit weights, and tables by their numbers of rows."""
    _, parameters, units = _network(spec)
    classes = DATASETS[spec.dataset].classes
    return float(8 * parameters + units * (UNIT_ROW + classes * RESPONSE_ROW) + OTHER_ROW * (spec.epochs + 20))


def _network(spec: RunSpec) -> tuple[int, int, int]:
    """Multiply-adds for one image, numbers that the weights hold, and units; of a network that is never allocated."""
    return _counts(spec.replace(alpha=0.0, seed=0))


@lru_cache(maxsize=256)
def _counts(spec: RunSpec) -> tuple[int, int, int]:
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    from ..watching import record

    height, width, channels = DATASETS[spec.dataset].image
    with torch.device("meta"), torch.random.fork_rng(devices=[]):
        network = network_of(spec).eval()
        image = torch.empty(1, channels, height, width)
    with torch.no_grad(), FlopCounterMode(display=False) as counter, record(network) as seen:
        network(image)
    units = sum(activity.shape[1] for activity in seen.values())
    return counter.get_total_flops() // 2, sum(v.numel() for v in network.state_dict().values()), units


def makespan(seconds: Sequence[float], workers: int) -> float:
    """When the last run ends, each being taken in order by the worker that is free first; in the same unit."""
    free = [0.0] * max(1, min(workers, len(seconds)))
    for cost in seconds:
        heapq.heapreplace(free, free[0] + cost)
    return max(free)


def measured_costs(store: RunStore, ledger: Tables | None, tick: Callable[[], object] = lambda: None) -> list[Sample]:
    """Costs of runs that were trained to their end, in a store and a ledger, on this machine's kind of device.

    Those of any device where there are none. One that diverged ended early and does not count.
    """
    from ..machine import choose_device

    samples = []
    for run, manifest in store.current().items():
        content = store.content(run, "runs.csv") if manifest["status"] == "complete" else None
        if content is not None:
            row = next(csv.DictReader(io.StringIO(content.decode())))
            samples.append(_sample(RunSpec.from_dict(manifest["spec"]), row))
        tick()
    samples += samples_of(ledger.runs) if ledger is not None else []
    here = choose_device().type
    return [s for s in samples if s.device == here] or samples


def samples_of(runs: pd.DataFrame) -> list[Sample]:
    """The fastest run of every setting among rows of the table of runs, by kind of device."""
    runs = runs[runs["status"] == "complete"]
    runs = runs.assign(regularised=runs["alpha"] != 0, kind=runs["provenance_device"].str.split(":").str[0])
    fields = [name for name in COSTLY if name in runs]
    fastest = runs.sort_values("seconds", kind="stable").drop_duplicates([*fields, "regularised", "kind"])
    return [_sample(spec_of(row), row) for row in fastest.to_dict("records")]


def _sample(spec: RunSpec, row: dict[Any, Any]) -> Sample:
    device = str(row["provenance_device"]).partition(":")[0]
    return Sample(spec, float(row["seconds"]), device, str(row["provenance_processor"]))
