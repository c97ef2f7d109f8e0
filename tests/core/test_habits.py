"""Habits of other people's networks and training loops: the number of plain hooks, or an error that names the thing."""

import warnings

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils import parametrizations, parametrize, rnn
from torch.utils.checkpoint import checkpoint

from selectivity_core import (
    SelectivityRegularizer,
    ablate,
    cumulative_ablation,
    noise_curve,
    pwcca_distance,
    record,
    selectivity_index,
    unit_importance,
    unit_layers,
    unit_means,
    unit_noise,
    unit_table,
)
from selectivity_core.errors import ActivityError, SpecError, UnitError
from selectivity_core.units import Units

Y = torch.arange(12) % 3


def drawn(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


X, IMAGES, SERIES = drawn(12, 4), drawn(12, 3, 8, 8), drawn(12, 5, 4)


def net(act=nn.ReLU, *between):
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 6), act(), *between, nn.Linear(6, 5), act(), nn.Linear(5, 3))


class Net(nn.Module):
    """A layer, an activation `act` and logits; `body` is the forward pass."""

    def __init__(self, body, layer=None, units=6, act=nn.ReLU):
        super().__init__()
        torch.manual_seed(0)
        self.layer, self.act, self.head, self.body = layer or nn.Linear(4, 6), act(), nn.Linear(units, 3), body

    def forward(self, x):
        return self.body(self, x)


def plain(model, dims, run, labels=Y, shift=False):
    """Output, and the mean index by its definition: layers as name -> dimension of the units, read by hooks."""
    modules, seen = dict(model.named_modules(remove_duplicate=False)), []

    def hook(dim):
        def see(_module, _inputs, output):
            output = (output[0] if isinstance(output, tuple) else output).double()
            seen.append(output.movedim(dim, 1).flatten(2).mean(2) if output.ndim > 2 else output.clone())

        return see

    handles = [modules[name].register_forward_hook(hook(dim)) for name, dim in dims.items()]
    output = run()
    for handle in handles:
        handle.remove()
    kept, values = labels != -100, []
    for activity in seen:
        activity = activity[kept] - (activity[kept].detach().amin(0) if shift else 0)
        means = torch.stack([activity[labels[kept] == c].mean(0) for c in labels[kept].unique()])
        top = means.max(0).values
        others = (means.sum(0) - top) / (len(means) - 1)
        values.append(((top - others) / (top + others + 1e-7)).mean())
    return output, torch.stack(values).mean()


def check(model, dims, run, *, labels=Y, shift=None, call=None, tolerance=1e-4, **options):
    """The regulariser's term and gradients are those of the plain definition."""
    parameters = list(model.parameters())

    def gradients(output, term):
        return torch.autograd.grad(output.double().square().mean() + term, parameters, allow_unused=True)

    torch.manual_seed(1)
    output, index = plain(model, dims, run, labels, shift == "min")
    expected = gradients(output, 0.7 * index)
    reg = SelectivityRegularizer(model, -0.7, shift=shift, **options)
    torch.manual_seed(1)
    output = (call or run)()
    term = reg(labels)
    found = gradients(output, term)
    reg.remove()
    assert term.item() == pytest.approx(0.7 * index.item(), rel=tolerance)
    for a, b in zip(found, expected, strict=True):
        assert (a is None) == (b is None)
        if a is not None:
            torch.testing.assert_close(a, b, rtol=tolerance, atol=tolerance * float(b.abs().max()) + 1e-9)


def scaled():
    model = net()
    parametrizations.weight_norm(model[2]).parametrizations.weight.original0.data.mul_(3)
    return model


def weights_of_softplus():
    model = nn.Sequential(nn.Linear(4, 12), nn.ReLU(), nn.Linear(12, 3))  # as many rows as there are samples
    parametrize.register_parametrization(model[0], "weight", nn.Softplus())
    return model


def changed(module, hook):
    module.register_forward_hook(hook)
    return module


def aliased():
    model = Net(lambda m, x: m.head(m.again(m.layer(m.act(x)))), nn.Linear(4, 6))
    model.again = model.act
    return model


def encoder(act):
    model = Net(lambda m, x: m.head(m.encoder(m.layer(x)).mean(1)), nn.Linear(4, 8), 8)
    layer = nn.TransformerEncoderLayer(8, 2, 16, dropout=0, activation=act, batch_first=True)
    model.encoder = nn.TransformerEncoder(layer, 2)
    return model


def packed(batch_first=True):
    def body(m, x):
        given = rnn.pack_padded_sequence(x, torch.tensor([5, 4, 3] * 4), batch_first, enforce_sorted=False)
        return m.head(m.act(rnn.pad_packed_sequence(m.layer(given)[0], batch_first)[0])[:, -1])

    return Net(body, nn.LSTM(4, 6, batch_first=batch_first))


TWO = {"1": 1, "3": 1}
# A network, its layers and where their units are, its input, and options.
RIGHT = {
    "in-place dropout": (lambda: net(nn.GELU, nn.Dropout(0.5, inplace=True)), {"1": 1, "4": 1}, X, {"shift": "min"}),
    "in-place dropout behind own units": (
        lambda: net(lambda: Units("leaky_relu:0.2"), nn.Dropout(0.5, inplace=True)), {"1": 1, "4": 1}, X,
        {"shift": "min"},
    ),
    "in-place activations": (lambda: net(lambda: nn.SiLU(inplace=True)), TWO, X, {"shift": "min"}),
    "a layer before one in place": (
        lambda: nn.Sequential(nn.Conv2d(3, 6, 3), nn.ReLU(inplace=True), nn.Flatten(), nn.Linear(216, 3)),
        {"0": 1}, IMAGES, {"shift": "min", "layers": ["0"]},
    ),
    "weight norm": (scaled, TWO, X, {}),
    "a parametrisation with an activation": (weights_of_softplus, {"1": 1}, X, {}),
    "a module with two names": (aliased, {"act": 1}, X, {"shift": "min"}),
    "its second name": (aliased, {"again": 1}, X, {"shift": "min", "layers": ["again"]}),
    "hooks of others": (lambda: net(lambda: changed(nn.ReLU(), lambda _m, _i, y: 2 * y)), TWO, X, {}),
    "three dimensions, channels last": (
        lambda: nn.Sequential(nn.Conv3d(2, 5, 3), nn.ReLU(), nn.Flatten(), nn.Linear(40, 3)).to(
            memory_format=torch.channels_last_3d
        ), {"1": 1}, drawn(12, 2, 4, 4, 4).contiguous(memory_format=torch.channels_last_3d), {},
    ),
    "half precision": (lambda: net().bfloat16(), TWO, X.bfloat16(), {"tolerance": 0.03}),
    "a transformer's function": (
        lambda: encoder("relu"), {f"encoder.layers.{k}.linear1": 2 for k in (0, 1)}, SERIES,
        {"shift": "min", "layers": [f"encoder.layers.{k}.linear1" for k in (0, 1)]},
    ),
    "a transformer's module": (
        lambda: encoder(nn.GELU()), {f"encoder.layers.{k}.activation": 2 for k in (0, 1)}, SERIES,
        {"shift": "min", "layers": [f"encoder.layers.{k}.activation" for k in (0, 1)]},
    ),
    "a two-way recurrent layer": (
        lambda: Net(lambda m, x: m.head(m.layer(x)[0][:, -1]), nn.LSTM(4, 6, bidirectional=True, batch_first=True), 12),
        {"layer": 2}, SERIES, {"shift": "min", "layers": ["layer"]},
    ),
    "a padded sequence, told": (packed, {"act": 2}, SERIES, {"unit_dim": 2}),
    "a cell in a loop": (
        lambda: Net(lambda m, x: m.head(m.layer(x[:, 1], m.layer(x[:, 0]))), nn.GRUCell(4, 6)), {"layer": 1}, SERIES,
        {"shift": "min", "layers": ["layer"]},
    ),
    "the last token of each sample": (
        lambda: Net(lambda m, x: m.head(m.act(m.layer(x)[torch.arange(12), Y]))), {"act": 1}, SERIES, {},
    ),
    "steps in a loop": (
        lambda: Net(lambda m, x: m.head(torch.stack([m.act(m.layer(t)) for t in x.unbind(1)], 1).mean(1))),
        {"act": 1}, SERIES, {},
    ),
    "two views in a batch": (
        lambda: Net(lambda m, x: m.head(sum(m.act(v) for v in m.layer(torch.cat([x, -x])).chunk(2)))), {"act": 1}, X,
        {},
    ),
    "ignored samples": (
        lambda: net(nn.GELU), TWO, X * torch.tensor([10.0, 1, 1, 1]).repeat(3)[:, None],
        {"shift": "min", "labels": Y.where(torch.arange(12) % 4 > 0, -100)},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", RIGHT)
def test_term_and_gradient_are_those_of_plain_hooks(name):
    make, dims, x, options = RIGHT[name]
    model = make()
    check(model, dims, lambda: model(x), **options)


def test_passes_that_torch_makes_otherwise():
    model = net()
    parameters = dict(model.named_parameters())
    check(model, TWO, lambda: torch.func.functional_call(model, parameters, X))
    for own in (nn.ReLU, Units):
        model = net(own)
        check(model, TWO, lambda model=model: nn.DataParallel(model)(X))  # on a CPU it only calls the module
        reg = SelectivityRegularizer(model, -0.7)

        def loss(given, model=model, reg=reg):
            return torch.func.functional_call(model, given, X).square().mean() + reg(Y)

        found = torch.func.grad(loss)({name: p.detach() for name, p in model.named_parameters()})
        reg.remove()
        output, index = plain(model, TWO, lambda model=model: model(X))
        expected = torch.autograd.grad(output.square().mean() + 0.7 * index, list(model.parameters()))
        for a, b in zip(found.values(), expected, strict=True):
            torch.testing.assert_close(a, b)


def attacked(model):
    moved = torch.zeros_like(X)
    for _ in range(2):
        moved = moved.detach().requires_grad_()
        moved = moved + 0.1 * torch.autograd.grad(model(X + moved).sum(), moved)[0].sign()
    return moved.detach()


@pytest.mark.parametrize(
    "between",
    [attacked, lambda model: torch.func.jacrev(lambda x: model(x).sum(0))(X),
     lambda model: unit_table(model, [(-X, Y)]),
     lambda model: cumulative_ablation(model, -X, Y, layers=["1"], orderings=1)],
    ids=["attack", "jacobian", "table", "curve"],
)  # fmt: skip
def test_passes_in_between_change_nothing(between):
    model = net()
    expected = 0.7 * plain(model, TWO, lambda: model(X))[1].item()
    reg = SelectivityRegularizer(model, -0.7)
    with reg as term:
        kept = model(X)
    between(model)
    assert term(Y).item() == pytest.approx(expected, rel=1e-5)
    between(model)
    kept = model(X)  # noqa: F841
    if between is not attacked:
        between(model)
    assert reg(Y).item() == pytest.approx(expected, rel=1e-5)


def test_inference_mode_and_tracing_in_between_change_nothing():
    model = net()
    expected = 0.7 * plain(model, TWO, lambda: model(X))[1].item()
    reg = SelectivityRegularizer(model, -0.7)
    logits = model(X)
    with torch.inference_mode():
        model(-X)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch.jit is deprecated
        traced = torch.jit.trace(model, X)
        torch.testing.assert_close(traced(X), logits)
        with ablate(model, {"1": [0, 1]}):
            torch.testing.assert_close(torch.jit.trace(model, X)(X), model(X))
    assert reg(Y).item() == pytest.approx(expected, rel=1e-5)


def test_a_gradient_of_a_gradient():
    model, x = net(Units), X.clone().requires_grad_()
    parameters = list(model.parameters())

    def gradients(output, term):
        (slope,) = torch.autograd.grad(output.square().sum(), x, create_graph=True)
        return torch.autograd.grad(output.square().mean() + slope.square().sum() + term, parameters)

    output, index = plain(model, TWO, lambda: model(x))
    expected = gradients(output, 0.7 * index)
    reg = SelectivityRegularizer(model, -0.7)
    output = model(x)
    for a, b in zip(gradients(output, reg(Y)), expected, strict=True):
        torch.testing.assert_close(a, b)


# What the pass of a network is refused for, in the regulariser and in recording.
REFUSED = {
    "samples in another order": (
        lambda: Net(lambda m, x: m.head(m.act(m.layer(x[torch.arange(11, -1, -1)])))), X, "samples of its output",
    ),
    "sorted by length": (
        lambda: Net(lambda m, x: m.head(m.act(m.layer(x[Y.argsort()])[0])[:, -1]), nn.LSTM(4, 6, batch_first=True)),
        SERIES, "samples of its output",
    ),
    "samples flipped": (lambda: Net(lambda m, x: m.head(m.act(m.layer(x.flip(0))))), X, "samples of its output"),
    "samples selected": (
        lambda: Net(lambda m, x: m.head(m.act(m.layer(x.index_select(0, Y))))), X, "samples of its output",
    ),
    "samples sorted": (lambda: Net(lambda m, x: m.head(m.act(m.layer(x.sort(0)[0])))), X, "samples of its output"),
    "a square of positions and samples": (
        lambda: Net(lambda m, x: m.head(m.act(m.layer(x)[0]).mean(0)), nn.LSTM(4, 6)), drawn(12, 12, 4),
        "samples of its output",
    ),
    "a packed sequence": (
        lambda: Net(
            lambda m, x: m.act(m.layer(rnn.pack_padded_sequence(x, torch.tensor([4, 4, 4]), True))[0].data),
            nn.LSTM(4, 6, batch_first=True),
        ), SERIES[:3], "samples of its output",
    ),
    "a sample without its dimension": (
        lambda: Net(lambda m, x: m.head(m.act(m.layer(x))), nn.Conv1d(12, 12, 1)), drawn(12, 6), "samples of its out",
    ),
    "a series without it": (
        lambda: Net(lambda m, x: m.head(m.act(m.layer(x)[0])), nn.LSTM(4, 6, batch_first=True)), X, "samples of its o",
    ),
    "positions of all samples": (
        lambda: Net(lambda m, x: m.head(m.act(m.layer(x.flatten(0, 1))))), SERIES, r"positions of all samples in dim",
    ),
    "complex numbers": (
        lambda: Net(lambda m, x: m.act(m.layer(x)), nn.Linear(4, 6, dtype=torch.complex64), act=nn.Tanh),
        X.to(torch.complex64), "activity: torch.complex64 given; real numbers",
    ),
    "a nested tensor": (
        net, torch.nested.nested_tensor([drawn(3, 4), drawn(2, 4)], layout=torch.jagged), "a nested tensor",
    ),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore:.*Casting complex", "ignore:.*nested tensors")
@pytest.mark.parametrize("name", REFUSED)
def test_passes_that_cannot_be_read_are_refused(name):
    make, x, words = REFUSED[name]
    model = make()
    layer = next(iter(unit_layers(model)))
    with pytest.raises((UnitError, ActivityError), match=words), record(model, [layer]):
        model(x)
    reg = SelectivityRegularizer(model, 1.0)
    with pytest.raises((UnitError, ActivityError), match=words):
        model(x)
    reg.remove()
    assert torch._C._len_torch_function_stack() == 0


@pytest.mark.parametrize("act", [nn.ReLU, Units])
def test_vmap_is_refused(act):
    model = net(act)
    twice = {name: torch.stack([p.detach(), 2 * p.detach()]) for name, p in model.named_parameters()}
    reg = SelectivityRegularizer(model, 1.0)
    run = torch.func.vmap(lambda given: torch.func.functional_call(model, given, X))
    with pytest.raises(ActivityError, match=r"layer '1': it ran under torch\.vmap"):
        run(twice)
    reg.remove()
    with ablate(model, {"1": [0]}):  # which needs no samples
        both = run(twice)
        model.load_state_dict({name: given[1] for name, given in twice.items()})
        torch.testing.assert_close(both[1], model(X))


def test_negative_activity_is_refused_whatever_the_module():
    class Lower(nn.ReLU):
        def forward(self, x):
            return super().forward(x) - 1

    for act in (Lower, lambda: changed(nn.ReLU(), lambda _m, _i, y: y - 1)):
        model = net(act)
        reg = SelectivityRegularizer(model, 1.0)
        model(X)
        with pytest.raises(ActivityError, match="layer '1': activity down to -1 given"):
            reg(Y)


@pytest.mark.parametrize("act", [nn.GELU, nn.ReLU, Units])
def test_no_samples_and_one_sample_have_no_index(act):
    for x, y in ((IMAGES[:0], Y[:0]), (IMAGES[:1], Y[:1]), (IMAGES, torch.full((12,), -100))):
        model = nn.Sequential(nn.Conv2d(3, 6, 3), act(), nn.Flatten(), nn.Linear(216, 3))
        reg = SelectivityRegularizer(model, 1.0, shift="min")
        loss = model(x).sum() + reg(y)
        loss.backward()
        assert torch.equal(loss.detach(), model(x).sum().detach())


def test_values_that_are_nowhere_are_refused():
    model = net().to("meta")
    reg = SelectivityRegularizer(model, 1.0)
    model(X.to("meta"))
    with pytest.raises(ActivityError, match="meta device, where activity has no values"):
        reg(Y)
    reg.remove()
    with pytest.raises(ActivityError, match="device: meta given"):
        unit_table(model, [(X, Y)])
    with pytest.raises(ActivityError, match="meta device, which has no values, given"):
        selectivity_index(X.to("meta"), Y)


def test_own_units_changed_in_place_are_named():
    model = net(Units, nn.Dropout(0.5, inplace=True))
    reg = SelectivityRegularizer(model, 1.0)
    loss = model(X).sum() + reg(Y)
    with pytest.raises(ActivityError, match=r"changed their output in place.*use inplace=False"):
        loss.backward()


def test_a_model_that_has_changed_needs_a_new_regulariser():
    for place, new in ((1, nn.ReLU()), (4, nn.Sequential(nn.Linear(5, 7), nn.ReLU(), nn.Linear(7, 3)))):
        model = net()
        reg = SelectivityRegularizer(model, 1.0)
        model[place] = new
        model(X)
        with pytest.raises(UnitError, match=r"layer '(1|4.1)': the model's modules are not those .* make a new one"):
            reg(Y)
    model = Net(lambda m, x: m.head(m.act(m.layer(x))))
    model.spare = nn.ReLU()
    reg = SelectivityRegularizer(model, 1.0, layers=["act", "spare"])
    model(X)
    with pytest.raises(UnitError, match="layer 'spare': this pass did not use it"):
        reg(Y)
    reg.remove()
    with pytest.raises(UnitError, match="'act' and 'same' are one module; name it once"):
        model.same = model.act
        SelectivityRegularizer(model, 1.0, layers=["act", "same"])


def test_a_pass_without_gradients_has_no_term():
    model = net()
    reg = SelectivityRegularizer(model, 1.0)
    with torch.no_grad(), reg as term:
        model(X)
    with pytest.raises(ActivityError, match="made without gradients"):
        term(Y)
    with torch.no_grad():
        assert term(Y).item() == pytest.approx(-plain(model, TWO, lambda: model(X))[1].item(), rel=1e-5)


@pytest.mark.filterwarnings("ignore:.*torch.jit")
def test_scripts_are_refused():
    model = net()
    reg = SelectivityRegularizer(model, 1.0)
    with pytest.raises(UnitError, match=r"torch.jit.script: the model has hooks .* remove\(\)"):
        torch.jit.script(model)
    reg.remove()
    script = torch.jit.script(model)
    with pytest.raises(UnitError, match="is a ScriptModule, whose layers run where no hook reaches"):
        unit_means(nn.Sequential(model, script), X)
    for run in (lambda: unit_table(script, [(X, Y)], layers=["1"]), lambda: ablate(script, {"1": [0]}).__enter__()):
        with pytest.raises(UnitError, match="layer '1': it is part of a ScriptModule"):
            run()


@pytest.mark.parametrize("reentrant", [False, True])
@pytest.mark.parametrize(
    "change",
    [lambda model: ablate(model, {"act": [0]}), lambda model: unit_noise(model, 1.0, {"act": torch.ones(6)})],
    ids=["ablation", "noise"],
)
def test_changes_in_a_checkpoint_have_no_gradient(change, reentrant):
    def body(m, x):
        return m.head(checkpoint(lambda x: m.act(m.layer(x)), x, use_reentrant=reentrant))

    model, x = Net(body), X.clone().requires_grad_()
    with change(model):
        with pytest.raises(ActivityError, match="layer 'act': it is changed in a checkpoint"):
            model(x)
        with torch.no_grad():
            found = model(x)
    assert not torch.equal(found, model(x))


# What each function refuses of its arguments.
GIVEN = {
    "alpha": (lambda: SelectivityRegularizer(net(), None), SpecError, "alpha: None given"),
    "alpha, text": (lambda: SelectivityRegularizer(net(), "1"), SpecError, "alpha: '1' given"),
    "warm-up": (lambda: SelectivityRegularizer(net(), 1.0, warmup_steps=1.5), SpecError, "warmup_steps: 1.5 given"),
    "no warm-up": (lambda: SelectivityRegularizer(net(), 1.0, warmup_steps=None), SpecError, "warmup_steps: None"),
    "shift": (lambda: SelectivityRegularizer(net(), 1.0, shift=True), SpecError, "shift: True given"),
    "model": (lambda: SelectivityRegularizer(len, 1.0), UnitError, "model: a builtin_function_or_method given"),
    "layers": (lambda: SelectivityRegularizer(net(), 1.0, layers=3), UnitError, "layers: 3 given"),
    "a layer": (lambda: SelectivityRegularizer(net(), 1.0, layers=nn.ReLU()), UnitError, r"layers: ReLU\(\) given"),
    "units": (lambda: ablate(net(), ["1"]).__enter__(), UnitError, "units: a list given"),
    "a unit": (lambda: ablate(net(), {"1": 3}).__enter__(), UnitError, "layer '1': units 3 given"),
    "units, text": (lambda: ablate(net(), {"1": "all"}).__enter__(), UnitError, "layer '1': units 'all' given"),
    "value": (lambda: ablate(net(), {"1": [0]}, 0.5).__enter__(), UnitError, "value: 0.5 given"),
    "std": (lambda: unit_noise(net(), 1.0, [1]).__enter__(), UnitError, "std: a list given"),
    "batches": (lambda: unit_table(net(), None), ActivityError, "batches: a NoneType given"),
    "labels": (lambda: selectivity_index(X.abs(), ["a"] * 12), ActivityError, "labels: a list given"),
    "activity": (lambda: selectivity_index([[1, 2], [3]], [0, 1]), ActivityError, "activity: a list given; numbers"),
    "sparse activity": (lambda: selectivity_index(X.to_sparse(), Y), ActivityError, "as torch.sparse_coo given"),
    "complex activity": (lambda: selectivity_index(X + 1j, Y), ActivityError, "activity: torch.complex64 given"),
    "complex sides": (lambda: pwcca_distance(X + 1j, X), ActivityError, "a: a ndarray given; real numbers"),
    "a side that is nowhere": (lambda: pwcca_distance(X, X.to("meta")), ActivityError, "b: a Tensor given; real"),
    "output": (
        lambda: noise_curve(Net(lambda m, x: {"logits": m.head(m.act(m.layer(x)))}), X, Y, scales=[1.0]),
        ActivityError, "model: output dict",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", GIVEN)
def test_arguments_that_cannot_be_are_refused(name):
    run, error, words = GIVEN[name]
    with pytest.raises(error, match=words):
        run()


@pytest.mark.parametrize("labels", [None, Y[:, None], F.one_hot(Y), Y / 3, Y[:5], ["a"] * 12])
def test_the_regulariser_refuses_labels_that_do_not_fit(labels):
    model = net()
    reg = SelectivityRegularizer(model, 1.0)
    model(X)
    with pytest.raises(ActivityError, match="labels"):
        reg(labels)
    assert torch.equal(reg(Y.tolist()), -reg.measure(Y))


def test_unit_table_takes_the_dimension_of_the_units():
    model = Net(lambda m, x: m.act(torch.einsum("nchw->nhwc", m.layer(x))), nn.Conv2d(3, 6, 3))
    with pytest.raises(UnitError, match="pass unit_dim="):
        unit_table(model, [(IMAGES, Y)])
    for dim in (-1, {"act": 3}):
        table = unit_table(model, [(IMAGES[:5], Y[:5]), (IMAGES[5:], Y[5:])], unit_dim=dim)
        expected = F.relu(model.layer(IMAGES)).mean((0, 2, 3)).detach().double()
        torch.testing.assert_close(torch.tensor(table["mean"].to_numpy()), expected, rtol=1e-5, atol=1e-6)


class Centred(nn.Module):
    def forward(self, x):
        return x - x.mean(0)


class Cubed(nn.Linear):
    def forward(self, x):
        return super().forward(x) ** 3


class Raised(nn.ReLU):
    def forward(self, x):
        return super().forward(x) + x.mean(1, keepdim=True)


def patched():
    model = net()
    model[2].forward = lambda x: F.linear(x, model[2].weight) ** 3
    return model


@pytest.mark.parametrize(
    "make",
    [lambda: net(nn.ReLU, Centred()), lambda: net(nn.ReLU, nn.BatchNorm1d(6, track_running_stats=False)),
     lambda: Net(lambda m, x: m.head(m.layer(m.act(x)) @ m.layer(x).T @ m.layer(x)), act=nn.Sigmoid),
     lambda: nn.Sequential(nn.Linear(4, 6), nn.ReLU(), Cubed(6, 5), nn.ReLU(), nn.Linear(5, 3)), lambda: net(Raised),
     patched, scaled, lambda: Net(lambda m, x: m.head(F.normalize(m.act(m.layer(x)), dim=0)), nn.Linear(4, 6))],
    ids=["mean over the batch", "batch norm", "attention over the batch", "a kind of Linear", "a kind of ReLU",
         "a forward of its own", "weight norm", "lengths over the batch"],
)  # fmt: skip
def test_units_are_ablated_as_by_plain_passes(make):
    torch.manual_seed(0)
    model = make().eval()
    layer = next(iter(unit_layers(model)))
    units = len(unit_means(model, X)[layer])
    curve = cumulative_ablation(model, X, Y, layers=[layer], orderings=[list(range(units))])
    importance = unit_importance(model, X, Y, layers=[layer])

    def ablated(chosen):
        module = model.get_submodule(layer)
        hook = module.register_forward_hook(lambda _m, _i, y: y.index_fill(1, torch.tensor(chosen).long(), 0))
        with torch.no_grad():
            logits = model(X)
        hook.remove()
        return logits

    for step in range(units + 1):
        right = ablated(list(range(step))).argmax(1) == Y
        assert curve["accuracy"][step] == right.double().mean().item()
    for unit in range(units):
        assert importance["loss"][unit] == pytest.approx(F.cross_entropy(ablated([unit]), Y).item(), rel=1e-4)
