"""`make bench`: every ratio measured in one run, kept in files, printed, and held against its limits.

python -m benchmarks [--only ROW ...] [--threads 1]
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from typing import Any

import pandas as pd
import torch

from selectivity_core.errors import SelectivityError
from selectivity_core.progress import bar

from . import (
    ablation,
    accuracy,
    book,
    epoch,
    growth,
    imports,
    off_axis,
    precision,
    pwcca,
    record,
    regulariser_step,
    sweeps,
    unit_tables,
)  # fmt: skip
from .limits import ROWS
from .timing import Paired

GROUPS: dict[str, tuple[Callable[[], dict[str, Paired]], tuple[str, ...]]] = {
    "accuracy": (accuracy.measure, ("accuracy-85", "accuracy-85-trainer", "accuracy-end", "accuracy-end-trainer")),
    "step": (regulariser_step.measure, ("step", "step-hooks")),
    "epoch": (epoch.measure, ("epoch", "peak")),
    "sweep": (sweeps.measure, ("sweep",)),
    "ablation": (ablation.measure, ("ablation-mlp", "ablation-convnet", "importance")),
    "pwcca": (pwcca.measure, ("pwcca",)),
    "unit-tables": (unit_tables.measure, ("unit-tables",)),
    "import": (imports.measure, ("import", "import-all")),
    "off-axis": (off_axis.measure, ("off-axis-64", "off-axis-256")),
    "book": (book.measure, ("book",)),
}
TABLES: dict[str, Callable[[], list[dict[str, Any]]]] = {"growth": growth.measure, "precision": precision.measure}


def chosen(only: Sequence[str]) -> list[str]:
    """Groups and tables that hold the rows asked for; all where none is."""
    if not only:
        return [*GROUPS, *TABLES]
    groups = {name: group for group, (_, rows) in GROUPS.items() for name in (group, *rows)}
    groups |= {name: name for name in TABLES}
    return list(dict.fromkeys(groups[name] for name in only))


def run(only: Sequence[str], threads: int) -> bool:
    """Measures, writes and prints; whether every limit held.

    Raises:
        StoreError: the files are another machine's and only some rows are asked for, or cannot be written.
    """
    now = record.machine(threads)
    if only:
        record.check_machine(now)
    kept = record.read_ratios() if only else {}
    tables: dict[str, pd.DataFrame | list[dict[str, Any]]] = {}
    torch.set_num_threads(threads)
    names = chosen(only)
    with bar("benchmarks", len(names), "group") as shown:
        for name in names:
            shown.set_postfix_str(name)
            if name in TABLES:
                tables[name] = TABLES[name]()
            else:
                try:
                    kept |= GROUPS[name][0]()
                except book.NotMeasured as error:
                    print(f"{name}: {error}", file=sys.stderr)
            shown.update()
    rows = {key: kept[key] for key in ROWS if key in kept}
    table = record.summary(rows)
    tables |= {"times": record.times(rows), "rows": table, "machine": list_of(now)}
    record.write(tables)
    with pd.option_context("display.width", 250, "display.max_columns", None, "display.max_colwidth", 90):
        for shown_table in (table, *(pd.DataFrame(tables[name]) for name in TABLES if name in tables)):
            print(shown_table.to_string(index=False), end="\n\n")
    return not (table["verdict"] == "missed").any()


def list_of(machine: dict[str, str]) -> list[dict[str, str]]:
    """The machine as a table of two columns."""
    return [{"what": name, "value": value} for name, value in machine.items()]


def main() -> int:
    """0 where every limit held, 1 where one was missed, 2 where nothing could be measured."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    allowed = sorted({*GROUPS, *TABLES, *ROWS})
    parser.add_argument("--only", nargs="+", default=[], choices=allowed, metavar="ROW", help=", ".join(allowed))
    parser.add_argument("--threads", type=int, default=1, help="of each piece of work that does not say otherwise")
    given = parser.parse_args()
    try:
        return 0 if run(given.only, given.threads) else 1
    except SelectivityError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
