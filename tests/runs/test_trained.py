from collections import Counter

import pytest
import torch
from tiny_specs import DIVERGING, TINY

from selectivity_core import RunStore, selectivity_index, sweep, trained_network
from selectivity_core.data import load, normalise, split
from selectivity_core.errors import MissingRunsError, StoreError
from selectivity_core.evaluation import score
from selectivity_core.runs import trained
from selectivity_core.runs.analyses import ANALYSES
from selectivity_core.runs.archive import export
from selectivity_core.runs.derived import Task, derive
from selectivity_core.runs.trained import TrainedRuns, load_network, network, part, unit_activity, weights_of


@pytest.fixture(scope="module")
def digits():
    return load("digits")


def test_the_network_has_the_runs_accuracy_again(finished, digits):
    store, specs = finished
    runs = store.tables(specs).runs.set_index("run")
    for spec in specs[:2]:
        model = network(spec, store)
        assert not model.training
        for which, column in (("test", "test"), ("validation", "validation")):
            images, labels = part(spec, digits, which)
            found = score(model, digits, images, labels, spec.precision)
            assert found.accuracy == runs.loc[spec.id, f"{column}_accuracy"]
            assert found.loss == pytest.approx(runs.loc[spec.id, f"{column}_loss"], rel=1e-6)


def test_the_last_epoch_has_weights_of_its_own(finished, digits):
    store, specs = finished
    runs = store.tables(specs).runs.set_index("run")
    spec = specs[1]
    found = score(network(spec, store, "last"), digits, *part(spec, digits, "test"), spec.precision)
    assert found.accuracy == runs.loc[spec.id, "test_accuracy_last"]


def test_building_a_network_leaves_the_generator_alone(finished, digits):
    store, specs = finished
    torch.manual_seed(3)
    before = torch.get_rng_state()
    network(specs[0], store)
    assert torch.equal(torch.get_rng_state(), before)


def test_runs_without_weights_are_named(finished, digits):
    store, specs = finished
    with pytest.raises(StoreError, match=f"run {DIVERGING.id}: has no weights"):
        network(specs[-1], store)
    absent = TINY.replace(seed=99)
    with pytest.raises(MissingRunsError, match=r"seed 99.*: its weights \(best\) are neither in .* nor in the ledger"):
        network(absent, store)
    with pytest.raises(MissingRunsError, match=r"seed 99.*: its weights \(last\) are not in .* the best epoch's only"):
        network(absent, store, "last")


def test_parts_are_those_of_the_split(digits):
    spec = TINY.replace(seed=4, label_corruption=0.5)
    parts = split(digits, 4, spec.train_size, 0.5)
    images, labels = part(spec, digits, "train")
    assert torch.equal(images, digits.images[parts.train])
    assert torch.equal(labels, parts.train_labels)
    assert not torch.equal(labels, digits.labels[parts.train])  # corrupted, as it was trained
    images, labels = part(spec, digits, "validation")
    assert torch.equal(images, digits.images[parts.validation])
    assert torch.equal(labels, digits.labels[parts.validation])
    images, labels = part(spec, digits, "test")
    assert torch.equal(images, digits.test_images)
    assert torch.equal(labels, digits.test_labels)
    other, _ = part(spec.replace(seed=5), digits, "train")
    assert not torch.equal(other, part(spec, digits, "train")[0])


def test_activity_gives_the_indices_of_the_runs_own_tables(finished):
    store, specs = finished
    runs, spec = TrainedRuns(store), specs[2]
    activity = runs.activity(spec, "test")
    labels = runs.labels(spec, "test")
    layers = store.table(spec.id, "layers")
    assert list(activity) == layers["layer"].tolist()
    for name, si in zip(layers["layer"], layers["si"], strict=True):
        assert activity[name].shape == (len(labels), TINY.width)
        assert activity[name].dtype == torch.float32
        assert float(selectivity_index(activity[name], labels).mean()) == pytest.approx(si, abs=1e-6)


def test_activity_of_maps_is_their_mean_over_positions(digits):
    """A network with feature maps, in more than one batch, against one forward pass by hand."""
    from selectivity_core.data import normalise
    from selectivity_core.models import build_model
    from selectivity_core.units import unit_layers

    model = build_model("resnet20", channels=1, image_size=8, classes=10, width=2).eval()
    seen = {}
    for name, module in unit_layers(model).items():
        module.register_forward_hook(lambda _m, _i, output, name=name: seen.update({name: output.detach()}))
    images = digits.test_images[:12]
    with torch.no_grad():
        model(normalise(images, digits))
    by_hand = {name: maps.mean((2, 3)) if maps.ndim == 4 else maps for name, maps in seen.items()}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trained, "EVALUATION_BATCH", 5)
        found = unit_activity(model, digits, images, "float32")
    assert list(found) == list(by_hand)
    for name, values in found.items():
        assert not values.is_inference()
        torch.testing.assert_close(values, by_hand[name], rtol=1e-4, atol=1e-6)


def test_activity_is_worked_out_once(finished, monkeypatch):
    store, specs = finished
    loaded = []
    monkeypatch.setattr(trained, "network", lambda *a: loaded.append(a[0].id) or network(*a))
    runs = TrainedRuns(store, keep=2)
    first = runs.activity(specs[0], "test")
    assert runs.activity(specs[0], "test") is first
    runs.activity(specs[0], "validation")
    assert loaded == [specs[0].id] * 2
    runs.activity(specs[1], "test")  # a third: the first is let go
    runs.activity(specs[0], "test")
    assert loaded == [specs[0].id] * 2 + [specs[1].id, specs[0].id]


def test_a_network_is_that_of_its_own_spec(tmp_path, digits, monkeypatch):
    """Options that change the network's parts reach it: weights of one do not fit the other."""
    spec = TINY.replace(epochs=1, batch_norm=False)
    store = RunStore(tmp_path)
    sweep([spec], store, jobs=1, progress=False)
    model, weights = network(spec, store), store.weights(spec)
    assert not any(isinstance(m, torch.nn.modules.batchnorm._BatchNorm) for m in model.modules())
    monkeypatch.setattr(store, "weights", lambda *_: weights)
    monkeypatch.setattr(store, "holds", lambda *_: True)
    with pytest.raises(StoreError, match="its weights do not fit its network"):
        network(spec.replace(batch_norm=True), store)


def test_a_network_comes_back_in_one_line_from_the_store_or_the_ledger(
    finished, digits, tmp_path, monkeypatch, tiny_digits
):
    store, (spec, *rest) = finished
    monkeypatch.setenv("SELECTIVITY_RUNS", str(tmp_path / "none"))
    with pytest.raises(
        MissingRunsError, match=rf"its weights \(best\) are neither in {tmp_path / 'none'} nor in the ledger, none"
    ):
        trained_network(spec)
    monkeypatch.setenv("SELECTIVITY_LEDGER", str(tmp_path / "ledger"))
    with pytest.raises(MissingRunsError, match=f"run {spec.id}: in neither store nor ledger"):
        trained_network(spec.id)
    export(store)
    from_ledger = [trained_network(spec), trained_network(spec.id)]
    none = RunStore(tmp_path / "none")
    from_ledger.append(load_network(spec, none, on_missing="raise").model)
    monkeypatch.setenv("SELECTIVITY_RUNS", str(store.path))
    for model in (*from_ledger, trained_network(spec.id)):  # of such a profile the store's are rounded too
        assert not model.training
        for name, exact in store.weights(spec).items():
            value = model.state_dict()[name]
            assert value.dtype == exact.dtype
            assert torch.equal(value, exact.bfloat16().to(exact.dtype) if exact.ndim > 1 else exact)
    last = network(spec, store, "last").state_dict()
    assert all(torch.equal(value, last[name]) for name, value in store.weights(spec, "last").items())
    with pytest.raises(MissingRunsError, match=r"its weights \(last\) are not in .* the best epoch's only"):
        weights_of(spec, none, "last")
    assert weights_of(spec, none, digest=digits.digest).keys() == last.keys()
    with pytest.raises(MissingRunsError, match="nor in the ledger"):
        weights_of(spec, none, digest="0" * 64)  # other data
    with pytest.raises(MissingRunsError, match="nor in the ledger"):
        weights_of(rest[-1], none)  # it diverged
    path = tmp_path / "ledger" / "digits" / "weights" / f"{spec.id}.safetensors"
    path.write_bytes(path.read_bytes()[:-2] + b"\0\0")
    with pytest.raises(StoreError, match="not what SHA256SUMS says"):
        weights_of(spec, none)


def test_networks_of_profiles_that_keep_none_are_exact(finished):
    store, (spec, *_) = finished
    model = network(spec, store).state_dict()
    assert all(torch.equal(value, model[name]) for name, value in store.weights(spec).items())


def test_accuracy_of_each_class_adds_up_to_that_of_the_run(finished, digits, tmp_path):
    store, specs = finished
    copy = RunStore(tmp_path)
    for spec in specs[:2]:
        copy.folder(spec).symlink_to(store.folder(spec))
    rows = derive([Task(ANALYSES["classes"], (spec,)) for spec in specs[:2]], copy, progress=False)
    for (run, which), found in rows.groupby(["run", "images"]):
        spec = store.spec(run)
        images, labels = part(spec, digits, which)
        assert dict(zip(found["class"], found["samples"], strict=True)) == Counter(labels.tolist())
        mean = (found["accuracy"] * found["samples"]).sum() / found["samples"].sum()
        assert mean == pytest.approx(store.table(run, "runs")[f"{which}_accuracy"].iloc[0], abs=1e-12)
        with torch.no_grad():
            guess = network(spec, store)(normalise(images, digits)).argmax(1)
        three = found.set_index("class").loc[3]
        assert three["accuracy"] == pytest.approx(int((guess[labels == 3] == 3).sum()) / three["samples"])
        assert three["predicted"] == pytest.approx(int((guess == 3).sum()) / len(guess))
    assert rows.groupby(["run", "images"], sort=False).ngroups == 4
    export(copy, tmp_path / "ledger")
    kept = trained.ledger("digits", folder=tmp_path / "ledger").classes
    assert kept["accuracy"].tolist() == pytest.approx(
        rows.set_index("run").loc[kept["run"].unique(), "accuracy"], abs=1e-5
    )
