"""What a run costs in time and disk: measured on finished runs of its setting, or extrapolated from the nearest."""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from ..data import DATASETS
from ..errors import ParameterError
from ..models import MODEL_NAMES, build_model
from ..spec import SCHEMA, RunSpec, field_names, spec_of
from ..tables import Tables
from .profiles import PROFILES, expand
from .store import RunStore
from .sweeping import data_digests, ledger_runs, runs_are

if TYPE_CHECKING:
    import pandas as pd

# Fields that hardly change what a run costs. Whether anything is regularised does, and stands beside the others.
CHEAP = (
    "alpha", "seed", "lr", "milestones", "momentum", "weight_decay", "index", "layers", "warmup_epochs", "estimate",
    "label_corruption",
)  # fmt: skip
COSTLY = tuple(name for name in field_names() if name not in CHEAP)
# Of a row of text in a run's tables; tests compare them with real runs.
UNIT_ROW, RESPONSE_ROW, OTHER_ROW = 330, 50, 250

Setting = tuple[Any, ...]


@dataclass(frozen=True)
class Sample:
    """A finished run's costs: seconds, bytes on disk (NaN for a row of the ledger) and where it ran."""

    spec: RunSpec
    seconds: float
    bytes: float
    device: str
    processor: str


@dataclass(frozen=True)
class Cost:
    """What one run of a setting costs.

    Attributes:
        seconds: by one worker; NaN where nothing was ever measured.
        bytes: on disk.
        measured: whether runs of this very setting were measured; otherwise it is extrapolated.
        basis: from what, in words.
    """

    seconds: float
    bytes: float
    measured: bool
    basis: str


def setting_of(spec: RunSpec) -> Setting:
    """What decides a run's cost: runs that agree in it cost the same but for chance."""
    return (*(getattr(spec, name) for name in COSTLY), spec.alpha != 0)


def describe_setting(spec: RunSpec) -> str:
    """A setting in words."""
    parts = [
        f"{MODEL_NAMES[spec.model]} (width {spec.width}) on {spec.train_size:,} images of "
        f"{DATASETS[spec.dataset].title}",
        f"{spec.epochs} epochs", f"batch {spec.batch_size}", "regularised" if spec.alpha else "α = 0",
    ]  # fmt: skip
    if not spec.batch_norm:
        parts.insert(1, "no batch norm")
    return ", ".join(parts)


def cost_of(spec: RunSpec, samples: Iterable[Sample]) -> Cost:
    """A run's cost by the samples of its setting, else by those of the nearest one in proportion to the arithmetic."""
    groups: dict[Setting, list[Sample]] = {}
    for sample in samples:
        groups.setdefault(setting_of(sample.spec), []).append(sample)
    if not groups:
        return Cost(math.nan, estimated_bytes(spec), False, "nothing measured yet; train one run and ask again")
    same = groups.get(setting_of(spec))
    found = same or min(groups.values(), key=lambda g: _distance(g[0].spec, spec))
    seconds = min(s.seconds for s in found)  # the others shared the machine with more
    stored = [s.bytes for s in found if not math.isnan(s.bytes)]
    which = f"fastest of {len(found)} runs" if len(found) > 1 else "1 run"
    where = f"{which} on {', '.join(sorted({s.processor for s in found}))}"
    if same:
        return Cost(seconds, median(stored) if stored else estimated_bytes(spec), True, f"measured: {where}")
    ratio = work(spec) / work(found[0].spec)
    basis = f"extrapolated: {ratio:.3g} times the arithmetic of {describe_setting(found[0].spec)} ({where})"
    return Cost(seconds * ratio, estimated_bytes(spec), False, basis)


def cost_in_words(missing: Sequence[RunSpec], known: pd.DataFrame) -> str:
    """What runs would take on one core, by the fastest finished one of the same network and data.

    The others shared the machine with more.

    Args:
        missing: the runs.
        known: rows of finished runs: model, dataset, epochs, train_size, status, seconds.

    Returns:
        a sentence; that it is not known where no run of such a network and data has finished.
    """
    finished = known[known["status"] == "complete"]  # one that diverged ended early
    total = 0.0
    for spec in missing:
        same = finished[(finished["model"] == spec.model) & (finished["dataset"] == spec.dataset)]
        if not len(same):
            return "What that would cost is not known: no such run has been measured."
        # Time grows with the epochs and with the images of each.
        images = same["epochs"].astype(float) * same["train_size"].astype(float)
        total += float((same["seconds"].astype(float) / images).min()) * spec.epochs * spec.train_size
    basis = "by the fastest finished run of the same network and data"
    return f"That would take about {_duration(total)} of one core, {basis}."


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} minutes" if seconds < 5400 else f"{seconds / 3600:.1f} hours"


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
    shape = DATASETS[spec.dataset]
    return _counts(
        spec.model, shape.image[2], shape.image[0], shape.classes, spec.width, spec.activation, spec.batch_norm,
        spec.dropout,
    )  # fmt: skip


@lru_cache(maxsize=256)
def _counts(
    model: str, channels: int, size: int, classes: int, width: int, activation: str, batch_norm: bool, dropout: float
) -> tuple[int, int, int]:
    """Multiply-adds for one image, numbers that the weights hold, and units; of a network that is never allocated."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    from ..watching import record

    with torch.device("meta"), torch.random.fork_rng(devices=[]):
        network = build_model(
            model, channels=channels, image_size=size, classes=classes, width=width, activation=activation,
            batch_norm=batch_norm, dropout=dropout,
        ).eval()  # fmt: skip
        image = torch.empty(1, channels, size, size)
    with torch.no_grad(), FlopCounterMode(display=False) as counter, record(network) as seen:
        network(image)
    units = sum(activity.shape[1] for activity in seen.values())
    return counter.get_total_flops() // 2, sum(v.numel() for v in network.state_dict().values()), units


COLUMNS = ("setting", "wanted", "store", "begun", "ledger", "to train", "minutes each", "hours", "GB", "cost")


@dataclass(frozen=True)
class PlanLine:
    """The wanted runs of one setting: how many there are, where, and what those to train cost each."""

    setting: str
    wanted: int
    in_store: int
    begun: int
    in_ledger: int
    to_train: int
    cost: Cost


@dataclass(frozen=True)
class Plan:
    """What a sweep will take.

    Attributes:
        lines: by setting, in the order of the specs.
        workers: how many train side by side.
        hours: of all workers together; NaN where a cost is not known.
        makespan: hours until the last run ends, runs being taken in order by whichever worker is free.
        bytes: that the runs to train will take on disk.
    """

    lines: tuple[PlanLine, ...]
    workers: int
    hours: float
    makespan: float
    bytes: float

    def frame(self) -> pd.DataFrame:
        """A row a setting."""
        import pandas as pd

        rows = [
            (x.setting, x.wanted, x.in_store, x.begun, x.in_ledger, x.to_train, x.cost.seconds / 60,
             x.to_train * x.cost.seconds / 3600, x.to_train * x.cost.bytes / 1e9, x.cost.basis)
            for x in self.lines
        ]  # fmt: skip
        return pd.DataFrame(rows, columns=list(COLUMNS))

    def text(self) -> str:
        """The table, where each cost comes from, and the sum; as a terminal shows it."""
        table = self.frame().drop(columns="cost").to_string(index=False, float_format=_round)
        return "\n".join([table, *(f"{line.setting}: {line.cost.basis}" for line in self.lines), self.summary()])

    def summary(self) -> str:
        """One sentence."""
        wanted, left = sum(x.wanted for x in self.lines), sum(x.to_train for x in self.lines)
        if not left:
            return f"All {wanted} runs are there: nothing is to be trained."
        if math.isnan(self.hours):
            return f"{runs_are(left, wanted)} to be trained; how long that takes is not known."
        measured = sum(x.to_train for x in self.lines if x.cost.measured)
        how = "all by measured costs" if measured == left else f"{measured} by measured costs, the rest extrapolated"
        return (
            f"{runs_are(left, wanted)} to be trained ({how}): {_round(self.hours)} hours of work "
            f"and {_round(self.bytes / 1e9)} GB; with {self.workers} workers the last one ends after "
            f"{_round(self.makespan)} hours."
        )


def _round(value: float) -> str:
    """Three digits that count, written out: "441,000"."""
    return f"{float(f'{value:.3g}'):,.12g}"


def plan(
    specs: Iterable[RunSpec],
    store: RunStore,
    *,
    ledger: Tables | None = None,
    use_ledger: bool = True,
    workers: int = 1,
    data: str | Path | None = None,
    tick: Callable[[], object] = lambda: None,
) -> Plan:
    """What a sweep over these specs will take; nothing is trained or written.

    Costs are those of finished runs in the store and the ledger that ran on this machine's kind of device (CPU or
    GPU), or on any where there are none.

    Args:
        specs: the runs wanted.
        store: the store that the sweep will use.
        ledger: the tables of the ledger, whose costs count and whose runs are listed.
        use_ledger: whether its runs need not be trained.
        workers: processes that train side by side, here or elsewhere.
        data: the folder of data sets.
        tick: called after every run of the store that is looked at.

    Raises:
        ParameterError: fewer than one worker.
        StoreError: a run that does not verify.
    """
    if workers < 1:
        raise ParameterError(f"workers: {workers} given; at least 1 is needed")
    wanted = list(dict.fromkeys(specs))
    digests = data_digests(wanted, data)
    held = {s.id for s in wanted if store.holds(s, digests.get(s.dataset))}
    known = ledger_runs(ledger, wanted, held, store, digests, "train") if ledger is not None else set()
    begun = set(store.unfinished())
    samples = on_this_device(measured_costs(store, ledger, tick))
    groups: dict[tuple, list[RunSpec]] = {}
    for spec in wanted:
        groups.setdefault(setting_of(spec), []).append(spec)
    costs = {setting: cost_of(group[0], samples) for setting, group in groups.items()}
    there = held | known if use_ledger else held
    left = [s for s in wanted if s.id not in there]
    lines = []
    for setting, group in groups.items():
        rest = [s for s in left if setting_of(s) == setting]
        lines.append(
            PlanLine(
                setting=describe_setting(group[0]),
                wanted=len(group),
                in_store=sum(s.id in held for s in group),
                begun=sum(s.id in begun for s in rest),
                in_ledger=sum(s.id in known for s in group),
                to_train=len(rest),
                cost=costs[setting],
            )
        )
    seconds = [costs[setting_of(s)].seconds for s in left]
    space = sum(costs[setting_of(s)].bytes for s in left)
    return Plan(tuple(lines), workers, sum(seconds) / 3600, makespan(seconds, workers) / 3600, space)


def papers_grid() -> list[RunSpec]:
    """The papers' full grids: every network at full scale, all its α, all seeds."""
    specs: list[RunSpec] = []
    for scale in PROFILES.values():
        if not scale.scaled_down:
            for base in scale.base:
                specs += expand(base, alphas=scale.alphas_for("", base.model), seeds=range(scale.seeds))
    return specs


def makespan(seconds: Sequence[float], workers: int) -> float:
    """When the last run ends, each being taken in order by the worker that is free first; in the same unit."""
    if any(math.isnan(s) for s in seconds):
        return math.nan
    free = [0.0] * min(workers, max(1, len(seconds)))
    for cost in seconds:
        heapq.heappush(free, heapq.heappop(free) + cost)
    return max(free)


def measured_costs(store: RunStore, ledger: Tables | None, tick: Callable[[], object] = lambda: None) -> list[Sample]:
    """Costs of the runs that were trained to their end, from a store and a ledger; each run once."""
    samples: dict[str, Sample] = {}
    for run in store.ids():
        manifest = store.manifest(run)
        if manifest is not None and manifest["schema"] == SCHEMA and manifest["status"] == "complete":
            size = float(sum(entry["bytes"] for entry in manifest["files"].values()))
            samples[run] = _sample(store.table(run, "runs").to_dict("records")[0], size)
        tick()
    if ledger is not None:
        rows = ledger.runs[(ledger.runs["status"] == "complete") & ~ledger.runs["run"].isin(set(samples))]
        samples |= {row["run"]: _sample(row, math.nan) for row in rows.to_dict("records")}
    return list(samples.values())


def _sample(row: dict, size: float) -> Sample:
    device, processor = str(row["provenance_device"]).partition(":")[0], str(row["provenance_processor"])
    return Sample(spec_of(row), float(row["seconds"]), size, device, processor)


def on_this_device(samples: list[Sample]) -> list[Sample]:
    """The samples of this machine's kind of device, or all where there are none."""
    from ..machine import choose_device

    here = choose_device().type
    return [s for s in samples if s.device == here] or samples
