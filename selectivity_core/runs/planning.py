"""What a sweep will take, before anything is trained: runs, hours, disk.

A run's cost is measured on a finished run of its setting, or extrapolated from the nearest one.
"""

from __future__ import annotations

import csv
import heapq
import io
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import pandas as pd

from ..data import DATASETS
from ..errors import ParameterError
from ..models import network_of
from ..progress import three_digits
from ..spec import RunSpec, field_names, spec_of
from ..tables import Tables
from .profiles import PROFILES, expand
from .store import RunStore
from .sweeping import at_hand

SHOWN = ("model", "dataset", "width", "train_size", "epochs", "batch_size")  # fields that every plan lists
# Fields that hardly change what a run costs. Whether anything is regularised does, and stands beside the others.
CHEAP = (
    "alpha", "seed", "lr", "milestones", "momentum", "weight_decay", "index", "layers", "warmup_epochs", "estimate",
    "label_corruption", "schedule", "window", "nesterov",
)  # fmt: skip
COSTLY = tuple(name for name in field_names() if name not in CHEAP)
# Bytes of a row of text in a run's tables; tests compare them with real runs.
UNIT_ROW, RESPONSE_ROW, OTHER_ROW = 330, 50, 250


@dataclass(frozen=True)
class Sample:
    """A finished run's cost: seconds, and where it ran."""

    spec: RunSpec
    seconds: float
    device: str
    processor: str


@dataclass(frozen=True)
class Cost:
    """What one run of a setting costs."""

    seconds: float  # by one worker
    bytes: float  # on disk
    measured: bool  # whether a run of this very setting was measured; otherwise it is extrapolated
    sample: Sample  # the run that was measured
    arithmetic: float  # how many times that run's multiply-adds it takes


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


@dataclass(frozen=True)
class Plan:
    """What a sweep will take.

    Attributes:
        settings: a row for each setting, in the order of the specs. Its fields: those of `SHOWN`, others in which the
            settings differ, and whether α is other than 0. Its runs: `wanted`, finished in the `store`, `begun`, in the
            `ledger`, `to train`. Of these `minutes each`, `hours` and `GB`. Where the cost comes from: "measured" or
            "extrapolated", the `run` that it was measured on, how many times the `arithmetic` of that run it takes, and
            the `processor`.
        total: one row: runs wanted, to train, and of these by measured costs; hours of all workers together, GB,
            workers, and the hours until the last run ends, runs being taken in order by whichever worker is free.
    """

    settings: pd.DataFrame
    total: pd.DataFrame

    def __str__(self) -> str:
        """Both tables, as a terminal shows them."""
        return "\n\n".join(
            table.to_string(index=False, float_format=three_digits) for table in (self.settings, self.total)
        )


def plan(
    specs: Iterable[RunSpec],
    store: RunStore,
    *,
    ledger: Tables | None = None,
    use_ledger: bool = False,
    workers: int = 1,
    data: str | Path | None = None,
    tick: Callable[[], object] = lambda: None,
) -> Plan:
    """What a sweep over these specs will take; nothing is trained or written.

    Args:
        specs: the runs wanted.
        store: the store that the sweep will use.
        ledger: the tables of the ledger, whose costs count and whose runs are listed.
        use_ledger: count its runs as finished, as a sweep that reads the ledger does.
        workers: processes that train side by side, here or elsewhere.
        data: the folder of data sets.
        tick: called after every run of the store that is looked at.
    """
    if workers < 1:
        raise ParameterError(f"workers: {workers} given; at least 1 is needed")
    wanted = list(dict.fromkeys(specs))
    held, known, _ = at_hand(wanted, store, ledger, data)
    begun, there = set(store.unfinished()), held | known if use_ledger else held
    samples = measured_costs(store, ledger, tick)
    groups: dict[tuple, list[RunSpec]] = {}
    for spec in wanted:
        groups.setdefault(setting_of(spec), []).append(spec)
    costs = {setting: cost_of(group[0], samples) for setting, group in groups.items()}
    differ = [f for f in COSTLY if len({getattr(group[0], f) for group in groups.values()}) > 1]
    fields = list(dict.fromkeys([*SHOWN, *differ]))
    rows = []
    for setting, group in groups.items():
        cost, train = costs[setting], sum(s.id not in there for s in group)
        rows.append({f: getattr(group[0], f) for f in fields} | {
            "regularised": group[0].alpha != 0, "wanted": len(group), "store": sum(s.id in held for s in group),
            "begun": sum(s.id in begun and s.id not in there for s in group),
            "ledger": sum(s.id in known for s in group), "to train": train, "minutes each": cost.seconds / 60,
            "hours": train * cost.seconds / 3600, "GB": train * cost.bytes / 1e9,
            "cost": "measured" if cost.measured else "extrapolated", "run": cost.sample.spec.id,
            "arithmetic": cost.arithmetic, "processor": cost.sample.processor,
        })  # fmt: skip
    left = [costs[setting_of(s)] for s in wanted if s.id not in there]
    seconds = [cost.seconds for cost in left]
    total = {
        "wanted": len(wanted), "to train": len(left), "by measured costs": sum(cost.measured for cost in left),
        "hours": sum(seconds) / 3600, "GB": sum(cost.bytes for cost in left) / 1e9, "workers": workers,
        "hours until the last ends": makespan(seconds, workers) / 3600,
    }  # fmt: skip
    return Plan(pd.DataFrame(rows), pd.DataFrame([total]))


def papers_grid() -> list[RunSpec]:
    """The papers' full grids: every network at full scale, all its α, all seeds."""
    whole = [(scale, base) for scale in PROFILES.values() if not scale.scaled_down for base in scale.base]
    return [
        spec
        for scale, base in whole
        for spec in expand(base, alphas=scale.alphas_for("", base.model), seeds=range(scale.seeds))
    ]


def setting_of(spec: RunSpec) -> tuple[Any, ...]:
    """What decides a run's cost: runs that agree in it cost the same but for chance."""
    return (*(getattr(spec, name) for name in COSTLY), spec.alpha != 0)


def cost_of(spec: RunSpec, samples: Iterable[Sample]) -> Cost:
    """A run's cost: that of the fastest run of its setting, else of the nearest setting's by their arithmetic.

    The fastest counts because the others shared the machine with more.
    """
    fastest = {setting_of(s.spec): s for s in sorted(samples, key=lambda s: -s.seconds) or REFERENCE}
    same = fastest.get(setting_of(spec))
    found = same or min(fastest.values(), key=lambda s: _distance(s, spec))
    ratio = 1.0 if same else work(spec) / work(found.spec)
    seconds = found.seconds if same else max(1.0, found.seconds * ratio)  # the smallest run takes a second
    return Cost(seconds, estimated_bytes(spec), same is not None, found, ratio)


def _distance(sample: Sample, spec: RunSpec) -> tuple[Any, ...]:
    """How far a measured run is from a setting for the purpose of cost: the same network on the same data first.

    Of others the one whose steps have the most similar arithmetic: what a multiply-add costs depends on that above all,
    and a small network's steps are nearly all overhead. Of runs with the same steps, with or without the regulariser
    alike, the fastest for its arithmetic counts: the others shared the machine with more.
    """
    one = sample.spec
    names = ("model", "dataset", "width", "precision", "threads")
    differ = any(getattr(one, name) != getattr(spec, name) for name in names)
    steps = abs(math.log(_network(one)[0] * one.batch_size / (_network(spec)[0] * spec.batch_size)))
    return (differ, steps, (one.alpha == 0) != (spec.alpha == 0), sample.seconds / work(one))


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
