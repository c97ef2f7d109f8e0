import dataclasses
import lzma
import shutil
import threading
from pathlib import Path

import pandas as pd
import pytest
from safetensors.torch import load, save
from test_moving import forge

from selectivity_core import RunStore, ledger, sweep
from selectivity_core.errors import StoreError
from selectivity_core.runs import reads
from selectivity_core.runs.archive import Exported, export, ledger_folder
from selectivity_core.runs.derived import Analysis, Task, derive
from selectivity_core.runs.manifests import make_manifest, read_folder
from selectivity_core.runs.profiles import PROFILES, find_profile
from selectivity_core.runs.validation import from_csv, to_csv
from selectivity_core.runs.verification import ledger_problems


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("SELECTIVITY_LEDGER", str(tmp_path / "ledger"))
    return tmp_path / "ledger"


def contents(folder):
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_the_same_runs_give_the_same_bytes_and_touch_nothing(finished, folder, tiny_digits):
    store, specs = finished
    assert export(store) == {"digits": Exported(len(specs))}
    first, at = contents(folder), (folder / "digits").stat().st_ino
    tables = {f"digits/{t}.csv.xz" for t in ("runs", "history", "layers", "units", "responses")}
    weights = {f"digits/weights/{s.id}.safetensors" for s in specs[:-1]} | {"digits/weights/SHA256SUMS"}
    assert set(first) == {".lock"} | tables | weights
    assert export(store) == {"digits": Exported(len(specs))}
    assert contents(folder) == first
    assert (folder / "digits").stat().st_ino == at


def test_only_tables_that_say_something_else_are_compressed_anew(finished, folder, tiny_digits):
    store, specs = finished
    export(store)
    layers, units = (folder / "digits" / f"{table}.csv.xz" for table in ("layers", "units"))
    layers.write_bytes(lzma.compress(lzma.decompress(layers.read_bytes()), preset=0))  # as another version might
    there = layers.read_bytes(), units.read_bytes()
    rows = from_csv(lzma.decompress(units.read_bytes()), "units")
    units.write_bytes(lzma.compress(to_csv(rows[rows["run"] != specs[0].id])))
    assert units.read_bytes() != there[1]
    export(store)
    assert (layers.read_bytes(), units.read_bytes()) == there


def test_order_of_exports_does_not_matter(finished, folder, tmp_path, tiny_digits):
    store, specs = finished
    export(store)
    parts = [RunStore(tmp_path / str(k)) for k in range(2)]
    for part, chosen in zip(parts, (specs[3:], specs[:3]), strict=True):
        part.path.mkdir()
        for spec in chosen:
            (part.path / spec.id).symlink_to(store.folder(spec))
        export(part, tmp_path / "other")
    assert contents(tmp_path / "other") == contents(folder)


def test_runs_are_exact_and_other_tables_have_their_digits(finished, folder, tiny_digits):
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


def trained(path, *specs):
    store = RunStore(path)
    sweep(specs, store, jobs=1, progress=False)
    return store


def test_unit_tables_are_kept_for_the_first_seeds_of_a_setting(folder, tmp_path, tiny, tiny_digits):
    specs = [tiny.replace(seed=s) for s in (9, 4, 7, 1, 12, 2, 3, 5, 6)] + [tiny.replace(alpha=1.0, seed=12)]
    export(trained(tmp_path / "s", *specs))
    found = ledger()
    assert len(found.runs) == 10
    assert set(found.units["run"]) == set(found.responses["run"]) == {s.id for s in specs if s.seed != 12 or s.alpha}
    assert len(found.layers) == 10 * 2


def test_unit_tables_are_kept_of_the_networks_that_the_profile_names(folder, tmp_path, tiny, tiny_digits, monkeypatch):
    specs = [tiny, tiny.replace(model="resnet20", min_map=2)]
    monkeypatch.setitem(PROFILES, "digits", dataclasses.replace(find_profile("digits"), by_unit=("resnet20",)))
    export(trained(tmp_path / "s", *specs))
    assert set(ledger().units["run"]) == {specs[1].id}


def test_unit_tables_are_kept_for_no_more_seeds_than_the_profile_says(folder, tmp_path, tiny, tiny_digits, monkeypatch):
    specs = [tiny.replace(seed=s) for s in (0, 1, 2)]
    monkeypatch.setitem(PROFILES, "digits", dataclasses.replace(find_profile("digits"), counts={"by_unit": 2}))
    export(trained(tmp_path / "s", *specs))
    assert len(ledger().runs) == 3
    assert set(ledger().units["run"]) == set(ledger().responses["run"]) == {s.id for s in specs[:2]}


OTHER_SETTINGS = [
    {"epochs": 3}, {"lr": 0.02}, {"schedule": "onecycle"}, {"dropout": 0.1}, {"alpha": 1.0, "window": (0, 0)},
    {"alpha": 1.0, "warmup_epochs": 1.0},
]  # fmt: skip


@pytest.mark.parametrize("changes", OTHER_SETTINGS, ids=str)
def test_no_units_are_kept_of_settings_that_are_only_compared(folder, tmp_path, tiny, tiny_digits, changes):
    specs = [tiny, tiny.replace(**changes)]
    export(trained(tmp_path / "s", *specs))
    assert set(ledger().layers["run"]) == {s.id for s in specs}
    assert set(ledger().units["run"]) == set(ledger().responses["run"]) == {tiny.id}


def test_class_means_are_kept_of_networks_shown_class_by_class(folder, tmp_path, tiny, tiny_digits):
    specs = [tiny, tiny.replace(model="resnet20", min_map=2)]  # the profile's first network, and another
    store = trained(tmp_path / "s", *specs)
    export(store)
    assert set(ledger().units["run"]) == {s.id for s in specs}
    means, whole = ledger().responses, store.tables(specs[:1]).responses
    assert set(means["run"]) == {tiny.id}
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


@pytest.mark.fault("tables of a ledger that are none", "named")
@pytest.mark.parametrize("content", [b"", b"run,alpha\na,1\n", lzma.compress(b"run\na\n")[:-9]])
def test_a_damaged_ledger_is_named(folder, content):
    (folder / "digits").mkdir(parents=True)
    (folder / "digits" / "runs.csv.xz").write_bytes(content)
    with pytest.raises(StoreError, match=r"runs\.csv\.xz: not a table of the ledger"):
        ledger().runs  # noqa: B018


@pytest.mark.fault("export of stale runs", "unmixed")
def test_stale_runs_are_neither_exported_nor_read(finished, folder, monkeypatch, tmp_path):
    store, specs = finished
    export(store)
    monkeypatch.setattr("selectivity_core.training.RESULT_VERSION", 2)
    assert export(store, tmp_path / "other") == {}
    assert not (tmp_path / "other").exists()
    tables = sweep(specs[:2], tmp_path / "empty", on_missing="skip", ledger=ledger(), progress=False)
    assert len(tables.runs) == len(tables.layers) == 0


def test_a_profile_without_rows_is_noticed_when_it_gets_some(finished, folder, tmp_path, monkeypatch):
    store, specs = finished
    monkeypatch.setenv("SELECTIVITY_READS", str(tmp_path / "reads"))
    assert len(ledger().runs) == 0
    seen = reads.entries(tmp_path / "reads")
    assert reads.changed(seen) == []
    export(store)
    assert [path for path in reads.changed(seen) if path.endswith("digits/runs.csv.xz")]
    assert len(ledger().runs) == len(specs)


def another(store, path, spec, **columns):
    """A store with another training of a run: other columns of its row, and other weights."""
    manifest, files = store.manifest(spec), read_folder(store.folder(spec))
    del files["manifest.json"]
    row = from_csv(files["runs.csv"], "runs").assign(**columns)
    weights = {k: v * 1.5 if v.is_floating_point() else v for k, v in load(files["weights.safetensors"]).items()}
    files |= {"runs.csv": to_csv(row), "weights.safetensors": save(weights)}
    digest = row["provenance_digest"].iloc[0]
    found = RunStore(path)
    assert found.put(make_manifest(manifest["spec"], spec.id, "complete", digest, files), files)
    return found


@pytest.mark.fault("export of runs made from other data", "unmixed")
def test_two_copies_of_the_data_are_never_mixed(finished, folder, tmp_path):
    store, specs = finished
    other = another(store, tmp_path / "other", specs[0], provenance_digest="f" * 64)
    export(store)
    before = contents(folder)
    for replace in (False, True):
        with pytest.raises(StoreError, match=r"nothing was exported: digits: runs were made from 2 copies .*ffffffff"):
            export(other, replace=replace)
    assert contents(folder) == before
    mixed = RunStore(tmp_path / "mixed")
    shutil.copytree(store.folder(specs[1]), mixed.folder(specs[1]))
    shutil.copytree(other.folder(specs[0]), mixed.folder(specs[0]))
    with pytest.raises(StoreError, match="2 copies of the data"):
        export(mixed, tmp_path / "new")
    assert contents(tmp_path / "new") == {".lock": b""}


def sums(runs, spec):
    value = sum(float(v.double().sum()) for v in runs.store.weights(spec).values())
    return pd.DataFrame({"layer": ["units1"], "depth": 0, "kind": "axis", "value": [value % 1]})


SUMS = Analysis("bounds", "sums", 1, sums)


@pytest.mark.fault("export of another training of a run", "kept")
def test_a_training_that_the_ledger_has_stays_unless_it_is_to_be_replaced(finished, folder, tmp_path, tiny_digits):
    store, specs = finished
    copy = RunStore(tmp_path / "store")
    shutil.copytree(store.path, copy.path)
    derive([Task(SUMS, (s,)) for s in specs[:2]], copy, progress=False)
    export(copy)
    before = contents(folder)
    other = another(store, tmp_path / "other", specs[0], started="2031-01-01T00:00:00+00:00")
    derive([Task(SUMS, (specs[0],))], other, progress=False)
    assert export(other) == {"digits": Exported(len(specs), kept=(specs[0].id,))}
    assert contents(folder) == before
    # Its rows, weights and what was worked out of them go together, also where the store has nothing worked out.
    shutil.rmtree(other.path / ".derived")
    assert export(other, replace=True) == {"digits": Exported(len(specs), replaced=(specs[0].id,))}
    assert ledger_problems(folder) == []
    found = ledger("digits")
    assert found.runs.set_index("run").loc[specs[0].id, "started"].startswith("2031")
    assert set(found.bounds["run"]) == {specs[1].id}
    changed = {name for name, content in contents(folder).items() if before[name] != content}
    assert changed == {
        "digits/runs.csv.xz", "digits/bounds.csv.xz", "digits/weights/SHA256SUMS",
        f"digits/weights/{specs[0].id}.safetensors",
    }  # fmt: skip


@pytest.mark.fault("export of results worked out of earlier weights", "unmixed")
def test_results_of_earlier_weights_are_not_exported(finished, folder, tmp_path):
    store, specs = finished
    copy = RunStore(tmp_path / "store")
    shutil.copytree(store.path, copy.path)
    derive([Task(SUMS, (s,)) for s in specs[:2]], copy, progress=False)
    copy.set_aside(specs[0].id)
    another(store, copy.path, specs[0])
    export(copy)
    assert set(ledger("digits").bounds["run"]) == {specs[1].id}
    derive([Task(SUMS, (specs[0],))], copy, progress=False)
    export(copy)
    assert set(ledger("digits").bounds["run"]) == {s.id for s in specs[:2]}


@pytest.mark.fault("four exports to one ledger at once", "kept")
def test_exports_at_the_same_time_lose_nothing(finished, folder, tmp_path):
    store, specs = finished
    parts, errors = [], []
    for spec in specs[:4]:
        parts.append(RunStore(tmp_path / spec.id))
        shutil.copytree(store.folder(spec), parts[-1].folder(spec))

    def body(part):
        try:
            export(part)
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=body, args=(part,), daemon=True) for part in parts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert set(ledger().runs["run"]) == set(ledger().layers["run"]) == {s.id for s in specs[:4]}
    assert ledger_problems(folder) == []


@pytest.mark.fault("an export cut off at each rename", "whole")
@pytest.mark.parametrize("step", range(4))  # of the three renames that put an export in place
def test_an_export_that_is_cut_off_leaves_the_tables_of_the_one_before(finished, folder, tmp_path, monkeypatch, step):
    store, specs = finished
    first = RunStore(tmp_path / "first")
    for spec in specs[:2]:
        shutil.copytree(store.folder(spec), first.folder(spec))
    export(first)
    left, real = [step], Path.rename

    def cut(self, target):
        if not left[0]:
            raise KeyboardInterrupt
        left[0] -= 1
        return real(self, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", cut)
        if step < 3:
            with pytest.raises(KeyboardInterrupt):
                export(store)
    whole = export(store) and specs if step == 3 else specs[:2]
    assert set(ledger().runs["run"]) == set(ledger().history["run"]) == {s.id for s in whole}
    assert len(ledger_problems(folder)) == (step in (1, 2))  # it says that one was cut off
    export(store)
    assert ledger_problems(folder) == []
    assert set(ledger().runs["run"]) == set(ledger().history["run"]) == {s.id for s in specs}
    assert sorted(p.name for p in folder.iterdir()) == [".lock", ".stage", "digits"]


@pytest.mark.fault("an export while the ledger is read", "unmixed")
def test_a_ledger_that_is_replaced_while_it_is_read_is_noticed(finished, folder, tmp_path):
    store, specs = finished
    one = RunStore(tmp_path / "one")
    shutil.copytree(store.folder(specs[0]), one.folder(specs[0]))
    export(one)
    found = ledger("digits")
    assert len(found.runs) == 1
    export(store)
    with pytest.raises(StoreError, match="was exported to while it was read"):
        found.layers  # noqa: B018
    assert len(ledger("digits").layers) > len(specs)


@pytest.mark.fault("a file of the user beside the tables", "kept")
def test_a_stray_file_is_not_lost_in_an_export(finished, folder):
    export(finished[0])
    (folder / "digits" / "notes.txt").write_text("mine")
    with pytest.raises(StoreError, match=r"notes\.txt: is no table of a ledger; move it elsewhere"):
        export(finished[0])
    assert (folder / "digits" / "notes.txt").read_text() == "mine"


@pytest.mark.fault("export of what does not verify", "checked")
def test_nothing_is_written_that_verify_would_refuse(finished, folder, tmp_path):
    store, specs = finished
    export(store)
    before, poisoned = contents(folder), RunStore(tmp_path / "store")
    shutil.copytree(store.path, poisoned.path)
    forge(poisoned, specs[0], files={"runs.csv": store.content(specs[1].id, "runs.csv")})  # checksums match
    with pytest.raises(StoreError, match=f"nothing was exported: runs: run {specs[1].id} stands there twice"):
        export(poisoned, tmp_path / "other")
    assert contents(tmp_path / "other") == {".lock": b""}
    export(store)
    assert contents(folder) == before
