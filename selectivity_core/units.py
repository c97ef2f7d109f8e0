"""What a unit is: a feature map or neuron, taken after its non-linearity.

Every non-linearity of the project's own networks is a `Units` module with a name. Networks from elsewhere have the same
seam in their activation modules (`torch.nn.ReLU` and its like), found by `unit_layers`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .errors import ActivityError, SpecError, UnitError

WIDENED_AT_ONCE = 2**20  # numbers of a half-precision map that are widened to float32 at a time

# Softmax and its kin normalise over units, and gated linear units drop half of them: they are not here.
ACTIVATIONS = (
    nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.PReLU, nn.RReLU, nn.ELU, nn.CELU, nn.SELU, nn.GELU, nn.SiLU, nn.Mish,
    nn.Hardswish, nn.Hardsigmoid, nn.Hardtanh, nn.Softplus, nn.Sigmoid, nn.Tanh, nn.Softsign, nn.Threshold,
    nn.LogSigmoid, nn.Hardshrink, nn.Softshrink, nn.Tanhshrink,
)  # fmt: skip
NEVER_NEGATIVE = (nn.ReLU, nn.ReLU6, nn.Softplus, nn.Sigmoid, nn.Hardsigmoid)
NAMED = {
    "timm": {
        "GELU", "GELUTanh", "GammaAct", "HardMish", "HardMishMe", "HardSigmoid", "HardSigmoidMe", "HardSwish",
        "HardSwishMe", "Mish", "MishMe", "QuickGELU", "Sigmoid", "SquaredReLU", "StarReLU", "Swish", "SwishMe", "Tanh",
    },
    "transformers": {
        "AccurateGELUActivation", "BloomGelu", "ClippedGELUActivation", "FastGELUActivation", "GELUActivation",
        "GELUTanh", "GeLU", "LaplaceActivation", "MishActivation", "NewGELUActivation", "PytorchGELUTanh",
        "QuickGELUActivation", "ReLUSquaredActivation", "SiLUActivation", "SqrtSoftplusActivation", "XIELUActivation",
    },
}  # fmt: skip


def spatial_mean(output: Tensor, unit_dim: int | None = None) -> Tensor:
    """Activity (samples, units) of an output with samples first: the mean over positions, in memory of its own.

    Units are in `unit_dim` of more than two dimensions; by default in 1, as in (samples, units, H, W). Numbers are
    float32 or better.

    Raises:
        ActivityError: complex numbers, fewer than two dimensions, three without `unit_dim` (tokens have their units
            last, series in dimension 1), or no position to average over.
    """
    shape = tuple(output.shape)
    if output.ndim < 2:
        raise ActivityError(f"activity: shape {shape} given; (samples, units, ...) is needed")
    dtype = torch.promote_types(output.dtype, torch.float32)
    if dtype.is_complex:
        raise ActivityError(f"activity: {output.dtype} given; real numbers are needed")
    if output.ndim == 2:
        return output.to(dtype, copy=True)
    if unit_dim is None and output.ndim == 3:
        raise ActivityError(f"activity: shape {shape} given; take the mean over positions, as in (samples, units)")
    if output[:1].numel() == 0 and len(output):
        raise ActivityError(f"activity: shape {shape} has no positions to average over")
    dim = 1 if unit_dim is None else unit_dim % output.ndim
    if dim == 1 and _channels_last(output):  # the same mean over rows of units, which torch sums faster
        output, dim = output.permute(0, 2, 3, 1), 3
    if dim == output.ndim - 1:
        output = output.flatten(1, -2)
        samples = max(1, WIDENED_AT_ONCE // max(1, output[:1].numel()))
        widened = output.dtype != dtype and output.device.type == "cpu" and len(output) > samples
        if widened and not (torch.is_grad_enabled() and output.requires_grad):
            # On a CPU torch widens the whole map before it sums: a copy for nothing, unless it stays in the cache.
            return torch.cat([some.mean(1, dtype=dtype) for some in output.split(samples)])
        return output.mean(1, dtype=dtype)
    return output.mean([d for d in range(1, output.ndim) if d != dim], dtype=dtype)


def _channels_last(maps: Tensor) -> bool:
    return maps.ndim == 4 and maps.is_contiguous(memory_format=torch.channels_last)


def _add_to_positions(maps: Tensor, per_unit: Tensor) -> Tensor:
    """maps (samples, units, H, W) + per_unit (samples, units) at every position.

    With channels last a plain broadcast runs over rows of a few units only, eight times slower than whole image rows.
    """
    if _channels_last(maps):
        n, units, height, width = maps.shape
        rows = maps.permute(0, 2, 3, 1).reshape(n, height, width * units)
        total = rows + per_unit.repeat(1, width)[:, None, :]
        return total.view(n, height, width, units).permute(0, 3, 1, 2)
    return maps + per_unit[(...,) + (None,) * (maps.ndim - 2)]


@lru_cache(maxsize=16)
def _thresholds(positions: int, device: torch.device) -> Tensor:
    """(positions,) int32 spread evenly over [0, 2¹⁶) by the golden ratio: from where on a bf16 number is rounded up."""
    golden = (0.5 + torch.arange(positions, dtype=torch.float64) * 0.6180339887498949) % 1
    return (golden * 2**16).to(torch.int32).to(device)


def _dithered_sum(maps: Tensor, per_unit: Tensor) -> Tensor:
    """maps (samples, units, H, W) in bf16 + per_unit (samples, units) in float32 at every position, in bf16.

    Rounded to the nearest, a sum whose second part is below half a unit in the last place is its first part: added to
    a map of bf16 numbers, a small constant would be lost. Here each position rounds up or down at a threshold of its
    own, so that the mean over positions is that of the exact sums.
    """
    n, units, *sides = maps.shape
    positions = math.prod(sides)
    if last := _channels_last(maps):
        rows = maps.permute(0, 2, 3, 1).reshape(n, sides[0], sides[1] * units)
        each = per_unit.repeat(1, sides[1])[:, None, :]
        above = _thresholds(positions, maps.device).repeat_interleave(units).view(1, sides[0], -1)
    else:
        rows, each = maps.reshape(n, units, positions), per_unit[:, :, None]
        above = _thresholds(positions, maps.device).view(1, 1, -1)
    total = torch.empty_like(rows)
    samples = n if maps.device.type != "cpu" else max(1, WIDENED_AT_ONCE // max(4, 4 * rows[:1].numel()))
    for start in range(0, n, samples):
        some = slice(start, start + samples)
        exact = rows[some].float().add_(each[some])
        # The upper half of a float32 is a bf16; adding to the lower half carries into it.
        exact.view(torch.int32).add_(above).bitwise_and_(-(2**16))
        total[some] = exact
    if last:
        return total.view(n, *sides, units).permute(0, 3, 1, 2)
    return total.view(maps.shape)


class _RectifiedMean(torch.autograd.Function):
    """The rectified map and its spatial mean as one node, so that the map's gradient is passed over once."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, slope: float, rounding: str) -> tuple[Tensor, Tensor]:
        if x.ndim == 3:
            raise ActivityError(
                f"units: shape {tuple(x.shape)} given; (samples, units) or (samples, units, H, W) is needed"
            )
        y = F.relu(x) if slope == 0 else F.leaky_relu(x, slope)
        ctx.save_for_backward(y if slope == 0 else x)  # as torch does: a later operation may work on y in place
        ctx.slope, ctx.rounding = slope, rounding
        return y, spatial_mean(y)

    @staticmethod
    def backward(ctx: Any, grad_map: Tensor, grad_mean: Tensor) -> tuple[Tensor, None, None]:
        try:
            (saved,) = ctx.saved_tensors
        except RuntimeError as error:
            if "inplace operation" not in str(error):
                raise
            raise ActivityError(
                "units: a later operation changed their output in place, of which no gradient can be had; "
                "use inplace=False there"
            ) from error
        each = grad_mean / max(1, math.prod(saved.shape[2:]))
        if ctx.rounding == "dithered" and saved.dtype == torch.bfloat16 and saved.ndim > 2:
            grad = _dithered_sum(grad_map, each)
        else:
            grad = _add_to_positions(grad_map, each.to(saved.dtype))
        if ctx.slope == 0:
            return torch.ops.aten.threshold_backward(grad, saved, 0), None, None
        return torch.ops.aten.leaky_relu_backward(grad, saved, ctx.slope, False), None, None


def parse_activation(text: str) -> float:
    """The negative slope that an activation's name stands for: 0 for "relu", b in (0, 1) for "leaky_relu:b"."""
    if text == "relu":
        return 0.0
    name, _, slope = text.partition(":")
    try:
        value = float(slope)
    except ValueError:
        value = float("nan")
    if name != "leaky_relu" or not 0 < value < 1:
        raise SpecError(f'activation: {text!r} given; "relu" or "leaky_relu:b" with 0 < b < 1 is allowed')
    return value


class Units(nn.Module):
    """One layer of units: the non-linearity, and the place where units are seen and changed.

    It holds no state that a pass depends on. Each of `taps` is handed the spatial mean (samples, units) of every
    pass, computed together with the map: that is how the regulariser reads activity at little cost.

    Attributes:
        rounding: how, in bf16, a map's gradient and the small one of its mean are added: "dithered" keeps the mean's on
            average over positions; "nearest" loses a part of it, as runs of that `RunSpec.rounding` do.
    """

    rounding: str = "dithered"

    def __init__(self, activation: str = "relu") -> None:
        super().__init__()
        self.activation = activation
        self.slope = parse_activation(activation)
        self.taps: list[Callable[[Tensor], None]] = []

    def forward(self, x: Tensor) -> Tensor:
        """The non-linearity of x (samples, units, ...), same shape."""
        if not self.taps:
            return F.relu(x) if self.slope == 0 else F.leaky_relu(x, self.slope)
        if not torch.compiler.is_compiling() and torch._C._functorch.is_functorch_wrapped_tensor(x):
            # torch.func takes no node of ours.
            y = F.relu(x) if self.slope == 0 else F.leaky_relu(x, self.slope)
            mean = spatial_mean(y)
        else:
            y, mean = _RectifiedMean.apply(x, self.slope, self.rounding)
        for tap in self.taps:
            tap(mean)
        return y

    def __getstate__(self) -> dict[str, Any]:
        """Without the taps: they read this module, and not its copies."""
        return {**self.__dict__, "taps": []}

    def extra_repr(self) -> str:
        """What `print(model)` shows."""
        return self.activation


def is_activation(module: nn.Module) -> bool:
    """Whether a module is an activation of torch, timm or transformers, or a subclass of one."""
    if isinstance(module, ACTIVATIONS):
        return True
    return any(kind.__name__ in NAMED.get(kind.__module__.split(".")[0], ()) for kind in type(module).__mro__)


def never_negative(module: nn.Module) -> bool:
    """Whether a module's outputs cannot be below zero, so that an index needs no shift."""
    return module.slope == 0 if isinstance(module, Units) else isinstance(module, NEVER_NEGATIVE)


def unit_layers(model: nn.Module, layers: str | Sequence[str] = "all") -> dict[str, nn.Module]:
    """The layers of units in a model, by module name, in the order in which they were registered.

    Args:
        model: a network of this package, or any module.
        layers: "all" activation modules (torch's, timm's, transformers' and this package's), "first3", "last3", or a
            list of module names (whose outputs then are the units). "name:1" is the second use of a module that a pass
            uses several times, "name:0" the first.

    Returns:
        name -> module.

    Raises:
        UnitError: a name that the model lacks, two names of one module, or no activation module at all; a model that
            is no `nn.Module`, or layers of a ScriptModule.
    """
    if not isinstance(model, nn.Module):
        raise UnitError(f"model: a {type(model).__name__} given; a torch.nn.Module is needed")
    scripted = [name for name, module in model.named_modules() if isinstance(module, torch.jit.ScriptModule)]
    if not isinstance(layers, str):
        return _listed(model, layers, scripted)
    if scripted:
        raise UnitError(
            f"model: {scripted[0] or type(model).__name__!r} is a ScriptModule, whose layers run where no hook "
            "reaches; use the model that it was made from, or name layers outside it"
        )
    found: dict[str, nn.Module] = {}
    for name, module in model.named_modules():
        inner = any(name.startswith(f"{outer}.") for outer in found)  # an activation inside another
        if not inner and not of_weights(name) and (isinstance(module, Units) or is_activation(module)):
            found[name] = module
    if not found:
        raise UnitError(
            f"layers: {type(model).__name__} has no activation module of torch, timm or transformers; name the modules "
            "whose outputs are the units (a function such as torch.relu is in no module of its own)"
        )
    names = list(found)
    chosen = {"all": names, "first3": names[:3], "last3": names[-3:]}
    if layers not in chosen:
        raise UnitError(f'layers: {layers!r} given; "all", "first3", "last3" or a list of module names is allowed')
    return {name: found[name] for name in chosen[layers]}


def _listed(model: nn.Module, layers: Sequence[str], scripted: Sequence[str]) -> dict[str, nn.Module]:
    if not isinstance(layers, Iterable) or isinstance(layers, nn.Module):
        raise UnitError(f'layers: {layers!r:.80} given; "all", "first3", "last3" or a list of module names is allowed')
    modules, names = modules_of(model), list(layers)
    if not names:
        raise UnitError("layers: an empty list given; name at least one module")
    of_name = {name: split_name(name, modules)[0] for name in names}
    known = dict[int, str]()
    for name, layer in of_name.items():
        if any(layer.startswith(f"{outer}." if outer else "") for outer in scripted):
            raise UnitError(f"layer {name!r}: it is part of a ScriptModule, whose layers run where no hook reaches")
        if (other := known.setdefault(id(modules[layer]), layer)) != layer:
            raise UnitError(f"layers: {other!r} and {layer!r} are one module; name it once")
    return {name: modules[layer] for name, layer in of_name.items()}


def of_weights(name: str) -> bool:
    """Whether a module of this name makes weights (a parametrisation), and no activity."""
    return "parametrizations" in name.split(".")


def modules_of(model: nn.Module) -> dict[str, nn.Module]:
    """name -> module, with every name of a module that has several."""
    return dict(model.named_modules(remove_duplicate=False))


def split_name(name: str, modules: Mapping[str, nn.Module]) -> tuple[str, int | None]:
    """A layer's module, and the number of its use in a pass where that is named too."""
    module, colon, number = str(name).rpartition(":")
    if name in modules:
        return name, None
    if colon and module in modules and number.isdecimal():
        return module, int(number)
    raise UnitError(f"layer {name!r}: the model has no such module; it has {shortened(modules)}")


def shortened(names: Iterable[str]) -> str:
    """The first few names, quoted, and how many more there are."""
    shown = [repr(n) for n in names if n]
    return ", ".join(shown[:12]) + (f" and {len(shown) - 12} more" if len(shown) > 12 else "")
