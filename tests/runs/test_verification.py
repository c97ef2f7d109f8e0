import lzma
import shutil

import numpy as np
import pandas as pd
import pytest
from tiny_specs import DIVERGING, TINY

from selectivity_core import RunStore
from selectivity_core.runs import verification
from selectivity_core.runs.archive import TRACKED, export
from selectivity_core.runs.validation import from_csv, to_csv
from selectivity_core.runs.verification import ledger_problems, store_problems
from selectivity_core.tables import COLUMNS, Tables


@pytest.fixture
def ledger(store, tmp_path, tiny_digits):
    export(store, tmp_path / "ledger")
    return tmp_path / "ledger"


def change(folder, table, edit) -> None:
    path = folder / "digits" / f"{table}.csv.xz"
    frame = from_csv(lzma.decompress(path.read_bytes()), table)
    path.write_bytes(lzma.compress(to_csv(edit(frame))))


def test_a_sound_store_and_ledger_have_no_problems(store, ledger, tmp_path):
    ticks = []
    assert store_problems(store, lambda: ticks.append(1)) == []
    assert len(ticks) == 3
    assert ledger_problems(ledger) == []
    assert store_problems(RunStore(tmp_path / "none")) == ledger_problems(tmp_path / "none") == []


@pytest.mark.slow
def test_the_tracked_ledger_verifies():
    assert ledger_problems(TRACKED) == []


@pytest.mark.fault("several wrong runs in a store", "named")
def test_every_wrong_run_of_a_store_is_named(store):
    units = store.folder(TINY) / "units.csv"
    units.write_bytes(units.read_bytes()[:-1])
    (store.folder(DIVERGING) / "manifest.json").unlink()
    (store.path / "-rf").mkdir()
    assert sorted(store_problems(store)) == sorted(
        [
            f"{store.folder(TINY)}: units.csv: not as the manifest says",
            f"{store.folder(DIVERGING)}: it has no manifest.json",
            f"{store.path}/-rf: its name is no run's id",
        ]
    )


def test_stale_runs_and_what_systems_leave_are_no_problem(store, ledger, monkeypatch):
    for folder in (store.path, store.folder(TINY), ledger, ledger / "digits"):
        (folder / ".DS_Store").write_bytes(b"\0\0\0\1Bud1")
    (store.path / "@eaDir").mkdir()
    monkeypatch.setattr("selectivity_core.training.RESULT_VERSION", 2)
    assert store_problems(store) == []
    assert ledger_problems(ledger) == []


@pytest.mark.fault("bits of a ledger flipped", "named")
def test_flipped_bits_of_a_ledger_are_named_or_change_nothing(ledger, record_property):
    path = ledger / "digits" / "layers.csv.xz"
    whole = path.read_bytes()
    places = range(0, len(whole) * 8, len(whole) * 8 // 60)
    for place in places:
        content = bytearray(whole)
        content[place // 8] ^= 1 << place % 8
        path.write_bytes(content)
        found = ledger_problems(ledger)
        assert found or lzma.decompress(content) == lzma.decompress(whole), place  # its date, say
        assert all(line.isprintable() for line in found)
    record_property("tried", len(places))


@pytest.mark.fault("values changed by hand, and rows of strangers, in each table of a ledger", "named")
@pytest.mark.parametrize("table", ["history", "layers", "units", "responses"])
def test_values_and_strangers_of_a_ledger_are_named(ledger, table):
    change(ledger, table, lambda f: f.assign(run=["0123456789abcdef", *f["run"].iloc[1:]]))
    assert f"digits: {table}: has rows of run 0123456789abcdef, which is not among the runs" in ledger_problems(ledger)
    change(ledger, table, lambda f: f.assign(run="x"))
    (problem,) = ledger_problems(ledger)
    assert f"{table}.csv.xz: not a table of the ledger ({table}: run: 'x' given and in " in problem


@pytest.mark.fault("ledgers cut and emptied", "named")
@pytest.mark.parametrize("content", [b"", b"run,alpha\n", lzma.compress(b"run\na\n")[:-9]])
def test_what_is_no_table_is_named(ledger, content):
    path = ledger / "digits" / "units.csv.xz"
    path.write_bytes(content)
    assert [line for line in ledger_problems(ledger) if f"{path}: not a table of the ledger" in line]


@pytest.mark.fault("strays and half-written files in a ledger", "named")
def test_strays_and_leftovers_are_named(ledger):
    (ledger / "tiny").mkdir()  # a profile without tables is none
    (ledger / "digits" / "notes.txt").write_text("")
    (ledger / "digits" / ".runs.csv.xz.12.part").write_text("")
    found = ledger_problems(ledger)
    assert len(found) == 2
    assert [line for line in found if "notes.txt: is no table" in line]
    assert [line for line in found if ".part: was left half-written" in line]


@pytest.mark.fault("digits' rows under cifar10/", "named")
def test_runs_under_another_profile_are_named(ledger):
    (ledger / "digits").rename(ledger / "cifar10")
    (problem,) = ledger_problems(ledger)
    assert problem.startswith("cifar10: runs: 3 runs belong to profile digits, ")


@pytest.mark.fault("a ledger with two copies of the data", "unmixed")
def test_copies_of_the_data_are_told_apart_within_a_profile_and_between_them(ledger, monkeypatch):
    change(ledger, "runs", lambda f: f.assign(provenance_digest=["f" * 64, *f["provenance_digest"].iloc[1:]]))
    (problem,) = ledger_problems(ledger)
    assert "digits: runs were made from 2 copies of the data" in problem
    change(ledger, "runs", lambda f: f.assign(provenance_digest=f["provenance_digest"].iloc[1]))
    shutil.copytree(ledger / "digits", ledger / "other")
    change(ledger, "runs", lambda f: f.assign(provenance_digest="f" * 64))
    monkeypatch.setattr("selectivity_core.runs.verification.profile_of", lambda spec: "digits")
    assert any(line.startswith("digits: runs were made from 2 copies") for line in ledger_problems(ledger))


@pytest.mark.fault("weights of a ledger changed, swapped, removed", "named")
def test_weights_of_a_ledger_are_checked(ledger):
    weights = ledger / "digits" / "weights"
    (weights / "more.safetensors").write_bytes(b"")
    assert ledger_problems(ledger) == ["digits: weights: 'more' is no file of SHA256SUMS"]
    (weights / "more.safetensors").unlink()
    path = weights / f"{TINY.id}.safetensors"
    whole, sums = path.read_bytes(), (weights / "SHA256SUMS").read_text()
    path.write_bytes(whole[:-1] + b"\x7f")
    (problem,) = ledger_problems(ledger)
    assert problem == f"digits: {path}: missing, or not what SHA256SUMS says"
    other = weights / f"{TINY.replace(seed=1, alpha=1.0).id}.safetensors"
    path.write_bytes(whole)
    other.unlink()
    assert len(ledger_problems(ledger)) == 1
    (weights / "SHA256SUMS").write_text(f"{'0' * 64}  ../../runs.safetensors\n")
    assert "is no checksum of a run's weights" in ledger_problems(ledger)[0]
    (weights / "SHA256SUMS").write_text("".join(line for line in sums.splitlines(True) if TINY.id in line))
    assert ledger_problems(ledger) == []


def test_a_measure_that_came_after_a_run_was_archived_does_not_count_as_a_difference(monkeypatch):
    monkeypatch.setattr(verification, "LATE_MEASURES", ("dprime",))
    row = dict.fromkeys(COLUMNS["layers"], 0.5) | {"run": "a", "layer": "units1"}
    fresh, kept = (pd.DataFrame([row]) for _ in range(2))
    kept["dprime"] = kept["dprime_shuffled"] = np.nan
    assert verification._same_rows("layers", "a", Tables(layers=fresh), Tables(layers=kept))
    kept["si"] = 0.6
    assert not verification._same_rows("layers", "a", Tables(layers=fresh), Tables(layers=kept))
