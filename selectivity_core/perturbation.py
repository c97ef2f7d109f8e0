"""Single units clamped or made noisy, after their non-linearity; never by editing weights (Morcos et al. 2018, 2.2)."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor, nn

from .errors import UnitError
from .models import UnitNetwork
from .units import unit_dimension, unit_layers

PerUnit = Tensor | np.ndarray | Sequence[float]
Numbers = Tensor | np.ndarray | Sequence[int]


@contextmanager
def ablate(
    model: nn.Module, units: Mapping[str, Numbers], value: str | Mapping[str, PerUnit] = "zero"
) -> Iterator[None]:
    """Clamps units to a constant at every position, for the body of the `with`.

    Contexts nest; each removes exactly what it added, also when its body raises, and the model is bit-equal afterwards.

    Args:
        model: any module.
        units: layer name -> numbers of the units to clamp.
        value: "zero", or layer name -> (units,) one value for every unit of the layer (such as its mean).

    Raises:
        UnitError: before any pass: a layer that the model lacks, a number that is negative or (where the layer's size
            is known: networks of this package, or a `value` given) too large, another value than "zero", or values
            that are missing or of another length. In the first pass: a number too large for any other network.
    """
    if isinstance(value, str) and value != "zero":
        raise UnitError(f'value: {value!r} given; "zero" or values for all units of each layer are allowed')
    modules = unit_layers(model, list(units)) if units else {}
    hooks = []
    for name in modules:
        constants = None if isinstance(value, str) else _per_unit(value, name, layer_size(model, name), "value")
        size = layer_size(model, name) if constants is None else len(constants)
        hooks.append((modules[name], _clamp(name, _numbers(units[name], name, size), constants)))
    with _hooked(hooks):
        yield


@contextmanager
def unit_noise(
    model: nn.Module, scale: float, std: Mapping[str, PerUnit], generator: torch.Generator | None = None
) -> Iterator[None]:
    """Adds Gaussian noise to units, for the body of the `with`; contexts nest and leave nothing behind.

    Every sample, unit and position gets a draw of its own, with `scale` times the unit's own standard deviation, after
    the non-linearity and not clipped.

    Args:
        model: any module.
        scale: of the noise, in units of `std`; 0 or more.
        std: layer name -> (units,) standard deviation of every unit over samples and positions.
        generator: draws the noise; torch's own by default.

    Raises:
        UnitError: before any pass: a negative or non-finite scale or deviation, a layer that the model lacks, or
            deviations of another length than the layer (where its size is known).
    """
    if not (isinstance(scale, int | float) and math.isfinite(scale) and scale >= 0):
        raise UnitError(f"scale: {scale!r} given; a finite number of 0 or more is needed")
    modules = unit_layers(model, list(std)) if std else {}
    hooks = []
    for name in modules:
        deviations = _per_unit(std, name, layer_size(model, name), "std")
        if (deviations < 0).any():
            raise UnitError(f"std: layer {name!r} has a standard deviation of {float(deviations.min()):g}; 0 or more")
        hooks.append((modules[name], _noise(name, scale * deviations, generator)))
    with _hooked(hooks):
        yield


@contextmanager
def _hooked(hooks: list[tuple[nn.Module, Callable[..., Tensor]]]) -> Iterator[None]:
    handles = [module.register_forward_hook(hook) for module, hook in hooks]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def layer_size(model: nn.Module, layer: str) -> int | None:
    """How many units a layer has, where that is known without a pass."""
    if isinstance(model, UnitNetwork) and layer in model.unit_filters:
        return len(model.get_submodule(model.unit_filters[layer]).weight)  # type: ignore[arg-type]
    return None


def _numbers(given: Numbers, layer: str, size: int | None) -> Tensor:
    numbers = torch.as_tensor(list(given) if not isinstance(given, Tensor | np.ndarray) else given)
    if not numbers.numel():
        return torch.zeros(0, dtype=torch.int64)
    if numbers.is_floating_point() or numbers.dtype == torch.bool or numbers.ndim != 1:
        raise UnitError(f"layer {layer!r}: units {given!r} given; a list of whole numbers is needed")
    _check_numbers(numbers, layer, size)
    return numbers.long()


def _check_numbers(numbers: Tensor, layer: str, size: int | None) -> None:
    wrong = numbers[(numbers < 0) | (numbers >= (size if size is not None else numbers.max() + 1))]
    if len(wrong):
        allowed = f"0 to {size - 1}" if size is not None else "0 and up"
        raise UnitError(f"layer {layer!r}: unit {int(wrong[0])} given; {allowed} is allowed")


def _per_unit(given: Mapping[str, PerUnit], layer: str, size: int | None, name: str) -> Tensor:
    if layer not in given:
        raise UnitError(f"{name}: nothing for layer {layer!r}; one number for each of its units is needed")
    values = torch.as_tensor(given[layer]).detach().to(torch.float32)
    if values.ndim != 1 or (size is not None and len(values) != size):
        needed = size if size is not None else "as many as it has units"
        raise UnitError(f"{name}: layer {layer!r} has shape {tuple(values.shape)}; ({needed},) is needed")
    if not torch.isfinite(values).all():
        raise UnitError(f"{name}: layer {layer!r} is not finite in unit {int((~torch.isfinite(values)).nonzero()[0])}")
    return values


def _check_size(output: Tensor, layer: str, size: int) -> None:
    found = output.shape[unit_dimension(output)]
    if found != size:
        raise UnitError(f"layer {layer!r}: {size} values given for its {found} units")


def _clamp(layer: str, numbers: Tensor, constants: Tensor | None) -> Callable[..., Tensor]:
    def hook(_module: nn.Module, _inputs: object, output: Tensor) -> Tensor:
        dimension = unit_dimension(output)
        _check_numbers(numbers, layer, output.shape[dimension]) if len(numbers) else None
        chosen = numbers.to(output.device)
        if constants is None:
            return output.index_fill(dimension, chosen, 0)
        _check_size(output, layer, len(constants))
        shape = [1] * output.ndim
        shape[dimension] = len(chosen)
        values = constants.to(output.device, output.dtype)[chosen].view(shape)
        size = [len(chosen) if d == dimension else n for d, n in enumerate(output.shape)]
        return output.index_copy(dimension, chosen, values.expand(size))

    return hook


def _noise(layer: str, deviations: Tensor, generator: torch.Generator | None) -> Callable[..., Tensor]:
    def hook(_module: nn.Module, _inputs: object, output: Tensor) -> Tensor:
        _check_size(output, layer, len(deviations))
        shape = [1] * output.ndim
        shape[unit_dimension(output)] = len(deviations)
        device = generator.device if generator is not None else output.device
        drawn = torch.randn(output.shape, generator=generator, device=device).to(output.device)
        return output + (drawn * deviations.to(output.device).view(shape)).to(output.dtype)

    return hook
