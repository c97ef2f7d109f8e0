"""Clamping and noise against what they should do to each unit, and to nothing else."""

import numpy as np
import pytest
import torch
from torch import nn

from selectivity_core import ablate, build_model, record, unit_noise
from selectivity_core.errors import ActivityError, UnitError
from selectivity_core.perturbation import unit_deviations, unit_means


@pytest.fixture
def network():
    torch.manual_seed(0)
    return build_model("mlp", channels=1, image_size=4, classes=3, width=6, batch_norm=False).eval()


@pytest.fixture
def images():
    return torch.randn(5, 1, 4, 4, generator=torch.Generator().manual_seed(1))


def by_hand(network, images, change):
    """The MLP written out, with a change applied to the second layer's activity."""
    x = torch.relu(network.fc1(images.flatten(1)))
    return network.fc(change(torch.relu(network.fc2(x))))


def set_columns(columns, values):
    def change(activity):
        activity = activity.clone()
        activity[:, columns] = torch.as_tensor(values, dtype=activity.dtype)
        return activity

    return change


def test_clamping_to_zero(network, images):
    before = network(images)
    with ablate(network, {"units2": [0, 4]}):
        torch.testing.assert_close(network(images), by_hand(network, images, set_columns([0, 4], 0.0)))
    assert torch.equal(network(images), before)


def test_clamping_to_the_mean(network, images):
    means = np.linspace(1, 6, 6)
    with ablate(network, {"units2": [1, 5]}, {"units2": means}):
        torch.testing.assert_close(network(images), by_hand(network, images, set_columns([1, 5], means[[1, 5]])))


def test_a_map_is_clamped_at_all_positions():
    network = build_model("resnet20", channels=1, image_size=8, classes=3, width=4).eval()
    with ablate(network, {"units": [2]}, {"units": [0.0, 0, 7, 0]}), record(network, ["units"], maps=True) as seen:
        network(torch.randn(2, 1, 8, 8))
    assert (seen["units"][:, 2] == 7).all()
    assert not (seen["units"][:, 1] == 0).all()


def test_tokens_have_their_units_last():
    model = nn.Sequential(nn.Linear(4, 6), nn.GELU())
    tokens = torch.randn(2, 3, 4)
    with ablate(model, {"1": [5]}):
        changed = model(tokens)
    assert (changed[..., 5] == 0).all()
    torch.testing.assert_close(changed[..., :5], model(tokens)[..., :5])


def test_contexts_nest_and_undo_only_their_own(network, images):
    whole = network(images)
    with ablate(network, {"units2": [0]}):
        one = network(images)
        with ablate(network, {"units2": [1, 2, 3, 4, 5], "units1": [1]}):
            assert torch.equal(network(images), by_hand(network, images, lambda a: torch.zeros_like(a)))
            assert not torch.equal(network(images), one)
        assert torch.equal(network(images), one)
    assert torch.equal(network(images), whole)


def test_nothing_is_left_when_the_body_raises(network, images):
    state, whole = {k: v.clone() for k, v in network.state_dict().items()}, network(images)
    with (
        pytest.raises(RuntimeError, match="stop"),
        ablate(network, {"units1": [0]}),
        unit_noise(network, 1.0, {"units2": torch.ones(6)}),
    ):
        raise RuntimeError("stop")
    assert torch.equal(network(images), whole)
    assert all(torch.equal(v, state[k]) for k, v in network.state_dict().items())
    assert all(not m._forward_hooks for m in network.modules())


def test_no_units_change_nothing(network, images):
    whole = network(images)
    for units in ({}, {"units1": []}):
        with ablate(network, units):
            assert torch.equal(network(images), whole)
    with unit_noise(network, 0.0, {"units1": torch.ones(6)}):
        assert torch.equal(network(images), whole)


def test_noise_has_the_deviation_asked_for_in_each_unit():
    model = nn.Sequential(nn.ReLU())
    std = torch.tensor([0.0, 1.0, 3.0])
    zeros = torch.zeros(4000, 3)
    with unit_noise(model, 0.5, {"0": std}, torch.Generator().manual_seed(0)):
        noisy = model(zeros)
    torch.testing.assert_close(noisy.std(0), 0.5 * std, rtol=0.05, atol=0)
    torch.testing.assert_close(noisy.mean(0), torch.zeros(3), rtol=0, atol=0.1)
    assert (noisy[:, 1] < 0).any()  # not clipped


def test_noise_is_drawn_for_every_sample_and_position_and_follows_its_generator():
    model = nn.Sequential(nn.ReLU())
    maps = torch.zeros(2, 3, 4, 4)
    found = []
    for _ in range(2):
        with unit_noise(model, 1.0, {"0": torch.ones(3)}, torch.Generator().manual_seed(5)):
            found.append(model(maps))
    assert torch.equal(*found)
    assert found[0].unique().numel() == maps.numel()


def test_numbers_as_numpy_has_them(network, images):
    """A reversed array has negative strides, which torch refuses, and a number of numpy's is a number."""
    order, constants, seen = np.arange(6)[::-1], np.arange(6.0)[::-1], []
    for units, value in ((order[:2], constants), ([5, 4], list(constants))):
        with ablate(network, {"units1": units}, {"units1": value}):
            seen.append(network(images))
    assert torch.equal(*seen)
    with unit_noise(network, np.float32(0.5), {"units1": constants}):
        network(images)


@pytest.mark.parametrize(
    ("units", "value", "message"),
    [
        ({"units9": [0]}, "zero", "layer 'units9': the model has no such module"),
        ({"units1": [6]}, "zero", "layer 'units1': unit 6 given; 0 to 5 is allowed"),
        ({"units1": [-1]}, "zero", "layer 'units1': unit -1 given; 0 to 5"),
        ({"units1": [0.5]}, "zero", "a list of whole numbers"),
        ({"units1": np.array(3)}, "zero", "a list of whole numbers"),
        ({"units1": [0]}, "mean", "value: 'mean' given"),
        ({"units1": [0]}, {"units2": torch.ones(6)}, "nothing for layer 'units1'"),
        ({"units1": [0]}, {"units1": torch.ones(5)}, r"layer 'units1' has shape \(5,\); \(6,\) is needed"),
        ({"units1": [0]}, {"units1": [0, 1, 2, float("nan"), 4, 5]}, "not finite in unit 3"),
    ],
)
def test_bad_ablations_are_refused_before_any_pass(network, units, value, message):
    with pytest.raises(UnitError, match=message), ablate(network, units, value):
        pytest.fail("the body ran")


@pytest.mark.parametrize(
    ("scale", "std", "message"),
    [
        (-0.1, {"units1": torch.ones(6)}, "scale: -0.1 given"),
        (float("inf"), {"units1": torch.ones(6)}, "scale: inf given"),
        (1.0, {"units1": -torch.ones(6)}, "standard deviation of -1"),
        (1.0, {"units1": torch.ones(7)}, r"shape \(7,\); \(6,\)"),
        (1.0, {"nowhere": torch.ones(6)}, "'nowhere': the model has no such module"),
    ],
)
def test_bad_noise_is_refused_before_any_pass(network, scale, std, message):
    with pytest.raises(UnitError, match=message), unit_noise(network, scale, std):
        pytest.fail("the body ran")


def test_a_foreign_network_is_checked_in_its_first_pass():
    model = nn.Sequential(nn.Linear(2, 3), nn.ReLU())
    with ablate(model, {"1": [3]}), pytest.raises(UnitError, match="layer '1': unit 3 given; 0 to 2"):
        model(torch.zeros(1, 2))
    with unit_noise(model, 1.0, {"1": torch.ones(2)}), pytest.raises(UnitError, match="2 values given for its 3 units"):
        model(torch.zeros(1, 2))


def test_by_hand():
    model = nn.Sequential(nn.ReLU(), nn.Linear(2, 2))
    images = torch.tensor([[1.0, -1.0], [3.0, 2.0]])
    assert unit_means(model, images)["0"].tolist() == [2.0, 1.0]
    assert unit_deviations(model, images)["0"].tolist() == [1.0, 1.0]
    assert unit_means(model, images)["0"].dtype == torch.float64


def test_maps_over_several_batches():
    torch.manual_seed(0)
    model = build_model("convnet11", channels=1, image_size=8, classes=3, width=2).train()
    images = torch.randn(1100, 1, 8, 8)
    names = ["layers.units1", "layers.units9"]
    means, deviations = unit_means(model, images, names), unit_deviations(model, images, names)
    assert model.training
    model.eval()
    with torch.inference_mode(), record(model, names, maps=True) as seen:
        model(images)
    for name in names:
        values = np.moveaxis(seen[name].double().numpy(), 1, 0).reshape(seen[name].shape[1], -1)
        np.testing.assert_allclose(means[name], values.mean(1), rtol=1e-5, atol=1e-7)
        np.testing.assert_allclose(deviations[name], values.std(1), rtol=1e-5, atol=1e-7)
    assert list(means) == names
    assert not any(m._forward_hooks for m in model.modules())


def test_a_large_mean_does_not_swamp_a_small_deviation():
    model = nn.Sequential(nn.ReLU(), nn.Linear(1, 1))
    images = torch.cat([torch.full((700, 1), 2.0**20), torch.full((700, 1), 2.0**20 + 1)])
    assert unit_deviations(model, images)["0"].item() == pytest.approx(0.5, rel=1e-9)


def test_moments_of_tokens_have_their_units_last():
    model = nn.Sequential(nn.ReLU(), nn.Linear(3, 1))
    tokens = torch.rand(4, 5, 3, generator=torch.Generator().manual_seed(0))
    with pytest.raises(UnitError, match="cannot be told; pass unit_dim"):
        unit_means(model, tokens)
    torch.testing.assert_close(unit_means(model, tokens, unit_dim=-1)["0"], tokens.double().mean((0, 1)))


def test_one_sample_and_a_dead_unit_have_no_deviation():
    model = nn.Sequential(nn.ReLU(), nn.Linear(2, 2))
    assert unit_deviations(model, torch.tensor([[3.0, -1.0]]))["0"].tolist() == [0.0, 0.0]


def test_bad_input():
    model = nn.Sequential(nn.ReLU(), nn.Linear(2, 2))
    with pytest.raises(UnitError, match="'9': the model has no such module"):
        unit_means(model, torch.zeros(1, 2), ["9"])
    with pytest.raises(ActivityError, match="images: not finite in 1 of 1"):
        unit_deviations(model, torch.tensor([[0.0, float("inf")]]))
    with pytest.raises(ActivityError, match="images: shape"):
        unit_deviations(model, torch.zeros(0, 2))
