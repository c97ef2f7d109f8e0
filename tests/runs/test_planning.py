import pandas as pd
import pytest
from tiny_specs import TINY

from selectivity_core import RunStore, ledger
from selectivity_core.data import load
from selectivity_core.errors import ParameterError
from selectivity_core.runs.archive import export
from selectivity_core.runs.planning import Plan, papers_grid, plan
from selectivity_core.training import Trainer


def test_a_plan_counts_what_is_there_and_trains_nothing(finished):
    store, specs = finished  # two seeds at three α, and one that diverged
    before = sorted(store.path.rglob("*"))
    wanted = [TINY.replace(alpha=a, seed=s) for s in range(4) for a in (-1.0, 0.0, 1.0)]
    ticks = []
    found = plan(wanted, store, workers=2, tick=lambda: ticks.append(1))
    assert len(ticks) == len(specs)
    assert sorted(store.path.rglob("*")) == before
    frame, (total,) = found.settings, found.total.to_dict("records")
    assert frame["regularised"].tolist() == [True, False]
    assert frame[["wanted", "store", "to train"]].to_numpy().tolist() == [[8, 4, 4], [4, 2, 2]]
    assert frame["cost"].tolist() == ["measured"] * 2 and frame["arithmetic"].tolist() == [1.0, 1.0]
    rows = store.tables(specs[:6]).runs.set_index("run")
    assert (60 * frame["minutes each"]).tolist() == pytest.approx(rows.loc[frame["run"], "seconds"].tolist())
    assert rows.loc[frame["run"][1], "seconds"] == rows.loc[rows["alpha"] == 0, "seconds"].min()
    hours = (4 * frame["minutes each"][0] + 2 * frame["minutes each"][1]) / 60
    assert total["hours"] == pytest.approx(hours) == frame["hours"].sum()
    assert hours / 2 * (1 - 1e-9) <= total["hours until the last ends"] <= hours * (1 + 1e-9)
    assert total["GB"] == pytest.approx(frame["GB"].sum())
    assert (total["wanted"], total["to train"], total["by measured costs"], total["workers"]) == (12, 6, 6, 2)


def test_settings_are_told_apart_by_the_fields_in_which_they_differ(tmp_path):
    frame = plan([TINY, TINY.replace(dropout=0.5)], RunStore(tmp_path)).settings
    assert frame["dropout"].tolist() == [0.0, 0.5] and "activation" not in frame


def test_large_sums_are_written_out():
    frame = pd.DataFrame({"hours": [441_234.0], "GB": [0.0384]})
    assert str(Plan(frame, frame[["GB"]])).split() == ["hours", "GB", "441,000", "0.0384", "GB", "0.0384"]


def test_nothing_to_train(finished):
    store, specs = finished
    found = plan(specs, store)
    assert found.total.iloc[0].tolist() == [7, 0, 0, 0, 0, 1, 0]


def test_the_ledger_counts_and_costs(finished, tmp_path, monkeypatch):
    export(finished[0], tmp_path / "ledger")
    monkeypatch.setenv("SELECTIVITY_LEDGER", str(tmp_path / "ledger"))
    wanted, empty = [TINY, TINY.replace(seed=1)], RunStore(tmp_path / "s")
    used = plan(wanted, empty, ledger=ledger(), use_ledger=True).settings
    assert used[["ledger", "to train"]].to_numpy().tolist() == [[2, 0]]
    unused = plan(wanted, empty, ledger=ledger()).settings
    assert unused[["ledger", "to train"]].to_numpy().tolist() == [[2, 2]]
    assert unused["cost"].tolist() == ["measured"]
    more = plan([TINY.replace(epochs=20)], empty, ledger=ledger())
    assert more.total.iloc[0][["wanted", "to train", "by measured costs"]].tolist() == [1, 1, 0]
    assert more.settings["arithmetic"].tolist() == [10.0]


def test_runs_that_are_begun_are_counted(tmp_path):
    store, spec = RunStore(tmp_path), TINY.replace(seed=5)
    store.checkpoints(spec).save(Trainer(spec, load("digits")))
    assert plan([spec, TINY], store).settings["begun"].tolist() == [1]


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
