"""Layers of other people's networks: where their units are, each use of them, and what is not found."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from selectivity_core import (
    SelectivityRegularizer,
    ablate,
    cumulative_ablation,
    noise_curve,
    record,
    selectivity_index,
    unit_deviations,
    unit_importance,
    unit_layers,
    unit_means,
    unit_noise,
)  # fmt: skip
from selectivity_core.errors import ActivityError, PartialUnits, UnitError
from selectivity_core.units import is_activation


def drawn(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


class Pooled(nn.Module):
    """Layers, the mean over all positions, logits; `unit_dim` is where the units are."""

    def __init__(self, layers, units, unit_dim):
        super().__init__()
        torch.manual_seed(0)
        self.layers, self.unit_dim, self.head = layers, unit_dim, nn.Linear(units, 3)

    def forward(self, x):
        return self.head(self.layers(x).movedim(self.unit_dim, 1).flatten(2).mean(2))


class Functional(nn.Module):
    """Units last in four dimensions, moved there by something that nobody can follow."""

    def __init__(self):
        super().__init__()
        self.conv, self.act = nn.Conv2d(3, 6, 3), nn.ReLU()

    def forward(self, x):
        return self.act(torch.einsum("nchw->nhwc", self.conv(x)))


class Block(nn.Module):
    """ConvNeXt's block, with the permutation in the code."""

    def __init__(self, width=6):
        super().__init__()
        self.conv, self.norm = nn.Conv2d(width, width, 3, padding=1, groups=width), nn.LayerNorm(width)
        self.wide, self.act, self.narrow = nn.Linear(width, 4 * width), nn.ReLU(), nn.Linear(4 * width, width)

    def forward(self, x):
        return x + self.narrow(self.act(self.wide(self.norm(self.conv(x).permute(0, 2, 3, 1))))).permute(0, 3, 1, 2)


# A network, its input, the layer that is looked at, and where its units are.
KINDS = {
    "1d": lambda: (Pooled(nn.Sequential(nn.Conv1d(2, 5, 3), nn.ReLU()), 5, 1), drawn(12, 2, 40), "layers.1", 1),
    "2d": lambda: (Pooled(nn.Sequential(nn.Conv2d(2, 5, 3), nn.ReLU()), 5, 1), drawn(12, 2, 7, 7), "layers.1", 1),
    "3d": lambda: (Pooled(nn.Sequential(nn.Conv3d(2, 5, 3), nn.ReLU()), 5, 1), drawn(12, 2, 5, 5, 5), "layers.1", 1),
    "tokens": lambda: (Pooled(nn.Sequential(nn.Linear(4, 5), nn.ReLU()), 5, 2), drawn(12, 7, 4), "layers.1", 2),
    "norm": lambda: (Pooled(nn.Sequential(nn.LayerNorm(4), nn.ReLU()), 4, 2), drawn(12, 7, 4), "layers.1", 2),
    "last": lambda: (Pooled(nn.Sequential(nn.Conv2d(3, 6, 1), Block()), 6, 1), drawn(12, 3, 5, 5), "layers.1.act", 3),
    "given": lambda: (Pooled(Functional(), 6, 3), drawn(12, 3, 9, 5), "layers.act", 3),
}  # fmt: skip
Y = torch.arange(12) % 3


def output_of(model, layer, x):
    seen = []
    hook = model.get_submodule(layer).register_forward_hook(lambda _m, _i, output: seen.append(output))
    logits = model(x)
    hook.remove()
    return seen[0], logits


@pytest.fixture(params=KINDS)
def case(request):
    model, x, layer, dim = KINDS[request.param]()
    whole, logits = output_of(model, layer, x)
    flat = whole.movedim(dim, 1).flatten(2)  # (samples, units, positions)
    return model, x, layer, dim, {"unit_dim": {layer: dim} if request.param == "given" else None}, whole, flat, logits


def test_units_of_each_kind_of_layer_are_read(case):
    model, x, layer, _, told, whole, flat, logits = case
    with record(model, [layer], **told) as seen, record(model, [layer], maps=True, unit_dim=-1) as maps:
        model(x)
    torch.testing.assert_close(seen[layer], flat.mean(2).detach())
    assert torch.equal(maps[layer], whole)

    loss = F.cross_entropy(logits, Y) + 0.7 * selectivity_index(flat.mean(2), Y).mean()
    expected = torch.autograd.grad(loss, list(model.parameters()))
    reg = SelectivityRegularizer(model, -0.7, **told)
    found = torch.autograd.grad(F.cross_entropy(model(x), Y) + reg(Y), list(model.parameters()))
    for a, b in zip(found, expected, strict=True):
        torch.testing.assert_close(a, b)

    values = flat.detach().double().movedim(1, 0).flatten(1)
    torch.testing.assert_close(unit_means(model, x, **told)[layer], values.mean(1), rtol=1e-5, atol=1e-7)
    deviations = unit_deviations(model, x, [layer], **told)[layer]
    torch.testing.assert_close(deviations, values.std(1, correction=0), rtol=1e-5, atol=1e-7)


def test_units_of_each_kind_of_layer_are_changed(case):
    model, x, layer, dim, told, whole, flat, logits = case
    units, means = flat.shape[1], unit_means(model, x, **told)
    with ablate(model, {layer: [1, 3]}, means, **told):
        changed, ablated = output_of(model, layer, x)
    changed = changed.movedim(dim, 1).flatten(2)
    torch.testing.assert_close(changed[:, [1, 3]], means[layer][[1, 3], None].float().expand(12, 2, changed.shape[2]))
    assert torch.equal(changed[:, [0, 2]], flat[:, [0, 2]])
    assert not torch.equal(ablated, logits)
    std = torch.zeros(units)
    std[2] = 1
    with unit_noise(model, 1.0, {layer: std}, **told):
        apart = (output_of(model, layer, x)[0] - whole).movedim(dim, 1).flatten(2)
    assert (apart != 0).any(0).any(1).nonzero().flatten().tolist() == [2]
    with (
        pytest.raises(UnitError, match=rf"unit {units} given; 0 to {units - 1}"),
        ablate(model, {layer: [units]}, **told),
    ):
        model(x)


def test_units_of_each_kind_of_layer_are_ablated_one_by_one(case):
    model, x, layer, _, told, _, flat, logits = case
    units, means = flat.shape[1], unit_means(model, x, **told)

    def accuracy(logits):
        return (logits.argmax(1) == Y).double().mean().item()

    curve = cumulative_ablation(model, x, Y, layers=[layer], orderings=[list(range(units))], value=means, **told)
    importance = unit_importance(model, x, Y, layers=[layer], **told)
    noise = noise_curve(model, x, Y, scales=[0.0, 1.0], layers=[layer], draws=2, **told)
    with torch.no_grad():
        for k in (0, 2, units):
            with ablate(model, {layer: list(range(k))}, means, **told):
                assert curve["accuracy"][k] == accuracy(model(x))
        with ablate(model, {layer: [1]}, **told):
            assert importance["loss"][1] == pytest.approx(F.cross_entropy(model(x), Y).item(), rel=1e-5)
    assert noise["accuracy"][0] == accuracy(logits)


def test_units_that_cannot_be_told_need_unit_dim():
    model, x = Pooled(Functional(), 6, 3), drawn(12, 3, 9, 5)
    words = (
        r"'layers.act': which dimension of its output \(\d+, 7, 3, 6\) holds the units cannot be told; pass unit_dim"
    )
    reg = SelectivityRegularizer(model, 1.0)
    for run in (
        lambda: model(x),
        lambda: unit_means(model, x),
        lambda: noise_curve(model, x, Y, scales=[1.0]),
        lambda: cumulative_ablation(model, x, Y, layers="all", orderings=1),
        lambda: unit_importance(model, x, Y, layers="all"),
    ):
        with pytest.raises(UnitError, match=words):
            run()
    reg.remove()
    with pytest.raises(UnitError, match=words), record(model):
        model(x)
    with pytest.raises(UnitError, match=words), ablate(model, {"layers.act": [0]}):
        model(x)


@pytest.mark.parametrize(
    ("unit_dim", "words"),
    [
        (0, "unit_dim: 0 given"), (True, "unit_dim: True given"), (1.0, "unit_dim: 1.0 given"),
        ({"nowhere": 1}, "'nowhere': the model has no such module"),
        ({"layers.act": 0}, "unit_dim: 0 given for layer 'layers.act'"),
        (4, "unit_dim: 4 given for layer 'layers.act'"), (-4, "unit_dim: -4 given for layer"),
    ],
)  # fmt: skip
def test_dimensions_that_cannot_be_are_refused(unit_dim, words):
    model = Pooled(Functional(), 6, 3)
    with pytest.raises(UnitError, match=words), record(model, unit_dim=unit_dim):
        model(drawn(2, 3, 9, 5))


def test_samples_that_are_not_first_are_refused():
    class TimeFirst(nn.Module):
        def __init__(self):
            super().__init__()
            self.lstm, self.act, self.head = nn.LSTM(4, 6), nn.ReLU(), nn.Linear(6, 3)

        def forward(self, x):
            return self.head(self.act(self.lstm(x.transpose(0, 1))[0])[-1])

    model, square = TimeFirst(), drawn(7, 7, 4)
    with pytest.raises(UnitError, match=r"layer 'act': the samples of its output \(7, 7, 6\) are not known to be in"):
        unit_means(model, square)


def test_a_recurrent_layer_can_be_named():
    class Lstm(nn.Module):
        def __init__(self):
            super().__init__()
            self.lstm, self.head = nn.LSTM(4, 6, batch_first=True), nn.Linear(6, 3)

        def forward(self, x):
            return self.head(self.lstm(x)[0][:, -1])

    model, x = Lstm(), drawn(12, 5, 4)
    with record(model, ["lstm"]) as seen, ablate(model, {"lstm": [0]}):
        ablated = model(x)
    out = model.lstm(x)[0]
    torch.testing.assert_close(seen["lstm"], out.mean(1))
    torch.testing.assert_close(ablated, model.head(out[:, -1] * torch.tensor([0.0, 1, 1, 1, 1, 1])))


@pytest.mark.parametrize(
    ("kind", "options"),
    [(nn.GRU, {}), (nn.RNN, {"num_layers": 2}), (nn.LSTM, {"bidirectional": True, "num_layers": 2})],
    ids=lambda given: getattr(given, "__name__", None),
)
def test_the_final_state_of_a_recurrent_layer_is_changed_too(kind, options):
    layer, x = kind(4, 6, batch_first=True, **options), drawn(12, 5, 4)
    with torch.no_grad():
        state = layer(x)[1]
    ways = 2 if options.get("bidirectional") else 1

    class Last(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = layer

        def forward(self, x):
            found = self.layer(x)[1]
            return found[0] if isinstance(found, tuple) else found

    expected = (state[0] if isinstance(state, tuple) else state).clone()
    expected[-ways, :, 1] = 0  # unit 1 is the forward way's
    model = Last()
    with ablate(model, {"layer": [1]}), torch.no_grad():
        assert torch.equal(model(x), expected)


def test_activity_is_a_copy_that_operations_in_place_do_not_change():
    model = nn.Sequential(nn.Linear(4, 6), nn.ReLU(inplace=True), nn.Dropout(0.5, inplace=True), nn.Linear(6, 3))
    x = drawn(12, 4)
    linear = model[0](x).detach()
    with record(model, ["0", "1"]) as means, record(model, ["0", "1"], maps=True) as maps:
        torch.manual_seed(0)
        model(x)
    for seen in (means, maps):
        assert torch.equal(seen["0"], linear)
        assert torch.equal(seen["1"], linear.relu())
    reg = SelectivityRegularizer(model, 1.0)
    with torch.no_grad():  # torch itself has no gradient of a ReLU whose output was changed in place
        model(x)
    assert reg.measure(Y).item() == pytest.approx(selectivity_index(linear.relu(), Y).mean().item())
    hard = nn.Sequential(nn.Linear(4, 6), nn.Hardswish(), nn.Dropout(0.5, inplace=True), nn.Linear(6, 3))
    reg = SelectivityRegularizer(hard, 1.0, shift="min")  # as in MobileNetV3
    hard(x)
    found = torch.autograd.grad(reg(Y), hard[0].weight)[0]
    expected = -selectivity_index(F.hardswish(hard[0](x)), Y, shift=True).mean()
    torch.testing.assert_close(found, torch.autograd.grad(expected, hard[0].weight)[0])


class Bottleneck(nn.Module):
    """One activation module at three places and two widths, as in torchvision."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.one, self.two, self.three = nn.Conv2d(3, 4, 1), nn.Conv2d(4, 4, 3), nn.Conv2d(4, 8, 1)
        self.relu, self.fc = nn.ReLU(inplace=True), nn.Linear(8, 3)

    def uses(self, x, change=lambda k, y: y):
        found = []
        for k, conv in enumerate((self.one, self.two, self.three)):
            x = change(k, F.relu(conv(x)))
            found.append(x)
        return found, self.fc(x.mean((2, 3)))

    def forward(self, x):
        for conv in (self.one, self.two, self.three):
            x = self.relu(conv(x))
        return self.fc(x.mean((2, 3)))


def test_each_use_of_a_module_has_an_entry():
    model, x = Bottleneck(), drawn(12, 3, 5, 5)
    outputs, _ = model.uses(x)
    names = ["relu:0", "relu:1", "relu:2"]
    with record(model) as seen, record(model, ["relu:2"], maps=True) as last:
        model(x)
        model(x)
    assert list(seen) == names
    assert list(last) == ["relu:2"]
    for name, output in zip(names, outputs, strict=True):
        torch.testing.assert_close(seen[name], output.mean((2, 3)).detach())
    reg = SelectivityRegularizer(model, 1.0)
    model(x)
    expected = torch.stack([selectivity_index(output, Y).mean() for output in outputs]).mean()
    assert reg(Y).item() == pytest.approx(-expected.item(), rel=1e-5)
    reg.remove()
    reg = SelectivityRegularizer(model, 1.0, layers=["relu:1"])
    model(x)
    assert reg(Y).item() == pytest.approx(-selectivity_index(outputs[1], Y).mean().item(), rel=1e-5)
    reg.remove()

    means, deviations = unit_means(model, x), unit_deviations(model, x)
    assert list(means) == list(deviations) == names
    for name, output in zip(names, outputs, strict=True):
        torch.testing.assert_close(means[name].float(), output.mean((0, 2, 3)))
        torch.testing.assert_close(deviations[name].float(), output.std((0, 2, 3), correction=0))


def test_each_use_of_a_module_is_ablated_by_itself():
    model, x = Bottleneck(), drawn(12, 3, 5, 5)
    means = unit_means(model, x)

    def without(units, value=None):
        def change(k, y):
            y = y.clone()
            for unit in units.get(k, []):
                y[:, unit] = 0 if value is None else value[f"relu:{k}"][unit].float()
            return y

        return model.uses(x, change)[1]

    with torch.no_grad():
        for given, units in (({"relu": [3]}, {0: [3], 1: [3], 2: [3]}), ({"relu:2": [7]}, {2: [7]}),
                             ({"relu": [0], "relu:1": [1]}, {0: [0], 1: [1], 2: [0]})):  # fmt: skip
            for value in ("zero", means):
                with ablate(model, given, value):
                    found = model(x)
                torch.testing.assert_close(found, without(units, None if value == "zero" else value))
        with pytest.raises(UnitError, match="layer 'relu': unit 7 given; 0 to 3"), ablate(model, {"relu": [7]}):
            model(x)
        with pytest.raises(UnitError, match="'relu:3': the model uses 'relu' 3 times"), ablate(model, {"relu:3": [0]}):
            model(x)
        with (
            pytest.raises(UnitError, match="4 values given for its 8"),
            unit_noise(model, 1.0, {"relu": torch.ones(4)}),
        ):
            model(x)

        labels = model(x).argmax(1)
        curve = cumulative_ablation(model, x, labels, layers="all", orderings=[list(range(16))], value=means)
        importance = unit_importance(model, x, labels, layers=["relu:1", "relu:2"])
        accuracy = lambda logits: (logits.argmax(1) == labels).double().mean().item()  # noqa: E731
        assert curve["accuracy"][4] == accuracy(without({0: range(4)}, means))
        assert curve["accuracy"][9] == accuracy(without({0: range(4), 1: range(4), 2: [0]}, means))
        assert importance["layer"].tolist() == ["relu:1"] * 4 + ["relu:2"] * 8
        assert importance["accuracy"][3] == accuracy(without({1: [3]}))
        assert importance["accuracy"][4 + 5] == accuracy(without({2: [5]}))
        assert len(noise_curve(model, x, labels, scales=[0.5], draws=2)) == 2


def test_a_layer_that_a_pass_leaves_out_is_not_ablated_in_silence():
    class Sometimes(nn.Sequential):
        def forward(self, x):
            return self[2](self[1](self[0](x))) if len(x) > 1 else self[0](x)

    model = Sometimes(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 2))
    with pytest.raises(UnitError, match="layer '1': the model does not use it"), ablate(model, {"1": [0]}):
        model(drawn(1, 4))

    class Twice(nn.Sequential):
        def forward(self, x):
            return self[0](self[0](x) if len(x) > 1 else x)

    with pytest.raises(UnitError, match="layer '0:1': the model uses it in 1 of 2 batches"):
        unit_means(Twice(nn.ReLU()), drawn(501, 4))


def test_activations_of_other_packages_are_known_by_name():
    def made(name, module, *bases):
        return type(name, bases or (nn.Module,), {"__module__": module, "forward": lambda self, x: F.gelu(x)})()

    assert is_activation(made("GELUTanh", "timm.layers.activations"))
    assert is_activation(made("NewGELUActivation", "transformers.activations"))
    assert is_activation(made("Mine", "mine", type(made("SwishMe", "timm.layers.activations_me"))))
    assert not is_activation(made("GELUTanh", "mine"))
    assert not is_activation(made("LinearActivation", "transformers.activations"))
    assert not is_activation(nn.Softmax(1))
    nested = nn.Sequential(nn.Linear(2, 2), made("GELUActivation", "transformers.activations"))
    nested[1].inner = nn.GELU()
    assert list(unit_layers(nested)) == ["1"]


class Partly(nn.Module):
    """An activation in a module, one in a function and one that only the code of a module has."""

    def __init__(self):
        super().__init__()
        self.fc1, self.act, self.fc2, self.swish, self.fc3 = (
            nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 4), Swish(), nn.Linear(4, 3),
        )  # fmt: skip

    def forward(self, x):
        x = self.swish(self.fc2(self.act(self.fc1(x))))
        return torch.sigmoid(self.fc3(F.relu(x)))  # the last is on the logits


class Swish(nn.Module):
    def forward(self, x):
        return x * x.sigmoid()


def test_what_all_did_not_find_is_said_once():
    x, words = (
        drawn(12, 4),
        r"1 activation modules of Partly were found; left out: 'sigmoid in swish', 'relu in Partly'",
    )
    model = Partly()
    reg = SelectivityRegularizer(model, 1.0)
    with pytest.warns(PartialUnits, match=words):
        model(x)
    model(x)
    assert reg.skipped == ["sigmoid in swish", "relu in Partly"]
    reg.remove()
    with pytest.warns(PartialUnits, match=words), record(model):
        model(x)
    with pytest.warns(PartialUnits, match=words):
        unit_means(model, x)
    with record(model, ["act", "swish"]) as seen:  # nothing to be said of a list
        model(x)
    assert list(seen) == ["act", "swish"]


def test_an_activation_among_several_things_returned_is_left_out_and_said():
    class Two(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc1, self.act1, self.fc2, self.act2, self.head = (
                nn.Linear(4, 5), nn.ReLU(), nn.Linear(5, 5), nn.ReLU(), nn.Linear(5, 3),
            )  # fmt: skip

        def forward(self, x):
            features = self.act2(self.fc2(self.act1(self.fc1(x))))
            return {"logits": self.head(features), "features": features}

    model, x = Two(), drawn(12, 4)
    reg = SelectivityRegularizer(model, 1.0)
    with pytest.warns(PartialUnits, match="'act2', which the model returns"):
        model(x)
    first = selectivity_index(F.relu(model.fc1(x)), Y).mean().item()
    assert reg(Y).item() == pytest.approx(-first, rel=1e-5)
    reg.remove()
    reg = SelectivityRegularizer(model, 1.0, layers=["act2"])
    features = model(x)["features"]
    assert reg(Y).item() == pytest.approx(-selectivity_index(features, Y).mean().item(), rel=1e-5)


def test_layers_with_other_numbers_of_samples_are_refused():
    class Bias(nn.Module):
        def __init__(self):
            super().__init__()
            self.table, self.act1 = nn.Parameter(torch.ones(1, 4)), nn.ReLU()
            self.fc, self.act2, self.head = nn.Linear(4, 5), nn.ReLU(), nn.Linear(5, 3)

        def forward(self, x):
            return self.head(self.act2(self.fc(x + self.act1(self.table))))

    model = Bias()
    reg = SelectivityRegularizer(model, 1.0)
    model(drawn(12, 4))
    with pytest.raises(ActivityError, match="layer 'act2': activity of 12 samples, and of 1 in layer 'act1'"):
        reg(Y)


def test_tokens_of_a_text_model_are_taken_as_they_are():
    model = Pooled(nn.Sequential(nn.Embedding(9, 4), nn.Linear(4, 5), nn.ReLU()), 5, 2)
    ids = torch.arange(48).view(12, 4) % 9
    means = unit_means(model, ids)["layers.2"]
    torch.testing.assert_close(means.float(), model.layers(ids).mean((0, 1)).detach())
    assert len(unit_importance(model, ids, np.arange(12) % 3, layers="all")) == 5
