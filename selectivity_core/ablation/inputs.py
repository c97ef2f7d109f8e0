"""A network as stages that can be entered in the middle."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.modules import module as hooks_of_all

from ..errors import ActivityError, UnitError
from ..indices import IGNORED, checked_labels
from ..models.network import Stage, UnitNetwork
from ..perturbation import PerUnit, layer_size, per_unit
from ..seeds import generator
from ..units import modules_of, unit_layers
from ..watching import Call, Hook, UnitDim, Watch, for_call, split_name


def stages_of(model: nn.Module) -> list[Stage]:
    """Functions whose composition is the model's forward pass; the model itself where no more is known.

    Networks of this package say their stages, `nn.Sequential` is its children. A model that anyone watches or changes
    by hooks stays whole, so that they see whole passes only.
    """
    if (
        hooks_of_all._global_forward_hooks
        or hooks_of_all._global_forward_pre_hooks
        or any(map(_watched, model.modules()))
    ):
        return [model]
    if isinstance(model, UnitNetwork) and type(model).forward is UnitNetwork.forward:
        return [part for stage in model.stages() for part in _children(stage)]
    return _children(model)


def _watched(module: nn.Module) -> bool:
    hooks = [*module._forward_hooks.values(), *module._forward_pre_hooks.values(), *getattr(module, "taps", ())]
    return any(not (isinstance(hook, Hook) and hook.gone) for hook in hooks)  # a copied model's hooks do nothing


def _children(stage: Stage) -> list[Stage]:
    # A subclass of Sequential may have a forward pass of its own.
    if type(stage) is nn.Sequential and len(stage):
        return [part for child in stage for part in _children(child)]
    return [stage]


def split(model: nn.Module, names: Collection[str]) -> tuple[list[Stage], list[Stage]]:
    """The stages before the first of some layers, and those from it on; for single uses of a layer the whole model."""
    modules = modules_of(model)
    if any(split_name(name, modules)[1] is not None for name in names):
        return [], [model]
    stages, layers = stages_of(model), [modules[name] for name in names]
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

    def split(self, numbered: Tensor) -> dict[str, Tensor]:
        """(..., all units) as layer -> (..., units of the layer)."""
        return dict(zip(self.sizes, numbered.split(list(self.sizes.values()), dim=-1), strict=True))

    def places(self) -> list[tuple[str, int]]:
        """Layer and place in it, of every number."""
        return [(layer, unit) for layer, size in self.sizes.items() for unit in range(size)]


def checked_images(model: nn.Module, images: Tensor | np.ndarray) -> Tensor:
    """Images (samples, ...) in the model's floating type, on its device; of a model with an embedding also its tokens.

    Raises:
        ActivityError: no samples, or numbers that are neither finite floating-point ones nor those of tokens.
    """
    pixels, parameter = _tensor(images), next(model.parameters(), None)
    texts = any(isinstance(module, nn.Embedding) for module in model.modules())
    whole = texts and pixels.dtype in (torch.int32, torch.int64)
    if not (pixels.is_floating_point() or whole):
        raise ActivityError(f"images: {pixels.dtype} given; floating-point numbers are needed")
    if pixels.ndim < 2 or not pixels.numel():
        raise ActivityError(f"images: shape {tuple(pixels.shape)} given; (samples, ...) with a sample is needed")
    bad = ~torch.isfinite(pixels).flatten(1).all(1)
    if bad.any():
        raise ActivityError(f"images: not finite in {int(bad.sum())} of {len(pixels)} (first: {int(bad.nonzero()[0])})")
    if parameter is None:
        return pixels
    dtype = parameter.dtype if parameter.is_floating_point() and not whole else pixels.dtype
    return pixels.to(parameter.device, dtype)


def checked_pairs(model: nn.Module, images: Tensor | np.ndarray, labels: Tensor | np.ndarray) -> tuple[Tensor, Tensor]:
    """Images as `checked_images` gives them and labels (samples,) as int64, without the samples that are ignored.

    Raises:
        ActivityError: as `checked_images`; or labels that are not one integer of 0 or more for each image.
    """
    pixels = checked_images(model, images)
    targets = checked_labels(labels, len(pixels), pixels.device, of="images")
    kept = targets != IGNORED
    if not kept.any():
        raise ActivityError(f"labels: all are {IGNORED}, which is left out")
    pixels, targets = (pixels, targets) if kept.all() else (pixels[kept], targets[kept])
    if targets.min() < 0:
        raise ActivityError(f"labels: {int(targets.min())} given; 0 and up is allowed")
    return pixels, targets


def _tensor(given: Tensor | np.ndarray) -> Tensor:
    if isinstance(given, Tensor):
        return given.detach()
    # torch takes neither reversed arrays nor, without a warning, read-only ones.
    return torch.as_tensor(np.require(given, requirements=["C", "W"]))


def numbering(
    model: nn.Module,
    layers: str | Sequence[str],
    value: Value,
    images: Tensor,
    unit_dim: UnitDim = None,
    *,
    name: str = "value",
) -> Numbering:
    """How the units of some layers are numbered.

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
            run([model], images)
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
