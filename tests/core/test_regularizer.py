import copy

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from selectivity_core import RunSpec, SelectivityRegularizer, class_discriminability, selectivity_index
from selectivity_core.errors import ActivityError, SpecError, UnitError
from selectivity_core.indices import class_means, class_statistics
from selectivity_core.models import build_model
from selectivity_core.regularizer import offset_of_means, spread_of
from selectivity_core.units import Units

INDEX = {"si": selectivity_index, "dprime": class_discriminability}


def drawn(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def small(activation: str = "relu", own: bool = True) -> nn.Module:
    """A convolution and a linear layer with units, as the project's modules or as torch's."""
    torch.manual_seed(0)
    plain = nn.ReLU if activation == "relu" else lambda: nn.LeakyReLU(float(activation.split(":")[1]))
    act = (lambda: Units(activation)) if own else plain
    return nn.Sequential(
        nn.Conv2d(2, 6, 3), nn.BatchNorm2d(6), act(), nn.Flatten(), nn.Linear(54, 5), act(), nn.Linear(5, 3)
    )


def by_plain_hooks(model, layers, index, x, y, shift=False):
    """The mean over layers of the mean over units, straight from the definition."""
    seen = []
    handles = [dict(model.named_modules())[n].register_forward_hook(lambda m, i, o: seen.append(o)) for n in layers]
    logits = model(x)
    for handle in handles:
        handle.remove()
    options = {"shift": True} if shift and index == "si" else {}  # d' does not change when a unit is shifted
    return logits, torch.stack([INDEX[index](o, y, **options).mean() for o in seen]).mean()


def gradients(model, loss):
    model.zero_grad()
    loss.backward()
    return [p.grad.clone() for p in model.parameters()]


@pytest.mark.parametrize("own", [True, False], ids=["fused", "hooks"])
@pytest.mark.parametrize("index", ["si", "dprime"])
@pytest.mark.parametrize("activation", ["relu", "leaky_relu:0.2"])
@pytest.mark.parametrize("channels_last", [False, True])
def test_values_and_gradients_are_those_of_plain_hooks(own, index, activation, channels_last):
    x, y = drawn(12, 2, 5, 5), torch.arange(12) % 3
    model = small(activation, own)
    if channels_last:
        model, x = model.to(memory_format=torch.channels_last), x.contiguous(memory_format=torch.channels_last)
    logits, mean = by_plain_hooks(model, ["2", "5"], index, x, y, shift=activation != "relu")
    expected = gradients(model, F.cross_entropy(logits, y) - 0.7 * mean)
    reg = SelectivityRegularizer(model, 0.7, index=index)
    logits = model(x)
    found = reg(y)
    assert found.item() == pytest.approx(-0.7 * mean.item(), rel=1e-5)
    for ours, theirs in zip(gradients(model, F.cross_entropy(logits, y) + found), expected, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("own", [True, False], ids=["fused", "hooks"])
def test_bf16_autocast_changes_the_index_by_rounding_only(own):
    x, y, model = drawn(32, 2, 5, 5), torch.arange(32) % 3, small(own=own)
    reg = SelectivityRegularizer(model, 1.0)
    model(x)
    exact = reg.measure(y)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        model(x)
        found = reg.measure(y)
    assert found.dtype == torch.float32
    assert found.item() == pytest.approx(exact.item(), abs=0.01)
    found.backward()
    assert all(torch.isfinite(p.grad).all() for p in model[:5].parameters())


def test_each_layer_counts_once_whatever_its_width():
    model = nn.Sequential(
        nn.Linear(1, 1, bias=False), nn.ReLU(), nn.Linear(1, 3, bias=False), nn.ReLU(), nn.Linear(3, 2)
    )
    nn.init.constant_(model[0].weight, 1)
    nn.init.constant_(model[2].weight, -1)  # three dead units
    reg = SelectivityRegularizer(model, 2.0)
    model(torch.tensor([[3.0], [1.0]]))
    # layer 1: (3 − 1)/(3 + 1) = 1/2; layer 2: 0; mean 1/4
    assert reg(torch.tensor([0, 1])).item() == pytest.approx(-0.5)


def test_a_layer_used_twice_counts_twice():
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.act, self.fc = Units(), nn.Linear(2, 2)

        def forward(self, x):
            return self.fc(self.act(self.act(x) - 1))

    model, y = Twice(), torch.tensor([0, 1])
    x = torch.tensor([[3.0, 1], [1, 3]])
    reg = SelectivityRegularizer(model, -1.0)
    model(x)
    # first pass: 1/2 for both units; second (2, 0): 1
    assert reg(y).item() == pytest.approx((0.5 + 1) / 2, rel=1e-6)


def test_tokens_have_their_units_last():
    model, y = nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 3)), torch.arange(8) % 2
    tokens = drawn(8, 5, 4)
    reg = SelectivityRegularizer(model, 1.0)
    model(tokens)
    expected = selectivity_index(F.relu(model[0](tokens)).mean(1), y).mean()
    assert reg.measure(y).item() == pytest.approx(expected.item(), rel=1e-6)


@pytest.mark.parametrize(
    "end",
    [
        [nn.ReLU()], [nn.ReLU(), nn.Flatten()], [nn.ReLU(inplace=True)], [Units()],
        [nn.Unflatten(1, (3, 1, 1)), nn.ReLU(inplace=True), nn.Flatten()],
    ],
)  # fmt: skip
def test_an_activation_on_the_logits_is_left_out(end):
    model, y = nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 3), *end), torch.arange(8) % 2
    x = drawn(8, 4)
    reg = SelectivityRegularizer(model, 1.0)
    model(x)
    assert reg.measure(y).item() == pytest.approx(selectivity_index(F.relu(model[0](x)), y).mean().item(), rel=1e-6)


def test_nothing_but_logits_is_an_error():
    model = nn.Sequential(nn.Linear(4, 3), nn.ReLU())
    reg = SelectivityRegularizer(model, 1.0)
    model(drawn(4, 4))
    with pytest.raises(UnitError, match="no units were seen"):
        reg(torch.arange(4) % 2)
    with pytest.raises(UnitError, match="no units were seen"):
        SelectivityRegularizer(small(), 1.0)(torch.arange(4) % 2)


def test_two_regularisers_on_one_model_do_not_meet():
    x, y, model = drawn(12, 2, 5, 5), torch.arange(12) % 3, small()
    alone = SelectivityRegularizer(model, 1.0, layers=["2"])
    model(x)
    expected = alone(y)
    both = SelectivityRegularizer(model, -3.0, index="dprime")
    model(x)
    assert torch.equal(alone(y), expected)
    assert both(y) > 0
    both.remove()
    model(x)
    assert torch.equal(alone(y), expected)


@pytest.mark.parametrize("own", [True, False])
def test_remove_leaves_nothing(own):
    model = small(own=own)
    before = copy.deepcopy(model)
    x = drawn(4, 2, 5, 5)
    reg = SelectivityRegularizer(model, 1.0)
    model(x)
    reg.remove()
    reg.remove()
    assert not any(m._forward_hooks or m._forward_pre_hooks or getattr(m, "taps", []) for m in model.modules())
    model.load_state_dict(before.state_dict())
    assert torch.equal(model(x), before(x))


def test_warm_up_counts_steps_in_training_mode_only():
    model, x, y = small(), drawn(6, 2, 5, 5), torch.arange(6) % 3
    reg = SelectivityRegularizer(model, 2.0, warmup_steps=4)
    scales = []
    for training in (True, False, False, True, True, True, True, True):
        model.train(training)
        model(x)
        scales.append(reg.scale)
        assert reg(y).item() == pytest.approx(-scales[-1] * reg.measure(y).item(), abs=1e-7)
    assert scales == [0, 0.5, 0.5, 0.5, 1, 1.5, 2, 2]


def test_labels_of_another_length_are_refused():
    model = small()
    reg = SelectivityRegularizer(model, 1.0)
    model(drawn(6, 2, 5, 5))
    with pytest.raises(ActivityError, match=r"labels: shape \(5,\) given for 6 samples"):
        reg(torch.zeros(5, dtype=torch.long))


@pytest.mark.parametrize(
    "labels",
    [torch.zeros(6), torch.zeros(6, dtype=torch.bool), F.one_hot(torch.arange(6) % 3), (torch.arange(6) % 3)[:, None]],
    ids=["floats", "truth values", "one-hot", "a column"],
)
def test_labels_are_integers_one_a_sample(labels):
    model = small()
    reg = SelectivityRegularizer(model, 1.0)
    model(drawn(6, 2, 5, 5))
    for take in (reg, reg.measure):
        with pytest.raises(ActivityError, match="labels: "):
            take(labels)


@pytest.mark.parametrize("index", ["si", "dprime"])
def test_samples_that_are_ignored_are_left_out(index):
    model, x, y = small().eval(), drawn(12, 2, 5, 5), torch.arange(12) % 3
    reg = SelectivityRegularizer(model, 1.0, index=index)
    model(x[:7])
    expected = reg.measure(y[:7]).item()
    y[7:] = -100
    model(x)
    assert reg.measure(y).item() == pytest.approx(expected, rel=1e-5)
    assert reg.measure(torch.full_like(y, -100)).item() == 0


def test_negative_activity_is_refused_unless_shifted():
    model, x, y = nn.Sequential(nn.Linear(4, 6), nn.GELU(), nn.Linear(6, 3)), drawn(8, 4), torch.arange(8) % 2
    gelu = F.gelu(model[0](x)).detach()
    with pytest.raises(ActivityError, match=r"layer '1': activity down to -0\.\d+ given.*shift="):
        reg = SelectivityRegularizer(model, 1.0)
        model(x)
        reg(y)
    for shift, shifted in (("min", gelu - gelu.amin(0)), (0.17, gelu + 0.17)):
        reg = SelectivityRegularizer(model, 1.0, shift=shift)
        model(x)
        assert reg.measure(y).item() == pytest.approx(selectivity_index(shifted, y).mean().item(), rel=1e-5)
    reg = SelectivityRegularizer(model, 1.0, shift=0.01)
    model(x)
    with pytest.raises(ActivityError, match="layer '1'"):
        reg(y)


@pytest.mark.parametrize("estimate", ["shuffled", "unbiased"])
def test_other_estimates_forget_the_classes_or_the_choice(estimate):
    # many samples of activity that has nothing to do with the classes: the plain index is biased upward
    model = nn.Sequential(nn.Identity(), nn.ReLU(), nn.Linear(50, 2))
    x, y = drawn(200, 50).abs() + 1, torch.arange(200) % 10
    plain = SelectivityRegularizer(model, 1.0)
    other = SelectivityRegularizer(model, 1.0, estimate=estimate, generator=torch.Generator().manual_seed(0))
    model(x)
    biased, found = plain.measure(y).item(), other.measure(y).item()
    assert biased > 0.05
    assert abs(found - (biased if estimate == "shuffled" else 0)) < 0.01
    x[y == 3] += 9  # now there is something: (10 + e − (1 + e))/(…)
    model(x)
    if estimate == "shuffled":
        assert other.measure(y) < plain.measure(y) / 2
    else:
        assert other.measure(y).item() == pytest.approx(plain.measure(y).item(), rel=0.05)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"alpha": float("nan")}, "alpha: nan"), ({"alpha": float("inf")}, "alpha: inf"),
        ({"index": "mi"}, "index: 'mi'"),
        ({"estimate": "x"}, "estimate: 'x'"),
        ({"warmup_steps": -1}, "warmup_steps: -1"), ({"shift": "max"}, "shift: 'max'"),
        ({"shift": float("nan")}, "shift: nan"),
    ],
)  # fmt: skip
def test_bad_options_are_refused_by_name(options, words):
    with pytest.raises(SpecError, match=words):
        SelectivityRegularizer(small(), **({"alpha": 1.0} | options))


@pytest.mark.parametrize("index", ["si", "dprime"])
@pytest.mark.parametrize("y", [torch.zeros(4, dtype=torch.long), torch.arange(4), torch.tensor([0, 0, 7, 7])])
def test_gradients_are_finite_for_dead_units_and_odd_batches(index, y):
    model = build_model("mlp", channels=1, image_size=4, classes=10, width=6)
    nn.init.constant_(model.fc1.bias, -100)  # dead
    with torch.no_grad():
        model.fc2.weight.zero_()
        model.fc2.bias.fill_(1)  # constant
    model.bn1, model.bn2 = nn.Identity(), nn.Identity()
    reg = SelectivityRegularizer(model, 5.0, index=index)
    logits = model(drawn(4, 1, 4, 4))
    (F.cross_entropy(logits, y) + reg(y)).backward()
    assert all(torch.isfinite(p.grad).all() for p in model.parameters())


@pytest.fixture
def batch():
    generator = torch.Generator().manual_seed(0)
    activity = torch.rand(40, 7, generator=generator, dtype=torch.float64)
    activity[:, 6] = 0  # a dead unit
    labels = torch.arange(40) % 4
    return activity.requires_grad_(), labels


def test_values_are_those_of_the_measures(batch):
    activity, labels = batch
    plain = activity.detach()
    assert torch.allclose(offset_of_means(class_means(plain, labels)[2]), selectivity_index(plain, labels))
    assert torch.allclose(spread_of(class_statistics(plain, labels)), class_discriminability(plain, labels))


def test_offset_moves_all_samples_of_a_unit_alike(batch):
    activity, labels = batch
    offset_of_means(class_means(activity, labels)[2]).sum().backward()
    slopes = activity.grad
    assert torch.allclose(slopes, slopes[:1].expand_as(slopes))  # ten samples a class
    # d SI / d shift = −2 (μmax − μ₋max) / (μmax + μ₋max)², which is −2 SI² / (μmax − μ₋max).
    means = class_means(activity.detach(), labels)[2][:, :6]
    top = means.max(0).values
    others = (means.sum(0) - top) / 3
    assert torch.allclose(slopes[:, :6].sum(0), -2 * (top - others) / (top + others + 1e-7).square())


def test_spread_moves_no_class_mean(batch):
    activity, labels = batch
    spread_of(class_statistics(activity, labels)).sum().backward()
    slopes = torch.stack([activity.grad[labels == c].sum(0) for c in range(4)])
    assert torch.allclose(slopes, torch.zeros_like(slopes), atol=1e-12)
    assert (activity.grad[:, :6].abs().sum(0) > 0).all()
    assert torch.isfinite(activity.grad).all()


def test_a_step_against_spread_widens_classes_and_leaves_the_index(batch):
    activity, labels = batch
    spread_of(class_statistics(activity, labels)).sum().backward()
    moved = activity.detach() - 0.01 * activity.grad
    assert (class_discriminability(moved, labels)[:6] < class_discriminability(activity.detach(), labels)[:6]).all()
    means = [class_means(values, labels)[2] for values in (moved, activity.detach())]
    assert torch.allclose(*means)


@pytest.mark.parametrize("classes", [0, 1])
def test_fewer_than_two_classes_give_zero(classes):
    activity = torch.rand(5 * classes, 3, requires_grad=True)
    labels = torch.zeros(5 * classes, dtype=torch.long)
    if classes:
        assert offset_of_means(class_means(activity, labels)[2]).tolist() == [0, 0, 0]
        assert spread_of(class_statistics(activity, labels)).tolist() == [0, 0, 0]
    else:
        assert offset_of_means(activity[:0]).tolist() == [0, 0, 0]


@pytest.mark.parametrize(("index", "whole"), [("offset", "si"), ("spread", "dprime")])
def test_the_regulariser_takes_them(index, whole):
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(6, 5), torch.nn.ReLU(), torch.nn.Linear(5, 3))
    images, labels = torch.rand(30, 6), torch.arange(30) % 3
    terms, slopes = [], []
    for name in (index, whole):
        regularizer = SelectivityRegularizer(model, -2.0, index=name)
        model.zero_grad()
        model(images)
        terms.append(regularizer(labels))
        terms[-1].backward()
        slopes.append(model[0].bias.grad.clone())
        regularizer.remove()
    assert torch.allclose(*terms)
    assert not torch.allclose(*slopes)


def test_specs_name_them_and_refuse_an_unbiased_estimate():
    assert RunSpec(index="offset").id != RunSpec().id
    with pytest.raises(SpecError, match='"unbiased" given with index "spread"'):
        RunSpec(index="spread", estimate="unbiased")
