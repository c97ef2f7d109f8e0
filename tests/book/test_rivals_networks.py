"""Ways of reading and ablating units that miss some, on networks whose numbers are written down."""

import numpy as np
import pytest
import torch
from torch import nn

from selectivity_core import SelectivityRegularizer, ablate, build_model, record
from selectivity_core.book.rivals import (
    fresh_sample_curve,
    keep_last_call,
    layers_found,
    share_activations,
    zero_weights,
)
from selectivity_core.errors import UnitError
from selectivity_core.units import Units, unit_layers


def resnet(**more):
    torch.manual_seed(0)
    return build_model("resnet20", channels=1, image_size=8, classes=3, width=4, **more).eval()


def test_layers_that_are_not_there_are_dropped():
    network = resnet()
    asked = ["units", "stage1.0.unit1", "stage3.2.units2"]
    assert layers_found(network, asked) == ["units", "stage3.2.units2"]
    with pytest.raises(UnitError, match=r"layer 'stage1.0.unit1': the model has no such module"):
        unit_layers(network, asked)


class Bottleneck(nn.Module):
    """Three steps that add 1, each followed by the same rectifier."""

    def __init__(self):
        super().__init__()
        self.relu = nn.ReLU()

    def forward(self, x):
        for _ in range(3):
            x = self.relu(x + 1)
        return x


def test_only_the_last_of_three_calls_is_kept():
    model = nn.Sequential(Bottleneck(), nn.Linear(1, 2))
    seen = []
    model[0].relu.register_forward_hook(lambda _module, _inputs, output: seen.append(output.detach()))
    with keep_last_call(model, ["0.relu"]) as kept:
        model(torch.tensor([[2.0], [0.0]]))
    assert [values.flatten().tolist() for values in seen] == [[3, 1], [4, 2], [5, 3]]
    assert {name: values.flatten().tolist() for name, values in kept.items()} == {"0.relu": [5, 3]}
    # The paper's mean has all three calls; one slot a module has the last.
    regularizer = SelectivityRegularizer(model, 1.0)
    model(torch.tensor([[2.0], [0.0]]))
    expected = np.mean([(3 - 1) / 4, (4 - 2) / 6, (5 - 3) / 8])
    assert float(regularizer.measure(torch.tensor([0, 1])).detach()) == pytest.approx(expected)


def test_hooks_are_taken_away_when_the_body_raises():
    model = nn.Sequential(Bottleneck())
    with pytest.raises(RuntimeError, match="stop"), keep_last_call(model, ["0.relu"]):
        raise RuntimeError("stop")
    assert all(not module._forward_hooks for module in model.modules())


@pytest.mark.parametrize(
    ("name", "before", "after"), [("resnet20", 19, 10), ("resnet50", 49, 17), ("vgg16", 14, 6), ("mlp", 2, 1)]
)
def test_sharing_activations_changes_nothing_but_what_hooks_see(name, before, after):
    """A stem and one slot for each block (ResNets), one slot for each stage (VGG16), one for both layers (MLP)."""
    torch.manual_seed(0)
    network = build_model(name, channels=1, image_size=8, classes=3, width=2).eval()
    images = torch.randn(2, 1, 8, 8)
    whole = network(images)
    with record(network) as every:
        network(images)
    assert len(every) == before
    share_activations(network)
    with keep_last_call(network, list(unit_layers(network))) as kept:
        assert torch.equal(network(images), whole)
    assert len(kept) == after
    last = list(every)[-1]
    assert any(torch.equal(values, every[last]) for values in kept.values())


def test_a_block_keeps_its_output_and_loses_what_is_inside():
    network, images = resnet(), torch.randn(2, 1, 8, 8)
    with record(network) as every:
        network(images)
    share_activations(network)
    with keep_last_call(network, ["stage2.1.units1"]) as kept:
        network(images)
    assert torch.equal(kept["stage2.1.units1"], every["stage2.1.units2"])
    assert not torch.equal(kept["stage2.1.units1"], every["stage2.1.units1"])


class OneUnit(nn.Module):
    """Weight 2, then batch norm with γ = 3, β = 0.5, running mean 4 and variance 4, then the rectifier."""

    unit_filters = {"units": "fc"}  # noqa: RUF012

    def __init__(self):
        super().__init__()
        self.fc, self.bn, self.units = nn.Linear(1, 1, bias=False), nn.BatchNorm1d(1, eps=0), Units()
        with torch.no_grad():
            for tensor, value in (
                (self.fc.weight, 2), (self.bn.weight, 3), (self.bn.bias, 0.5), (self.bn.running_var, 4)
            ):  # fmt: skip
                tensor.fill_(value)

    def forward(self, x):
        return self.units(self.bn(self.fc(x)))


def test_zero_weights_behind_batch_norm_leave_the_offset():
    """relu(β - γm/sqrt(v)): with m = 0 that is β; with m = -4 it is 0.5 + 6; with m = 4 the unit is silent."""
    model, images = OneUnit().eval(), torch.tensor([[1.0], [7.0]])
    for mean, expected in ((0, 0.5), (-4, 6.5), (4, 0)):
        model.bn.running_mean.fill_(mean)
        with zero_weights(model, "units", [0]), torch.no_grad():
            assert model(images).flatten().tolist() == pytest.approx([expected] * 2)
        with ablate(model, {"units": [0]}), torch.no_grad():
            assert model(images).flatten().tolist() == [0, 0]


def test_zero_weights_in_training_leave_beta():
    model = OneUnit().train()
    with zero_weights(model, "units", [0]), torch.no_grad():
        model.bn.eps = 1e-5  # a batch without spread divides by sqrt(eps)
        assert model(torch.tensor([[1.0], [7.0]])).flatten().tolist() == pytest.approx([0.5, 0.5])


def test_zero_weights_go_back_when_the_body_raises():
    network = build_model("mlp", channels=1, image_size=4, classes=3, width=6, batch_norm=False)
    before = {name: values.clone() for name, values in network.state_dict().items()}
    with pytest.raises(RuntimeError, match="stop"), zero_weights(network, "units1", [1, 4]):
        assert (network.fc1.weight[[1, 4]] == 0).all()
        assert (network.fc1.bias[[1, 4]] == 0).all()
        assert torch.equal(network.fc1.weight[[0, 2]], before["fc1.weight"][[0, 2]])
        raise RuntimeError("stop")
    assert all(torch.equal(values, before[name]) for name, values in network.state_dict().items())


def test_without_batch_norm_zero_weights_ablate():
    network = build_model("mlp", channels=1, image_size=4, classes=3, width=6, batch_norm=False).eval()
    images = torch.randn(5, 1, 4, 4)
    with zero_weights(network, "units1", [0, 3]):
        zeroed = network(images)
    with ablate(network, {"units1": [0, 3]}):
        torch.testing.assert_close(network(images), zeroed)


class Sum(nn.Module):
    """Two rectified units; class 1 wherever their sum is above 1/2."""

    def __init__(self):
        super().__init__()
        self.units = nn.ReLU()

    def forward(self, x):
        total = self.units(x).sum(1, keepdim=True)
        return torch.cat([torch.full_like(total, 0.5), total], 1)


def test_a_curve_on_all_samples():
    """Samples (1, 0), (0, 1), (1, 1) of class 1 and (0, 0) of class 0: 4, 3, then 1 of 4 are right."""
    images, labels = torch.tensor([[1.0, 0], [0, 1], [1, 1], [0, 0]]), torch.tensor([1, 1, 1, 0])
    curve = fresh_sample_curve(Sum(), images, labels, "units", [0, 1, 2], [0, 1], share=1.0)
    assert curve.tolist() == [1, 0.75, 0.25]


def test_a_curve_on_another_fifth_at_each_point_moves_without_any_ablation():
    images = torch.tensor([[1.0, 0.0]]).repeat(50, 1)
    labels = torch.arange(50) % 2  # half of them are called 0, which the network never says
    arguments = (Sum(), images, labels, "units", [0] * 20, [0, 1])
    assert (fresh_sample_curve(*arguments, share=1.0) == 0.5).all()
    fresh = fresh_sample_curve(*arguments)
    assert len(set(fresh.tolist())) > 3
    assert set((fresh * 10).round(6).tolist()) <= set(range(11))  # 10 samples each
    assert (fresh == fresh_sample_curve(*arguments)).all()
    assert (fresh != fresh_sample_curve(*arguments, seed=1)).any()
