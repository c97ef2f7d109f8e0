import dataclasses
import gzip

import pandas as pd
import pytest

from selectivity_core import RunStore, ledger, sweep
from selectivity_core.errors import StoreError
from selectivity_core.runs import reads
from selectivity_core.runs.archive import export, ledger_folder
from selectivity_core.runs.profiles import PROFILES, find_profile


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("SELECTIVITY_LEDGER", str(tmp_path / "ledger"))
    return tmp_path / "ledger"


def contents(folder):
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_the_same_runs_give_the_same_bytes(finished, folder):
    store, specs = finished
    assert export(store) == {"digits": len(specs)}
    first = contents(folder)
    assert set(first) == {f"digits/{t}.csv.gz" for t in ("runs", "history", "layers", "units", "responses")}
    assert export(store) == {"digits": len(specs)}
    assert contents(folder) == first


def test_order_of_exports_does_not_matter(finished, folder, tmp_path, tiny):
    store, specs = finished
    export(store)
    parts = [RunStore(tmp_path / str(k)) for k in range(2)]
    for part, chosen in zip(parts, (specs[3:], specs[:3]), strict=True):
        part.path.mkdir()
        for spec in chosen:
            (part.path / spec.id).symlink_to(store.folder(spec))
        export(part, tmp_path / "other")
    assert contents(tmp_path / "other") == contents(folder)


def test_runs_are_exact_and_other_tables_have_their_digits(finished, folder):
    store, specs = finished
    export(store)
    found, stored = ledger("digits"), store.tables(specs)
    runs = found.runs.set_index("run").loc[[s.id for s in specs]]
    whole = stored.runs.set_index("run").loc[[s.id for s in specs]]
    pd.testing.assert_frame_equal(runs, whole, check_exact=True, check_dtype=False)
    assert (found.runs["status"] == "diverged").sum() == 1
    for name, digits in {"history": 7, "layers": 7, "units": 5}.items():
        keys = [c for c in ("run", "epoch", "layer", "unit", "class") if c in getattr(stored, name)]
        kept = getattr(found, name).set_index(keys).sort_index()
        whole = getattr(stored, name).set_index(keys).sort_index()
        # Exactly the stored figures, rounded: nothing else may differ.
        floats = whole.select_dtypes("float").columns
        rounded = whole.assign(**{c: [float(f"{v:.{digits}g}") for v in whole[c]] for c in floats})
        pd.testing.assert_frame_equal(kept, rounded, check_exact=True, check_dtype=False)


def test_unit_tables_are_kept_for_the_first_seeds_of_a_setting(folder, tmp_path, tiny):
    shown = tiny.replace(model="resnet20", epochs=1)  # class by class, unlike the perceptron
    specs = [shown.replace(seed=s) for s in (9, 4, 7, 1, 12, 2)] + [shown.replace(alpha=1.0, seed=8)]
    store = RunStore(tmp_path / "s")
    sweep(specs, store, jobs=1, progress=False)
    export(store)
    found = ledger()
    assert len(found.runs) == 7
    assert set(found.units["run"]) == {s.id for s in specs if s.seed != 12}
    assert set(found.responses["run"]) == {s.id for s in specs if s.seed in (1, 2, 4, 8)}
    assert len(found.layers) == 7 * 19


def test_unit_tables_are_kept_for_no_more_seeds_than_the_profile_says(folder, tmp_path, tiny, monkeypatch):
    specs = [tiny.replace(model="resnet20", epochs=1, seed=s) for s in (0, 1, 2)]
    monkeypatch.setitem(PROFILES, "digits", dataclasses.replace(find_profile("digits"), counts={"by_unit": 2}))
    store = RunStore(tmp_path / "s")
    sweep(specs, store, jobs=1, progress=False)
    export(store)
    assert len(ledger().runs) == 3
    assert set(ledger().units["run"]) == set(ledger().responses["run"]) == {s.id for s in specs[:2]}


def test_no_units_are_kept_of_schedules_that_are_only_compared(folder, tmp_path, tiny):
    # Half of the digits profile's 40 epochs is such a schedule for a ResNet20; 3 epochs are for nobody.
    specs = [tiny.replace(model="resnet20", milestones=(), epochs=epochs) for epochs in (20, 3)]
    store = RunStore(tmp_path / "s")
    sweep(specs, store, jobs=1, progress=False)
    export(store)
    assert set(ledger().layers["run"]) == {s.id for s in specs}
    assert set(ledger().units["run"]) == set(ledger().responses["run"]) == {specs[1].id}


def test_class_means_are_kept_of_networks_shown_class_by_class(folder, tmp_path, tiny):
    specs = [tiny.replace(epochs=1, model=model) for model in ("resnet20", "mlp")]
    store = RunStore(tmp_path / "s")
    sweep(specs, store, jobs=1, progress=False)
    export(store)
    assert set(ledger().units["run"]) == {s.id for s in specs}
    means, whole = ledger().responses, store.tables(specs[:1]).responses
    assert set(means["run"]) == {specs[0].id}
    rounded = whole.assign(mean=[float(f"{v:.4g}") for v in whole["mean"]])
    pd.testing.assert_frame_equal(means, rounded, check_dtype=False)


def test_no_ledger_is_empty(folder, monkeypatch):
    assert not len(ledger().runs)
    folder.mkdir()
    assert not len(ledger().units)
    monkeypatch.setenv("SELECTIVITY_LEDGER", "none")
    assert ledger_folder() is None
    assert not len(ledger("digits").runs)
    with pytest.raises(StoreError, match='SELECTIVITY_LEDGER is "none"; name a folder'):
        export(RunStore(folder))
    assert export(RunStore(folder / "nothing"), folder) == {}


@pytest.mark.parametrize("content", [b"", b"run,alpha\na,1\n", gzip.compress(b"run\na\n", mtime=0)[:-9]])
def test_a_damaged_ledger_is_named(folder, content):
    (folder / "digits").mkdir(parents=True)
    (folder / "digits" / "runs.csv.gz").write_bytes(content)
    with pytest.raises(StoreError, match=r"runs\.csv\.gz: not a table of the ledger"):
        ledger().runs  # noqa: B018


def test_stale_runs_are_neither_exported_nor_read(finished, folder, monkeypatch, tmp_path):
    store, specs = finished
    export(store)
    monkeypatch.setattr("selectivity_core.training.RESULT_VERSION", 2)
    assert export(store, tmp_path / "other") == {}
    tables = sweep(specs[:2], tmp_path / "empty", on_missing="skip", ledger=ledger(), progress=False)
    assert len(tables.runs) == len(tables.layers) == 0


def test_a_profile_without_rows_is_noticed_when_it_gets_some(finished, folder, tmp_path, monkeypatch):
    store, specs = finished
    monkeypatch.setenv("SELECTIVITY_READS", str(tmp_path / "reads"))
    assert len(ledger().runs) == 0
    seen = reads.entries(tmp_path / "reads")
    assert reads.changed(seen) == []
    export(store)
    assert [path for path in reads.changed(seen) if path.endswith("digits/runs.csv.gz")]
    assert len(ledger().runs) == len(specs)
