"""The files that hold what was measured: the book's page on performance is made from them."""

from __future__ import annotations

import math
import os
import platform
import statistics
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from selectivity_core.errors import StoreError
from selectivity_core.files import make_folder, replace
from selectivity_core.machine import commit, cpu_name, version

from .limits import ROWS
from .timing import Paired

FOLDER = Path(__file__).resolve().parent / "measured"
SAME = ("processor", "cores", "torch")  # what must agree for new rows to stand beside old ones


def machine(threads: int) -> dict[str, str]:
    """What was measured on, in words."""
    return {
        "processor": cpu_name(), "cores": str(os.cpu_count()), "threads": str(threads),
        "system": f"{platform.system()} {platform.machine()}", "python": platform.python_version(),
        "torch": torch.__version__, "package": f"{version()} ({commit() or 'no checkout'})",
        "measured": datetime.now(UTC).strftime("%Y-%m-%d"),
        "load when it began": f"{os.getloadavg()[0]:.1f}",  # beyond the cores, others were at work
    }  # fmt: skip


def read_ratios(folder: Path = FOLDER) -> dict[str, Paired]:
    """Row -> the times kept; empty where nothing was measured yet."""
    path = folder / "times.csv"
    if not path.exists():
        return {}
    found = pd.read_csv(path)
    return {
        str(row): Paired(tuple(part["seconds"]), tuple(part["peer seconds"]), float(part["scale"].iloc[0]))
        for row, part in found.groupby("row", sort=False)
    }


def check_machine(now: Mapping[str, str], folder: Path = FOLDER) -> None:
    """Refuses to put rows of this machine beside rows of another.

    Raises:
        StoreError: the files are of another processor or torch.
    """
    path = folder / "machine.csv"
    if not path.exists():
        return
    kept = dict(pd.read_csv(path, dtype=str).itertuples(index=False))
    for name in SAME:
        if kept.get(name) != now[name]:
            raise StoreError(
                f"{path}: measured with {name} {kept.get(name)}, here it is {now[name]}; measure all rows (no --only)"
            )


def summary(found: Mapping[str, Paired]) -> pd.DataFrame:
    """The table that is printed and shown: one line for each row. Times are of equal amounts of work."""
    lines = []
    measured = ("takes", "peer takes", "median", "from", "to", "pairs")
    for key, row in ROWS.items():
        line = {"work": row.work, "against": row.against}
        sign = "≥ " if row.at_least else "≤ "
        line |= {
            name: "" if v is None else f"{sign}{v:g}" for name, v in (("must", row.must), ("hoped for", row.hoped))
        }
        if key in found:
            ratios, scale = found[key].ratios, found[key].scale
            line["takes"] = lasting(scale * statistics.median(found[key].seconds))
            line["peer takes"] = lasting(statistics.median(found[key].peer_seconds))
            line |= {"median": f"{found[key].median:.3g}", "from": f"{min(ratios):.3g}", "to": f"{max(ratios):.3g}"}
            line |= {"pairs": str(len(ratios)), "verdict": row.verdict(found[key])}
        else:
            line |= dict.fromkeys(measured, "") | {"verdict": "not measured"}
        lines.append(line)
    return pd.DataFrame(lines)[["work", "against", *measured, "must", "hoped for", "verdict"]]


def lasting(seconds: float) -> str:
    """A time of three digits, in minutes from 90 s on."""
    return f"{seconds / 60:.3g} min" if seconds >= 90 else f"{seconds:.3g} s"


def times(found: Mapping[str, Paired]) -> pd.DataFrame:
    """Every time, round by round."""
    lines = [
        {"row": key, "round": k, "seconds": f"{a:.6g}", "peer seconds": f"{b:.6g}", "scale": f"{paired.scale:.9g}"}
        for key, paired in found.items()
        for k, (a, b) in enumerate(zip(paired.seconds, paired.peer_seconds, strict=True))
    ]
    return pd.DataFrame(lines, columns=["row", "round", "seconds", "peer seconds", "scale"])


def write(tables: Mapping[str, pd.DataFrame | list[dict[str, Any]]], folder: Path = FOLDER) -> None:
    """Puts tables, by file name, into the folder; each appears whole."""
    make_folder(folder)
    for name, table in tables.items():
        replace(folder / f"{name}.csv", pd.DataFrame(table).to_csv(index=False).encode())


def number(value: float, digits: int = 2, *, signed: bool = False, unit: str = "") -> str:
    """A number with so many decimals and its unit: a true minus, none before a zero; a dash where there is none."""
    if math.isnan(value):
        return "–"
    rounded = round(value, digits) + 0.0
    return f"{rounded:{'+' if signed and rounded else ''}.{digits}f}{unit}".replace("-", "−")
