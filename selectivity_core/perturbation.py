"""Single units ablated or made noisy, after their non-linearity; never by editing weights (Morcos et al. 2018, 2.2)."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Generic, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from .errors import UnitError
from .models import UnitNetwork
from .units import modules_of, split_name
from .watching import Call, UnitDim, Watch, for_call

PerUnit = Tensor | np.ndarray | Sequence[float]
Numbers = Tensor | np.ndarray | Sequence[int]
T = TypeVar("T")


@contextmanager
def ablate(
    model: nn.Module,
    units: Mapping[str, Numbers],
    value: str | Mapping[str, PerUnit] = "zero",
    *,
    unit_dim: UnitDim = None,
) -> Iterator[None]:
    """Sets units to a constant at every position, for the body of the `with`.

    Contexts nest; each removes exactly what it added, also when its body raises, and the model is bit-equal afterwards.

    Args:
        model: any module.
        units: layer name -> numbers of the units to ablate. Of a module that a pass uses several times "name" means
            all its uses and "name:1" the second, which goes before "name".
        value: "zero", or layer name -> (units,) one value for every unit of the layer (such as its mean).
        unit_dim: as for `record`.

    Raises:
        UnitError: before any pass: a layer that the model lacks, a number that is negative or (where the layer's size
            is known: networks of this package, or a `value` given) too large, another value than "zero", or values
            that are missing or of another length. In a pass: a number too large for any other network, units whose
            dimension cannot be told, a layer that the pass does not use.
        ActivityError: in a pass with gradients, a layer in an activation checkpoint, which would compute it once more
            without the change.
    """
    if not isinstance(units, Mapping):
        raise UnitError(f"units: a {type(units).__name__} given; layer name -> numbers of its units is needed")
    if value != "zero" if isinstance(value, str) else not isinstance(value, Mapping):
        raise UnitError(f'value: {value!r:.80} given; "zero" or layer -> values for all its units is allowed')
    constants = None if isinstance(value, str) else per_unit(model, units, value, "value")
    numbers = {}
    for name, given in units.items():
        size = layer_size(model, name)
        if constants is not None and size is None and name in constants:
            size = len(constants[name])
        numbers[name] = _numbers(given, name, size)

    def ablated(call: Call, chosen: Tensor) -> Tensor:
        size = call.output.shape[call.dim]
        _check_numbers(chosen, call.layer, size)
        chosen = chosen.to(call.output.device)
        if constants is None:
            return call.output.index_fill(call.dim, chosen, 0)
        values = of_call(constants, call, "value").to(call.output.device, call.output.dtype)[chosen]
        shape = [len(chosen) if d == call.dim else n for d, n in enumerate(call.output.shape)]
        return call.output.index_copy(call.dim, chosen, along(values, call).expand(shape))

    with changing(model, numbers, ablated, unit_dim):
        yield


@contextmanager
def unit_noise(
    model: nn.Module,
    scale: float,
    std: Mapping[str, PerUnit],
    generator: torch.Generator | None = None,
    *,
    unit_dim: UnitDim = None,
) -> Iterator[None]:
    """Adds Gaussian noise to units, for the body of the `with`; contexts nest and leave nothing behind.

    Every sample, unit and position gets a draw of its own, with `scale` times the unit's own standard deviation, after
    the non-linearity and not clipped.

    Args:
        model: any module.
        scale: of the noise, in units of `std`; 0 or more.
        std: layer name -> (units,) standard deviation of every unit over samples and positions; names as for `ablate`.
        generator: draws the noise; torch's own by default.
        unit_dim: as for `record`.

    Raises:
        UnitError: before any pass: a negative or non-finite scale or deviation, a layer that the model lacks, or
            deviations of another length than the layer (where its size is known). In a pass: as for `ablate`.
        ActivityError: as for `ablate`.
    """
    if not (isinstance(scale, int | float) and math.isfinite(scale) and scale >= 0):
        raise UnitError(f"scale: {scale!r} given; a finite number of 0 or more is needed")
    if not isinstance(std, Mapping):
        raise UnitError(f"std: a {type(std).__name__} given; layer name -> one number for each of its units is needed")
    deviations = per_unit(model, std, std, "std")

    def noisy(call: Call, _given: PerUnit) -> Tensor:
        size = along(of_call(deviations, call, "std"), call).to(call.output.device)
        device = generator.device if generator is not None else call.output.device
        drawn = torch.randn(call.output.shape, generator=generator, device=device).to(call.output.device)
        return call.output + (drawn * (scale * size)).to(call.output.dtype)

    with changing(model, std, noisy, unit_dim):
        yield


class Changing(Watch, Generic[T]):
    """Puts something else in the place of layers' outputs."""

    changes = True

    def __init__(
        self, model: nn.Module, given: Mapping[str, T], change: Callable[[Call, T], Tensor], unit_dim: UnitDim
    ) -> None:
        super().__init__(model, list(given), unit_dim)
        self.given, self.change = given, change

    def see(self, call: Call) -> Tensor:
        """A layer was used."""
        given = for_call(self.given, call.layer, call.number)
        assert given is not None
        return self.change(call, given)

    def ended(self, _output: object, failed: bool) -> None:
        """A pass ended, in which every layer must have been used."""
        if not failed:
            self.check_used()


def changing(
    model: nn.Module, given: Mapping[str, T], change: Callable[[Call, T], Tensor], unit_dim: UnitDim
) -> AbstractContextManager[object]:
    """A context in which some layers' outputs are changed, each with what is given for it."""
    return Changing(model, given, change, unit_dim) if given else nullcontext()


def layer_size(model: nn.Module, layer: str) -> int | None:
    """How many units a layer has, where that is known without a pass."""
    if isinstance(model, UnitNetwork) and layer in model.unit_filters:
        return len(model.get_submodule(model.unit_filters[layer]).weight)  # type: ignore[arg-type]
    return None


def per_unit(model: nn.Module, layers: Iterable[str], given: Mapping[str, PerUnit], name: str) -> dict[str, Tensor]:
    """The values given for some layers, or for single uses of them, as float32.

    Raises:
        UnitError: a layer without any; values that are not one finite number for each unit, or negative deviations.
    """
    modules = modules_of(model)
    layer_of = {key: split_name(key, modules)[0] for key in given}
    found = {}
    for layer in layers:
        keys = [key for key in given if layer_of[key] == split_name(layer, modules)[0]]
        if not keys:
            raise UnitError(f"{name}: nothing for layer {layer!r}; one number for each of its units is needed")
        for key in keys:
            found[key] = _one_each(given[key], key, layer_size(model, key), name)
            if name == "std" and (found[key] < 0).any():
                raise UnitError(
                    f"std: layer {key!r} has a standard deviation of {float(found[key].min()):g}; 0 or more"
                )
    return found


def of_call(values: Mapping[str, Tensor], call: Call, name: str) -> Tensor:
    """The values (units,) for one use of a layer.

    Raises:
        UnitError: none, or of another length.
    """
    found, size = for_call(values, call.layer, call.number), call.output.shape[call.dim]
    if found is None:
        raise UnitError(f"{name}: nothing for layer '{call.layer}:{call.number}'")
    if len(found) != size:
        raise UnitError(f"layer {call.layer!r}: {len(found)} values given for its {size} units")
    return found


def along(values: Tensor, call: Call) -> Tensor:
    """Values (units,) in the shape in which they are broadcast over a layer's output."""
    return values.view([-1 if d == call.dim else 1 for d in range(call.output.ndim)])


def _numbers(given: Numbers, layer: str, size: int | None) -> Tensor:
    try:
        numbers = torch.as_tensor(given if isinstance(given, Tensor | np.ndarray) else list(given))
    except (TypeError, ValueError, RuntimeError) as error:
        raise UnitError(f"layer {layer!r}: units {given!r:.80} given; a list of whole numbers is needed") from error
    if not numbers.numel():
        return torch.zeros(0, dtype=torch.int64)
    if numbers.is_floating_point() or numbers.dtype == torch.bool or numbers.ndim != 1:
        raise UnitError(f"layer {layer!r}: units {given!r} given; a list of whole numbers is needed")
    _check_numbers(numbers, layer, size)
    return numbers.long()


def _check_numbers(numbers: Tensor, layer: str, size: int | None) -> None:
    wrong = numbers[(numbers < 0) | (numbers >= size)] if size is not None else numbers[numbers < 0]
    if len(wrong):
        allowed = f"0 to {size - 1}" if size is not None else "0 and up"
        raise UnitError(f"layer {layer!r}: unit {int(wrong[0])} given; {allowed} is allowed")


def _one_each(given: PerUnit, layer: str, size: int | None, name: str) -> Tensor:
    values = torch.as_tensor(given).detach().to(torch.float32)
    if values.ndim != 1 or (size is not None and len(values) != size):
        needed = size if size is not None else "as many as it has units"
        raise UnitError(f"{name}: layer {layer!r} has shape {tuple(values.shape)}; ({needed},) is needed")
    if not torch.isfinite(values).all():
        raise UnitError(f"{name}: layer {layer!r} is not finite in unit {int((~torch.isfinite(values)).nonzero()[0])}")
    return values
