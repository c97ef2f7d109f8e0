"""What a unit is: a feature map or neuron, taken after its non-linearity.

Every non-linearity of the project's own networks is a `Units` module with a name, and everything done to units goes
through that module: recording, regularising, ablating, adding noise. Networks from elsewhere have the same seam in
their activation modules (`torch.nn.ReLU` and its like), found by `unit_layers`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .errors import ActivityError, SpecError, UnitError

# Activation modules of torch that leave units behind. Softmax and its kin normalise over units: they are not here.
ACTIVATIONS = (
    nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.PReLU, nn.RReLU, nn.ELU, nn.CELU, nn.SELU, nn.GELU, nn.SiLU, nn.Mish,
    nn.Hardswish, nn.Hardsigmoid, nn.Hardtanh, nn.Softplus, nn.Sigmoid, nn.Tanh, nn.Softsign, nn.Threshold,
)  # fmt: skip
NEVER_NEGATIVE = (nn.ReLU, nn.ReLU6, nn.Softplus, nn.Sigmoid, nn.Hardsigmoid)


CHUNK = 2**20  # numbers of a half-precision map that are widened to float32 at a time


def spatial_mean(output: Tensor) -> Tensor:
    """Activity of each sample and unit: the mean over positions.

    Args:
        output: (samples, units); (samples, tokens, units), as in transformers; or (samples, units, H, W, ...).

    Returns:
        (samples, units), float32 or better.

    Raises:
        ActivityError: fewer than two dimensions, or no position to average over.
    """
    if output.ndim < 2:
        raise ActivityError(f"activity: shape {tuple(output.shape)} given; (samples, units, ...) is needed")
    if output.ndim > 2 and output[:1].numel() == 0 and len(output):
        raise ActivityError(f"activity: shape {tuple(output.shape)} has no positions to average over")
    dtype = torch.promote_types(output.dtype, torch.float32)
    if output.ndim == 2:
        return output.to(dtype)
    if _channels_last(output):  # the same mean over rows of units, which torch sums faster
        output = output.permute(0, 2, 3, 1).flatten(1, 2)
        samples = max(1, CHUNK // max(1, output[:1].numel()))
        widened = output.dtype != dtype and output.device.type == "cpu" and len(output) > samples
        if widened and not (torch.is_grad_enabled() and output.requires_grad):
            # On a CPU torch widens the whole map before it sums: a copy for nothing, unless it stays in the cache.
            return torch.cat([some.mean(1, dtype=dtype) for some in output.split(samples)])
    positions = (1,) if output.ndim == 3 else tuple(range(2, output.ndim))
    return output.mean(positions, dtype=dtype)


def unit_dimension(output: Tensor) -> int:
    """Where an output's units are: the last dimension of (samples, tokens, units), else dimension 1."""
    return 2 if output.ndim == 3 else 1


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


class _RectifiedMean(torch.autograd.Function):
    """The rectified map and its spatial mean as one node, so that the map's gradient is passed over once."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, slope: float) -> tuple[Tensor, Tensor]:
        if x.ndim == 3:  # tokens: `spatial_mean` takes the last dimension as units, a map's rule would not
            raise ActivityError("units: (samples, units) or (samples, units, H, W) is needed")
        y = F.relu(x) if slope == 0 else F.leaky_relu(x, slope)
        ctx.save_for_backward(y)
        ctx.slope = slope
        return y, spatial_mean(y)

    @staticmethod
    def backward(ctx: Any, grad_map: Tensor, grad_mean: Tensor) -> tuple[Tensor, None]:
        (y,) = ctx.saved_tensors
        positions = y[0, 0].numel() if y.ndim > 2 else 1
        grad = _add_to_positions(grad_map, (grad_mean / positions).to(y.dtype))
        if ctx.slope == 0:
            return torch.ops.aten.threshold_backward(grad, y, 0), None
        # A positive slope keeps the sign, so the output says where the input was positive.
        return torch.ops.aten.leaky_relu_backward(grad, y, ctx.slope, True), None


def parse_activation(text: str) -> float:
    """The negative slope that an activation's name stands for: 0 for "relu", b for "leaky_relu:b".

    Raises:
        SpecError: any other text, or a slope outside (0, 1).
    """
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
    """

    def __init__(self, activation: str = "relu") -> None:
        super().__init__()
        self.activation = activation
        self.slope = parse_activation(activation)
        self.taps: list[Callable[[Tensor], None]] = []

    def forward(self, x: Tensor) -> Tensor:
        """The non-linearity of x (samples, units, ...), same shape."""
        if not self.taps:
            return F.relu(x) if self.slope == 0 else F.leaky_relu(x, self.slope)
        y, mean = _RectifiedMean.apply(x, self.slope)
        for tap in self.taps:
            tap(mean)
        return y

    def extra_repr(self) -> str:
        """What `print(model)` shows."""
        return self.activation


def never_negative(module: nn.Module) -> bool:
    """Whether a module's outputs cannot be below zero, so that an index needs no shift."""
    return module.slope == 0 if isinstance(module, Units) else isinstance(module, NEVER_NEGATIVE)


def unit_layers(model: nn.Module, layers: str | Sequence[str] = "all") -> dict[str, nn.Module]:
    """The layers of units in a model, by module name, in the order in which they were registered.

    Args:
        model: a network of this package, or any module.
        layers: "all", "first3", "last3", or a list of module names (whose outputs then are the units).

    Returns:
        name -> module.

    Raises:
        UnitError: a name that the model lacks, or no activation module at all.
    """
    modules = dict(model.named_modules())
    if not isinstance(layers, str):
        unknown = [name for name in layers if name not in modules]
        if unknown:
            raise UnitError(f"layer {unknown[0]!r}: the model has no such module; it has {_shorten(modules)}")
        if not layers:
            raise UnitError("layers: an empty list given; name at least one module")
        return {name: modules[name] for name in layers}
    found: dict[str, nn.Module] = {name: m for name, m in modules.items() if isinstance(m, Units)}
    found = found or {name: m for name, m in modules.items() if isinstance(m, ACTIVATIONS)}
    if not found:
        raise UnitError(
            f"layers: {type(model).__name__} has no activation module; name the modules whose outputs are the units"
        )
    names = list(found)
    chosen = {"all": names, "first3": names[:3], "last3": names[-3:]}
    if layers not in chosen:
        raise UnitError(f'layers: {layers!r} given; "all", "first3", "last3" or a list of module names is allowed')
    return {name: found[name] for name in chosen[layers]}


@contextmanager
def record(model: nn.Module, layers: str | Sequence[str] = "all", *, maps: bool = False) -> Iterator[dict[str, Tensor]]:
    """Collects the units' activity of the latest forward pass; of a module used several times in it, the last use.

    Args:
        model: any module.
        layers: as for `unit_layers`.
        maps: keep whole outputs (samples, units, H, W) rather than spatial means (samples, units).

    Yields:
        name -> activity; filled by each pass, detached.

    Raises:
        UnitError: a layer that the model lacks, or no layer at all.
        ActivityError: in a pass, outputs of fewer than two dimensions.
    """
    found: dict[str, Tensor] = {}

    def keep(name: str) -> Callable[..., None]:
        def hook(_module: nn.Module, _inputs: object, output: Tensor) -> None:
            found[name] = output.detach() if maps else spatial_mean(output.detach())

        return hook

    handles = [m.register_forward_hook(keep(name)) for name, m in unit_layers(model, layers).items()]
    try:
        yield found
    finally:
        for handle in handles:
            handle.remove()


def _shorten(names: object, most: int = 12) -> str:
    shown = [repr(n) for n in names if n]  # type: ignore[attr-defined]
    return ", ".join(shown[:most]) + (f" and {len(shown) - most} more" if len(shown) > most else "")


IMAGES_AT_ONCE = 64  # samples at a time: their maps are still in the processor's cache when they are read again


def active_share(output: Tensor) -> Tensor:
    """(samples, units) float32 share of positions where a unit's output is above zero.

    A positive floating-point number is a positive integer too when its bits are read as one; counting in short
    integers is several times faster than averaging truth values.

    Args:
        output: (samples, units) or (samples, units, H, W), finite, of 16 or 32 bits a number.
    """
    bits = output.view(torch.int16 if output.element_size() == 2 else torch.int32).clamp(0, 1)
    if output.ndim == 2:
        return bits.float()
    samples, units, height, width = output.shape
    if output.is_contiguous(memory_format=torch.channels_last):  # whole rows first: they are long
        rows = bits.permute(0, 2, 3, 1).reshape(samples, height, width * units)
        count = rows.sum(1, dtype=bits.dtype).view(samples, width, units).sum(1, dtype=torch.float32)
    else:
        count = bits.sum((2, 3), dtype=torch.float32)
    return count / (height * width)


class LayerActivity:
    """One layer's activity, gathered batch by batch as a forward hook.

    Attributes:
        ever: (units,) whether a unit's output was ever other than zero, at any sample and position.
    """

    def __init__(self) -> None:
        self._means: list[Tensor] = []
        self._shares: list[Tensor] = []
        self.ever = torch.zeros((), dtype=torch.bool)

    def __call__(self, module: nn.Module, _inputs: object, output: Tensor) -> None:
        """Takes a batch's output (samples, units) or (samples, units, H, W)."""
        for some in output.split(IMAGES_AT_ONCE):
            share = active_share(some)
            self._means.append(spatial_mean(some))
            self._shares.append(share)
            active = share if never_negative(module) else spatial_mean(some.sign().abs())
            self.ever = self.ever.to(active.device) | (active > 0).any(0)

    def means(self) -> Tensor:
        """(samples, units) spatial means of all batches so far, on the CPU."""
        return torch.cat(self._means).cpu()

    def shares(self) -> Tensor:
        """(samples, units) shares of active positions of all batches so far, on the CPU."""
        return torch.cat(self._shares).cpu()
