import io
import pickle
import re
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import tqdm.std
from sweep_workers import count_trainings, same

from selectivity_core import RunStore, profile, run, sweep, train, trained_network
from selectivity_core.errors import DataError, MissingRunsError, ParameterError, SelectivityError, StoreError
from selectivity_core.runs import sweeping
from selectivity_core.runs.archive import export, ledger
from selectivity_core.tables import COLUMNS, NAMES


@pytest.fixture
def trained(tmp_path, monkeypatch):
    """What was trained in this process, as a function that gives the ids in order of name."""
    monkeypatch.setattr(run, "train", run.train)
    log = tmp_path / "log"
    log.mkdir()
    count_trainings(log)
    return lambda: sorted(p.name.partition("-")[0] for p in log.iterdir())


def test_rows_follow_the_specs_and_only_what_is_missing_is_trained(tmp_path, tiny, trained):
    store = RunStore(tmp_path / "store")
    a, b, c = (tiny.replace(seed=s) for s in range(3))
    sweep([b], store, jobs=1, progress=False)
    tables = sweep([c, b, a, c, b], store, jobs=1, progress=False)
    assert tables.runs["run"].tolist() == [c.id, b.id, a.id]
    assert tables.units["run"].drop_duplicates().tolist() == [c.id, b.id, a.id]
    assert trained() == sorted([a.id, b.id, c.id])
    again = sweep((s for s in (a, b, c)), tmp_path / "store", progress=False)
    assert again.runs["run"].tolist() == [a.id, b.id, c.id]
    assert len(trained()) == 3


def test_nothing_wanted_gives_empty_tables_with_columns(tmp_path):
    tables = sweep([], tmp_path, progress=False)
    for name in NAMES:
        assert tuple(getattr(tables, name).columns) == COLUMNS[name]
        assert not len(getattr(tables, name))
    assert not list(tmp_path.iterdir())


def test_on_missing(tmp_path, tiny, finished, trained):
    store, specs = finished
    wanted = [tiny.replace(seed=77), specs[2], specs[0]]
    assert sweep(wanted, store, on_missing="skip").runs["run"].tolist() == [specs[2].id, specs[0].id]
    with pytest.raises(
        MissingRunsError, match=rf"1 of 3 runs missing from .*mlp on digits, α = 0, seed 77 \({wanted[0].id}"
    ):
        sweep(wanted, store, on_missing="raise")
    with pytest.raises(ParameterError, match="on_missing: 'maybe' given"):
        sweep(wanted, store, on_missing="maybe")
    assert trained() == []


def test_results_travel_by_value(tiny):
    result = train(tiny, progress=False)
    again = pickle.loads(pickle.dumps(result))
    same(result, again)
    assert all((v == again.weights[k]).all() for k, v in result.weights.items())
    assert again.spec == tiny
    assert again.digest == result.digest


@pytest.mark.parametrize("pooled", [False, True])
def test_a_failed_run_does_not_cost_the_others(tmp_path, tiny, pooled):
    bad = tiny.replace(model="resnet20", width=1, dropout=0.5)
    specs = [bad, tiny, bad.replace(seed=1), tiny.replace(seed=1)]
    with ThreadPoolExecutor(1) as pool, pytest.raises(
        SelectivityError, match=r"2 of 4 runs failed, the first: resnet20 on digits, .*: dropout: 0.5 given"
    ):  # fmt: skip
        sweep(specs, tmp_path, executor=pool if pooled else None, jobs=1, progress=False)
    assert RunStore(tmp_path).ids() == sorted([specs[1].id, specs[3].id])


def test_missing_data_are_one_clear_line(tmp_path, tiny):
    with pytest.raises(DataError, match=r"^cifar10: no images under .*selectivity data get"):
        sweep([tiny.replace(dataset="cifar10")], tmp_path / "s", data=tmp_path, jobs=1, progress=False)


def test_other_data_or_version_make_a_run_stale(tmp_path, tiny, trained, monkeypatch):
    sweep([tiny], tmp_path / "s", jobs=1, progress=False)
    monkeypatch.setattr("selectivity_core.training.RESULT_VERSION", 2)
    sweep([tiny], tmp_path / "s", jobs=1, progress=False)
    assert trained() == [tiny.id] * 2
    monkeypatch.setattr("selectivity_core.runs.sweeping.data_digests", lambda *_: {"digits": "0" * 64})
    assert not len(sweep([tiny], tmp_path / "s", on_missing="skip").runs)


def test_the_ledger_is_read_where_the_store_lacks_a_run(tmp_path, tiny, tiny_digits, finished, trained, monkeypatch):
    store, specs = finished
    export(store, tmp_path / "ledger")
    monkeypatch.setenv("SELECTIVITY_LEDGER", str(tmp_path / "ledger"))
    new = tiny.replace(seed=5)
    tables = sweep([specs[3], new, specs[1]], tmp_path / "s", jobs=1, ledger=ledger(), progress=False)
    assert tables.runs["run"].tolist() == [specs[3].id, new.id, specs[1].id]
    assert trained() == [new.id]
    assert tables.units.groupby("run", sort=False).size().tolist() == [16, 16, 16]


def test_a_sweep_needs_no_ledger(tmp_path, tiny, monkeypatch):
    """As beside an installed package, where there is no checkout with results."""
    monkeypatch.delenv("SELECTIVITY_LEDGER")
    monkeypatch.setattr("selectivity_core.runs.archive.TRACKED", tmp_path / "results")
    store = RunStore(tmp_path / "s")
    assert sweep([tiny], store, jobs=1, progress=False).runs["run"].tolist() == [tiny.id]
    assert not trained_network(tiny, store=store).training


@pytest.mark.fault("a damaged run in the way of a sweep", "named")
def test_a_damaged_run_is_reported_not_replaced(tmp_path, tiny):
    store = RunStore(tmp_path)
    sweep([tiny], store, jobs=1, progress=False)
    (store.folder(tiny) / "units.csv").write_text("x")
    with pytest.raises(StoreError, match=r"units\.csv: differs from its manifest"):
        sweep([tiny], store, progress=False).units  # noqa: B018


def test_the_time_left_does_not_count_the_start_of_workers(tmp_path, tiny, monkeypatch):
    """Runs report a tenth of themselves every second, after a start of 100 s."""
    clock, seen = [1000.0], []

    def training(specs, _store, *, report, **_):
        clock[0] += 100
        for spec in specs:
            for share in range(1, 11):
                clock[0] += 1
                report(spec, share / 10)
                seen.append(bars[0].format_dict)
            yield spec, "finished"

    def kept(*args, **options):
        bars.append(tqdm.std.tqdm(total=options.get("total", args[1]), file=io.StringIO(), smoothing=0))
        bars[0]._time = lambda: clock[0]
        return bars[0]

    bars = []
    monkeypatch.setattr(time, "time", lambda: clock[0])
    monkeypatch.setattr(sweeping, "bar", kept)
    monkeypatch.setattr(sweeping, "train_all", training)
    sweeping._train_missing([tiny, tiny.replace(seed=1)], RunStore(tmp_path), "training")
    rates = [(f["n"] - f["initial"]) / f["elapsed"] for f in seen if f["elapsed"]]
    assert seen[0]["elapsed"] == 0 and rates == pytest.approx([0.1] * 19)


def test_progress_says_first_how_long_it_will_take(tmp_path, tiny, capsys, monkeypatch):
    monkeypatch.delenv("SELECTIVITY_PROGRESS", raising=False)
    sweep([tiny], tmp_path, jobs=1)
    assert "training 1 run, about 1 s:   0%" in capsys.readouterr().err
    sweep([tiny.replace(seed=s) for s in (0, 1, 2)], tmp_path, jobs=1)
    shown = capsys.readouterr().err
    assert re.search(r"training 2 runs, about \d+ s:   0%", shown)
    assert re.search(r"\[\d\d:\d\d<\d\d:\d\d\D", shown)  # the time left
    assert "100%" in shown
    assert "2 of 2 finished" in shown
    assert "\n" not in shown.strip()  # one line where there is no terminal


def test_more_work_than_was_allowed_is_refused_before_anything_is_trained(tmp_path, trained):
    week = [profile("cifar10", seed=s) for s in range(3)]
    with pytest.raises(ParameterError, match=r"^3 of 3 runs to be trained, which takes about 10\.9 hours"):
        sweep(week, tmp_path, max_hours=4)
    sweep(week, tmp_path, max_hours=4, time_budget=0, progress=False)  # a budget is a limit of its own
    assert not len(sweep(week, tmp_path, max_hours=4, on_missing="skip").runs)
    assert trained() == []


LEDGER_CASES = {
    # local data as in the ledger: its rows are used, and the rest is trained
    "same data": ("same", 3, [], "train", [0, 1, 2], [2]),
    # other data here: shown while everything comes from the ledger …
    "other data, all in the ledger": ("other", 2, [], "train", [0, 1], []),
    "other data, skipped": ("other", 3, [], "skip", [0, 1], []),
    # … and stale once something else would stand beside it
    "other data, one to train": ("other", 3, [], "train", [0, 1, 2], [0, 1, 2]),
    "other data, one in the store": ("other", 3, [2], "skip", [2], []),
}


@pytest.mark.fault("a sweep over runs of two copies of the data", "unmixed")
@pytest.mark.parametrize("case", LEDGER_CASES.values(), ids=LEDGER_CASES)
def test_one_table_never_mixes_two_copies_of_the_data(tmp_path, tiny, trained, monkeypatch, case):
    kind, wanted, stored, on_missing, shown, trains = case
    specs = [tiny.replace(seed=s) for s in range(3)]
    source = RunStore(tmp_path / "source")
    sweep(specs[:2], source, jobs=1, progress=False)
    export(source, tmp_path / "ledger")
    monkeypatch.setenv("SELECTIVITY_LEDGER", str(tmp_path / "ledger"))
    kept = ledger()
    if kind == "other":
        kept.runs["provenance_digest"] = "0" * 64
    store = RunStore(tmp_path / "s")
    sweep([specs[k] for k in stored], store, jobs=1, progress=False)
    before = len(trained())
    tables = sweep(specs[:wanted], store, jobs=1, ledger=kept, on_missing=on_missing, progress=False)
    assert tables.runs["run"].tolist() == [specs[k].id for k in shown]
    assert len(trained()) - before == len(trains)
    assert set(store.ids()) == {specs[k].id for k in {*stored, *trains}}
    if len(tables.runs):
        assert tables.runs["provenance_digest"].nunique() == 1


def test_data_that_are_not_at_hand_follow_the_store(tmp_path, tiny, monkeypatch):
    """With no data here, the runs of the store say which copy the ledger's rows must be of."""
    specs = [tiny.replace(seed=s) for s in range(2)]
    source, store = RunStore(tmp_path / "source"), RunStore(tmp_path / "s")
    sweep(specs, source, jobs=1, progress=False)
    sweep(specs[:1], store, jobs=1, progress=False)
    export(source, tmp_path / "ledger")
    monkeypatch.setenv("SELECTIVITY_LEDGER", str(tmp_path / "ledger"))
    monkeypatch.setattr("selectivity_core.runs.sweeping.data_digests", lambda *_: {})
    kept = ledger()
    assert len(sweep(specs, store, on_missing="skip", ledger=kept).runs) == 2
    kept.runs["provenance_digest"] = "0" * 64
    assert len(sweep(specs, store, on_missing="skip", ledger=kept).runs) == 1


@pytest.mark.fault("a store of two copies, and no data", "unmixed")
def test_a_store_of_two_copies_is_named_where_no_data_say_which_counts(tmp_path, tiny, monkeypatch):
    store, specs = RunStore(tmp_path), [tiny.replace(seed=s) for s in range(2)]
    sweep(specs, store, jobs=1, progress=False)
    monkeypatch.setattr("selectivity_core.runs.sweeping.data_digests", lambda *_: {})
    assert len(sweep(specs, store, on_missing="raise").runs) == 2
    real = RunStore.manifest
    monkeypatch.setattr(RunStore, "manifest", lambda self, spec: real(self, spec) | {"digest": spec.id * 4})
    with pytest.raises(StoreError, match="digits: runs were made from 2 copies of the data"):
        sweep(specs, store, on_missing="raise")
