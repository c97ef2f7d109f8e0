"""The one reader of tables on disk, and what values and rows they can have.

Nothing here trusts what it reads. A fault is a ValueError, or a string in a list, of one printable line that names the
table, the column, the row, the value and what is allowed.
"""

from __future__ import annotations

import io
import lzma
import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import SpecError
from ..spec import LATER, spec_of
from ..tables import COLUMNS, LATE_MEASURES, MEASURES, PROVENANCE, RUN_NUMBERS, SHUFFLED

if TYPE_CHECKING:
    import pandas as pd

TABLES = ("runs", "history", "layers", "units", "responses")  # what a run leaves
DERIVED = (  # what is worked out of finished runs
    "pairs", "bounds", "curves", "importances", "damage", "classes", "unit_epochs", "probes", "robustness",
    "dimensions",
)  # fmt: skip
RUN_ID = re.compile("[0-9a-f]{16}")
LITTER = {"@eaDir", "__MACOSX", "Thumbs.db", "desktop.ini", "lost+found"}  # what systems leave in folders unasked

TEXT = ("run", "other", "analysis", "layer", "form", "kind", "perturbation", "images")
RUN_TEXT = (
    "run", "model", "dataset", "index", "milestones", "window", "schedule", "layers", "activation", "estimate",
    "precision", "rounding", "status", "started", *(f"provenance_{name}" for name in PROVENANCE),
)  # fmt: skip
# Columns of `runs` that came later, each with what runs without it have.
ABSENT = {k: "" if v is None else v for k, v in LATER.items()} | {"provenance_instructions": "unknown"}
MARKUP = frozenset('<>&[]{}`\\$|"')  # of HTML, Markdown and formulas: pages show plain text as it stands
KEYS: dict[str, tuple[str, ...]] = {
    "runs": ("run",), "history": ("run", "epoch"), "layers": ("run", "layer"), "units": ("run", "layer", "unit"),
    "responses": ("run", "layer", "unit", "class"), "pairs": ("run", "other", "analysis", "layer", "form"),
    "bounds": ("run", "analysis", "layer", "kind"), "curves": ("run", "analysis", "kind", "ordering", "step"),
    "importances": ("run", "analysis", "layer", "unit"), "damage": ("run", "analysis", "layer", "unit"),
    "classes": ("run", "analysis", "images", "class"),
    "robustness": ("run", "analysis", "perturbation", "severity"),
    "dimensions": ("run", "analysis", "perturbation", "severity", "layer"),
    "unit_epochs": ("run", "analysis", "epoch", "layer", "unit"), "probes": ("run", "analysis", "layer"),
}  # fmt: skip
WHOLE = (
    "epoch", "depth", "unit", "class", "units", "step", "ordering", "samples", "best_epoch", "t95", "parameters",
    "diverged_epoch", "diverged_step", "components",
)  # fmt: skip
SLACK = 1e-6  # sums of shares and rounded digits may be so far beyond a range
# Columns without a value in some rows; of `runs` and `history` that hangs on how the run ended.
MAY_LACK = {
    "layers": {"si_living", *SHUFFLED, *LATE_MEASURES}, "units": {*SHUFFLED, *LATE_MEASURES}, "responses": set[str](),
}  # fmt: skip


def _ranges() -> dict[str, tuple[float, float]]:
    share, index, from_zero = (0.0, 1.0), (-1.0, 1.0), (0.0, np.inf)
    shares = ("class_share", "precision", "active_samples", "active_positions", "switched", "dead", "predicted")
    found = dict.fromkeys(shares, share)
    found |= dict.fromkeys(("si", "si_living", "si_last", "value", "accuracy_change"), index)
    found |= dict.fromkeys(
        ("dprime", "mutual_information", "sd", "weight_l1", "switches", "fraction", "severity"), from_zero
    )
    found |= dict.fromkeys(("lr", "seconds", *WHOLE), from_zero) | {
        "preferred": (-1.0, np.inf),
        "distance": (-0.01, 1.01),
    }
    # No range for si_shifted: a unit that never varies is shifted to rounding errors, whose index can be anything.
    found |= {f"{m}_shuffled": found[m] for m in MEASURES if m in found}
    for name in {column for table in COLUMNS.values() for column in table}:
        for end, limits in {"accuracy": share, "loss": from_zero, "si_units": index, "si_layers": index}.items():
            if name.removesuffix("_last").endswith(end):
                found[name] = limits
    return found


COLUMN_RANGES = _ranges()


def printable(text: object) -> str:
    """Text on one line of at most 1,000 characters, with whatever could act on a terminal escaped."""
    line = " ".join(str(text).split())
    shown = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in line)
    return shown if len(shown) <= 1000 else f"{shown[:997]}..."


def is_litter(name: str) -> bool:
    """Whether a file or folder is none of ours and of no harm: hidden, or left by the system."""
    return name.startswith(".") or name in LITTER


def equal_values(one: Any, other: Any) -> bool:
    """Whether two values of a table are equal, or both missing."""
    return bool(one == other or (one != one and other != other))


def to_csv(frame: pd.DataFrame) -> bytes:
    """A table as text that reads back equal: floats in their shortest exact form."""
    return frame.to_csv(index=False, na_rep="nan", lineterminator="\n").encode()


def from_csv(content: bytes, name: str) -> pd.DataFrame:
    """The table `name` that `to_csv` wrote, with the columns that came after it was written."""
    import pandas as pd

    text = dict.fromkeys(RUN_TEXT if name == "runs" else TEXT, str)
    try:
        found = pd.read_csv(io.BytesIO(content), dtype=text, keep_default_na=False, na_values=["nan"])
    except Exception as error:  # whatever pandas makes of garbage
        raise ValueError(printable(error)) from error
    late = {measure for m in LATE_MEASURES for measure in (m, f"{m}_shuffled")}
    later = ABSENT if name == "runs" else {column: np.nan for column in COLUMNS[name] if column in late}
    found = found.assign(**{column: value for column, value in later.items() if column not in found})
    if odd := set(COLUMNS[name]) ^ set(found.columns):
        raise ValueError(printable(f"{name}: columns missing or unknown: {', '.join(sorted(odd))}"))
    return found[list(COLUMNS[name])]


def from_xz(content: bytes, name: str) -> pd.DataFrame:
    """`from_csv` of what was compressed, with every value checked: ledgers have no checksums."""
    stream = lzma.LZMADecompressor(lzma.FORMAT_XZ)
    try:
        text = stream.decompress(content)
        if not stream.eof or stream.unused_data:  # `lzma.decompress` would pass over what follows
            raise ValueError(f"{name}: is not one whole xz stream")
        found = from_csv(text, name)
    except lzma.LZMAError as error:
        raise ValueError(printable(error)) from error
    if problems := table_problems(name, found):
        raise ValueError(problems[0])
    return found


def table_problems(name: str, frame: pd.DataFrame) -> list[str]:
    """Values that a table cannot have, a line a column: types, ranges, plain text; and rows that stand twice."""
    problems = []
    for column in (c for c in COLUMNS[name] if c in frame):
        allowed, bad = _disallowed(name, column, frame[column])
        if bad.any():
            row = frame[bad].iloc[0]
            more = f" and in {bad.sum() - 1} rows more" if bad.sum() > 1 else ""
            given = f"{column}: {str(row[column])[:60]!r} given" if column in KEYS[name] else (
                f"{column}: {str(row[column])[:60]} given ({_place(name, row)})"
            )  # fmt: skip
            problems.append(printable(f"{name}: {given}{more}; {allowed} is allowed"))
    if not problems and (twice := frame.duplicated(list(KEYS[name]))).any():
        problems.append(printable(f"{name}: {_place(name, frame[twice].iloc[0])} stands there twice"))
    return problems


def _place(name: str, row: Mapping[str, Any]) -> str:
    return ", ".join(f"{key} {row[key]}" for key in KEYS[name])


def _disallowed(name: str, column: str, values: pd.Series) -> tuple[str, np.ndarray]:
    """What is allowed in a column, and in which rows something else stands."""
    if column in (RUN_TEXT if name == "runs" else TEXT):
        wrong = [v for v in values.unique() if not _is_allowed_text(v, column)]
        return ("a run's id" if column in ("run", "other") else "plain text"), values.isin(wrong).to_numpy()
    if values.dtype.kind not in "biuf":
        return "a number", np.ones(len(values), bool)
    numbers, lacking = values.to_numpy(float), MAY_LACK.get(name, set(COLUMNS[name]))
    low, high = COLUMN_RANGES.get(column, (-np.inf, np.inf))
    bad = (numbers < low - SLACK) | (numbers > high + SLACK)
    if column in KEYS[name] or column not in lacking:
        bad |= ~np.isfinite(numbers)
    elif name not in ("runs", "history"):
        bad |= np.isinf(numbers)
    if column in WHOLE:
        bad |= np.isfinite(numbers) & (numbers % 1 != 0)
    kind = "a whole number" if column in WHOLE else "a number"
    return (f"{kind} in [{low:g}, {high:g}]" if column in COLUMN_RANGES else kind), bad


def _is_allowed_text(value: object, column: str) -> bool:
    if not isinstance(value, str):
        return False
    if column in ("run", "other"):
        return RUN_ID.fullmatch(value) is not None
    return value.isprintable() and not MARKUP & set(value) and len(value) <= 500


def row_problems(row: Mapping[str, Any]) -> list[str]:
    """What is wrong with a row of `runs` whose values are each allowed."""
    try:
        spec = spec_of(row)
    except (SpecError, ValueError, TypeError) as error:
        return [printable(f"is no run's spec ({error})")]
    problems = [] if spec.id == row["run"] else [f"its fields are those of run {spec.id}"]
    if row["status"] == "complete":
        if lacking := sorted(n for n in RUN_NUMBERS if n != "t95" and not np.isfinite(row[n])):
            problems.append(f"is complete and lacks {', '.join(lacking)}")
        for name in ("best_epoch", "t95"):
            if row[name] < 1 or row[name] > spec.epochs:
                problems.append(f"{name} {row[name]:g}; 1 to {spec.epochs}, its epochs, is allowed")
    elif row["status"] != "diverged":
        problems.append(f'status {row["status"]!r}; "complete" or "diverged" is allowed')
    elif not 1 <= row["diverged_epoch"] <= spec.epochs or not row["diverged_step"] >= 1:
        problems.append("diverged and does not say at which step of which epoch")
    # A package that is run from a checkout without git has no commit, and one that is not installed no version.
    needed = [f"provenance_{name}" for name in PROVENANCE if name not in ("commit", "version")]
    if lacking := [name for name in (*needed, "started") if not row[name]]:
        problems.append(f"lacks {', '.join(lacking)}")
    else:
        try:
            datetime.fromisoformat(row["started"])
        except ValueError:
            problems.append(f"started {row['started']!r:.60}; a date and time such as 2025-01-31T12:00:00 is needed")
    return problems


def copies_problems(runs: Iterable[tuple[str, str, str]]) -> list[str]:
    """A line for each data set that runs, given as data set, digest and id, were made from several copies of."""
    found: dict[str, dict[str, list[str]]] = {}
    for dataset, digest, run in runs:
        found.setdefault(dataset, {}).setdefault(digest, []).append(run)
    return [
        f"{dataset}: runs were made from {len(copies)} copies of the data: "
        + ", ".join(f"{digest[:16]} ({len(ids)} runs, {min(ids)} the first)" for digest, ids in sorted(copies.items()))
        for dataset, copies in sorted(found.items())
        if len(copies) > 1
    ]


def copies_of(runs: pd.DataFrame) -> list[tuple[str, str, str]]:
    """The rows of table `runs` as `copies_problems` takes them."""
    return list(runs[["dataset", "provenance_digest", "run"]].itertuples(index=False, name=None))


def all_problems(tables: Mapping[str, pd.DataFrame]) -> list[str]:
    """What is wrong with several runs' tables, each by itself, or else together."""
    return [found for name, frame in tables.items() for found in table_problems(name, frame)] or joint_problems(tables)


def joint_problems(tables: Mapping[str, pd.DataFrame]) -> list[str]:
    """What does not fit together of several runs' tables, each of which is sound: specs, epochs, numbers, units."""
    runs = tables["runs"]
    problems = [f"runs: run {row['run']}: {what}" for row in runs.to_dict("records") for what in row_problems(row)]
    complete = runs[runs["status"] == "complete"]
    for name, frame in tables.items():
        named = {run for c in ("run", "other") if c in frame for run in frame[c].unique()}
        strangers = sorted(named - set(runs["run"]))
        problems += [f"{name}: has rows of run {run}, which is not among the runs" for run in strangers]
        if name not in ("runs", "history"):
            odd = sorted(named & set(runs["run"]) - set(complete["run"]))
            problems += [f"{name}: has rows of run {run}, which diverged" for run in odd]
    lacking = sorted(set(complete["run"]) - set(tables["layers"]["run"]))
    problems += [f"layers: run {run}: is complete and has none" for run in lacking]
    problems += _epoch_problems(runs, tables["history"])
    return problems or [
        *_figure_problems(complete, tables["history"]), *_unit_problems(tables), *_mean_problems(complete, tables),
    ]  # fmt: skip


def _epoch_problems(runs: pd.DataFrame, history: pd.DataFrame) -> list[str]:
    """Of rows of which none stands twice, every epoch from 0 to the last is there."""
    rows = runs.set_index("run").join(history.groupby("run")["epoch"].agg(["size", "min", "max"]))
    last = rows["epochs"].where(rows["status"] == "complete", rows["diverged_epoch"])
    whole = (rows["min"] == 0) & (rows["size"] == rows["max"] + 1)
    ended = (rows["max"] == last) | ((rows["status"] == "diverged") & (rows["max"] == last - 1))
    return [f"history: run {run}: has not every epoch from 0 to {last[run]:g}" for run in rows.index[~(whole & ended)]]


def _close(
    one: pd.Series, other: pd.Series, *, rtol: float = 1e-4, atol: float = 1e-5, equal_nan: bool = False
) -> np.ndarray:
    # As floats: a table without rows has columns of objects.
    return np.isclose(one.to_numpy(float), other.to_numpy(float), rtol=rtol, atol=atol, equal_nan=equal_nan)


def _figure_problems(complete: pd.DataFrame, history: pd.DataFrame) -> list[str]:
    """A run's numbers are those of its history, up to the digits that a ledger keeps of it."""
    problems = []
    last = ("test_accuracy", "test_loss", "si_units", "si_layers")
    then = history.add_suffix("_then")
    for at, names, end in (
        ("best_epoch", (*last, "validation_accuracy", "validation_loss"), ""),
        ("epochs", last, "_last"),
    ):
        both = complete.merge(then, left_on=["run", at], right_on=["run_then", "epoch_then"])
        for name in names:
            differs = ~_close(both[f"{name}{end}"], both[f"{name}_then"], rtol=2e-6, atol=0.0)
            problems += [f"runs: run {run}: its {name}{end} is not that of its history" for run in both["run"][differs]]
    return problems


def _unit_problems(tables: Mapping[str, pd.DataFrame]) -> list[str]:
    """Of runs whose units are kept, every layer has as many as table `layers` says, counted from 0, and every class."""
    from ..data import DATASETS

    problems, layers = [], tables["layers"]
    classes = tables["runs"].set_index("run")["dataset"].map(lambda name: DATASETS[name].classes)
    for name, column in (("units", "preferred"), ("responses", "class")):
        odd = tables[name][tables[name][column] >= tables[name]["run"].map(classes)]
        problems += [f"{name}: run {run}: {column} {found:g}; it has {classes[run]} classes" for run, found in
                     odd[["run", column]].drop_duplicates("run").itertuples(index=False)]  # fmt: skip
    counts = tables["responses"].groupby(["run", "layer", "unit"]).size()
    few = sorted({run for (run, *_), count in counts[counts != counts.index.get_level_values(0).map(classes)].items()})
    problems += [f"responses: run {run}: lacks classes of some units" for run in few]
    for name in ("units", "responses"):
        found = tables[name].groupby(["run", "layer"])["unit"].agg(["nunique", "max"])
        said = layers[layers["run"].isin(tables[name]["run"])].set_index(["run", "layer"])["units"]
        both = said.to_frame().join(found, how="outer")
        odd = (both["nunique"] != both["units"]) | (both["max"] + 1 != both["units"])
        problems += [f"{name}: run {run}: not the units that its layer {layer} has" for run, layer in both.index[odd]]
    return problems


def _mean_problems(complete: pd.DataFrame, tables: Mapping[str, pd.DataFrame]) -> list[str]:
    """A run's index is the mean over its layers, and over its units; what a layer has is the mean over its units."""
    layers = tables["layers"]
    of = layers.assign(summed=layers["si"] * layers["units"]).groupby("run").agg(
        si=("si", "mean"), summed=("summed", "sum"), units=("units", "sum"), deepest=("depth", "max"),
        depths=("depth", "nunique"), rows=("depth", "size"),
    )  # fmt: skip
    both = complete.set_index("run").join(of)
    problems = []
    for name, found in (("si_layers", both["si"]), ("si_units", both["summed"] / both["units"])):
        odd = both.index[~_close(both[name], found)]
        problems += [f"layers: run {run}: its index is not the run's {name}" for run in odd]
    odd = both.index[(both["depths"] != both["rows"]) | (both["deepest"] != both["rows"] - 1)]
    problems += [f"layers: run {run}: its depths are not those of its layers" for run in odd]
    # None for the shifted index, in which rounding errors of units that never vary are divided by each other.
    means = tables["units"].groupby(["run", "layer"])[[m for m in MEASURES if m != "si_shifted"]].mean()
    kept = means.join(layers.set_index(["run", "layer"]).add_suffix("_said"))
    for name in means:
        # Late measures are NaN in both tables of older runs; in others `table_problems` allows no NaN.
        odd = kept.index[~_close(kept[f"{name}_said"], kept[name], equal_nan=True)]
        problems += [f"units: run {run}: their {name} is not that of layer {layer}" for run, layer in odd]
    return problems
