"""A network as stages that can be entered in the middle."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from ..errors import ActivityError, UnitError
from ..models.network import Stage, UnitNetwork
from ..perturbation import PerUnit, ablate, layer_size
from ..seeds import generator
from ..units import record, unit_layers


def stages_of(model: nn.Module) -> list[Stage]:
    """Functions whose composition is the model's forward pass; the model itself where no more is known.

    Networks of this package say their stages, `nn.Sequential` is its children. A model that anyone watches or changes
    by hooks stays whole, so that they see whole passes only.
    """
    if any(m._forward_hooks or m._forward_pre_hooks or getattr(m, "taps", None) for m in model.modules()):
        return [model]
    if isinstance(model, UnitNetwork) and type(model).forward is UnitNetwork.forward:
        return [part for stage in model.stages() for part in _children(stage)]
    return _children(model)


def _children(stage: Stage) -> list[Stage]:
    # A subclass of Sequential may have a forward pass of its own.
    if type(stage) is nn.Sequential and len(stage):
        return [part for child in stage for part in _children(child)]
    return [stage]


def split(model: nn.Module, layers: Sequence[nn.Module]) -> tuple[list[Stage], list[Stage]]:
    """The stages before the first of some layers, and those from it on."""
    stages = stages_of(model)
    held = [{id(m) for m in stage.modules()} if isinstance(stage, nn.Module) else set() for stage in stages]
    places = [next((k for k, modules in enumerate(held) if id(layer) in modules), None) for layer in layers]
    if None in places:  # a container of stages, whose own hooks run only when it runs itself
        return [], [model]
    first = min(places)  # type: ignore[type-var]
    return stages[:first], stages[first:]


def run(stages: Sequence[Stage], x: torch.Tensor) -> torch.Tensor:
    """The stages one after the other, on a copy: the first may work in place."""
    x = x.clone()
    for stage in stages:
        x = stage(x)
    return x


Value = str | Mapping[str, PerUnit]


@dataclass(frozen=True)
class Numbering:
    """Units of several layers numbered one layer after the other, and what each is clamped to.

    Attributes:
        sizes: layer -> how many units it has, in the order of the numbers.
        constants: layer -> (units,) float32; None clamps to zero.
    """

    sizes: dict[str, int]
    constants: dict[str, Tensor] | None

    def __len__(self) -> int:
        return sum(self.sizes.values())

    def split(self, numbered: Tensor) -> dict[str, Tensor]:
        """(..., all units) as layer -> (..., units of the layer)."""
        return dict(zip(self.sizes, numbered.split(list(self.sizes.values()), dim=-1), strict=True))

    def places(self) -> list[tuple[str, int]]:
        """Layer and place in it, of every number."""
        return [(layer, unit) for layer, size in self.sizes.items() for unit in range(size)]


def checked_images(model: nn.Module, images: Tensor | np.ndarray, labels: Tensor | np.ndarray) -> tuple[Tensor, Tensor]:
    """Images (samples, ...) in the model's floating type and labels (samples,) as int64, on the model's device.

    Raises:
        ActivityError: no samples, images that are not finite floating-point numbers, or labels that are not one
            integer of 0 or more for each image.
    """
    pixels, targets = _tensor(images), _tensor(labels)
    parameter = next(model.parameters(), None)
    _check_pixels(pixels)
    if targets.is_floating_point() or targets.dtype == torch.bool or targets.is_complex():
        raise ActivityError(f"labels: {targets.dtype} given; integers are needed")
    if targets.shape != pixels.shape[:1]:
        raise ActivityError(f"labels: shape {tuple(targets.shape)} given for {len(pixels)} images; one each is needed")
    if targets.min() < 0:
        raise ActivityError(f"labels: {int(targets.min())} given; 0 and up is allowed")
    if parameter is None:
        return pixels, targets.to(pixels.device).long()
    dtype = parameter.dtype if parameter.is_floating_point() else pixels.dtype
    return pixels.to(parameter.device, dtype), targets.to(parameter.device).long()


def _tensor(given: Tensor | np.ndarray) -> Tensor:
    if isinstance(given, Tensor):
        return given.detach()
    # torch takes neither reversed arrays nor, without a warning, read-only ones.
    return torch.as_tensor(np.require(given, requirements=["C", "W"]))


def _check_pixels(pixels: Tensor) -> None:
    if not pixels.is_floating_point():
        raise ActivityError(f"images: {pixels.dtype} given; floating-point numbers are needed")
    if pixels.ndim < 2 or not pixels.numel():
        raise ActivityError(f"images: shape {tuple(pixels.shape)} given; (samples, ...) with a sample is needed")
    bad = ~torch.isfinite(pixels).flatten(1).all(1)
    if bad.any():
        raise ActivityError(f"images: not finite in {int(bad.sum())} of {len(pixels)} (first: {int(bad.nonzero()[0])})")


def numbering(model: nn.Module, layers: str | Sequence[str], value: Value, image: Tensor) -> Numbering:
    """How the units of some layers are numbered.

    How many units a layer has is known without a pass for networks of this package; for others one image is passed.

    Args:
        model: any module, in evaluation mode.
        layers: as for `unit_layers`; none twice.
        value: "zero", or layer -> (units,) one value for every unit.
        image: (1, ...) for networks from elsewhere.

    Raises:
        UnitError: a layer that the model lacks, does not use or that is named twice; constants that do not fit.
    """
    names = list(unit_layers(model, layers))
    if not isinstance(layers, str) and len(names) != len(layers):
        twice = next(name for name in layers if list(layers).count(name) > 1)
        raise UnitError(f"layers: {twice!r} is named twice; each may be named once")
    # Entering the context checks the value in its own words; nothing is passed through.
    with ablate(model, {name: [] for name in names}, value):
        pass
    sizes = {name: layer_size(model, name) for name in names}
    if None in sizes.values():
        sizes = _sizes_in_a_pass(model, names, image)
    constants = None
    if not isinstance(value, str):
        constants = {name: torch.as_tensor(value[name]).detach().to(torch.float32) for name in names}
        for name, size in sizes.items():
            if len(constants[name]) != size:
                raise UnitError(f"value: layer {name!r} has {len(constants[name])} numbers for its {size} units")
    return Numbering(sizes, constants)  # type: ignore[arg-type]


def _sizes_in_a_pass(model: nn.Module, names: list[str], image: Tensor) -> dict[str, int | None]:
    with record(model, names) as seen:
        run([model], image)
    unused = [name for name in names if name not in seen]
    if unused:
        raise UnitError(f"layer {unused[0]!r}: the model does not use it in a pass")
    return {name: seen[name].shape[1] for name in names}


def checked_orderings(given: int | Sequence[Sequence[int]] | np.ndarray | Tensor, units: int) -> Tensor:
    """(orderings, units) int64, each row every number from 0 to units − 1 once.

    Args:
        given: a count of random orderings, the same ones whenever they are asked for (the first few of more), or the
            orderings themselves. A row that leaves units out is refused: a curve ends where no unit is left.
        units: how many there are.

    Raises:
        UnitError: anything else, named.
    """
    if isinstance(given, int | np.integer) and not isinstance(given, bool):
        if given < 1:
            raise UnitError(f"orderings: {given} given; a count of 1 or more is needed")
        drawn = [torch.randperm(units, generator=generator(0, "ablation", k)) for k in range(int(given))]
        return torch.stack(drawn)
    rows = [torch.as_tensor(np.asarray(row)) for row in _rows(given)]
    for k, row in enumerate(rows):
        _check_ordering(k, row, units)
    return torch.stack([row.long() for row in rows])


def _rows(given: object) -> list:
    if isinstance(given, Tensor):
        given = given.detach().cpu().numpy()
    if not isinstance(given, Sequence | np.ndarray) or isinstance(given, str) or not len(given):
        raise UnitError(f"orderings: {given!r} given; a count, or rows of unit numbers, is needed")
    if isinstance(given, np.ndarray) and given.ndim != 2:
        raise UnitError(f"orderings: shape {given.shape} given; (orderings, units) is needed")
    return list(given)


def _check_ordering(k: int, row: Tensor, units: int) -> None:
    name = f"orderings: row {k}"
    if row.ndim != 1 or row.is_floating_point() or row.dtype == torch.bool or row.is_complex():
        raise UnitError(f"{name} is not a list of whole numbers")
    wrong = row[(row < 0) | (row >= units)]
    if len(wrong):
        raise UnitError(f"{name} has unit {int(wrong[0])}; 0 to {units - 1} is allowed")
    if len(row) != units:
        raise UnitError(f"{name} has {len(row)} units; every row needs each of the {units} once")
    counts = torch.bincount(row.long(), minlength=units)
    if counts.max() > 1:
        raise UnitError(f"{name} has unit {int(counts.argmax())} {int(counts.max())} times; once is allowed")
