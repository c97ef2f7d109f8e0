import io
import tarfile

import pandas as pd
import pytest
from tiny_specs import DIVERGING, TINY

from selectivity_core import RunStore, sweep, train
from selectivity_core.errors import StoreError
from selectivity_core.runs.moving import export_runs, import_runs
from selectivity_core.runs.verification import store_problems

SPECS = [TINY, TINY.replace(seed=1, alpha=1.0), DIVERGING]


@pytest.fixture(scope="module")
def results():
    return [train(s, progress=False) for s in SPECS]


@pytest.fixture
def store(tmp_path, results):
    found = RunStore(tmp_path / "store")
    for result in results:
        found.add(result)
    return found


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


def test_a_damaged_run_is_not_exported(store, tmp_path):
    (store.folder(TINY) / "units.csv").write_text("x")
    (tmp_path / "a.tar").write_bytes(b"old")
    for name in ("moved", "a.tar"):
        with pytest.raises(StoreError, match=r"units\.csv: differs from its manifest"):
            export_runs(store, tmp_path / name)
    assert (tmp_path / "a.tar").read_bytes() == b"old"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.tar", "moved", "store"]


DAMAGES = {
    "flipped byte": ("units.csv", lambda c: c[:100] + bytes([c[100] ^ 1]) + c[101:], "units.csv: not"),
    "other dtype": ("weights.safetensors", lambda c: c.replace(b'"F32"', b'"I32"'), "weights.safetensors: not as"),
    "cut": ("units.csv", lambda c: c[:-1], "units.csv: not as the manifest says"),
    "empty": ("history.csv", lambda c: b"", "history.csv: not as the manifest says"),
    "no JSON": ("manifest.json", lambda c: c[:-2], "Expecting"),
    "of another run": ("manifest.json", lambda c: c.replace(TINY.id.encode(), b"0" * 16), "describes run 0000"),
    "another spec": ("manifest.json", lambda c: c.replace(b'"seed": 0', b'"seed": 4'), "a spec of another id"),
    "unknown status": ("manifest.json", lambda c: c.replace(b'"complete"', b'"done"'), "'done' is missing"),
    "list": ("manifest.json", lambda c: b"[]", "indices must be"),
}  # fmt: skip


@pytest.mark.parametrize("form", ["moved", "moved.tar"])
@pytest.mark.parametrize(("name", "damage", "message"), DAMAGES.values(), ids=DAMAGES)
def test_what_does_not_verify_is_refused_and_the_rest_taken(store, tmp_path, name, damage, message, form):
    export_runs(store, tmp_path / "moved")
    path = tmp_path / "moved" / TINY.id / name
    content = path.read_bytes()
    assert damage(content) != content
    path.write_bytes(damage(content))
    if form == "moved.tar":
        with tarfile.open(tmp_path / form, "w") as archive:
            for run in RunStore(tmp_path / "moved").folders():
                archive.add(tmp_path / "moved" / run, run)
    other = RunStore(tmp_path / "other")
    moved = import_runs(other, tmp_path / form)
    assert sorted(moved.added) == other.ids() == sorted(s.id for s in SPECS[1:])
    (reason,) = moved.refused
    assert reason.startswith(f"run {TINY.id}: ")
    assert message in reason
    assert store_problems(other) == []


@pytest.mark.parametrize("change", ["missing", "more", "no manifest"])
def test_missing_and_superfluous_files_are_refused(store, tmp_path, change):
    export_runs(store, tmp_path / "moved")
    folder = tmp_path / "moved" / TINY.id
    if change == "more":
        (folder / "evil.py").write_text("")
    else:
        (folder / ("layers.csv" if change == "missing" else "manifest.json")).unlink()
    moved = import_runs(RunStore(tmp_path / "other"), tmp_path / "moved")
    assert len(moved.added) == 2
    needle = {"missing": "layers.csv: not", "more": "evil.py: not", "no manifest": "'manifest.json' is missing"}[change]
    assert needle in moved.refused[0]


@pytest.mark.parametrize(
    "entry",
    ["../out", "/out", "a", ".hidden/a", "a/b/c", "a/../b", "link", "device"],
    ids=lambda e: e.replace("/", "_"),
)
def test_a_tar_file_with_anything_but_files_of_runs_is_refused(tmp_path, entry):
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        item = tarfile.TarInfo({"link": "run/a", "device": "run/a"}.get(entry, entry))
        item.type = {"link": tarfile.SYMTYPE, "device": tarfile.CHRTYPE}.get(entry, tarfile.REGTYPE)
        item.linkname = "/etc/passwd" if entry == "link" else ""
        archive.addfile(item, io.BytesIO(b""))
    with pytest.raises(StoreError, match=r"a\.tar: .* is no file of a run"):
        import_runs(RunStore(tmp_path / "store"), tmp_path / "a.tar")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.tar"]


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


def test_sources_and_targets_that_cannot_be_are_named(store, tmp_path):
    with pytest.raises(StoreError, match="nowhere: no such folder or file of runs"):
        import_runs(store, tmp_path / "nowhere")
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="file"):
        export_runs(store, tmp_path / "file")
    with pytest.raises(StoreError, match="file"):
        export_runs(store, tmp_path / "file" / "a.tar")


def test_current_runs_replace_stale_and_damaged_ones_but_never_the_other_way(store, tmp_path, monkeypatch):
    export_runs(store, tmp_path / "good")
    (store.folder(TINY) / "manifest.json").write_text("{")  # damaged: a good copy mends it
    assert import_runs(store, tmp_path / "good").added == [TINY.id]
    assert store_problems(store) == []
    monkeypatch.setattr("selectivity_core.training.RESULT_VERSION", 2)
    assert import_runs(store, tmp_path / "good").added == []  # stale here, stale there
    newer = RunStore(tmp_path / "newer")
    result = train(TINY, progress=False)
    newer.add(result)
    assert import_runs(store, newer.path).added == [TINY.id]
    assert import_runs(newer, tmp_path / "good").kept == [TINY.id]
    assert newer.holds(TINY)
