"""What a sweep will take, before anything is trained: runs, hours, disk."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import ParameterError
from ..progress import three_digits
from ..spec import RunSpec
from .costs import Cost, costs_of, describe_setting, makespan, measured_costs, setting_of
from .profiles import PROFILES, expand
from .sweeping import at_hand, runs_are

if TYPE_CHECKING:
    import pandas as pd

    from ..tables import Tables
    from .store import RunStore

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
        hours: of all workers together.
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
        table = self.frame().drop(columns="cost").to_string(index=False, float_format=three_digits)
        return "\n".join([table, *(f"{line.setting}: {line.cost.basis}" for line in self.lines), self.summary()])

    def summary(self) -> str:
        """The sum of all lines."""
        wanted, left = sum(x.wanted for x in self.lines), sum(x.to_train for x in self.lines)
        if not left:
            return f"All {wanted} runs are there: nothing is to be trained."
        measured = sum(x.to_train for x in self.lines if x.cost.measured)
        how = "all by measured costs" if measured == left else f"{measured} by measured costs, the rest extrapolated"
        return (
            f"{runs_are(left, wanted)} to be trained ({how}): {three_digits(self.hours)} hours of work "
            f"and {three_digits(self.bytes / 1e9)} GB; with {self.workers} workers the last one ends after "
            f"{three_digits(self.makespan)} hours."
        )


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
    held, known, _ = at_hand(wanted, store, ledger, data)
    begun, there = set(store.unfinished()), held | known if use_ledger else held
    costs = costs_of(wanted, measured_costs(store, ledger, tick))
    groups: dict[tuple, list[RunSpec]] = {}
    for spec in wanted:
        groups.setdefault(setting_of(spec), []).append(spec)
    lines = [
        PlanLine(
            setting=describe_setting(group[0]),
            wanted=len(group),
            in_store=sum(s.id in held for s in group),
            begun=sum(s.id in begun and s.id not in there for s in group),
            in_ledger=sum(s.id in known for s in group),
            to_train=sum(s.id not in there for s in group),
            cost=costs[setting],
        )
        for setting, group in groups.items()
    ]
    left = [costs[setting_of(s)] for s in wanted if s.id not in there]
    seconds = [cost.seconds for cost in left]
    return Plan(
        tuple(lines), workers, sum(seconds) / 3600, makespan(seconds, workers) / 3600, sum(cost.bytes for cost in left)
    )


def papers_grid() -> list[RunSpec]:
    """The papers' full grids: every network at full scale, all its α, all seeds."""
    specs: list[RunSpec] = []
    for scale in PROFILES.values():
        if not scale.scaled_down:
            for base in scale.base:
                specs += expand(base, alphas=scale.alphas_for("", base.model), seeds=range(scale.seeds))
    return specs
