"""What related code computes, on activity and networks small enough to work it out by hand."""

import numpy as np
import pytest
import torch
from torch import nn

from selectivity_core import (
    SelectivityRegularizer,
    ablate,
    build_model,
    class_discriminability,
    record,
    selectivity_index,
)
from selectivity_core.book.rivals import (
    discriminability_without_root,
    flipped_term,
    fresh_sample_curve,
    index_against_all_other_samples,
    index_of_class_sums,
    index_of_positions,
    index_with_absent_classes_as_zero,
    keep_last_call,
    layers_found,
    scale_as_written,
    scale_by_pattern,
    share_activations,
    zero_weights,
)
from selectivity_core.errors import ActivityError, UnitError
from selectivity_core.seeds import generator
from selectivity_core.units import Units, unit_layers


def column(*values):
    return torch.tensor(values, dtype=torch.float64)[:, None]


def one(index):
    (value,) = index.tolist()
    return value


def test_class_sums():
    activity, labels = column(4, 2, 2, 2), torch.tensor([0, 1, 1, 1])
    assert one(selectivity_index(activity, labels)) == pytest.approx((4 - 2) / (4 + 2))
    # Sums 4 and 6: the class with more samples is taken for the preferred one.
    assert one(index_of_class_sums(activity, labels)) == pytest.approx((6 - 4) / (6 + 4))


def test_class_sums_of_equal_classes_are_the_index():
    activity, labels = torch.rand(12, 3, generator=generator(0, "equal")), torch.arange(12) % 4
    torch.testing.assert_close(index_of_class_sums(activity, labels), selectivity_index(activity, labels))


@pytest.mark.parametrize(("classes", "size", "expected"), [(10, 128, 0.20), (200, 256, 0.50)])
def test_class_sums_of_a_unit_that_never_changes(classes, size, expected):
    """On batches of drawn classes a constant unit has an index, where by its means it has none."""
    draw, activity = generator(0, "constant"), torch.ones(size, 1)
    batches = [torch.randint(classes, (size,), generator=draw) for _ in range(300)]
    assert max(one(selectivity_index(activity, labels)) for labels in batches) < 1e-6
    mean = sum(one(index_of_class_sums(activity, labels)) for labels in batches) / 300
    assert mean == pytest.approx(expected, abs=0.02)


def test_absent_classes_as_zero():
    activity, labels = column(6, 2), torch.tensor([0, 2])
    assert one(selectivity_index(activity, labels)) == pytest.approx((6 - 2) / (6 + 2))
    # Means 6, 0, 2, 0: the others' mean is 2/3.
    assert one(index_with_absent_classes_as_zero(activity, labels, 4)) == pytest.approx((6 - 2 / 3) / (6 + 2 / 3))


def test_one_class_alone_is_then_wholly_selective():
    activity, labels = column(1, 2), torch.tensor([1, 1])
    assert one(selectivity_index(activity, labels)) == 0
    assert one(index_with_absent_classes_as_zero(activity, labels, 3)) == pytest.approx(1)


def test_no_class_absent_is_the_index():
    activity, labels = torch.rand(12, 3, generator=generator(0, "none absent")), torch.arange(12) % 4
    torch.testing.assert_close(
        index_with_absent_classes_as_zero(activity, labels, 4), selectivity_index(activity, labels)
    )


def test_against_all_other_samples():
    activity, labels = column(8, 4, 1, 1, 1), torch.tensor([0, 1, 2, 2, 2])
    assert one(selectivity_index(activity, labels)) == pytest.approx((8 - 2.5) / (8 + 2.5))
    # The other four samples: (4 + 1 + 1 + 1) / 4.
    assert one(index_against_all_other_samples(activity, labels)) == pytest.approx((8 - 1.75) / (8 + 1.75))
    assert one(index_against_all_other_samples(activity, torch.zeros(5, dtype=torch.int64))) == 0


def test_all_other_samples_of_equal_classes_are_the_index():
    activity, labels = torch.rand(12, 3, generator=generator(0, "others")), torch.arange(12) % 4
    torch.testing.assert_close(index_against_all_other_samples(activity, labels), selectivity_index(activity, labels))


def test_positions():
    """A unit that answers both classes, each in a corner of its own: not selective, its two positions wholly so."""
    maps = torch.zeros(2, 1, 1, 2)
    maps[0, 0, 0, 0] = maps[1, 0, 0, 1] = 3
    labels = torch.tensor([0, 1])
    assert one(selectivity_index(maps, labels)) == 0
    assert index_of_positions(maps, labels).tolist() == pytest.approx([1, 1])


def test_positions_come_unit_by_unit():
    maps = torch.rand(6, 2, 3, 4, generator=generator(0, "maps"))
    labels = torch.arange(6) % 2
    found = index_of_positions(maps, labels)
    assert len(found) == 24
    torch.testing.assert_close(found[13:14], selectivity_index(maps[:, 1, 0, 1][:, None], labels))


def test_without_the_root():
    activity, labels = column(5, 7, 0, 4), torch.tensor([0, 0, 1, 1])
    # Means 6 and 2, population variances 1 and 4: half their sum is 2.5.
    assert one(class_discriminability(activity, labels)) == pytest.approx(4 / 2.5**0.5)
    assert one(discriminability_without_root(activity, labels)) == pytest.approx(4 / 2.5)


def test_without_the_root_over_three_classes():
    activity, labels = column(5, 7, 0, 4, 3), torch.tensor([0, 0, 1, 1, 2])
    # Others: mean of class means 2.5; their three samples 0, 4, 3 have variance 26/9.
    assert one(discriminability_without_root(activity, labels)) == pytest.approx(3.5 / ((1 + 26 / 9) / 2))
    assert one(class_discriminability(activity, labels)) == pytest.approx(3.5 / ((1 + 26 / 9) / 2) ** 0.5)


def test_without_the_root_the_scale_matters():
    activity, labels = column(5, 7, 0, 4), torch.tensor([0, 0, 1, 1])
    assert one(class_discriminability(10 * activity, labels)) == pytest.approx(4 / 2.5**0.5)
    assert one(discriminability_without_root(10 * activity, labels)) == pytest.approx(4 / 25)


def test_without_the_root_a_dead_unit_and_a_single_class_have_0():
    assert one(discriminability_without_root(column(0, 0, 0, 0), torch.tensor([0, 0, 1, 1]))) == 0
    assert one(discriminability_without_root(column(1, 2), torch.tensor([1, 1]))) == 0


@pytest.mark.parametrize("index", [index_of_class_sums, index_against_all_other_samples, discriminability_without_root])
def test_what_does_not_fit_is_refused(index):
    with pytest.raises(ActivityError, match=r"labels: shape \(3,\) given for 2 samples"):
        index(column(1, 2), torch.tensor([0, 1, 1]))
    with pytest.raises(ActivityError, match="not finite"):
        index(column(1, float("nan")), torch.tensor([0, 1]))


def test_a_flipped_sign_raises_what_it_should_lower():
    """Two samples of two classes, activity 3 and 1: SI = 2/4; α = -2 adds +1 to the loss, the flipped term -1."""
    model = nn.Sequential(nn.ReLU(), nn.Linear(1, 2))
    regularizer = SelectivityRegularizer(model, -2.0)
    images, labels = torch.tensor([[3.0], [1.0]], requires_grad=True), torch.tensor([0, 1])
    model(images)
    flipped = flipped_term(regularizer, labels)
    assert float(regularizer(labels).detach()) == pytest.approx(1)
    assert float(flipped.detach()) == pytest.approx(-1)
    (slope,) = torch.autograd.grad(flipped, images)
    # Going down the flipped term raises the activity of the preferred class and lowers the other's.
    assert slope[0] < 0 < slope[1]


def test_a_flipped_sign_follows_the_warm_up():
    model = nn.Sequential(nn.ReLU(), nn.Linear(1, 2))
    regularizer = SelectivityRegularizer(model, -2.0, warmup_steps=4)
    model(torch.tensor([[3.0], [1.0]]))
    regularizer.steps = 1
    assert float(flipped_term(regularizer, torch.tensor([0, 1])).detach()) == pytest.approx(-0.25)


@pytest.mark.parametrize(
    ("text", "pattern", "written"),
    [("-0.5*10", 5, -5), ("0.5*10", 5, 5), ("-2", 2, -2), ("-2 * -3", 6, 6), (" 0.1 ", 0.1, 0.1), ("1e-2", 2, 0.01)],
)
def test_reading_a_scale(text, pattern, written):
    assert scale_by_pattern(text) == pytest.approx(pattern)
    assert scale_as_written(text) == pytest.approx(written)


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
