"""What a sweep will take, before anything is trained."""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from .costs import Cost, Sample, cost_of, describe_setting, setting_of
from .errors import ParameterError
from .profiles import PROFILES, expand
from .rows import spec_of
from .spec import RunSpec
from .store import RunStore
from .sweeping import data_digests, ledger_runs, runs_are
from .tables import Tables

if TYPE_CHECKING:
    import pandas as pd

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
        if manifest is not None and manifest["status"] == "complete":
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
    from .machine import choose_device

    here = choose_device().type
    return [s for s in samples if s.device == here] or samples
