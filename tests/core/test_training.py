import math
import os
import subprocess
import sys
import threading

import pandas as pd
import pytest
import torch

from selectivity_core import RunSpec, train
from selectivity_core.data import load
from selectivity_core.errors import SpecError
from selectivity_core.evaluation import Score
from selectivity_core.models import build_model
from selectivity_core.run import time_to_95
from selectivity_core.tables import COLUMNS, VOLATILE
from selectivity_core.training import RESULT_VERSION, Best, Diverged, Trainer, isolated

TABLES = ("runs", "history", "layers", "units", "responses")


def steady(frame: pd.DataFrame) -> pd.DataFrame:
    """The columns in which two trainings of one spec agree."""
    return frame[[c for c in frame if c not in VOLATILE and not c.startswith("provenance_")]]


def same(one, other) -> None:
    for name in TABLES:
        pd.testing.assert_frame_equal(steady(getattr(one, name)), steady(getattr(other, name)), check_exact=True)
    assert one.weights.keys() == other.weights.keys()
    assert all(torch.equal(v, other.weights[k]) for k, v in one.weights.items())


def quick(spec: RunSpec):
    return train(spec, progress=False)


def test_golden_run():
    """Guards RESULT_VERSION: where these numbers change, it must be raised."""
    assert RESULT_VERSION == 1
    run = quick(RunSpec(epochs=3, milestones=(2,), width=4, alpha=-1.0, seed=7, train_size=100, augment=True))
    row = run.runs.iloc[0]
    assert row["run"] == "187c3c665e71b361"
    assert (row["status"], row["best_epoch"], row["parameters"]) == ("complete", 3, 17254)
    accuracies = row[["test_accuracy", "validation_accuracy", "train_accuracy_last"]].tolist()
    assert accuracies == [150 / 797, 56 / 300, 18 / 100]
    found = row[["test_loss", "si_units", "si_layers", "si_units_last", "train_loss"]].tolist()
    assert found == pytest.approx([2.92795, 0.15245, 0.134518, 0.15245, 2.899312], abs=1e-4)
    unit = run.units.iloc[37]
    found = unit[["dprime", "precision", "mutual_information", "si_shuffled", "weight_l1"]].tolist()
    assert found == pytest.approx([1.559683, 0.4125, 0.590577, 0.030983, 10.53651], abs=1e-4)


def test_golden_run_without_regulariser(tiny):
    row = quick(tiny).runs.iloc[0]
    assert row["test_accuracy"] == 163 / 797
    assert row["validation_accuracy"] == 54 / 300
    assert row["train_accuracy_last"] == 14 / 50
    assert row["test_loss"] == pytest.approx(2.24061, abs=1e-4)
    assert row["si_units"] == pytest.approx(0.49650, abs=1e-4)


def test_tables_have_their_columns_and_sizes(tiny):
    run = quick(tiny.replace(alpha=1.0))
    for name in TABLES:
        frame = getattr(run, name)
        assert tuple(frame.columns) == COLUMNS[name]
        assert (frame["run"] == run.spec.id).all()
    assert len(run.history) == 3
    assert run.history["epoch"].tolist() == [0, 1, 2]
    assert run.layers["layer"].tolist() == ["units1", "units2"]
    assert len(run.units) == 16
    assert len(run.responses) == 160
    assert run.runs["provenance_digest"][0] == run.digest
    assert set(run.weights) == {f"{e}/{k}" for e in ("best", "last") for k in build_mlp(tiny).state_dict()}
    assert not run.runs.filter(regex="accuracy|loss|si_").isna().any(axis=None)


def build_mlp(spec):
    return build_model("mlp", channels=1, image_size=8, classes=10, width=spec.width)


@pytest.mark.parametrize(
    "changes",
    [
        {"alpha": 1.0},
        {"model": "resnet20", "width": 1, "augment": True, "precision": "bfloat16", "alpha": -1.0},
        {"dropout": 0.5, "estimate": "shuffled", "alpha": 2.0, "label_corruption": 0.3},
    ],
)
def test_the_same_spec_is_bit_equal_whatever_ran_before(tiny, changes):
    spec = tiny.replace(**changes)
    first = quick(spec)
    quick(tiny.replace(seed=9, dropout=0.2, alpha=-3.0))
    torch.manual_seed(123)
    torch.rand(7)
    same(quick(spec), first)


@pytest.mark.slow
def test_another_process_with_other_threads_gives_the_same(tiny):
    spec = tiny.replace(alpha=1.0, dropout=0.3)
    script = f"""
from selectivity_core import RunSpec, train
import torch
torch.set_num_threads(2)
run = train(RunSpec.from_dict({spec.as_dict()!r}), progress=False)
total = sum(float(v.double().sum()) for v in run.weights.values())
print(run.runs["test_loss"][0].hex(), total.hex(), torch.get_num_threads())
"""
    environment = {**os.environ, "OMP_NUM_THREADS": "2"}
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, env=environment)
    run = quick(spec)
    total = sum(float(v.double().sum()) for v in run.weights.values())
    assert found.stdout.split() == [float(run.runs["test_loss"][0]).hex(), total.hex(), "2"]


def test_a_run_leaves_threads_and_random_state_as_they_were(tiny):
    before = torch.get_rng_state()
    with isolated(tiny.replace(threads=2)):
        assert torch.get_num_threads() == 2
    quick(tiny)
    assert torch.get_num_threads() == 1
    assert torch.equal(torch.get_rng_state(), before)


def test_runs_in_threads_of_one_process_take_turns(tiny):
    """The seed of an initialisation is set in the process's one generator: another run must not draw from it."""
    inside, other = threading.Event(), threading.Thread(target=lambda: enter(tiny, inside), daemon=True)
    with isolated(tiny):
        other.start()
        assert not inside.wait(0.2)
    assert inside.wait(10)
    other.join()


def test_trainers_made_in_threads_begin_with_the_weights_of_their_seed():
    spec, found = RunSpec(milestones=()), []

    def make():
        found.append(Trainer(spec, load("digits"), torch.device("cpu")).model.conv.weight)

    with isolated(spec):
        make()
        interval = sys.getswitchinterval()
        sys.setswitchinterval(1e-5)
        try:
            threads = [threading.Thread(target=make) for _ in range(4)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        finally:
            sys.setswitchinterval(interval)
    assert len(found) == 5
    assert all(torch.equal(weight, found[0]) for weight in found)


def enter(spec, inside) -> None:
    with isolated(spec):
        inside.set()


def test_seeds_are_shared_across_alpha(tiny):
    data = load("digits")
    one, other, third = (Trainer(tiny.replace(alpha=a, seed=s), data) for a, s in ((-5.0, 1), (5.0, 1), (5.0, 2)))
    assert torch.equal(one.train_index, other.train_index)
    assert torch.equal(one.validation, other.validation)
    assert all(torch.equal(v, other.model.state_dict()[k]) for k, v in one.model.state_dict().items())
    assert not torch.equal(third.model.fc1.weight, other.model.fc1.weight)
    assert not torch.equal(third.train_index, other.train_index)
    # the same order: with no regulariser to tell them apart (a warm-up holds it at 0) the steps are the same
    waiting = [quick(tiny.replace(alpha=a, epochs=1, warmup_epochs=1e5)) for a in (-1e-9, 1e-9)]
    torch.testing.assert_close(waiting[0].weights["last/fc1.weight"], waiting[1].weights["last/fc1.weight"])


def test_best_epoch_is_highest_accuracy_then_lowest_loss_then_latest():
    model, best = torch.nn.Linear(1, 1), Best()
    for epoch, (accuracy, loss) in enumerate(
        [(0.5, 1.0), (0.6, 2.0), (0.6, 1.5), (0.6, 1.5), (0.6, 1.6), (0.5, 0.1)], 1
    ):
        torch.nn.init.constant_(model.weight, epoch)
        best.offer(epoch, Score(accuracy, loss), model)
    assert (best.epoch, best.accuracy, best.loss) == (4, 0.6, 1.5)
    assert best.weights["weight"].item() == 4


def test_test_figures_are_those_of_the_best_epoch(tiny):
    run = quick(tiny.replace(lr=5.0, batch_size=8, epochs=5))
    history = run.history.iloc[1:].sort_values(["validation_accuracy", "validation_loss"], ascending=[False, True])
    chosen, row = history.iloc[0], run.runs.iloc[0]
    assert row["best_epoch"] == chosen["epoch"] == 2
    for name in ("test_accuracy", "test_loss", "validation_accuracy", "si_units", "si_layers"):
        assert row[name] == chosen[name]
    assert row["test_accuracy_last"] == run.history["test_accuracy"].iloc[-1]
    assert run.layers["si"].mean() == pytest.approx(row["si_layers"], abs=1e-6)
    assert run.units["si"].mean() == pytest.approx(row["si_units"], abs=1e-6)


def test_learning_rate_falls_at_the_start_of_each_milestone(tiny):
    history = quick(tiny.replace(epochs=4, milestones=(1, 3))).history
    assert history["lr"].iloc[1:].tolist() == pytest.approx([0.1, 0.01, 0.01, 0.001])


@pytest.mark.parametrize(
    ("size", "batch", "steps"), [(50, 32, 2), (64, 32, 2), (65, 32, 2), (66, 32, 3), (2, 32, 1), (3, 2, 1)]
)
def test_steps_an_epoch(tiny, size, batch, steps):
    spec = tiny.replace(train_size=size, batch_size=batch, epochs=1)
    taken = []
    trainer = Trainer(spec, load("digits"))
    with isolated(spec):
        trainer.run_epoch(lambda t: taken.append(t.step))
    assert taken == list(range(1, steps + 1))
    assert 0 <= trainer.history[-1]["train_accuracy"] <= 1


def test_warm_up_reaches_full_size_after_its_epochs(tiny):
    spec = tiny.replace(alpha=2.0, warmup_epochs=1.5, batch_size=13, train_size=50)  # 4 steps an epoch: 6 of warm-up
    trainer = Trainer(spec, load("digits"))
    found = [trainer.alpha_at(epoch, step) for epoch in range(2) for step in range(4)]
    assert found == pytest.approx([2 * min(1, k / 6) for k in range(8)])


def test_a_diverged_run_is_a_result(diverging):
    run = quick(diverging)
    row = run.runs.iloc[0]
    assert row["status"] == "diverged"
    assert (row["diverged_epoch"], row["diverged_step"]) == (1, 4)
    assert math.isnan(row["test_accuracy"])
    assert not run.weights
    assert not len(run.units)
    assert tuple(run.runs.columns) == COLUMNS["runs"]


def test_a_last_step_that_spoils_the_weights_is_divergence_too(diverging):
    # three steps, each of finite loss; the weights that the third leaves give none
    row = quick(diverging.replace(train_size=24)).runs.iloc[0]
    assert row["status"] == "diverged"
    assert (row["diverged_epoch"], row["diverged_step"]) == (1, 3)
    with pytest.raises(Diverged, match="epoch 1, step 3"):
        Trainer(diverging.replace(train_size=24), load("digits")).run_epoch()


def test_time_to_95_percent_of_the_highest():
    history = [{"epoch": e, "test_accuracy": a} for e, a in enumerate([0.99, 0.2, 0.75, 0.77, 0.8])]
    assert time_to_95(history, 10) == 3  # 0.76 is needed; the initialisation does not count
    assert math.isnan(time_to_95([{"epoch": 1, "test_accuracy": 0.19}], 10))
    assert time_to_95([{"epoch": 1, "test_accuracy": 0.2}], 10) == 1


def test_what_the_data_or_network_cannot_serve_is_refused(tiny):
    with pytest.raises(SpecError, match="train_size: 701 given"):
        quick(tiny.replace(train_size=701))
    with pytest.raises(SpecError, match=r"dropout: 0.1 given; resnet20"):
        quick(tiny.replace(model="resnet20", dropout=0.1))
