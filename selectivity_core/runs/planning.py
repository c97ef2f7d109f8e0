"""What a sweep will take, before anything is trained: runs, hours, disk."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import ParameterError
from ..progress import three_digits
from ..spec import RunSpec
from .costs import COSTLY, cost_of, makespan, measured_costs, setting_of
from .profiles import PROFILES, expand
from .sweeping import at_hand

if TYPE_CHECKING:
    import pandas as pd

    from ..tables import Tables
    from .store import RunStore

SHOWN = ("model", "dataset", "width", "train_size", "epochs", "batch_size")  # fields that every plan lists


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

    Costs are those of finished runs in the store and the ledger that ran on this machine's kind of device (CPU or
    GPU), or on any where there are none.

    Args:
        specs: the runs wanted.
        store: the store that the sweep will use.
        ledger: the tables of the ledger, whose costs count and whose runs are listed.
        use_ledger: count its runs as finished, as a sweep that reads the ledger does.
        workers: processes that train side by side, here or elsewhere.
        data: the folder of data sets.
        tick: called after every run of the store that is looked at.

    Raises:
        ParameterError: fewer than one worker.
        StoreError: a run that does not verify.
    """
    import pandas as pd

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
        rows.append(
            {f: getattr(group[0], f) for f in fields}
            | {"regularised": group[0].alpha != 0, "wanted": len(group), "store": sum(s.id in held for s in group)}
            | {"begun": sum(s.id in begun and s.id not in there for s in group)}
            | {"ledger": sum(s.id in known for s in group), "to train": train, "minutes each": cost.seconds / 60}
            | {"hours": train * cost.seconds / 3600, "GB": train * cost.bytes / 1e9}
            | {"cost": "measured" if cost.measured else "extrapolated", "run": cost.sample.spec.id}
            | {"arithmetic": cost.arithmetic, "processor": cost.sample.processor}
        )
    settings = pd.DataFrame(rows)
    left = [costs[setting_of(s)] for s in wanted if s.id not in there]
    seconds = [cost.seconds for cost in left]
    total = {
        "wanted": len(wanted), "to train": len(left), "by measured costs": sum(cost.measured for cost in left),
        "hours": sum(seconds) / 3600, "GB": sum(cost.bytes for cost in left) / 1e9, "workers": workers,
        "hours until the last ends": makespan(seconds, workers) / 3600,
    }  # fmt: skip
    return Plan(settings, pd.DataFrame([total]))


def papers_grid() -> list[RunSpec]:
    """The papers' full grids: every network at full scale, all its α, all seeds."""
    specs: list[RunSpec] = []
    for scale in PROFILES.values():
        if not scale.scaled_down:
            for base in scale.base:
                specs += expand(base, alphas=scale.alphas_for("", base.model), seeds=range(scale.seeds))
    return specs
