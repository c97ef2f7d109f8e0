import pytest
import torch
import torch.nn.functional as F
from torch import nn

from selectivity_core import selectivity_index
from selectivity_core.book.tutorials import (
    RowTransformer,
    Samples,
    calls,
    compare,
    digits_as_images,
    digits_as_rows,
    fit,
    measure,
    residual_network,
)
from selectivity_core.errors import ActivityError, ParameterError, SpecError, UnitError


class Small(nn.Module):
    """Two layers of units on digits as rows, quick to train."""

    def __init__(self, activation=nn.ReLU):
        super().__init__()
        self.first, self.act, self.head = nn.Linear(64, 16), activation(), nn.Linear(16, 10)

    def forward(self, rows):
        return self.head(self.act(self.first(rows.flatten(1))))


def test_digits_in_both_forms_are_the_same_digits():
    images, test_images = digits_as_images(0, 30)
    rows, test_rows = digits_as_rows(0, 30)
    assert images.inputs.shape == (30, 3, 32, 32) and test_images.inputs.shape == (797, 3, 32, 32)
    assert rows.inputs.shape == (30, 8, 8) and test_rows.inputs.shape == (797, 8, 8)
    assert images.labels.tolist() == rows.labels.tolist()
    assert images.labels.bincount(minlength=10).tolist() == [3] * 10
    assert (images.inputs[:, 0] == images.inputs[:, 2]).all()
    # Bilinear enlargement by four and the mean of each 4x4 block both keep a constant, and here nearly the image.
    smaller = F.avg_pool2d(images.inputs[:, :1], 4)[:, 0]
    assert torch.corrcoef(torch.stack([smaller.flatten(), rows.inputs.flatten()]))[0, 1] > 0.95


def test_another_seed_draws_other_images_and_too_many_are_refused():
    assert not torch.equal(digits_as_rows(0, 30)[0].inputs, digits_as_rows(1, 30)[0].inputs)
    with pytest.raises(SpecError, match="train_size: 5000 given"):
        digits_as_rows(0, 5000)


def test_calls_of_torchvisions_blocks_count_a_module_as_often_as_it_is_used():
    found = calls(residual_network(), torch.zeros(2, 3, 32, 32))
    assert found["layer"].tolist() == ["relu", *(f"layer{k}.0.relu" for k in (1, 2, 3, 4))]
    assert found["calls"].tolist() == [1, 2, 2, 2, 2]
    assert found["units"].tolist() == ["64", "64, 64", "128, 128", "256, 256", "512, 512"]
    assert set(found["kind"]) == {"ReLU"}


def test_calls_of_the_transformer_leave_no_hook():
    model = RowTransformer(depth=2)
    found = calls(model, torch.zeros(2, 8, 8))
    assert found["layer"].tolist() == ["blocks.layers.0.activation", "blocks.layers.1.activation"]
    assert found["units"].tolist() == ["128", "128"]
    assert [m for m in model.modules() if m._forward_hooks] == []


def test_calls_names_a_module_that_a_pass_leaves_out():
    model = Small()
    model.spare = nn.ReLU()
    assert calls(model, torch.zeros(2, 8, 8)).set_index("layer")["calls"].to_dict() == {"act": 1, "spare": 0}
    with pytest.raises(UnitError, match="no activation module"):
        calls(nn.Linear(3, 2), torch.zeros(2, 3))


@pytest.mark.parametrize("build", [residual_network, RowTransformer])
def test_networks_give_logits(build):
    shape = (2, 3, 32, 32) if build is residual_network else (2, 8, 8)
    assert build(classes=7)(torch.zeros(shape)).shape == (2, 7)


def test_the_transformer_reads_the_order_of_rows():
    model = RowTransformer().eval()
    rows = torch.randn(3, 8, 8, generator=torch.Generator().manual_seed(0))
    assert not torch.allclose(model(rows), model(rows.flip(1)), atol=1e-4)


def test_fit_moves_the_index_both_ways_and_leaves_an_ordinary_network():
    train, _ = digits_as_rows(0, 100)
    means = {}
    for alpha in (-5.0, 0.0, 5.0):
        torch.manual_seed(0)
        model = Small()
        fit(model, train, alpha, epochs=30)
        assert [m for m in model.modules() if m._forward_hooks or m._forward_pre_hooks] == []
        with torch.no_grad():
            active = model.act(model.first(train.inputs.flatten(1)))
        means[alpha] = float(selectivity_index(active, train.labels).mean())
    assert means[-5.0] < 0.5 * means[0.0] < means[0.0] < means[5.0]


def test_fit_never_makes_a_batch_of_one():
    """26 images are two batches of 13, not 25 and 1, which batch norm could not take."""
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 4), nn.BatchNorm1d(4), nn.ReLU(), nn.Linear(4, 10))
    sizes = []
    model.register_forward_pre_hook(lambda _module, given: sizes.append(len(given[0])))
    fit(model, digits_as_rows(0, 26)[0], 1.0, epochs=1)
    assert sizes == [13, 13]


def test_fit_with_one_seed_gives_the_same_weights_again():
    train, _ = digits_as_rows(0, 60)
    weights = []
    for seed in (0, 0, 1):
        torch.manual_seed(0)
        model = Small()
        fit(model, train, 1.0, epochs=2, seed=seed)
        weights.append(model.first.weight.detach().clone())
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


def test_measure_by_hand():
    """Two units that pass their inputs on: one answers class 0 only, one both classes alike."""
    inputs = torch.tensor([[2.0, 1.0], [2.0, 3.0], [0.0, 2.0], [0.0, 2.0]])
    model = nn.Sequential(nn.ReLU(), nn.Linear(2, 2, bias=False))
    with torch.no_grad():
        model[1].weight.copy_(torch.tensor([[1.0, 0.0], [0.0, 0.25]]))
    accuracy, found = measure(model.train(), Samples(inputs, torch.tensor([0, 0, 1, 0])))
    assert accuracy == 0.75  # logits (2, .25), (2, .75), (0, .5), (0, .5)
    assert not model.training
    # Means of unit 0: 4/3 and 0, index 1; of unit 1: 2 and 2, index 0.
    assert found[["depth", "layer", "units"]].values.tolist() == [[1, "0", 2]]
    assert found["si"].item() == pytest.approx(0.5, abs=1e-6)
    assert 0 < found["si_shuffled"].item() < 1


@pytest.mark.parametrize("shift", [0.17, "min"])
def test_measure_with_either_shift_is_the_index_of_the_shifted_activity(shift):
    _, test = digits_as_rows(0, 20)
    model = Small(nn.GELU)
    _, found = measure(model, test, shift=shift)
    with torch.no_grad():
        activity = model.act(model.first(test.inputs.flatten(1)))
    lifted = activity - activity.amin(0) if shift == "min" else activity + shift
    assert found["si"].item() == pytest.approx(float(selectivity_index(lifted, test.labels).mean()), rel=1e-5)
    with pytest.raises(ActivityError, match="negative"):
        measure(model, test)


def test_compare_pairs_networks_by_seed():
    found = compare(Small, digits_as_rows, [-1, 0], seeds=2, epochs=1, train_size=50)
    networks = found.networks
    assert networks[["alpha", "seed"]].values.tolist() == [[-1, 0], [0, 0], [-1, 1], [0, 1]]
    assert networks["accuracy"].between(0, 1).all()
    assert found.layers["layer"].tolist() == ["act"] * 4
    assert networks["si"].tolist() == pytest.approx(found.layers["si"].tolist())
    again = compare(Small, digits_as_rows, [0], seeds=2, epochs=1, train_size=50)
    same = networks[networks["alpha"] == 0].reset_index(drop=True)
    assert again.networks.equals(same)


def test_compare_leaves_torchs_random_state_alone():
    torch.manual_seed(3)
    before = torch.get_rng_state()
    compare(Small, digits_as_rows, [0], epochs=1, train_size=50)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"alphas": []}, r"alphas: \[\] given"),
        ({"alphas": [1, 1.0]}, "each once"),
        ({"seeds": 0}, "seeds: 0 given; at least 1"),
        ({"epochs": 0}, "epochs: 0 given; at least 1"),
        ({"train_size": 1}, "train_size: 1 given; at least 2"),
    ],
)
def test_compare_refuses(given, message):
    with pytest.raises(ParameterError, match=message):
        compare(Small, digits_as_rows, given.pop("alphas", [0]), **given)


def test_torchvisions_stages_are_layers_of_units():
    """Named modules that are no activation modules, in training and on the test set."""
    train, test = digits_as_images(0, 25)
    layers = ["relu", "layer1", "layer2", "layer3", "layer4"]
    model = residual_network()
    fit(model, train, -1.0, layers=layers, epochs=1)
    _, found = measure(model, Samples(test.inputs[:50], test.labels[:50]), layers=layers)
    assert found["layer"].tolist() == layers
    assert found["units"].tolist() == [64, 64, 128, 256, 512]
    assert found["si"].between(0, 1).all()
