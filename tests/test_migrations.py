"""Migrations, on a copy of the package whose `RunSpec` has one more field."""

import gzip
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tiny_specs import DIVERGING, TINY

import selectivity_core
from selectivity_core import RunStore, train
from selectivity_core.errors import StoreError
from selectivity_core.ledgers import export
from selectivity_core.migrations import ADDED, migrate_ledger, migrate_store, upgrade
from selectivity_core.spec import SCHEMA
from selectivity_core.store import from_csv, to_csv

SPECS = [TINY, TINY.replace(seed=1, alpha=1.0, epochs=3, milestones=(1, 2)), DIVERGING]

SCRIPT = """
import sys
from pathlib import Path
import torch
torch.set_num_threads(1)
import selectivity_core
from selectivity_core import RunSpec, RunStore, sweep
from selectivity_core.cli import main
from selectivity_core.errors import StoreError
from selectivity_core.ledgers import ledger
from selectivity_core.run_status import run_status
from selectivity_core.verification import ledger_problems, store_problems
assert str(Path(selectivity_core.__file__)).startswith(sys.argv[1])
store, folder = RunStore(Path(sys.argv[1]) / "runs"), Path(sys.argv[1]) / "ledger"
old = store.ids()
print(*sorted(run_status(store, run).detail for run in old), sep="|")
try:
    ledger().runs
except StoreError as error:
    print("selectivity migrate" in str(error))
specs = [RunSpec.from_dict({**spec, "made_up": "plain"}) for spec in SPECS]
import selectivity_core.run
selectivity_core.run.train = None  # nothing may be trained
tables = sweep(specs, store, jobs=1, progress=False)
print(*tables.runs["run"], *tables.runs["made_up"], *tables.runs["status"])
print(store.ids() == sorted(s.id for s in specs) and not set(old) & set(store.ids()), store_problems(store))
print(len(store.weights(specs[0])), [run_status(store, s).kind for s in specs])
print(main(["migrate", "--store", str(store.path), "--ledger", str(folder)]))
print(ledger_problems(folder), set(ledger().runs["run"]) == set(store.ids()), len(ledger().units))
print(main(["migrate", "--store", str(store.path), "--ledger", str(folder)]))
new = [s.replace(made_up="fancy") for s in specs]
print(len(sweep(new, store, on_missing="skip").runs), len({s.id for s in specs + new}))
"""


@pytest.fixture
def later(tmp_path):
    """The package as it will be once a field was added."""
    package = tmp_path / "selectivity_core"
    shutil.copytree(Path(selectivity_core.__file__).parent, package, ignore=shutil.ignore_patterns("__pycache__"))
    field, added = "    threads: int = 1\n", '    made_up: Literal["plain", "fancy"] = "fancy"\n'
    edits = {
        "spec.py": {f"SCHEMA = {SCHEMA} ": f"SCHEMA = {SCHEMA + 1} ", field: field + added},
        "migrations.py": {"ADDED: dict[int, dict[str, Any]] = {}": f'ADDED = {{{SCHEMA + 1}: {{"made_up": "plain"}}}}'},
    }
    for name, changes in edits.items():
        text = (package / name).read_text()
        for old, new in changes.items():
            assert text.count(old) == 1, old
            text = text.replace(old, new)
        (package / name).write_text(text)
    return tmp_path


@pytest.mark.slow
def test_a_field_that_is_added_keeps_every_finished_run(later):
    store = RunStore(later / "runs")
    for spec in SPECS:
        store.add(train(spec, progress=False))
    export(store, later / "ledger")
    units, weights = len(store.tables(SPECS).units), store.weights(TINY)
    environment = {
        **os.environ, "PYTHONPATH": str(later), "OMP_NUM_THREADS": "1", "SELECTIVITY_LEDGER": str(later / "ledger"),
    }  # fmt: skip
    script = SCRIPT.replace("SPECS", repr([s.as_dict() for s in SPECS]))
    done = subprocess.run(
        [sys.executable, "-c", script, str(later)], env=environment, capture_output=True, text=True, cwd=later
    )
    assert done.returncode == 0, done.stderr
    said = done.stdout.splitlines()
    assert said[0] == "|".join(["schema 1, now 2"] * 3)
    assert said[1] == "True"
    assert said[2].split()[3:] == ["plain"] * 3 + ["complete", "complete", "diverged"]
    assert said[3] == "True []"
    assert said[4] == f"{len(weights)} ['complete', 'complete', 'diverged']"
    assert said[5] == f"{store.path}: 0 runs rewritten"  # the sweep did it already
    assert said[6:8] == [f"{later / 'ledger'}: 3 runs rewritten", "0"]
    assert said[8] == f"[] True {units}"
    assert said[10] == f"{later / 'ledger'}: 0 runs rewritten"
    assert said[12] == "0 6"
    assert len(list((store.path / ".replaced").iterdir())) == 3


def test_there_is_an_entry_for_every_schema():
    assert set(ADDED) == set(range(2, SCHEMA + 1))


def test_nothing_is_done_where_there_is_nothing_to_do(tmp_path):
    assert migrate_store(RunStore(tmp_path / "none")) == migrate_ledger(tmp_path / "none") == 0
    assert list(tmp_path.iterdir()) == []
    assert upgrade(TINY.as_dict(), SCHEMA) == TINY


@pytest.mark.parametrize("schema", [0, -1, SCHEMA + 1])
def test_unknown_schemas_are_refused(schema):
    with pytest.raises(StoreError, match=f"schema {schema}: not known to this version"):
        upgrade(TINY.as_dict(), schema)


def test_a_ledger_of_no_schema_is_refused_and_left_alone(tmp_path, finished):
    export(finished[0], tmp_path)
    path = tmp_path / "digits" / "runs.csv.gz"
    frame = from_csv(gzip.decompress(path.read_bytes()), "runs").drop(columns=["lr", "threads"])
    path.write_bytes(gzip.compress(to_csv(frame)))
    before = path.read_bytes()
    with pytest.raises(StoreError, match=r"runs\.csv\.gz: lacks lr, threads, as no schema before this one did"):
        migrate_ledger(tmp_path)
    assert path.read_bytes() == before
