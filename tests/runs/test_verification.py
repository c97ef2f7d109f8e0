import gzip
import math

import pytest
from tiny_specs import DIVERGING, TINY

from selectivity_core import RunStore, train
from selectivity_core.files import sha256
from selectivity_core.runs.archive import export, ledger_folder
from selectivity_core.runs.store import from_csv, make_manifest, to_csv
from selectivity_core.runs.verification import ledger_problems, store_problems


@pytest.fixture(scope="module")
def results():
    return [train(s, progress=False) for s in (TINY, TINY.replace(seed=1, alpha=1.0), DIVERGING)]


@pytest.fixture
def store(tmp_path, results):
    found = RunStore(tmp_path / "store")
    for result in results:
        found.add(result)
    return found


@pytest.fixture
def ledger(store, tmp_path):
    export(store, tmp_path / "ledger")
    return tmp_path / "ledger"


def change(folder, table, edit) -> None:
    path = folder / "digits" / f"{table}.csv.gz"
    frame = from_csv(gzip.decompress(path.read_bytes()), table)
    path.write_bytes(gzip.compress(to_csv(edit(frame))))


def test_a_sound_store_and_ledger_have_no_problems(store, ledger, tmp_path):
    ticks = []
    assert store_problems(store, lambda: ticks.append(1)) == []
    assert len(ticks) == 3
    assert ledger_problems(ledger) == []
    assert store_problems(RunStore(tmp_path / "none")) == ledger_problems(tmp_path / "none") == []


def test_the_tracked_ledger_verifies(monkeypatch):
    monkeypatch.delenv("SELECTIVITY_LEDGER")
    assert ledger_problems(ledger_folder()) == []


def test_every_wrong_run_of_a_store_is_named(store):
    units = store.folder(TINY) / "units.csv"
    units.write_bytes(units.read_bytes()[:-1])
    (store.folder(DIVERGING) / "manifest.json").unlink()
    found = store_problems(store)
    assert len(found) == 2
    assert any(f"run {TINY.id}: {units}: differs from its manifest" in line for line in found)
    assert any(f"run {DIVERGING.id}: {store.folder(DIVERGING)} has no manifest" in line for line in found)


def test_stale_runs_are_no_problem(store, monkeypatch):
    monkeypatch.setattr("selectivity_core.training.RESULT_VERSION", 2)
    assert store_problems(store) == []


def test_tables_of_another_run_are_noticed_though_their_checksums_hold(store, results, tmp_path):
    other = results[1].spec
    files = {name: store.content(TINY.id, name) for name in store.manifest(TINY)["files"]}
    wrong = RunStore(tmp_path / "wrong")
    wrong.put(make_manifest(other.as_dict(), other.id, "complete", sha256(b""), files), files)
    found = store_problems(wrong)
    assert len(found) == 5
    assert all(f"run {other.id}: " in line and f"has rows of {TINY.id}" in line for line in found)


def first(column, value, where=None):
    def edit(frame):
        frame = frame.astype({column: object})
        frame.loc[frame.index[0] if where is None else frame.index[frame["status"] == where][0], column] = value
        return frame

    return edit


RUNS = {
    "another α": (first("alpha", 0.5), "its fields are those of run "),
    "out of range": (first("lr", -1.0), "is no run's spec (lr: -1.0 given"),
    "unknown network": (first("model", "resnet19"), "is no run's spec (model: 'resnet19' given"),
    "milestones": (first("milestones", "x"), "is no run's spec (invalid literal"),
    "status": (first("status", "done"), 'status \'done\'; "complete" or "diverged" is allowed'),
    "figure": (first("test_accuracy", math.nan, "complete"), "is complete and lacks test_accuracy"),
    "infinite": (first("test_loss", math.inf, "complete"), "is complete and lacks test_loss"),
    "step": (first("diverged_step", math.nan, "diverged"), "diverged and does not say at which step"),
    "provenance": (first("provenance_digest", ""), "lacks provenance_digest"),
    "no processor": (first("provenance_processor", math.nan), "lacks provenance_processor"),
    "twice": (lambda f: f.iloc[[0, 0, 1, 2]], "stands there twice"),
    "column gone": (lambda f: f.drop(columns="test_loss"), "runs: columns missing or unknown: test_loss"),
    "column more": (lambda f: f.assign(beta=1), "runs: columns missing or unknown: beta"),
    "older schema": (lambda f: f.drop(columns="threads"), "it lacks threads; `selectivity migrate`"),
}


@pytest.mark.parametrize(("edit", "message"), RUNS.values(), ids=RUNS)
def test_wrong_rows_of_runs_are_named(ledger, edit, message):
    change(ledger, "runs", edit)
    found = ledger_problems(ledger)
    assert [line for line in found if message in line], found
    assert all("digits" in line for line in found)


@pytest.mark.parametrize("table", ["history", "layers", "units", "responses"])
def test_rows_of_strangers_are_named(ledger, table):
    change(ledger, table, lambda f: f.assign(run=["0123456789abcdef", *f["run"].iloc[1:]]))
    assert f"digits: {table}: has rows of run 0123456789abcdef, which is not among the runs" in ledger_problems(ledger)


def test_missing_and_superfluous_rows_are_named(ledger):
    change(ledger, "layers", lambda f: f[f["run"] != TINY.id])
    assert ledger_problems(ledger) == [f"digits: run {TINY.id}: is complete and has no history or layers"]
    change(ledger, "layers", lambda f: f.assign(run=[DIVERGING.id] * len(f)))
    assert f"digits: run {DIVERGING.id}: diverged and has rows of layers" in ledger_problems(ledger)


@pytest.mark.parametrize("content", [b"", b"run,alpha\n", gzip.compress(b"run\na\n", mtime=0)[:-9]])
def test_what_is_no_table_is_named(ledger, content):
    path = ledger / "digits" / "units.csv.gz"
    path.write_bytes(content)
    assert [line for line in ledger_problems(ledger) if f"{path}: not a table of the ledger" in line]


def test_strays_and_leftovers_are_named(ledger):
    (ledger / "digits" / "notes.txt").write_text("")
    (ledger / "digits" / ".runs.csv.gz.12.part").write_text("")
    found = ledger_problems(ledger)
    assert len(found) == 2
    assert [line for line in found if "notes.txt: is no table" in line]
    assert [line for line in found if ".part: was left half-written" in line]
