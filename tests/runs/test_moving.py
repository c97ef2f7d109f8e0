import io
import os
import tarfile
import tracemalloc

import pandas as pd
import pytest
from safetensors.torch import load, save
from tiny_specs import DIVERGING, TINY

from selectivity_core import RunStore, sweep, train
from selectivity_core.errors import StoreError
from selectivity_core.runs.manifests import make_manifest, manifest_text, read_folder
from selectivity_core.runs.moving import export_runs, import_runs
from selectivity_core.runs.validation import from_csv, to_csv
from selectivity_core.runs.verification import store_problems

SPECS = [TINY, TINY.replace(seed=1, alpha=1.0), DIVERGING]


@pytest.mark.parametrize("name", ["moved", "moved.tar"])
def test_runs_arrive_whole(store, tmp_path, name):
    ticks = []
    assert export_runs(store, tmp_path / name, lambda: ticks.append(1)) == 3
    assert len(ticks) == 3
    other = RunStore(tmp_path / "other")
    moved = import_runs(other, tmp_path / name)
    assert (sorted(moved.added), moved.kept, moved.refused) == (store.ids(), [], [])
    assert store_problems(other) == []
    for table in ("runs", "units"):
        one, two = (getattr(sweep(SPECS, s, on_missing="raise"), table) for s in (store, other))
        pd.testing.assert_frame_equal(one, two, check_exact=True)
    again = import_runs(other, tmp_path / name)
    assert (again.added, sorted(again.kept), again.refused) == ([], store.ids(), [])


def test_the_folder_is_itself_a_store_and_the_tar_file_is_replaced_whole(store, tmp_path):
    export_runs(store, tmp_path / "moved")
    assert RunStore(tmp_path / "moved").ids() == store.ids()
    (tmp_path / "a.tar").write_bytes(b"old")
    export_runs(store, tmp_path / "a.tar")
    with tarfile.open(tmp_path / "a.tar") as archive:
        assert len(archive.getnames()) == 7 + 7 + 3
    assert [p.name for p in tmp_path.iterdir() if p.name.endswith(".part")] == []


@pytest.mark.fault("export of a damaged run", "named")
def test_a_damaged_run_is_not_exported(store, tmp_path):
    (store.folder(TINY) / "units.csv").write_text("x")
    (tmp_path / "a.tar").write_bytes(b"old")
    for name in ("moved", "a.tar"):
        with pytest.raises(StoreError, match=r"units\.csv: not as the manifest says"):
            export_runs(store, tmp_path / name)
    assert (tmp_path / "a.tar").read_bytes() == b"old"
    assert RunStore(tmp_path / "moved").ids() == sorted(s.id for s in SPECS[1:])


@pytest.mark.fault("export to .tar.gz, .tgz, .zip", "read")
@pytest.mark.parametrize("name", ["a.tar.gz", "a.TAR.GZ", "a.tgz", "a.zip"])
def test_a_packed_archive_is_not_taken_for_a_folder(store, tmp_path, name):
    with pytest.raises(StoreError, match=r"whose name ends in \.tar, is needed"):
        export_runs(store, tmp_path / name)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["store"]


DAMAGES = {
    "flipped byte": ("units.csv", lambda c: c[:100] + bytes([c[100] ^ 1]) + c[101:], "units.csv: not as"),
    "cut": ("units.csv", lambda c: c[:-1], "units.csv: not as the manifest says"),
    "empty": ("history.csv", lambda c: b"", "history.csv: not as the manifest says"),
    "no JSON": ("manifest.json", lambda c: c[:-2], "manifest.json: Invalid JSON"),
    "nested JSON": ("manifest.json", lambda c: c.replace(b'"si"', b"[" * 10**5), "Invalid JSON: recursion limit"),
    "of another run": ("manifest.json", lambda c: c.replace(TINY.id.encode(), b"0" * 16), "describes run 0000"),
    "another spec": ("manifest.json", lambda c: c.replace(b'"seed": 0', b'"seed": 4'), "its spec is that of run"),
    "no spec": ("manifest.json", lambda c: c.replace(b'"seed": 0', b'"seed": []'), "seed: [] (list) given"),
    "unknown status": ("manifest.json", lambda c: c.replace(b'"complete"', b'"done"'), "status: Input should be"),
    "later schema": ("manifest.json", lambda c: c.replace(b'"schema": 1', b'"schema": 2'), "is of schema 2; this"),
    "list": ("manifest.json", lambda c: b"[]", "Input should be an object"),
}  # fmt: skip


@pytest.mark.fault("damaged files and manifests in an archive", "checked")
@pytest.mark.parametrize("form", ["moved", "moved.tar"])
@pytest.mark.parametrize(("name", "damage", "message"), DAMAGES.values(), ids=DAMAGES)
def test_what_does_not_verify_is_refused_and_the_rest_taken(store, tmp_path, name, damage, message, form):
    path = store.folder(TINY) / name
    content = path.read_bytes()
    assert damage(content) != content
    path.write_bytes(damage(content))
    other = RunStore(tmp_path / "other")
    moved = import_runs(other, packed(store, tmp_path, form))
    assert sorted(moved.added) == other.ids() == sorted(s.id for s in SPECS[1:])
    (reason,) = moved.refused
    assert reason.startswith(f"run {TINY.id}: ")
    assert message in reason
    assert reason.isprintable()
    assert store_problems(other) == []


def packed(store, folder, form):
    """A store as it stands, or as a tar file."""
    if form == "moved.tar":
        with tarfile.open(folder / form, "w") as archive:
            for run in store.folders():
                archive.add(store.folder(run), run)
        return folder / form
    return store.path


def forge(store, spec, **changed):
    """Other files in the place of a run's, with a manifest that describes them."""
    manifest, files = store.manifest(spec), read_folder(store.folder(spec))
    del files["manifest.json"]
    files |= changed.pop("files", {})
    made = make_manifest(manifest["spec"], spec.id, manifest["status"], manifest["digest"], files) | changed
    for name, content in (files | {"manifest.json": manifest_text(made)}).items():
        (store.folder(spec) / name).write_bytes(content)


def with_runs(store, **columns):
    return {"runs.csv": to_csv(from_csv(store.content(TINY.id, "runs.csv"), "runs").assign(**columns))}


def weights(store, edit):
    return {"weights.safetensors": edit(load(store.content(TINY.id, "weights.safetensors")))}


FORGERIES = {
    "another run's tables": lambda s: {f"{n}.csv": s.content(SPECS[1].id, f"{n}.csv") for n in ("runs", "units")},
    "garbage": lambda s: {"runs.csv": b"garbage\n"},
    "another digest": lambda s: with_runs(s, provenance_digest="f" * 64),
    "an accuracy of 7.3": lambda s: with_runs(s, test_accuracy=7.3),
    "a script": lambda s: with_runs(s, provenance_data="<script>alert(1)</script>"),
    "an accuracy that its history lacks": lambda s: with_runs(s, test_accuracy=0.9),
    "no epochs": lambda s: {"history.csv": s.content(TINY.id, "history.csv").split(b"\n")[0] + b"\n"},
    "an endless header": lambda s: {"weights.safetensors": (1 << 62).to_bytes(8, "little") + b"{}"},
    "another network's weights": lambda s: weights(s, lambda w: save({k: v.flatten()[:1] for k, v in w.items()})),
    "infinite weights": lambda s: weights(s, lambda w: save({k: (v / 0).to(v.dtype) for k, v in w.items()})),
    "other names": lambda s: weights(s, lambda w: save({f"x{k}": v for k, v in w.items()})),
}  # fmt: skip


@pytest.mark.fault("forged runs whose checksums match", "checked")
@pytest.mark.parametrize("files", FORGERIES.values(), ids=FORGERIES)
def test_matching_checksums_are_not_enough(store, tmp_path, files):
    forge(store, TINY, files=files(store))
    other = RunStore(tmp_path / "other")
    moved = import_runs(other, store.path)
    assert sorted(moved.added) == other.ids() == sorted(s.id for s in SPECS[1:])
    (reason,) = moved.refused
    assert reason.startswith(f"run {TINY.id}: ") and reason.isprintable()
    assert len(store_problems(store)) == 1


@pytest.mark.fault("archives with files too few or too many", "checked")
@pytest.mark.parametrize("change", ["missing", "more", "no manifest"])
def test_missing_and_superfluous_files_are_refused(store, tmp_path, change):
    folder = store.folder(TINY)
    if change == "more":
        (folder / "evil.py").write_text("")
    else:
        (folder / ("layers.csv" if change == "missing" else "manifest.json")).unlink()
    moved = import_runs(RunStore(tmp_path / "other"), store.path)
    assert len(moved.added) == 2
    needle = {"missing": "layers.csv: not as", "more": "evil.py: not as", "no manifest": "it has no manifest.json"}
    assert needle[change] in moved.refused[0]


@pytest.mark.fault("hidden files, subfolders and FIFOs among runs", "checked")
def test_what_systems_leave_is_passed_over_and_odd_entries_cost_their_run_alone(store, tmp_path):
    for folder in (store.path, store.folder(TINY)):
        (folder / "@eaDir").mkdir()
        (folder / ".DS_Store").write_bytes(b"\0")
    os.mkfifo(store.folder(DIVERGING) / "runs")
    (store.folder(SPECS[1]) / "more").mkdir()
    (store.path / "-rf\t").mkdir()
    moved = import_runs(RunStore(tmp_path / "other"), store.path)
    assert moved.added == [TINY.id]
    assert sorted(moved.refused) == sorted(
        [
            f"run {DIVERGING.id}: 'runs' is no plain file of at most 1,073,741,824 bytes",
            f"run {SPECS[1].id}: 'more' is no plain file of at most 1,073,741,824 bytes",
            "'-rf\\t': its name is no run's id",
        ]
    )


FORGED = "x/a\nselectivity: runs: 3 runs added\x1b[2K"


@pytest.mark.fault("paths that lead out, links, devices, sparse files, forged lines in a tar file", "checked")
@pytest.mark.parametrize("entry", ["../out", "/out", "a", "a/b/c", "a/../b", "link", "device", "sparse", FORGED])
def test_anything_but_files_of_runs_is_refused_by_name_and_the_rest_taken(store, tmp_path, entry):
    export_runs(store, tmp_path / "a.tar")
    with tarfile.open(tmp_path / "a.tar", "a") as archive:
        item = tarfile.TarInfo({"link": "run/a", "device": "run/a", "sparse": "run/a"}.get(entry, entry))
        item.type = {"link": tarfile.SYMTYPE, "device": tarfile.CHRTYPE}.get(entry, tarfile.REGTYPE)
        item.linkname = "/etc/passwd" if entry == "link" else ""
        if entry == "sparse":  # 3.9 GB of nothing
            item.pax_headers = {"GNU.sparse.map": "0,0", "GNU.sparse.size": "3900000000"}
        archive.addfile(item, io.BytesIO(b""))
    tracemalloc.start()
    moved = import_runs(RunStore(tmp_path / "other"), tmp_path / "a.tar")
    assert tracemalloc.get_traced_memory()[1] < 1e8
    tracemalloc.stop()
    assert sorted(moved.added) == store.ids()
    (reason,) = moved.refused
    assert "is no file of a run" in reason or (entry == FORGED and "its name is no run's id" in reason)
    assert reason.isprintable()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.tar", "other", "store"]


@pytest.mark.fault("a tar file cut at many places", "named")
@pytest.mark.parametrize("length", [0, 100, 5000, "half", "between"])
def test_a_cut_tar_file_is_an_error(store, tmp_path, length):
    export_runs(store, tmp_path / "a.tar")
    content = (tmp_path / "a.tar").read_bytes()
    with tarfile.open(tmp_path / "a.tar") as archive:
        between = archive.getmembers()[7].offset  # a whole run, and no sign that there were more
    (tmp_path / "a.tar").write_bytes(content[: {"half": len(content) // 2, "between": between}.get(length, length)])
    other = RunStore(tmp_path / "other")
    with pytest.raises(StoreError, match=r"a\.tar: not a tar file of runs, or a cut one"):
        import_runs(other, tmp_path / "a.tar")
    assert store_problems(other) == []


@pytest.mark.fault("a second archive behind the first", "named")
def test_what_follows_the_end_of_a_tar_file_is_not_passed_over(store, tmp_path):
    export_runs(store, tmp_path / "a.tar")
    (tmp_path / "two.tar").write_bytes(2 * (tmp_path / "a.tar").read_bytes())
    with pytest.raises(StoreError, match="something follows its end"):
        import_runs(RunStore(tmp_path / "other"), tmp_path / "two.tar")


def test_sources_and_targets_that_cannot_be_are_named(store, tmp_path):
    with pytest.raises(StoreError, match="nowhere: no such folder or file of runs"):
        import_runs(store, tmp_path / "nowhere")
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="file"):
        export_runs(store, tmp_path / "file")
    for name in ("more", "more.tar"):
        with pytest.raises(StoreError, match="lies in the store itself"):
            export_runs(store, store.path / name)
    with pytest.raises(StoreError, match="file"):
        export_runs(store, tmp_path / "file" / "a.tar")


@pytest.mark.fault("import over stale, damaged and current runs", "kept")
def test_current_runs_replace_stale_and_damaged_ones_but_never_the_other_way(store, tmp_path, monkeypatch):
    export_runs(store, tmp_path / "good")
    (store.folder(TINY) / "manifest.json").write_text("{")  # damaged: a good copy mends it
    (store.folder(SPECS[1]) / "units.csv").write_text("x")  # here only a look at the files tells
    assert sorted(import_runs(store, tmp_path / "good").added) == sorted(s.id for s in SPECS[:2])
    assert store_problems(store) == []
    monkeypatch.setattr("selectivity_core.training.RESULT_VERSION", 2)
    assert import_runs(store, tmp_path / "good").added == []  # stale here, stale there
    monkeypatch.setattr("selectivity_core.run.RESULT_VERSION", 2)
    newer = RunStore(tmp_path / "newer")
    result = train(TINY, progress=False)
    newer.add(result)
    assert import_runs(store, newer.path).added == [TINY.id]
    assert import_runs(newer, tmp_path / "good").kept == [TINY.id]
    assert newer.holds(TINY)


@pytest.mark.fault("import of runs made from other data", "unmixed")
def test_runs_made_from_another_copy_of_the_data_never_come_in(store, tmp_path):
    other = RunStore(tmp_path / "other")
    import_runs(other, store.path)
    for spec in SPECS:
        columns = from_csv(store.content(spec.id, "runs.csv"), "runs").assign(provenance_digest="f" * 64)
        forge(store, spec, files={"runs.csv": to_csv(columns)}, digest="f" * 64)
    assert store_problems(store) == []
    before = {run: other.manifest(run) for run in other.ids()}
    moved = import_runs(other, store.path)
    assert (moved.added, moved.kept, len(moved.refused)) == ([], [], 3)
    assert all("made from another copy of digits (ffffffffffffffff) than" in line for line in moved.refused)
    assert {run: other.manifest(run) for run in other.ids()} == before
    assert not (other.path / ".replaced").exists()
    third = RunStore(tmp_path / "third")  # nor beside other runs
    export_runs(store, tmp_path / "f.tar")
    third.put(before[TINY.id], {k: v for k, v in read_folder(other.folder(TINY)).items() if k != "manifest.json"})
    assert len(import_runs(third, tmp_path / "f.tar").refused) == 3
    assert third.ids() == [TINY.id]
