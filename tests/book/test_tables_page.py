"""The page on the tables: each loads as it says, with pandas alone, and has the columns that it describes."""

import re
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from selectivity_core.spec import LATER
from selectivity_core.tables import COLUMNS, LATE_MEASURES

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "book" / "tables.md").read_text(encoding="utf-8")
KEPT = sorted((ROOT / "results").glob("*/*.csv.xz"))
# Tables that were exported earlier lack them.
LATER_COLUMNS = {*LATER, "provenance_instructions", *(m + end for m in LATE_MEASURES for end in ("", "_shuffled"))}


def described(table):
    """The columns in the first column of a table's section, in the order of the page."""
    section = re.search(rf"^## `{table}`\n(.*?)(?=^## |\Z)", PAGE, flags=re.MULTILINE | re.DOTALL)
    return [name for row in re.findall(r"^\| (`[^|]*) \|", section[1], flags=re.MULTILINE) for name in
            re.findall(r"`(\w+)`", row)]  # fmt: skip


def test_every_table_has_a_section():
    assert set(re.findall(r"^## `(\w+)`$", PAGE, flags=re.MULTILINE)) == {*COLUMNS, "models"}


@pytest.mark.parametrize("table", COLUMNS)
def test_every_column_is_described_once(table):
    assert sorted(described(table)) == sorted(COLUMNS[table])


@pytest.mark.parametrize("path", KEPT, ids=lambda p: f"{p.parent.name}-{p.name}")
def test_a_kept_table_has_the_columns_described(path):
    table = path.name.removesuffix(".csv.xz")
    there, runs = (set(pd.read_csv(p, nrows=0).columns) for p in (path, path.with_name("runs.csv.xz")))
    assert there <= set(described(table)) <= there | LATER_COLUMNS
    assert "run" in there & runs


def test_the_networks_from_elsewhere_are_described():
    assert described("models") == list(pd.read_csv(ROOT / "results" / "models.csv", nrows=0).columns)


def test_the_example_needs_pandas_alone():
    """Five lines of two blocks, where the package cannot be imported; each kept unit gets the α of its network."""
    blocks = re.findall(r"^```python\n(.*?)^```", PAGE, flags=re.MULTILINE | re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines() if line]
    assert len(lines) <= 5 and len([line for line in blocks[0].splitlines() if line]) <= 3
    code = "\n".join([*lines, "import sys", "print(len(runs), len(units), units['alpha'].isna().sum(), "
                      "sorted(m for m in ('torch', 'selectivity_core') if m in sys.modules))"])  # fmt: skip
    done = subprocess.run([sys.executable, "-P", "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    folder = ROOT / "results" / "digits"
    rows = [len(pd.read_csv(folder / f"{n}.csv.xz", usecols=["run"], dtype=str)) for n in ("runs", "units")]
    assert done.stdout.strip() == f"{rows[0]} {rows[1]} 0 []"
