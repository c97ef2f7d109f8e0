"""Units of several layers under one number each, and what each is set to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from torch import Tensor, nn

from ..errors import UnitError
from ..perturbation import PerUnit, layer_size, per_unit
from ..units import modules_of, split_name, unit_layers
from ..watching import Call, UnitDim, Watch, for_call

AblationValue = str | Mapping[str, PerUnit]


@dataclass(frozen=True)
class Numbering:
    """Units of several layers numbered one layer after the other, and what each is set to.

    Attributes:
        sizes: layer -> how many units it has, in the order of the numbers; of a module that a pass uses several times
            "name:0", "name:1" and so on are layers of their own.
        constants: layer -> (units,) float32; None for zero.
        dims: layer -> the dimension of its output that holds the units, where that is not its own to say.
    """

    sizes: dict[str, int]
    constants: dict[str, Tensor] | None
    dims: dict[str, int] = field(default_factory=dict)

    def __len__(self) -> int:
        return sum(self.sizes.values())

    def per_layer(self, numbered: Tensor) -> dict[str, Tensor]:
        """(..., all units) as layer -> (..., units of the layer)."""
        return dict(zip(self.sizes, numbered.split(list(self.sizes.values()), dim=-1), strict=True))

    def units(self) -> list[tuple[str, int]]:
        """Layer and unit of every number."""
        return [(layer, unit) for layer, size in self.sizes.items() for unit in range(size)]


def number_units(
    model: nn.Module,
    layers: str | Sequence[str],
    value: AblationValue,
    images: Tensor,
    unit_dim: UnitDim = None,
    *,
    name: str = "value",
) -> Numbering:
    """Numbers the units of some layers.

    How many units a layer has is known without a pass for networks of this package; for others a pass is made.

    Args:
        model: any module, in evaluation mode.
        layers: as for `unit_layers`; none twice.
        value: "zero", or layer -> (units,) one value for every unit.
        images: one or more, for networks from elsewhere.
        unit_dim: as for `record`.
        name: of `value`, in errors.

    Raises:
        UnitError: a layer that the model lacks, does not use or that is named twice; values that do not fit; units
            whose dimension cannot be told.
    """
    names = list(unit_layers(model, layers))
    if not isinstance(layers, str) and len(names) != len(layers):
        twice = next(name for name in layers if list(layers).count(name) > 1)
        raise UnitError(f"layers: {twice!r} is named twice; each may be named once")
    if isinstance(value, str) and value != "zero":
        raise UnitError(f'value: {value!r} given; "zero" or values for all units of each layer are allowed')
    given = None if isinstance(value, str) else per_unit(model, names, value, name)
    found: dict[str, tuple[int, int | None]] = {n: (size, None) for n in names if (size := layer_size(model, n))}
    if len(found) < len(names):
        with _Sizes(model, layers, unit_dim) as seen:
            model(images.clone())
        seen.check_used()
        found = seen.named(seen.found, as_asked=True)
    constants = None
    if given is not None:
        modules, constants = modules_of(model), {}
        for layer, (size, _) in found.items():
            module, number = split_name(layer, modules)
            values = for_call(given, module, number or 0)
            if values is None or len(values) != size:
                raise UnitError(
                    f"{name}: layer {layer!r} has {0 if values is None else len(values)} numbers for its {size} units"
                )
            constants[layer] = values
    sizes = {layer: size for layer, (size, _) in found.items()}
    return Numbering(sizes, constants, {layer: dim for layer, (_, dim) in found.items() if dim is not None})


class _Sizes(Watch):
    """How many units each use of some layers has, and in which dimension."""

    def __init__(self, model: nn.Module, layers: str | Sequence[str], unit_dim: UnitDim) -> None:
        super().__init__(model, layers, unit_dim)
        self.found: dict[tuple[str, int], tuple[int, int | None]] = {}

    def see(self, call: Call) -> None:
        self.found[call.layer, call.number] = call.output.shape[call.dim], call.dim
