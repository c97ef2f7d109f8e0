import pandas as pd
import pytest

from selectivity_core import RunSpec, Tables, grid
from selectivity_core.errors import MissingRunsError, SpecError
from selectivity_core.ledgers import export
from selectivity_core.paper.figures import find_figure
from selectivity_core.study import Study, default_store, gather
from selectivity_core.sweeping import describe

OVERRIDES = {"epochs": 1, "milestones": [], "width": 1, "train_size": 40}


def made_up(specs: list[RunSpec], diverged: RunSpec) -> Tables:
    """Runs that nobody trained, and two units of each that is complete."""
    runs = pd.DataFrame(
        {
            "run": [s.id for s in specs], "model": [s.model for s in specs], "alpha": [s.alpha for s in specs],
            "seed": [s.seed for s in specs], "status": ["diverged" if s == diverged else "complete" for s in specs],
            "provenance_data": "scikit-learn digits",
        }
    )  # fmt: skip
    units = pd.DataFrame({"run": [s.id for s in specs for _ in range(2)], "si": 0.5})
    return Tables(runs=runs, units=units)


@pytest.fixture
def study():
    wanted = grid("digits", "fig4", alphas=[-1.0, 0.0, 30.0], seeds=2, models=["resnet20"])
    return Study(find_figure("fig4"), "digits", wanted, made_up(wanted[:-1], wanted[2]))


def test_what_is_there_and_what_is_missing(study):
    assert study.missing == [study.specs[-1]]
    assert study.models == ["resnet20"]
    assert len(study.runs()) == len(study.runs("resnet20")) == 4
    assert not len(study.runs("resnet18"))


def test_a_diverged_run_is_in_no_table(study):
    diverged = study.specs[2].id
    assert diverged in study.tables.runs["run"].tolist()
    assert diverged not in study.runs()["run"].tolist()
    units = study.table("units")
    assert diverged not in units["run"].tolist()
    assert units["alpha"].tolist() == [-1, -1, 0, 0, -1, -1, 0, 0]
    assert units["seed"].tolist() == [0] * 4 + [1] * 4
    assert len(study.table("units", "resnet20")) == 8
    assert not len(study.table("units", "resnet18"))


def test_the_account_says_n_place_missing_and_diverged(study):
    text = study.account()
    assert "n = 2 seeds at each of 2 values of α" in text
    assert "ResNet20 on scikit-learn digits" in text
    assert "scaled down; the paper's is ResNet18 on Tiny ImageNet" in text
    assert "Diverged, shown nowhere and averaged into nothing: α = 30 (seed 0)." in text
    assert f"**1 of 6 runs are missing**, the first: {describe(study.specs[-1])}" in text
    assert "`selectivity sweep --profile digits --figure fig4 --alphas=-1,0,30 --seeds 0,1`" in text


def test_an_account_of_unequal_numbers(study):
    specs = study.specs[:4]
    text = Study(study.figure, "digits", specs, made_up(specs, diverged=None)).account()
    assert "n = 1 to 2 seeds at each of 3" in text
    assert "missing" not in text
    assert "Diverged" not in text


@pytest.mark.slow
def test_gather_trains_reads_and_skips(tmp_path, monkeypatch):
    monkeypatch.setattr("selectivity_core.sweeping.os.cpu_count", lambda: 1)  # in this process
    monkeypatch.setenv("SELECTIVITY_RUNS", str(tmp_path / "runs"))
    options = {"profile": "digits", "alphas": [-1.0], "seeds": 1, "models": ["resnet20"], "overrides": OVERRIDES}
    with pytest.raises(MissingRunsError, match=r"figure fig1: none of its 2 runs at profile digits is finished; train"):
        gather("fig1", **options, on_missing="skip")
    with pytest.raises(MissingRunsError, match="2 of 2 runs are missing"):
        gather("fig1", **options, on_missing="raise")
    study = gather("fig1", **options)
    assert study.runs()["alpha"].tolist() == [-1, 0]
    assert not study.missing
    assert default_store().ids() == sorted(s.id for s in study.specs)
    # then from the ledger alone, with more runs wanted than there are
    export(default_store(), tmp_path / "ledger")
    monkeypatch.setenv("SELECTIVITY_RUNS", str(tmp_path / "empty"))
    monkeypatch.setenv("SELECTIVITY_LEDGER", str(tmp_path / "ledger"))
    again = gather("fig1", **(options | {"seeds": [1, 0]}), on_missing="skip")
    assert [s.seed for s in again.missing] == [1, 1]
    assert again.runs()["test_loss"].tolist() == study.runs()["test_loss"].tolist()
    assert not (tmp_path / "empty").exists()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"profile": "digit"}, "profile: 'digit'"),
        ({"alphas": [float("nan")]}, "alpha: nan"), ({"seeds": -1}, "seeds: -1"),
        ({"overrides": {"beta": 1}}, "beta.* no .*field"),
    ],
)  # fmt: skip
def test_gather_refuses_before_any_training(options, words):
    with pytest.raises(SpecError, match=words):
        gather("fig1", **({"profile": "digits"} | options))
