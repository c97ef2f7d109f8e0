import pytest
from tiny_specs import TINY

from selectivity_core import RunStore, ledger
from selectivity_core.data import load
from selectivity_core.errors import ParameterError
from selectivity_core.runs.archive import export
from selectivity_core.runs.planning import Cost, Plan, PlanLine, papers_grid, plan
from selectivity_core.training import Trainer


def test_a_plan_counts_what_is_there_and_trains_nothing(finished):
    store, specs = finished  # two seeds at three α, and one that diverged
    before = sorted(store.path.rglob("*"))
    wanted = [TINY.replace(alpha=a, seed=s) for s in range(4) for a in (-1.0, 0.0, 1.0)]
    ticks = []
    found = plan(wanted, store, workers=2, tick=lambda: ticks.append(1))
    assert len(ticks) == len(specs)
    assert sorted(store.path.rglob("*")) == before
    regularised, plain = found.lines
    assert (regularised.wanted, regularised.in_store, regularised.to_train) == (8, 4, 4)
    assert (plain.wanted, plain.in_store, plain.to_train) == (4, 2, 2)
    assert regularised.cost.measured
    assert regularised.cost.basis.startswith("measured: fastest run on ")
    rows = store.tables(specs[:6]).runs
    assert plain.cost.seconds == rows.loc[rows["alpha"] == 0, "seconds"].min()
    hours = (4 * regularised.cost.seconds + 2 * plain.cost.seconds) / 3600
    assert found.hours == pytest.approx(hours)
    assert hours / 2 <= found.makespan <= hours
    frame = found.frame()
    assert frame["to train"].tolist() == [4, 2]
    assert frame["hours"].sum() == pytest.approx(hours)
    assert frame["GB"].sum() == pytest.approx(found.bytes / 1e9)
    assert "6 of 12 runs are to be trained (all by measured costs)" in found.summary()
    assert "with 2 workers the last one ends after" in found.summary()


def test_large_sums_are_written_out():
    line = PlanLine("resnet20", 3, 0, 0, 0, 3, Cost(3600.0, 1e9, True, "measured"))
    found = Plan((line,), workers=2, hours=441_234.0, makespan=7_166.0, bytes=0.0384e9)
    assert "441,000 hours of work and 0.0384 GB; with 2 workers the last one ends after 7,170 hours." in found.summary()
    assert "e+" not in found.text()


def test_nothing_to_train(finished):
    store, specs = finished
    found = plan(specs, store)
    assert (found.hours, found.makespan, found.bytes) == (0.0, 0.0, 0.0)
    assert found.summary() == "All 7 runs are there: nothing is to be trained."


def test_the_ledger_counts_and_costs(finished, tmp_path, monkeypatch):
    export(finished[0], tmp_path / "ledger")
    monkeypatch.setenv("SELECTIVITY_LEDGER", str(tmp_path / "ledger"))
    wanted, empty = [TINY, TINY.replace(seed=1)], RunStore(tmp_path / "s")
    used = plan(wanted, empty, ledger=ledger())
    assert (used.lines[0].in_ledger, used.lines[0].to_train) == (2, 0)
    unused = plan(wanted, empty, ledger=ledger(), use_ledger=False)
    assert (unused.lines[0].in_ledger, unused.lines[0].to_train) == (2, 2)
    assert unused.lines[0].cost.measured
    more = plan([TINY.replace(epochs=20)], empty, ledger=ledger())
    assert "1 of 1 runs is to be trained (0 by measured costs, the rest extrapolated)" in more.summary()


def test_runs_that_are_begun_are_counted(tmp_path):
    store, spec = RunStore(tmp_path), TINY.replace(seed=5)
    store.checkpoints(spec).save(Trainer(spec, load("digits")))
    assert plan([spec, TINY], store).lines[0].begun == 1


def test_the_papers_grids_are_four_networks_with_20_seeds():
    specs = papers_grid()
    assert {s.model for s in specs} == {"resnet20", "vgg16", "resnet18", "resnet50"}
    assert len({s.id for s in specs}) == len(specs)
    for model in ("resnet20", "vgg16", "resnet18", "resnet50"):
        mine = [s for s in specs if s.model == model]
        assert {s.seed for s in mine} == set(range(20))
        assert len(mine) == 20 * len({s.alpha for s in mine})
        assert len({s.alpha for s in mine}) >= 20


@pytest.mark.parametrize("workers", [0, -1])
def test_fewer_than_one_worker_is_refused(tmp_path, workers):
    with pytest.raises(ParameterError, match=f"workers: {workers} given; at least 1 is needed"):
        plan([TINY], RunStore(tmp_path), workers=workers)
