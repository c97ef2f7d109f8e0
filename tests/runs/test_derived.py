import gzip
import math
import shutil

import pandas as pd
import pytest
from safetensors.torch import load, save
from test_ledgers import another
from tiny_specs import DIVERGING, TINY

from selectivity_core import RunStore, Tables, ledger, profile, sweep
from selectivity_core.cli import main
from selectivity_core.errors import MissingRunsError, ParameterError, StoreError
from selectivity_core.runs.analyses import ANALYSES
from selectivity_core.runs.archive import export
from selectivity_core.runs.derived import Analysis, Task, derive, kept_rows
from selectivity_core.runs.manifests import make_manifest
from selectivity_core.runs.reads import entries
from selectivity_core.runs.verification import ledger_problems

SPECS = [TINY.replace(alpha=a, epochs=1) for a in (-1.0, 0.0, 1.0)]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("derived")
    sweep(SPECS, RunStore(folder), jobs=1, progress=False)
    return folder


@pytest.fixture
def store(trained, tmp_path):
    """Three tiny runs, and nothing worked out of them yet."""
    shutil.copytree(trained, tmp_path / "runs")
    return RunStore(tmp_path / "runs")


class Counting:
    """An analysis that notes which runs it was asked for; its rows hold sums of their weights."""

    def __init__(self):
        self.asked = []

    def __call__(self, runs, *specs, factor=1):
        self.asked.append(tuple(spec.alpha for spec in specs))
        values = [v for spec in specs for v in runs.store.weights(spec).values()]
        # Exact: the last bit of torch's sum hangs on where in memory the values lie.
        total = math.fsum(x for v in values for x in v.double().flatten().tolist()) % 1  # as distances are
        return pd.DataFrame({"layer": ["a", "b"], "depth": [0, 1], "form": "paper", "distance": [factor / 3, total]})


@pytest.fixture
def count():
    return Counting()


def pairs(count, version=1, **settings):
    analysis = Analysis("pairs", "sums", version, count, tuple(settings.items()))
    return [Task(analysis, (SPECS[k], SPECS[1])) for k in (0, 2)]


def work(tasks, store, **options):
    return derive(tasks, store, progress=False, **options)


def test_rows_come_in_the_order_of_the_tasks(store, count):
    rows = work(pairs(count)[::-1], store)
    assert count.asked == [(1, 0), (-1, 0)]
    assert rows.columns.tolist() == ["run", "other", "analysis", "layer", "depth", "form", "distance"]
    assert rows["run"].tolist() == [SPECS[2].id] * 2 + [SPECS[0].id] * 2
    assert set(rows["other"]) == {SPECS[1].id}
    assert set(rows["analysis"]) == {"sums/1"}
    pd.testing.assert_frame_equal(work(pairs(count), store), pd.concat([rows[2:], rows[:2]], ignore_index=True))


def test_what_was_worked_out_is_read_again(store, count):
    first = work(pairs(count), store)
    again = work([*pairs(count), *pairs(count)], RunStore(store.path))  # doubled ones count once
    assert len(count.asked) == 2
    pd.testing.assert_frame_equal(again, first)
    assert again["distance"].iloc[0] == 1 / 3  # exactly
    assert {p.suffix for p in (store.path / ".derived" / "pairs").iterdir()} == {".gz"}  # nothing half-written


@pytest.mark.parametrize("other", [{"version": 2}, {"factor": 2}])
def test_another_version_or_setting_is_another_result(store, count, other):
    work(pairs(count), store)
    rows = work(pairs(count, **other), store)
    assert len(count.asked) == 4
    assert set(rows["analysis"]) == {"sums/2" if "version" in other else "sums/1 factor=2"}
    assert rows["distance"].iloc[0] == other.get("factor", 1) / 3
    work(pairs(count), store)
    assert len(count.asked) == 4


def retrain(store, spec):
    """Puts other weights in the place of a run's."""
    manifest = store.manifest(spec)
    files = {name: store.content(spec.id, name) for name in manifest["files"]}
    weights = {name: values + 1 for name, values in load(files["weights.safetensors"]).items()}
    files["weights.safetensors"] = save(weights)
    shutil.rmtree(store.folder(spec))
    assert store.put(make_manifest(manifest["spec"], spec.id, "complete", manifest["digest"], files), files)


def test_other_weights_make_a_result_stale(store, count):
    first = work(pairs(count), store)
    retrain(store, SPECS[0])
    rows = work(pairs(count), store)
    assert count.asked[2:] == [(-1, 0)]  # the other pair is untouched
    assert rows["distance"].iloc[1] != first["distance"].iloc[1]
    assert rows["distance"].iloc[2:].equals(first["distance"].iloc[2:])
    retrain(store, SPECS[1])  # the second of both
    work(pairs(count), store)
    assert len(count.asked) == 5


@pytest.mark.parametrize("damage", ["cut", "empty", "text", "bit"])
def test_a_damaged_result_is_worked_out_again(store, count, damage):
    first = work(pairs(count)[:1], store)
    (path,) = (store.path / ".derived" / "pairs").iterdir()
    content = path.read_bytes()
    flipped = content[:-20] + bytes([content[-20] ^ 255]) + content[-19:]
    path.write_bytes({"cut": content[:40], "empty": b"", "text": b"not gzip", "bit": flipped}[damage])
    pd.testing.assert_frame_equal(work(pairs(count)[:1], store), first)
    assert len(count.asked) == 2
    assert path.read_bytes() == content  # and kept whole again


def test_the_same_networks_give_the_same_bytes(store, count):
    work(pairs(count), store)
    files = {p.name: p.read_bytes() for p in (store.path / ".derived" / "pairs").iterdir()}
    shutil.rmtree(store.path / ".derived")
    work(pairs(count), store)
    assert {p.name: p.read_bytes() for p in (store.path / ".derived" / "pairs").iterdir()} == files


def test_the_ledger_is_used_where_the_store_has_nothing(store, count, tmp_path):
    rows = work(pairs(count), store)
    empty = RunStore(tmp_path / "nothing")
    for on_missing in ("train", "skip", "raise"):
        found = work(pairs(count), empty, ledger=Tables(pairs=rows), on_missing=on_missing)
        pd.testing.assert_frame_equal(found, rows)
    assert len(count.asked) == 2
    assert not empty.path.exists()
    stale = rows.assign(analysis="sums/0")
    assert len(work(pairs(count), empty, ledger=Tables(pairs=stale), on_missing="skip")) == 0


def test_the_stores_own_result_goes_before_the_ledgers(store, count):
    rows = work(pairs(count), store)
    found = work(pairs(count), store, ledger=Tables(pairs=rows.assign(distance=9.0)))
    assert found["distance"].tolist() == rows["distance"].tolist()


def test_what_only_some_of_which_the_ledger_has_is_completed(store, count):
    rows = work(pairs(count), store)
    shutil.rmtree(store.path / ".derived")
    found = work(pairs(count), store, ledger=Tables(pairs=rows[2:]))
    assert count.asked[2:] == [(-1, 0)]
    pd.testing.assert_frame_equal(found, rows)


def test_results_of_one_run_have_no_other(store):
    def one(runs, spec):
        return pd.DataFrame({"layer": ["a"], "depth": 0, "kind": "axis", "value": [spec.alpha]})

    tasks = [Task(Analysis("bounds", "one", 1, one), (spec,)) for spec in SPECS]
    rows = work(tasks, store)
    assert rows.columns.tolist() == ["run", "analysis", "layer", "depth", "kind", "value"]
    assert rows["value"].tolist() == [-1, 0, 1]
    found = work(tasks, RunStore(store.path.parent / "no"), ledger=Tables(bounds=rows), on_missing="raise")
    pd.testing.assert_frame_equal(found, rows)


def test_a_value_that_is_not_there_comes_back_as_such(store):
    def lost(runs, spec):
        return pd.DataFrame({"layer": ["a"], "depth": 0, "kind": "axis", "value": [math.nan]})

    tasks = [Task(Analysis("bounds", "lost", 1, lost), (SPECS[0],))]
    assert work(tasks, store)["value"].isna().all()
    assert work(tasks, store)["value"].isna().all()


def test_missing_runs_are_skipped_or_named_or_trained(store, count, tmp_path):
    empty = RunStore(tmp_path / "nothing")
    rows = work(pairs(count), empty, on_missing="skip")
    assert len(rows) == 0
    assert rows.columns[0] == "run"
    with pytest.raises(MissingRunsError, match=f"3 of 3 runs missing from .*{SPECS[0].id}"):
        work(pairs(count), empty, on_missing="raise")
    assert (count.asked, empty.path.exists()) == ([], False)
    shutil.rmtree(store.folder(SPECS[0]))
    assert set(work(pairs(count), store, on_missing="skip")["run"]) == {SPECS[2].id}
    trained = work(pairs(count), store, on_missing="train")
    assert set(trained["run"]) == {SPECS[0].id, SPECS[2].id}
    assert store.holds(SPECS[0])


def test_finished_runs_are_enough_for_raise(store, count):
    assert len(work(pairs(count), store, on_missing="raise")) == 4


def test_a_run_that_diverged_has_no_results(store, count):
    analysis = Analysis("pairs", "sums", 1, count)
    sweep([DIVERGING], store, jobs=1, progress=False)
    rows = work([Task(analysis, (DIVERGING, SPECS[1])), Task(analysis, (SPECS[0], SPECS[1]))], store)
    assert set(rows["run"]) == {SPECS[0].id}


def test_nothing_asked_for_is_nothing(store):
    assert len(work([], store)) == 0


def test_readers_notice_a_result_that_changes(store, count, tmp_path, monkeypatch):
    monkeypatch.setenv("SELECTIVITY_READS", str(tmp_path / "reads"))
    work(pairs(count), store)
    looked = {path: digest for path, digest in entries(tmp_path / "reads").items() if ".derived" in path}
    assert list(looked.values()) == [None, None]  # looked for, and not there yet


def test_kept_rows_are_those_of_the_runs_asked_for(store, count):
    rows = work(pairs(count), store)
    every = {spec.id for spec in SPECS}
    found = pd.concat(kept_rows(store, "pairs", every, {})).sort_values(["run", "depth"], ignore_index=True)
    pd.testing.assert_frame_equal(found, rows.sort_values(["run", "depth"], ignore_index=True))
    assert {run for frame in kept_rows(store, "pairs", every - {SPECS[0].id}, {}) for run in frame["run"]} == {
        SPECS[2].id
    }
    assert list(kept_rows(store, "pairs", every - {SPECS[1].id}, {})) == []  # the other side counts too
    assert list(kept_rows(store, "bounds", every, {})) == []


@pytest.mark.parametrize("content", [b"", b"not gzip", gzip.compress(b"", mtime=0)[:-4]])
def test_kept_rows_that_cannot_be_read_are_named(store, count, content):
    work(pairs(count)[:1], store)
    (path,) = (store.path / ".derived" / "pairs").iterdir()
    path.write_bytes(content)
    with pytest.raises(StoreError, match=f"{path.name}: not a result that can be read"):
        list(kept_rows(store, "pairs", {spec.id for spec in SPECS}, {}))


def test_more_training_than_was_allowed_is_refused(tmp_path):
    tasks = [Task(ANALYSES["classes"], (profile("cifar10", seed=seed),)) for seed in range(3)]
    with pytest.raises(ParameterError, match=r"^3 of 3 runs to be trained, which takes about 10\.9 hours"):
        derive(tasks, RunStore(tmp_path), max_hours=4)


class Means(Counting):
    """An analysis of the networks that it is given: their mean weights."""

    def __call__(self, runs, spec):
        self.asked.append(spec.alpha)
        weights = runs.network(spec).state_dict()
        total = math.fsum(x for v in weights.values() for x in v.double().flatten().tolist()) % 1
        return pd.DataFrame({"layer": ["a"], "depth": 0, "kind": "axis", "value": [total]})


@pytest.fixture
def kept(store, tmp_path, monkeypatch, tiny_digits):
    """A ledger that has the store's runs and keeps their networks."""
    monkeypatch.setenv("SELECTIVITY_LEDGER", str(tmp_path / "ledger"))
    export(store)
    return ledger()


def of_networks(**options):
    means = Means()
    return means, [Task(Analysis("bounds", "means", 1, means, **options), (spec,)) for spec in SPECS]


def test_networks_of_the_ledger_are_measured_as_the_stores_are(store, kept, tmp_path):
    _, tasks = of_networks()
    ours = work(tasks, store)
    elsewhere = RunStore(tmp_path / "elsewhere")
    means, tasks = of_networks()
    theirs = work(tasks, elsewhere, ledger=kept, on_missing="raise")
    pd.testing.assert_frame_equal(theirs, ours, check_exact=True)
    work(tasks, elsewhere, ledger=kept, on_missing="raise")
    assert len(means.asked) == 3 and not elsewhere.folders()  # worked out once, and nothing trained
    assert theirs["value"].nunique() == 3


def test_what_needs_more_than_the_best_epoch_is_not_made_of_a_ledger(store, kept, tmp_path):
    elsewhere = RunStore(tmp_path / "elsewhere")
    _, tasks = of_networks(of_best=False)
    with pytest.raises(MissingRunsError, match="3 of 3 runs missing"):
        work(tasks, elsewhere, ledger=kept, on_missing="raise")
    assert not len(work(tasks, elsewhere, ledger=kept, on_missing="skip"))
    _, other = of_networks()
    with pytest.raises(MissingRunsError, match="3 of 3 runs missing"):
        work(other, elsewhere, on_missing="raise")  # without a ledger
    work(tasks[:1], elsewhere, ledger=kept)
    assert set(elsewhere.folders()) == {SPECS[0].id}


@pytest.mark.fault("networks of a ledger measured, with other data here", "unmixed")
def test_networks_of_a_ledger_are_measured_on_their_own_data_only(store, kept, tmp_path, monkeypatch):
    from selectivity_core.runs import sweeping

    _, tasks = of_networks()
    for digests in ({"digits": "0" * 64}, {}):
        monkeypatch.setattr(sweeping, "data_digests", lambda *_, found=digests: found)
        assert not len(work(tasks, RunStore(tmp_path / "elsewhere"), ledger=kept, on_missing="skip"))


def test_results_of_networks_of_a_ledger_are_exported_to_it(store, kept, capsys, tmp_path):
    elsewhere = RunStore(tmp_path / "elsewhere")
    _, tasks = of_networks()
    rows = work(tasks, elsewhere, ledger=kept)
    assert main(["export", "--store", str(elsewhere.path)]) == 0  # of a store that has no runs
    assert capsys.readouterr().out == "digits: 3 runs\n"
    assert set(ledger().bounds["run"]) == set(rows["run"]) == {spec.id for spec in SPECS}
    assert ledger_problems(tmp_path / "ledger") == []
    # Another training in the first one's place: what was worked out of that is stale, wherever it lies.
    export(another(store, tmp_path / "other", SPECS[0], started="2031-01-01T00:00:00+00:00"), replace=True)
    assert set(ledger().bounds["run"]) == {spec.id for spec in SPECS[1:]}
    export(elsewhere)
    assert set(ledger().bounds["run"]) == {spec.id for spec in SPECS[1:]}
    means, tasks = of_networks()
    again = work(tasks, elsewhere, ledger=ledger())
    assert means.asked == [SPECS[0].alpha]
    assert again["value"].iloc[1:].equals(rows["value"].iloc[1:])
    assert again["value"].iloc[0] != rows["value"].iloc[0]
