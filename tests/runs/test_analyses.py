"""What is worked out of a run about its single units."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
import torch.nn.functional as F

from selectivity_core import RunStore, ablate, ablation_auc, cumulative_ablation, profile, selectivity_index, sweep
from selectivity_core.errors import StoreError
from selectivity_core.runs.analyses import (
    ANALYSES,
    FEW_STEPS,
    KEPT_STEPS,
    MOST_EPOCHS,
    PENALTIES,
    SCALES,
    ablation_rows,
    damage_rows,
    images_for,
    importance_rows,
    looked_at,
    networks_at,
    noise_rows,
    probe_rows,
    thinned,
    training_rows,
    unit_epoch_rows,
)
from selectivity_core.runs.executing import train_and_store
from selectivity_core.runs.profiles import PROFILES
from selectivity_core.runs.trained import TrainedRuns
from selectivity_core.tables import COLUMNS
from selectivity_core.training import Trainer

SPEC = profile("digits", model="mlp", epochs=3, width=20, train_size=60)


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    store = RunStore(tmp_path_factory.mktemp("reliance"))
    sweep([SPEC], store, jobs=1, progress=False)
    return TrainedRuns(store)


def test_thinning_keeps_both_ends_of_every_ordering():
    long = pd.DataFrame({"ordering": np.repeat([0, 1], 201), "step": np.tile(np.arange(201), 2)})
    found = thinned(long, 11)
    assert [rows["step"].tolist() for _, rows in found.groupby("ordering")] == [list(range(0, 201, 20))] * 2
    short = long[long["step"] < 5]
    assert thinned(short).equals(short.reset_index(drop=True))


def test_ablation_is_of_the_labels_trained_on_and_the_last_epoch(runs):
    found = ablation_rows(runs, SPEC)
    assert set(found["kind"]) == {"zero"}
    assert found.groupby("ordering").size().tolist() == [41] * 10  # all 40 units of both layers
    assert len(found) <= 10 * KEPT_STEPS
    history = sweep([SPEC], runs.store, progress=False).runs.iloc[0]
    assert found.loc[found["step"] == 0, "accuracy"].unique() == pytest.approx(history["train_accuracy_last"])


def test_the_mean_clamp_differs_from_zero_but_at_the_start(runs):
    zero, mean = ablation_rows(runs, SPEC), ablation_rows(runs, SPEC, value="mean")
    differ = zero["accuracy"] != mean["accuracy"]
    assert differ.any()
    assert not differ[zero["step"] == 0].any()
    assert set(mean["kind"]) == {"mean"}


def test_noise_begins_without_any(runs):
    found = noise_rows(runs, SPEC, images="test", epoch="best")
    assert found.loc[found["step"] == 0, "fraction"].unique().tolist() == [0]
    assert sorted(found["fraction"].unique())[1:] == pytest.approx(SCALES)
    best = sweep([SPEC], runs.store, progress=False).runs.iloc[0]["test_accuracy"]
    assert found.loc[found["step"] == 0, "accuracy"].unique() == pytest.approx(best)
    assert found.groupby("step")["accuracy"].mean().iloc[-1] < best


def test_importance_has_every_unit_once(runs):
    found = importance_rows(runs, SPEC)
    assert found.groupby("layer", sort=False).size().to_dict() == {"units1": 20, "units2": 20}
    assert not found.duplicated(["layer", "unit"]).any()


def test_damage_is_counted_class_by_class(runs):
    """By ablating single units by hand, on the images of each class apart."""
    found = damage_rows(runs, SPEC)
    activity, known = runs.activity(SPEC, "validation"), runs.labels(SPEC, "validation")
    inputs, labels = images_for(runs, SPEC, "test")
    model = runs.network(SPEC).eval()

    def losses():
        with torch.no_grad():
            each = F.cross_entropy(model(inputs), labels, reduction="none")
        return torch.stack([each[labels == k].mean() for k in range(10)])

    intact = losses()
    for layer, unit in (("units1", 3), ("units1", 8), ("units2", 0)):
        (row,) = found[(found["layer"] == layer) & (found["unit"] == unit)].itertuples()
        means = torch.stack([activity[layer][known == k, unit].mean() for k in range(10)])
        assert row.preferred == int(means.argmax())
        assert row.si == pytest.approx(float(selectivity_index(activity[layer], known)[unit]))
        with ablate(model, {layer: [unit]}):
            changes = losses() - intact
        assert row.own_change == pytest.approx(float(changes[row.preferred]), abs=1e-5)
        others = [float(change) for k, change in enumerate(changes) if k != row.preferred]
        assert row.others_change == pytest.approx(np.mean(others), abs=1e-5)
    dead = {layer: int((a == 0).all(0).sum()) for layer, a in activity.items()}
    assert found.groupby("layer").size().to_dict() == {layer: 20 - dead[layer] for layer in activity}


def test_through_training(runs):
    """Trained again to the same end: the last curve is the mean of the stored network's."""
    found = training_rows(runs, SPEC)
    assert list(found["kind"].unique()) == ["epoch 0", "epoch 1", "epoch 2", "epoch 3"]
    last = found[found["kind"] == "epoch 3"]
    inputs, labels = images_for(runs, SPEC, "train")
    network = runs.network(SPEC, "last")
    curve = cumulative_ablation(network, inputs, labels, layers="all", orderings=10)
    means = curve.groupby("step")["accuracy"].mean()
    assert last["accuracy"].tolist() == pytest.approx(means[last["step"]].tolist())
    assert len(last) == FEW_STEPS
    whole = ablation_auc(curve).mean()
    assert ablation_auc(last)[0] == pytest.approx(whole, abs=0.01)  # fewer steps of the same curve


def test_long_trainings_are_looked_at_in_a_few_epochs(runs):
    long = SPEC.replace(epochs=60, train_size=20, width=4)
    sweep([long], runs.store, jobs=1, progress=False)
    epochs = [int(kind.split()[1]) for kind in training_rows(runs, long)["kind"].unique()]
    assert (epochs[0], epochs[1], epochs[-1]) == (0, 1, 60)
    assert len(epochs) <= MOST_EPOCHS + 1
    gaps = np.diff(epochs)
    assert (gaps[:5] == 1).all()
    assert gaps[-1] > 1


def test_both_ends_of_a_training_are_looked_at_and_some_epochs_between():
    assert looked_at(40) == [1, 2, 3, 7, 16, 38, 39, 40]  # 3 · (38/3)^⅓ is 7.0, and 3 · (38/3)^⅔ is 16.3
    assert looked_at(30) == [1, 2, 3, 6, 13, 28, 29, 30]
    assert [looked_at(n) for n in (1, 2, 4)] == [[1], [1, 2], [1, 2, 3, 4]]


def test_units_through_training(runs):
    """The last epoch has what the stored network has; each epoch every unit."""
    found = unit_epoch_rows(runs, SPEC, samples=1000)
    assert found.groupby("epoch").size().to_dict() == {1: 40, 2: 40, 3: 40}
    last = found[found["epoch"] == 3].reset_index(drop=True)
    assert last["loss_change"].tolist() == importance_rows(runs, SPEC, epoch="last")["loss_change"].tolist()
    row = sweep([SPEC], runs.store, progress=False).runs.iloc[0]
    assert last["si"].mean() == pytest.approx(row["si_units_last"])
    assert (last["si"][last["dead"] == 1] == 0).all()


def test_weights_that_a_store_kept_of_every_epoch_take_the_place_of_training(runs, tmp_path, monkeypatch):
    """Also where the training was interrupted at the end of an epoch, after its last step."""
    own = replace(PROFILES["digits"], base=(SPEC,), keep_epochs=1, seeds=1)
    monkeypatch.setitem(PROFILES, "digits", own)
    store, later, steps = RunStore(tmp_path), SPEC.replace(seed=1), []
    assert train_and_store(SPEC, store, None, stop=lambda: len(steps) == 2, report=steps.append) == "stopped"
    sweep([SPEC, later], store, jobs=1, progress=False)
    folder = store.epochs(SPEC)
    assert sorted(path.name for path in folder.iterdir()) == [f"00{k}.safetensors" for k in (1, 2, 3)]
    assert not store.epochs(later).exists()  # it is beyond the profile's seeds
    trained = unit_epoch_rows(runs, SPEC)
    monkeypatch.setattr(Trainer, "run_epoch", lambda *_: pytest.fail("trained"))
    assert unit_epoch_rows(TrainedRuns(store), SPEC).equals(trained)
    assert [epoch for epoch, _ in networks_at(TrainedRuns(store), SPEC, [0, 2])] == [0, 2]
    (folder / "003.safetensors").write_bytes((folder / "002.safetensors").read_bytes())
    with pytest.raises(StoreError, match=r"003\.safetensors, which .*: these are not the weights of the stored run"):
        next(networks_at(TrainedRuns(store), SPEC, [1]))


def test_training_again_must_end_where_the_stored_run_ended(runs, monkeypatch):
    monkeypatch.setattr(RunStore, "weights", lambda *_: {})
    with pytest.raises(StoreError, match=f"trained again .*: these are not the weights of the stored run {SPEC.id}"):
        unit_epoch_rows(runs, SPEC)


def test_a_probe_reads_what_a_layer_says_of_the_class(runs):
    """Least squares by hand with the penalty that is chosen, on the last layer."""
    found = probe_rows(runs, SPEC)
    assert found[["layer", "depth"]].to_numpy().tolist() == [["units1", 0], ["units2", 1]]
    train, test = (runs.activity(SPEC, which)["units2"].double().numpy() for which in ("train", "test"))
    labels, wanted = (runs.labels(SPEC, which).numpy() for which in ("train", "test"))
    sd = train.std(0)
    x, z = ((part - train.mean(0)) / np.where(sd > 0, sd, 1) for part in (train, test))
    y = 2.0 * (labels[:, None] == np.unique(labels)) - 1
    scores = []
    for penalty in PENALTIES:
        hat = x @ np.linalg.inv(x.T @ x + penalty * np.eye(x.shape[1])) @ x.T + 1 / len(x)
        left_out = (y - hat @ y) / (1 - np.diag(hat))[:, None]
        weights = np.linalg.inv(x.T @ x + penalty * np.eye(x.shape[1])) @ x.T @ (y - y.mean(0))
        guess = np.unique(labels)[(z @ weights + y.mean(0)).argmax(1)]
        scores.append(((left_out**2).mean(), (guess == wanted).mean()))
    assert found["accuracy"].iloc[1] == pytest.approx(min(scores)[1])


def test_every_analysis_fills_its_table_and_has_a_label_of_its_own(runs):
    labels = [analysis.label for analysis in ANALYSES.values()]
    assert len(set(labels)) == len(labels)
    for analysis in ANALYSES.values():
        rows = analysis.rows(runs, SPEC, **dict(analysis.settings))
        assert set(COLUMNS[analysis.table]) - set(rows) == {"run", "analysis"}
        assert rows[list(set(COLUMNS[analysis.table]) & set(rows))].notna().all(axis=None)
