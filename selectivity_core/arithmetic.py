"""The precision of a pass: float32, or bf16 by autocast, on any processor at a speed worth having."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import lru_cache
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

BF16_INSTRUCTIONS = ("avx512_bf16", "amx_bf16", "bf16", "sve_bf16")  # of x86-64, then of ARM


@lru_cache(maxsize=1)
def multiplies_bf16() -> bool:
    """Whether the processor has instructions that multiply bf16; False for a torch that cannot tell."""
    found: dict[str, bool] = getattr(torch.cpu, "get_capabilities", dict)()
    return any(found.get(name, False) for name in BF16_INSTRUCTIONS)


@contextmanager
def arithmetic(device: torch.device, precision: str) -> Iterator[None]:
    """Autocast to "bfloat16", or none for "float32" whatever the caller's, for the body of the `with`.

    On processors that cannot multiply bf16, torch emulates it in convolutions at over twice what float32 takes; there
    the rounded numbers are widened, convolved in float32 and rounded again, which is what the instructions do, up to
    the order of their sums.
    """
    half = precision == "bfloat16"
    # Without its cache, which the end of this body would not clear inside an autocast of the caller's: the next pass
    # would see the rounded weights of this one.
    with torch.autocast(device.type, dtype=torch.bfloat16, enabled=half, cache_enabled=False):
        if half and device.type == "cpu" and not multiplies_bf16():
            with _Widening():
                yield
        else:
            yield


@contextmanager
def standard() -> Iterator[None]:
    """Torch's own settings for the body, whatever the caller's: no autocast, float32 products in full, float32 tensors,
    made on the CPU, with gradients.

    Only one thread of a process may be in it at a time: the settings are the process's.
    """
    try:
        products: str | None = torch.get_float32_matmul_precision()
    except RuntimeError:  # set by the newer interface, which this one cannot describe
        products = None
    cpu: Any = torch.backends.mkldnn
    conv = getattr(cpu, "conv", None)  # of the newer interface, which alone speaks of convolutions
    newer = [] if conv is None else [cpu.matmul, torch.backends.cuda.matmul, conv]
    before, dtype = [setting.fp32_precision for setting in newer], torch.get_default_dtype()
    torch.set_float32_matmul_precision("highest")
    if conv is not None:
        conv.fp32_precision = "ieee"
    torch.set_default_dtype(torch.float32)
    try:
        with ExitStack() as body, torch.inference_mode(False), torch.enable_grad():
            for kind in ("cpu", "cuda")[: 1 + torch.cuda.is_available()]:
                body.enter_context(torch.autocast(kind, enabled=False))
            if torch.empty(0).device.type != "cpu":  # always entered, the context would slow every call
                body.enter_context(torch.device("cpu"))
            yield
    finally:
        torch.set_default_dtype(dtype)
        if products is not None:
            torch.set_float32_matmul_precision(products)
        for setting, precision in zip(newer, before, strict=True):
            setting.fp32_precision = precision


class _Widening(TorchFunctionMode):
    """Takes over `conv2d`, and leaves all else as it is."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is torch.conv2d:
            return _widened(*args, **(kwargs or {}))
        return func(*args, **(kwargs or {}))


def _widened(
    input: Tensor, weight: Tensor, bias: Tensor | None = None, stride: Any = 1, padding: Any = 0, dilation: Any = 1,
    groups: int = 1,
) -> Tensor:  # fmt: skip
    """`torch.conv2d`, with its names."""
    if input.ndim != 4 or isinstance(padding, str):  # what no network here has
        return torch.conv2d(input, weight, bias, stride, padding, dilation, groups)
    rounded = [None if t is None else t.bfloat16() for t in (input, weight, bias)]
    both = [[n, n] if isinstance(n, int) else list(n) for n in (stride, padding, dilation)]
    return _WidenedConvolution.apply(*rounded, *both, groups)


class _WidenedConvolution(torch.autograd.Function):
    """A convolution of bf16 tensors, and its gradients, worked out in float32; what is kept for them stays bf16."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, stride: list[int], padding: list[int],
        dilation: list[int], groups: int,
    ) -> Tensor:  # fmt: skip
        ctx.save_for_backward(x, weight)
        ctx.bias_sizes = None if bias is None else list(bias.shape)
        ctx.geometry = stride, padding, dilation, groups
        with torch.autocast("cpu", enabled=False):
            wide = None if bias is None else bias.float()
            return F.conv2d(x.float(), weight.float(), wide, stride, padding, dilation, groups).bfloat16()

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        stride, padding, dilation, groups = ctx.geometry
        found = torch.ops.aten.convolution_backward(
            grad.float(), x.float(), weight.float(), ctx.bias_sizes, stride, padding, dilation, False, [0, 0], groups,
            ctx.needs_input_grad[:3],
        )  # fmt: skip
        return (*(None if g is None else g.bfloat16() for g in found), None, None, None, None)


@contextmanager
def evaluating(model: nn.Module, precision: str = "float32", *, gradients: bool = False) -> Iterator[None]:
    """Evaluation mode and a precision, whatever the caller's, for the body; every module's own mode is put back.

    With `gradients` they can be taken, whatever the caller's mode. Without, it is no inference mode: what a model keeps
    of a pass, such as a table of angles, could not be trained with afterwards.
    """
    modes = [(module, module.training) for module in model.modules()]
    device = next(model.parameters(), torch.zeros(())).device
    model.eval()
    try:
        with torch.inference_mode(False), torch.set_grad_enabled(gradients), arithmetic(device, precision):
            yield
    finally:
        for module, training in modes:
            module.training = training
