"""Ablation curves: a network worked out by hand, then every fast way against one plain pass for each mask."""

import numpy as np
import pytest
import torch
from torch import nn

from benchmarks.ablation import plain_curve
from selectivity_core import build_model
from selectivity_core.ablation import ablation_auc, cumulative_ablation
from selectivity_core.ablation.curves import checked_orderings, evaluator
from selectivity_core.ablation.masked import number_units
from selectivity_core.errors import ActivityError
from selectivity_core.perturbation import unit_means

CONV = [f"layers.units{k}" for k in (9, 10, 11)]


def two_units():
    """Logits are the two pixels, rectified."""
    model = nn.Sequential(nn.Linear(2, 2, bias=False), nn.ReLU(), nn.Linear(2, 2, bias=False))
    for layer in (model[0], model[2]):
        layer.weight.data = torch.eye(2)
    return model, torch.tensor([[1.0, 0], [0, 1], [2, 1], [1, 3]]), torch.tensor([0, 1, 0, 1])


class Foreign(nn.Module):
    """A network whose pass cannot be entered in the middle."""

    def __init__(self):
        super().__init__()
        self.hidden, self.act, self.out = nn.Linear(6, 5), nn.LeakyReLU(0.3, inplace=True), nn.Linear(5, 3)

    def forward(self, x):
        return self.out(self.act(self.hidden(x)))


def task(model, shape, samples=120, classes=4, steps=0, seed=0):
    """Images and labels, and the model trained on them for some steps."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(classes, (samples,), generator=generator)
    images = torch.randn(classes, *shape, generator=generator)[labels]
    images = images + torch.randn(samples, *shape, generator=generator)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    model.train()
    for _ in range(steps):
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(images), labels).backward()
        optimizer.step()
    return images, labels


def compare(model, images, labels, layers, orderings=2, value="zero"):
    """The curve, after checking it against plain passes."""
    curve = cumulative_ablation(model, images, labels, layers=layers, orderings=orderings, value=value)
    sizes = number_units(model, layers, value, images[:1]).sizes
    orders = checked_orderings(orderings, sum(sizes.values())).numpy()
    plain = plain_curve(model.eval(), images, labels, sizes, orders, value)
    np.testing.assert_array_equal(curve["accuracy"].to_numpy().reshape(plain.shape), plain)
    return curve


def test_two_units_by_hand():
    model, images, labels = two_units()
    curve = cumulative_ablation(model, images, labels, layers=["1"], orderings=[[0, 1], [1, 0]])
    assert list(curve.columns) == ["ordering", "step", "fraction", "accuracy"]
    assert curve["ordering"].tolist() == [0, 0, 0, 1, 1, 1]
    assert curve["step"].tolist() == [0, 1, 2, 0, 1, 2]
    assert curve["fraction"].tolist() == [0, 0.5, 1, 0, 0.5, 1]
    # Without unit 0 the logits are (0, pixel 1): the third goes wrong, the first ties and the tie goes to class 0.
    # Without unit 1 they are (pixel 0, 0): both images of class 1 go wrong. Without both everything ties.
    assert curve["accuracy"].tolist() == [1, 0.75, 0.5, 1, 0.5, 0.5]
    np.testing.assert_allclose(ablation_auc(curve), [0.75, 0.625], rtol=1e-12)


def test_two_units_clamped_to_constants_by_hand():
    model, images, labels = two_units()
    curve = cumulative_ablation(model, images, labels, layers=["1"], orderings=[[0, 1]], value={"1": [1.5, 0.25]})
    # (1.5, pixel 1): right, wrong (1.5 > 1), right, right; (1.5, 0.25): class 0 for all.
    assert curve["accuracy"].tolist() == [1, 0.75, 0.5]


@pytest.mark.parametrize("steps", [0, 10])
@pytest.mark.parametrize("clamp", ["zero", "mean"])
@pytest.mark.parametrize(
    ("name", "layers", "options"),
    [
        ("mlp", ["units2"], {"width": 40}),
        ("mlp", ["units1", "units2"], {"width": 20, "batch_norm": True, "dropout": 0.2}),
        ("mlp", ["units1"], {"width": 20, "activation": "leaky_relu:0.1"}),
        ("convnet11", CONV, {"width": 1, "dropout": 0.1}),
        ("convnet11", [CONV[2], CONV[0]], {"width": 2, "batch_norm": False}),
        ("convnet11", [CONV[1]], {"width": 2, "activation": "leaky_relu:0.2"}),
        ("resnet20", ["stage3.2.units1"], {"width": 2}),
        ("vgg16", ["stage5.units3", "units"], {"width": 1}),
    ],
)
def test_equal_to_one_plain_pass_for_each_mask(name, layers, options, clamp, steps):
    torch.manual_seed(1)
    options = {"batch_norm": name != "mlp"} | options
    model = build_model(name, channels=1, image_size=8, classes=4, **options)
    images, labels = task(model, (1, 8, 8), steps=steps)
    with torch.no_grad():  # or a network that has learned little gives one class to all
        model.fc.bias -= model.eval()(images).mean(0)
    value = unit_means(model, images, layers) if clamp == "mean" else "zero"
    curve = compare(model, images, labels, layers, value=value)
    assert curve["accuracy"].nunique() > 1


def test_more_images_than_a_batch_and_channels_last():
    torch.manual_seed(1)
    model = build_model("convnet11", channels=2, image_size=8, classes=4, width=1).to(memory_format=torch.channels_last)
    images, labels = task(model, (2, 8, 8), samples=730, steps=10)
    compare(model, images, labels, CONV, orderings=1)


@pytest.mark.parametrize("samples", [1, 90, 300])  # many masks share a pass where images are few
def test_any_module(samples):
    torch.manual_seed(0)
    model = Foreign()
    images, labels = task(model, (6,), samples=samples, classes=3, steps=5)
    compare(model, images, labels, ["act"], orderings=3)
    compare(model, images, labels, ["hidden", "act"], orderings=1, value={"hidden": [1.0] * 5, "act": [-0.5] * 5})


def test_a_sequence_with_a_container_as_its_layer_and_one_that_works_in_place():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Sequential(nn.Linear(6, 5), nn.LeakyReLU(0.5, inplace=True)), nn.Linear(5, 3))
    images, labels = task(model, (6,), classes=3, steps=5)
    compare(model, images, labels, ["0"])
    compare(model, images, labels, ["0.1"])
    given = images.clone()
    first = nn.Sequential(model[0][1], model[1])
    cumulative_ablation(first, given[:, :5], labels, layers=["0"], orderings=1)
    assert torch.equal(images, given)


def test_tokens_have_their_units_last():
    class Tokens(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner, self.act, self.out = nn.Linear(4, 6), nn.GELU(), nn.Linear(6, 3)

        def forward(self, x):
            return self.out(self.act(self.inner(x))).mean(1)

    torch.manual_seed(0)
    model = Tokens()
    images, labels = task(model, (7, 4), classes=3, steps=5)
    compare(model, images, labels, ["act"])


def test_one_unit_and_a_dead_unit():
    model = nn.Sequential(nn.Linear(1, 1, bias=False), nn.ReLU(), nn.Linear(1, 2, bias=False))
    model[0].weight.data, model[2].weight.data = torch.ones(1, 1), torch.tensor([[0.0], [1.0]])
    images, labels = torch.tensor([[1.0], [-1.0]]), torch.tensor([1, 0])
    curve = cumulative_ablation(model, images, labels, layers=["1"], orderings=1)
    assert curve["accuracy"].tolist() == [1, 0.5]
    dead = cumulative_ablation(model, -images.abs(), labels, layers=["1"], orderings=1)
    assert dead["accuracy"].tolist() == [0.5, 0.5]


def test_a_network_that_gives_nan_is_counted_as_plain_passes_count_it():
    model, images, labels = two_units()
    model[2].weight.data[1, 1] = float("inf")  # infinity times a clamped unit is not a number
    curve = compare(model, images, labels, ["1"], orderings=[[1, 0], [0, 1]])
    assert curve["accuracy"].between(0, 1).all()


def test_exact_ties_everywhere():
    model, images, labels = two_units()
    model[2].weight.data = torch.ones(2, 2)  # both logits are always equal
    curve = compare(model, images, labels, ["1"], orderings=[[0, 1]])
    assert curve["accuracy"].tolist() == [0.5, 0.5, 0.5]


def test_a_count_gives_the_first_curves_of_a_larger_one():
    model, images, labels = two_units()
    two, three = (cumulative_ablation(model, images, labels, layers=["1"], orderings=k) for k in (2, 3))
    assert two.equals(three.iloc[: len(two)])


def test_numpy_inputs_give_the_same():
    model, images, labels = two_units()
    given = images.double().numpy()
    given.flags.writeable = False
    curve = cumulative_ablation(model, given, labels.numpy()[::1], layers="all", orderings=np.array([[0, 1]]))
    assert curve["accuracy"].tolist() == [1, 0.75, 0.5]


def test_the_model_is_left_as_it_was():
    torch.manual_seed(0)
    model = build_model("convnet11", channels=1, image_size=8, classes=4, width=1, dropout=0.5)
    images, labels = task(model, (1, 8, 8))
    model.train()
    model.layers.bn1.eval()  # one frozen layer in a model that trains
    modes = [m.training for m in model.modules()]
    state = {k: v.clone() for k, v in model.state_dict().items()}
    cumulative_ablation(model, images, labels, layers=CONV, orderings=1)
    with pytest.raises(ActivityError, match=r"labels: 9 given; 0 to 3"):
        cumulative_ablation(model, images, labels.clamp_min(9), layers=CONV, orderings=1)
    assert [m.training for m in model.modules()] == modes
    assert all(torch.equal(v, state[k]) for k, v in model.state_dict().items())
    assert not any(m._forward_hooks for m in model.modules())


def test_hooks_go_also_when_the_model_raises():
    class Breaks(Foreign):
        def forward(self, x):
            if len(x) > 1:
                raise RuntimeError("broken")
            return super().forward(x)

    model = Breaks().train()
    with pytest.raises(RuntimeError, match="broken"):
        cumulative_ablation(model, torch.zeros(3, 6), torch.zeros(3, dtype=torch.int64), layers=["act"], orderings=1)
    assert model.training
    assert not any(m._forward_hooks for m in model.modules())


def test_who_watches_sees_whole_passes_only():
    model, images, labels = two_units()
    seen = []
    handle = model[2].register_forward_hook(lambda _m, _i, output: seen.append(output.shape[1]))
    compare(model, images, labels, ["1"])
    handle.remove()
    assert set(seen) == {2}


def test_chains_are_evaluated_as_such_and_others_are_not():
    def kind(model, layers, shape):
        return type(evaluator(model, number_units(model, layers, "zero", torch.zeros(1, *shape)))).__name__

    small = {"channels": 1, "image_size": 8, "classes": 4, "width": 2}
    assert kind(build_model("mlp", **small, batch_norm=False), ["units1"], (1, 8, 8)) == "ChainEvaluator"
    assert kind(build_model("convnet11", **small).eval(), CONV, (1, 8, 8)) == "ChainEvaluator"
    assert kind(build_model("resnet20", **small).eval(), ["stage3.2.units2"], (1, 8, 8)) == "MaskedEvaluator"
    act = nn.ReLU()
    assert kind(nn.Sequential(nn.Linear(2, 2), act, nn.Linear(2, 2), act), ["1"], (2,)) == "MaskedEvaluator"
