import pytest
import torch
from tiny_specs import DIVERGING, TINY

from selectivity_core import RunStore, selectivity_index
from selectivity_core.errors import MissingRunsError, ParameterError, StoreError
from selectivity_core.runs.archive import export
from selectivity_core.runs.trained import load_network


@pytest.fixture
def loaded(finished):
    store, specs = finished
    return load_network(specs[0], store, on_missing="raise")


def test_the_network_gives_what_its_tables_say(loaded, finished):
    store, (spec, *_) = finished
    row = store.table(spec.id, "runs").iloc[0]
    with torch.inference_mode():
        right = loaded.model(loaded.inputs()).argmax(1) == loaded.dataset.test_labels
    assert float(right.double().mean()) == pytest.approx(row["test_accuracy"])
    activity = loaded.activity()
    assert list(activity) == ["units1", "units2"]
    si = [float(selectivity_index(values, loaded.dataset.test_labels).mean()) for values in activity.values()]
    assert sum(si) / 2 == pytest.approx(row["si_layers"], abs=1e-5)
    assert not loaded.model.training


def test_maps_of_a_layer_without_positions_are_its_activity(loaded):
    assert torch.equal(loaded.maps("units2"), loaded.activity()["units2"])


def test_a_part_of_the_test_set(loaded):
    part = loaded.part(40, seed=0)
    assert len(part.inputs()) == len(part.dataset.test_labels) == 40
    assert part.dataset.digest != loaded.dataset.digest
    assert torch.equal(part.dataset.test_labels, loaded.part(40, seed=0).dataset.test_labels)
    assert not torch.equal(part.dataset.test_labels, loaded.part(40, seed=1).dataset.test_labels)
    assert loaded.part(10_000, seed=0) is loaded
    with pytest.raises(ParameterError, match="samples: 0 given; 1 or more is needed"):
        loaded.part(0, seed=0)
    # Images and labels still belong together.
    place = (loaded.dataset.test_images.flatten(1)[:, None] == part.dataset.test_images[:1].flatten(1)).all(2)
    assert part.dataset.test_labels[0] in loaded.dataset.test_labels[place.any(1)]


def test_what_the_store_lacks_is_trained(tmp_path):
    store = RunStore(tmp_path)
    assert load_network(TINY, store, on_missing="skip") is None
    with pytest.raises(MissingRunsError, match=r"its weights \(best\) are neither in .* nor in the ledger, none"):
        load_network(TINY, store, on_missing="raise")
    assert store.ids() == []
    assert load_network(TINY, store).spec == TINY
    assert store.ids() == [TINY.id]


def test_training_for_weights_alone_displaces_no_row_of_the_ledger(finished, tmp_path, monkeypatch):
    """The pages of a book are built in turn: what one trains on another processor must not be another's result."""
    store, (spec, *_) = finished
    monkeypatch.setenv("SELECTIVITY_LEDGER", str(tmp_path / "ledger"))
    export(store)
    here = RunStore(tmp_path / "here")
    for mode in ("train", "raise"):  # the second time it is there
        model = load_network(spec, here, on_missing=mode).model.state_dict()
        assert all(torch.equal(value, model[name]) for name, value in store.weights(spec).items())
    assert here.ids() == [] and not here.holds(spec)
    assert load_network(spec, store).spec == spec


def test_a_run_that_diverged_has_no_network(finished):
    with pytest.raises(StoreError, match="has no weights"):
        load_network(DIVERGING, finished[0])
