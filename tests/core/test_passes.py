"""Which forward pass a term belongs to, in the ways that networks are trained, against plain hooks."""

import copy
import gc
import io
import pickle

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.optim.swa_utils import AveragedModel
from torch.utils.checkpoint import checkpoint

from selectivity_core import SelectivityRegularizer, selectivity_index, unit_layers
from selectivity_core.errors import ActivityError, UnitError
from selectivity_core.units import Units

X = torch.randn(12, 4, generator=torch.Generator().manual_seed(0))
Y = torch.arange(12) % 3
OWN = pytest.mark.parametrize("own", [True, False], ids=["own", "foreign"])


class Net(nn.Module):
    """Two layers of units; `kept` says how the first block is run."""

    def __init__(self, own=False, kept=None):
        super().__init__()
        torch.manual_seed(0)
        self.act1, self.act2 = (Units(), Units()) if own else (nn.ReLU(), nn.ReLU())
        self.fc1, self.fc2, self.head = nn.Linear(4, 6), nn.Linear(6, 5), nn.Linear(5, 3)
        self.kept = kept

    def block(self, x):
        return self.act1(self.fc1(x))

    def features(self, x):
        x = self.block(x) if self.kept is None else checkpoint(self.block, x, use_reentrant=self.kept)
        return self.act2(self.fc2(x))

    def forward(self, x):
        return self.head(self.features(x))


def plain_term(model, x=X, y=Y, alpha=-0.7):
    """Cross-entropy less α times the mean index, straight from the definition."""
    seen = []
    hooks = [m.register_forward_hook(lambda _m, _i, o: seen.append(o.clone())) for m in (model.act1, model.act2)]
    logits = model(x)
    for hook in hooks:
        hook.remove()
    return F.cross_entropy(logits, y) + alpha * torch.stack([selectivity_index(o, y).mean() for o in seen]).mean()


def gradients(model, loss):
    model.zero_grad()
    loss.backward()
    return [p.grad.clone() for p in model.parameters()]


def same(found, expected):
    for a, b in zip(found, expected, strict=True):
        torch.testing.assert_close(a, b)


@pytest.fixture
def expected():
    model = Net()
    return gradients(model, plain_term(model))


@OWN
def test_a_call_of_the_model_and_the_body_of_a_with_are_passes(own, expected):
    model = Net(own)
    reg = SelectivityRegularizer(model, 0.7)
    logits = model(X)
    same(gradients(model, F.cross_entropy(logits, Y) + reg(Y)), expected)
    with reg:
        logits = model(X)
    same(gradients(model, F.cross_entropy(logits, Y) + reg(Y)), expected)
    with reg:
        same(gradients(model, F.cross_entropy(model(X), Y) + reg(Y)), expected)
    with reg as term:
        logits = model(X)
    same(gradients(model, F.cross_entropy(logits, Y) + term(Y)), expected)


@OWN
@pytest.mark.parametrize("gradient", [True, False])
@pytest.mark.parametrize("back", [True, False], ids=["back in training", "still in evaluation"])
def test_evaluation_in_between_changes_nothing(own, gradient, back, expected):
    model = Net(own)
    reg = SelectivityRegularizer(model, 0.7)
    logits = model(X)
    model.eval()
    with torch.set_grad_enabled(gradient):
        model(-X)
        kept = model(-X)  # noqa: F841
        if not gradient:
            model.forward(-X)
    model.train(back)
    same(gradients(model, F.cross_entropy(logits, Y) + reg(Y)), expected)


def test_the_index_of_an_evaluation_is_measured_and_can_be_trained_on():
    model = Net().eval()
    reg = SelectivityRegularizer(model, 0.7)
    model.train()(X)
    model.eval()
    with torch.no_grad():
        model(-X)
        value = reg(Y)
    wanted = torch.stack([selectivity_index(o, Y).mean() for o in (model.block(-X), model.features(-X))]).mean()
    assert value.item() == pytest.approx(-0.7 * wanted.item())
    reg = SelectivityRegularizer(model, 0.7)
    with torch.no_grad():
        model(-X)
    assert reg.measure(Y).item() == pytest.approx(wanted.item())
    with pytest.raises(ActivityError, match="without gradients"):
        reg(Y)
    same(gradients(model, F.cross_entropy(model(X), Y) + reg(Y)), gradients(model, plain_term(model)))


class Wrapper(nn.Module):
    def __init__(self, net):
        super().__init__()
        self.net = net

    def forward(self, x):
        return self.net(x)


@OWN
@pytest.mark.parametrize(
    "run",
    [lambda m: m.forward(X), lambda m: m.net(X), lambda m: m.net.head(m.net.features(X))],
    ids=["forward", "inner", "part"],
)
def test_what_runs_outside_a_call_is_refused_and_right_in_a_with(own, run, expected):
    model = Wrapper(Net(own))
    reg = SelectivityRegularizer(model, 0.7)
    for _ in range(2):
        logits = run(model)
        with pytest.raises(ActivityError, match="outside a call of the model; run the model as `with regularizer"):
            reg(Y)
        with pytest.raises(ActivityError, match="outside a call"):
            reg.measure(Y)
    del logits
    model(X)  # a whole pass later
    reg(Y)
    with reg:
        run(model)
    with pytest.raises(UnitError, match="its logits are not known; name the layers"):
        reg(Y)
    reg.remove()
    reg = SelectivityRegularizer(model, 0.7, layers=list(unit_layers(model)))
    with reg:
        logits = run(model)
    same(gradients(model, F.cross_entropy(logits, Y) + reg(Y)), expected)


def test_two_passes_that_could_be_meant_are_refused_and_have_terms_of_their_own():
    model = Net()
    reg = SelectivityRegularizer(model, 0.7)
    one, two = model(X), model(-X)
    with pytest.raises(ActivityError, match=r"2 forward passes could be meant.*with regularizer"):
        reg(Y)
    del one, two
    with reg as first:
        one = model(X)
    with reg as second:
        two = model(-X)
    loss = F.cross_entropy(one, Y) + F.cross_entropy(two, Y) + first(Y) + second(Y)
    same(gradients(model, loss), gradients(model, plain_term(model) + plain_term(model, -X)))
    with pytest.raises(ActivityError, match="given already"):
        first(Y)


@OWN
def test_passes_without_a_term_are_forgotten(own, expected):
    model = Net(own)
    reg = SelectivityRegularizer(model, 0.7)
    model(-X)  # whose output is not kept
    F.cross_entropy(model(-X), Y).backward()
    probe = model(-X)
    torch.autograd.grad(probe.sum(), model.fc1.weight)
    same(gradients(model, F.cross_entropy(model(X), Y) + reg(Y)), expected)


def test_a_term_is_given_once():
    model = Net()
    reg = SelectivityRegularizer(model, 0.7)
    model(X)
    with pytest.raises(ActivityError, match="labels"):
        reg(Y[:, None])
    term = reg(Y)
    assert reg.measure(Y).item() == pytest.approx(term.item() / -0.7)
    with pytest.raises(ActivityError, match="given already; run the model again"):
        reg(Y)


def test_a_pass_that_fails_is_none():
    class Breaks(Net):
        error = None

        def forward(self, x):
            x = self.features(x)
            if self.error:
                raise self.error
            return self.head(x)

    model = Breaks()
    reg = SelectivityRegularizer(model, 0.7)
    for error in (ValueError(), KeyboardInterrupt()):  # the latter calls no hook
        model.error = error
        with pytest.raises(type(error)):
            model(-X)
        with pytest.raises(type(error)), reg:
            model(-X)
        model.error = None
        same(gradients(model, F.cross_entropy(model(X), Y) + reg(Y)), gradients(model, plain_term(model)))
        assert torch._C._len_torch_function_stack() == 0


@OWN
def test_accumulated_gradients(own):
    model = Net(own)
    reg = SelectivityRegularizer(model, 0.7)
    model.zero_grad()
    for x in (X, -X, X + 1):
        (F.cross_entropy(model(x), Y) + reg(Y)).backward()
    found = [p.grad.clone() for p in model.parameters()]
    same(found, gradients(model, sum(plain_term(model, x) for x in (X, -X, X + 1))))


@OWN
def test_mixed_precision_with_a_scaler(own):
    model = Net(own)
    reg = SelectivityRegularizer(model, 0.7)
    scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = F.cross_entropy(model(X), Y) + reg(Y)
    assert loss.dtype == torch.float32
    found = gradients(model, scaler.scale(loss))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        wanted = gradients(model, plain_term(model))
    for a, b in zip(found, wanted, strict=True):
        torch.testing.assert_close(a / 1024, b, rtol=0.05, atol=0.01)


@OWN
def test_checkpointing(own, expected):
    model = Net(own, kept=False)
    reg = SelectivityRegularizer(model, 0.7)
    logits = model(X)
    before = reg.measure(Y)
    same(gradients(model, F.cross_entropy(logits, Y) + reg(Y)), expected)
    assert reg.measure(Y).item() == before.item()  # layers computed again in the backward pass are not counted
    logits = checkpoint(model, X, use_reentrant=False)
    same(gradients(model, F.cross_entropy(logits, Y) + reg(Y)), expected)


@OWN
def test_checkpointing_that_gives_no_gradients_is_refused(own):
    model = Net(own, kept=True)
    reg = SelectivityRegularizer(model, 0.7)
    x = X.clone().requires_grad_()
    logits = model(x)
    with pytest.raises(ActivityError, match="layer 'act1' ran without gradients in a checkpoint; use use_reent"):
        reg(Y)
    F.cross_entropy(logits, Y).backward()
    model.kept = None
    F.cross_entropy(model(x), Y).backward()  # a pass without a term, not to be taken for what follows
    logits = checkpoint(model, x, use_reentrant=True)
    with pytest.raises(ActivityError, match="Net ran without gradients in a checkpoint"):
        reg(Y)


def test_a_part_that_is_frozen_by_no_grad_counts_without_gradients():
    class Frozen(Net):
        def block(self, x):
            with torch.no_grad():
                return super().block(x)

    model = Frozen()
    reg = SelectivityRegularizer(model, 0.7)
    found = F.cross_entropy(model(X), Y) + reg(Y)
    assert found.item() == pytest.approx(plain_term(model).item())
    model.zero_grad()
    found.backward()
    assert model.fc1.weight.grad is None


COPIES = {
    "deepcopy": copy.deepcopy,
    "average": lambda model: AveragedModel(model).module,
    "pickle": lambda model: pickle.loads(pickle.dumps(model)),
    "save": lambda model: torch.load(_saved(model), weights_only=False),
}


def _saved(model):
    file = io.BytesIO()
    torch.save(model, file)
    file.seek(0)
    return file


@OWN
@pytest.mark.parametrize("how", COPIES)
def test_copies_are_plain_models(own, how, expected):
    model = Net(own)
    reg = SelectivityRegularizer(model, 0.7)
    logits = model(X)
    other = COPIES[how](model)
    other(-X)
    assert not any(m._forward_hooks or m._forward_pre_hooks or getattr(m, "taps", []) for m in other.modules())
    same(gradients(model, F.cross_entropy(logits, Y) + reg(Y)), expected)
    of_copy = SelectivityRegularizer(other, 0.7)
    same(gradients(other, F.cross_entropy(other(X), Y) + of_copy(Y)), expected)


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda reg: pickle.loads(pickle.dumps(reg))])
def test_a_copied_regulariser_belongs_to_a_copied_model(copied):
    class Trainer:
        def __init__(self):
            self.model = Net()
            self.reg = SelectivityRegularizer(self.model, 0.7, warmup_steps=4)

    reg = SelectivityRegularizer(Net(), 0.7, warmup_steps=4)
    reg.steps = 3
    found = copied(reg)
    assert found.scale == reg.scale
    assert found._model is not reg._model
    trainer = copy.deepcopy(Trainer())
    trainer.model(X)
    assert trainer.reg(Y).item() == 0


@OWN
def test_nothing_piles_up(own):
    model = Net(own)
    reg = SelectivityRegularizer(model, 0.7)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)

    def steps(count):
        for k in range(count):
            optimizer.zero_grad()
            loss = F.cross_entropy(model(X), Y)
            loss = loss + reg(Y) if k % 3 else loss
            with torch.no_grad():
                model(X)
            loss.backward()
            optimizer.step()
        gc.collect()
        things = gc.get_objects()
        return sum(issubclass(type(thing), torch.Tensor) for thing in things), len(things)

    tensors, things = steps(30)
    after = steps(300)
    assert after[0] <= tensors + 2
    assert after[1] <= things + 50


def test_a_regulariser_that_is_gone_leaves_the_model_alone():
    model = Net()
    SelectivityRegularizer(model, 0.7)
    gc.collect()
    model(X)
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())


def test_replicas_of_data_parallel_are_refused():
    model = Net()
    reg = SelectivityRegularizer(model, 0.7)
    replica = model._replicate_for_data_parallel()
    with pytest.raises(UnitError, match="DistributedDataParallel"):
        replica.act1._replicate_for_data_parallel()(X)
    reg.remove()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:The .grad attribute", "ignore:.*should not be instantiated")  # torch's own
@OWN
@pytest.mark.parametrize("unit_dim", [None, -1])
def test_compiled_models(own, unit_dim, expected):
    torch._dynamo.reset()
    model = Net(own)
    compiled = torch.compile(model, backend="aot_eager")
    reg = SelectivityRegularizer(model, 0.7, unit_dim=unit_dim)
    for _ in range(2):
        logits = compiled(X)
        same(gradients(model, F.cross_entropy(logits, Y) + reg(Y)), expected)
    reg.remove()
    compiled(X)
    # What was compiled before there was a regulariser does not know of it.
    torch._dynamo.reset()
    model = Net(own)
    compiled = torch.compile(model, backend="eager")
    compiled(X)
    reg = SelectivityRegularizer(model, 0.7)
    logits = compiled(X)
    try:
        same(gradients(model, F.cross_entropy(logits, Y) + reg(Y)), expected)
    except UnitError as error:
        assert "compiled again" in str(error)


def replica(rank, path, own):
    """One of two processes, each with half of the batch."""
    torch.distributed.init_process_group("gloo", init_method=f"file://{path}/store", rank=rank, world_size=2)
    model = Net(own)
    reg = SelectivityRegularizer(model, 0.7)
    wrapped = nn.parallel.DistributedDataParallel(model)
    half = slice(rank, None, 2)
    for _ in range(2):
        found = gradients(model, F.cross_entropy(wrapped(X[half]), Y[half]) + reg(Y[half]))
    if not rank:
        torch.save(found, f"{path}/found.pt")
    torch.distributed.destroy_process_group()


@pytest.mark.slow
@OWN
def test_each_of_two_processes_takes_the_index_of_its_own_part(own, tmp_path):
    torch.multiprocessing.spawn(replica, (str(tmp_path), own), nprocs=2)
    model = Net()
    halves = [plain_term(model, X[k::2], Y[k::2]) for k in range(2)]
    same(torch.load(tmp_path / "found.pt"), gradients(model, sum(halves) / 2))
