from contextlib import contextmanager

import pytest
import torch
import torch.nn.functional as F
from tiny_specs import TINY
from torch import nn

from selectivity_core import arithmetic as rooms
from selectivity_core import train
from selectivity_core.arithmetic import arithmetic, evaluating, multiplies_bf16

CPU = torch.device("cpu")


@pytest.fixture
def without_instructions(monkeypatch):
    monkeypatch.setattr(rooms, "multiplies_bf16", lambda: False)


def drawn(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def off_by_rounding_at_most(found, exact, terms):
    """Half a unit in the last of bf16's 8 bits, and what float32 sums of so many terms of order 1 may be off."""
    return ((found.double() - exact).abs() <= 2.0**-8 * exact.abs() + terms * 2.0**-22).all()


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize(("stride", "padding", "dilation", "groups"), [(1, 1, 1, 1), (2, 0, 1, 1), ((1, 2), 2, 2, 2)])
def test_values_and_gradients_are_those_of_rounded_numbers(
    without_instructions, bias, stride, padding, dilation, groups
):
    layer = nn.Conv2d(4, 6, 3, stride, padding, dilation, groups, bias=bias)
    x = drawn(5, 4, 9, 8).contiguous(memory_format=torch.channels_last).requires_grad_()
    with arithmetic(CPU, "bfloat16"):
        y = layer(x)
    above = drawn(*y.shape, seed=1).bfloat16()
    y.backward(above)
    # The same in float64, from what bf16 keeps of each number.
    rounded = [t.detach().bfloat16().double().requires_grad_() for t in (x, *layer.parameters())]
    exact = F.conv2d(*rounded, None, stride, padding, dilation, groups) if not bias else F.conv2d(
        *rounded, stride, padding, dilation, groups
    )  # fmt: skip
    exact.backward(above.double())
    assert y.dtype == torch.bfloat16
    assert "WidenedConvolution" in y.grad_fn.name()
    assert y.is_contiguous(memory_format=torch.channels_last)
    assert off_by_rounding_at_most(y.detach(), exact.detach(), terms=36)
    for ours, theirs in zip((x, *layer.parameters()), rounded, strict=True):
        assert ours.grad.dtype == torch.float32  # widened again on the way to the parameter
        assert off_by_rounding_at_most(ours.grad, theirs.grad, terms=5 * 9 * 8)


def test_only_gradients_that_are_wanted_are_worked_out(without_instructions):
    layer, x = nn.Conv2d(3, 2, 3, bias=False), drawn(2, 3, 5, 5)
    with arithmetic(CPU, "bfloat16"):
        y = layer(x)
    y.sum().backward()
    assert "WidenedConvolution" in y.grad_fn.name()
    assert x.grad is None
    assert layer.weight.grad is not None


def test_on_a_processor_with_the_instructions_torch_convolves(monkeypatch):
    monkeypatch.setattr(rooms, "multiplies_bf16", lambda: True)
    monkeypatch.setattr(rooms, "_widened", None)
    with arithmetic(CPU, "bfloat16"):
        assert nn.Conv2d(3, 2, 3)(drawn(1, 3, 5, 5)).dtype == torch.bfloat16


def test_float32_whatever_the_callers_autocast(monkeypatch):
    monkeypatch.setattr(rooms, "multiplies_bf16", lambda: pytest.fail("asked for without need"))
    layer, x = nn.Conv2d(3, 2, 3), drawn(1, 3, 5, 5)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        with arithmetic(CPU, "float32"):
            assert layer(x).dtype == torch.float32
        assert layer(x).dtype == torch.bfloat16


def test_what_the_widening_does_not_know_is_left_to_torch(without_instructions):
    x = drawn(2, 3, 6, 6)
    cases = [(nn.Conv2d(3, 2, 3, padding="same"), x), (nn.Conv2d(3, 2, 3), x[0]), (nn.Conv1d(3, 2, 3), x.flatten(2))]
    for layer, given in cases:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            plain = layer(given)
        with arithmetic(CPU, "bfloat16"):
            assert torch.equal(layer(given), plain)


def test_it_ends_with_its_body(without_instructions):
    layer, x = nn.Conv2d(3, 2, 3), drawn(1, 3, 5, 5)
    with pytest.raises(RuntimeError, match="boom"), arithmetic(CPU, "bfloat16"):
        raise RuntimeError("boom")
    assert layer(x).dtype == torch.float32


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ({"architecture": "x86_64", "avx512_f": True}, False),
        ({"architecture": "x86_64", "avx512_bf16": True}, True),
        ({"architecture": "x86_64", "avx512_bf16": False, "amx_bf16": True}, True),
        ({"architecture": "aarch64", "neon": True, "bf16": False}, False),
        ({"architecture": "aarch64", "bf16": True}, True),
        ({}, False),
    ],
)
def test_the_processor_is_asked_by_name(monkeypatch, found, expected):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: found, raising=False)
    assert multiplies_bf16.__wrapped__() is expected


@contextmanager
def products(precision):
    torch.set_float32_matmul_precision(precision)
    yield
    torch.set_float32_matmul_precision("highest")


@contextmanager
def backends(precision):
    cpu = torch.backends.mkldnn
    if not hasattr(cpu, "conv"):
        pytest.skip("this torch has no such interface")
    cpu.matmul.fp32_precision = cpu.conv.fp32_precision = precision
    yield
    cpu.conv.fp32_precision = "none"
    torch.set_float32_matmul_precision("highest")


@contextmanager
def tensors(dtype):
    torch.set_default_dtype(dtype)
    yield
    torch.set_default_dtype(torch.float32)


@contextmanager
def made_on(device):
    torch.set_default_device(device)
    yield
    torch.set_default_device(None)


CALLERS = {
    "autocast": lambda: torch.autocast("cpu", dtype=torch.bfloat16),
    "no autocast": lambda: torch.autocast("cpu", enabled=False),  # whose end alone would clear the cache of weights
    "products in part": lambda: products("medium"), "backends in part": lambda: backends("bf16"),
    "wide tensors": lambda: tensors(torch.float64), "tensors elsewhere": lambda: made_on("meta"),
    "no gradients": torch.no_grad, "inference": torch.inference_mode,
}  # fmt: skip


@pytest.fixture(scope="module", params=["float32", "bfloat16"])
def undisturbed(request):
    spec = TINY.replace(model="resnet20", width=2, alpha=1.0, train_size=20, batch_size=8, precision=request.param)
    return train(spec, progress=False)


@pytest.mark.fault("autocast and other settings of the caller's", "same")
@pytest.mark.parametrize("caller", CALLERS.values(), ids=CALLERS)
def test_a_callers_settings_change_no_bit_of_a_run_and_are_as_before_afterwards(undisturbed, caller):
    def settings():
        cpu = torch.backends.mkldnn
        newer = [s.fp32_precision for s in (cpu.matmul, cpu.conv)] if hasattr(cpu, "conv") else []
        return torch.is_autocast_enabled("cpu"), torch.get_default_dtype(), *newer

    with caller():
        before = settings()
        found = train(undisturbed.spec, progress=False)
        assert settings() == before
    assert all(torch.equal(found.weights[name], kept) for name, kept in undisturbed.weights.items())
    assert found.units.equals(undisturbed.units)
    assert found.history.equals(undisturbed.history)


@pytest.mark.parametrize("training", [True, False])
def test_every_modules_own_mode_is_put_back(training):
    frozen = nn.BatchNorm1d(3)
    model = nn.Sequential(nn.Linear(2, 3), frozen, nn.Dropout(0.5)).train(training)
    frozen.train(not training)
    with pytest.raises(RuntimeError, match="boom"), evaluating(model):
        assert not any(module.training for module in model.modules())
        raise RuntimeError("boom")
    assert [module.training for module in model.modules()] == [training, training, not training, training]


def test_without_gradients_and_in_the_precision_asked_for():
    model = nn.Linear(2, 3)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        with evaluating(model):
            exact = model(torch.ones(1, 2))
        with evaluating(model, "bfloat16"):
            rough = model(torch.ones(1, 2))
        assert model(torch.ones(1, 2)).dtype == torch.bfloat16  # the caller's own autocast again
    assert (exact.dtype, rough.dtype) == (torch.float32, torch.bfloat16)
    assert not exact.requires_grad


def test_a_model_without_parameters():
    with evaluating(nn.ReLU()):
        assert not torch.is_grad_enabled()
    assert torch.is_grad_enabled()
