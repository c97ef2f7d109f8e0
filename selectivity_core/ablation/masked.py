"""Which samples are classified rightly under many masks of units, exactly as one plain forward pass for each mask says.

Fast ways to the logits of many masks add up the same numbers in another order, so that their last digits differ from a
plain pass. A sample's prediction can then differ only where the margin between its label's logit and the highest
other one is about as small as that difference. The difference is measured on the block's last mask, which is always
passed plainly; samples whose margin under any mask is below many times the largest one seen are decided by a plain
pass too.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn.modules import module as hooks_of_all

from ..errors import ActivityError, UnitError
from ..hooks import Hook
from ..models.network import Part, UnitNetwork
from ..perturbation import BATCH, PerUnit, changing, layer_size, of_call, per_unit
from ..units import modules_of, split_name, unit_layers
from ..watching import Call, UnitDim, Uses, for_call

SAFETY = 16.0  # times the largest difference seen
FLOOR = 64.0  # times the rounding of the largest logit
AblationValue = str | Mapping[str, PerUnit]


@dataclass(frozen=True)
class Numbering:
    """Units of several layers numbered one layer after the other, and what each is set to.

    Attributes:
        sizes: layer -> how many units it has, in the order of the numbers; each use of a module that a pass uses
            several times is a layer of its own, "name:0", "name:1" and so on.
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
    """Numbers the units of some layers of a model in evaluation mode; `name` is that of `value` in errors.

    How many units a layer has is known without a pass for networks of this package; for others one is made of images.
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
        seen: dict[tuple[str, int], tuple[int, int | None]] = {}

        def see(call: Call) -> None:
            seen[call.layer, call.number] = call.output.shape[call.dim], call.dim

        with Uses(model, layers, unit_dim, see) as uses:
            model(images.clone())
        found = uses.named(seen, as_asked=True)
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


def parts_of(model: nn.Module) -> list[Part]:
    """Functions whose composition is the model's forward pass; the model itself where no more is known.

    Networks of this package say their parts, `nn.Sequential` is its children. A model that anyone watches or changes
    by hooks stays whole, so that they see whole passes only.
    """
    if (
        hooks_of_all._global_forward_hooks
        or hooks_of_all._global_forward_pre_hooks
        or any(map(_watched, model.modules()))
    ):
        return [model]
    if isinstance(model, UnitNetwork) and type(model).forward is UnitNetwork.forward:
        return [inner for part in model.parts() for inner in _children(part)]
    return _children(model)


def _watched(module: nn.Module) -> bool:
    hooks = [*module._forward_hooks.values(), *module._forward_pre_hooks.values(), *getattr(module, "taps", ())]
    return any(not (isinstance(hook, Hook) and hook.gone) for hook in hooks)  # a copied model's hooks do nothing


def _children(part: Part) -> list[Part]:
    # A subclass of Sequential may have a forward pass of its own.
    if type(part) is nn.Sequential and len(part):
        return [inner for child in part for inner in _children(child)]
    return [part]


def parts_around(model: nn.Module, names: Collection[str]) -> tuple[list[Part], list[Part]]:
    """The parts before the first of some layers, and those from it on; for single uses of a layer the whole model."""
    modules = modules_of(model)
    if any(split_name(name, modules)[1] is not None for name in names):
        return [], [model]
    parts, layers = parts_of(model), [modules[name] for name in names]
    held = [{id(m) for m in part.modules()} if isinstance(part, nn.Module) else set() for part in parts]
    indices = [next((k for k, modules in enumerate(held) if id(layer) in modules), None) for layer in layers]
    if None in indices:  # a container of parts, whose own hooks run only when it runs itself
        return [], [model]
    first = min(indices)  # type: ignore[type-var]
    return parts[:first], parts[first:]


def run(parts: Sequence[Part], x: Tensor) -> Tensor:
    """The parts one after the other, on a copy: the first may work in place."""
    x = x.clone()
    for part in parts:
        x = part(x)
    return x


@dataclass(frozen=True)
class MaskedLogits:
    """Logits (masks, samples, classes) under some masks (masks, all units), True where a unit is ablated.

    `last` are the last mask's (samples, classes), from a plain pass; None where all are from plain passes.
    """

    masks: Tensor
    logits: Tensor
    last: Tensor | None


def right(block: MaskedLogits, labels: Tensor, plain: Callable[[Tensor], Tensor]) -> Tensor:
    """(masks, samples) bool: whether each sample is classified rightly; `plain` gives a mask's logits by a plain pass.

    Where logits tie the first class of the highest wins, as in `argmax`.
    """
    found = plainly_right(block.logits, labels)
    if block.last is None:
        return found
    margins = _margins(block.logits, labels)
    difference = (margins[-1] - _margins(block.last[None], labels)[0]).abs().max()
    rounding = torch.finfo(block.logits.dtype).eps * block.logits.abs().max()
    bound = torch.maximum(SAFETY * difference, FLOOR * rounding)
    # Not "<=": a margin or a bound that is not a number is unsure too.
    unsure = ~(margins.abs() > bound).all(1)
    for k in unsure[:-1].nonzero().flatten().tolist():
        found[k] = plainly_right(plain(block.masks[k])[None], labels)[0]
    found[-1] = plainly_right(block.last[None], labels)[0]
    return found


def plainly_right(logits: Tensor, labels: Tensor) -> Tensor:
    """(masks, samples) bool: whether the highest of logits (masks, samples, classes) is the label's; see `right`."""
    if logits.ndim != 3 or logits.shape[1] != len(labels) or not logits.shape[2]:
        shape = tuple(logits.shape[1:])
        raise ActivityError(f"model: output of shape {shape} for {len(labels)} images; (samples, classes) is needed")
    if labels.max() >= logits.shape[2]:
        raise ActivityError(f"labels: {int(labels.max())} given; 0 to {logits.shape[2] - 1}, the logits, is allowed")
    return logits.argmax(2) == labels


def _margins(logits: Tensor, labels: Tensor) -> Tensor:
    """(masks, samples): the label's logit less the highest other one."""
    own = labels[None, :, None].expand(len(logits), -1, 1)
    others = logits.scatter(2, own, -torch.inf).amax(2)
    return logits.gather(2, own)[..., 0] - others


class MaskedEvaluator:
    """Evaluates masks by passes through a model in evaluation mode; where images are few, many masks share a pass."""

    def __init__(self, model: nn.Module, numbering: Numbering, layer: str | None = None) -> None:
        """`layer`: the first one of which units are ablated; by default the first one numbered."""
        self.model, self.numbering = model, numbering
        self.before, self.rest = parts_around(model, numbering.sizes if layer is None else [layer])

    def load(self, images: Tensor) -> None:
        """Takes the images (samples, ...) that the other methods are about.

        What comes before the first ablated layer is computed once.
        """
        self.entering = run(self.before, images)

    def plain(self, mask: Tensor) -> Tensor:
        """Logits (samples, classes) under a mask (all units,), bit for bit those of a plain forward pass."""
        return self._logits(mask[None])[0]

    def cumulative(self, ordering: Tensor) -> Iterator[MaskedLogits]:
        """Blocks of masks that ablate the first 0, 1, ... units of an ordering (units,)."""
        rank = ordering.argsort()
        steps = torch.arange(len(ordering) + 1)
        yield from self._blocks(steps[:, None] > rank)

    def singles(self) -> Iterator[MaskedLogits]:
        """Blocks of masks that ablate each unit alone, in the order of their numbers.

        What comes before a layer is computed once for all of its units.
        """
        sizes = self.numbering.sizes
        each = torch.eye(len(self.numbering), dtype=torch.bool).split(list(sizes.values()))
        for layer, masks in zip(sizes, each, strict=True):
            later = MaskedEvaluator(self.model, self.numbering, layer)
            later.entering = run(later.before[len(self.before) :], self.entering)
            yield from later._blocks(masks)

    def _blocks(self, masks: Tensor) -> Iterator[MaskedLogits]:
        """The masks in blocks that share a pass.

        Masks that share a pass meet in networks that mix samples, such as by a mean over the batch. So the first and
        the last of a block are passed plainly too, and all where more than rounding is between: where the last one
        ablates every unit, it alone would not show it.
        """
        for some in masks.split(max(1, BATCH // len(self.entering))):
            logits = self._logits(some)
            if len(some) == 1:
                yield MaskedLogits(some, logits, None)
                continue
            first, last = self.plain(some[0]), self.plain(some[-1])
            bound = torch.finfo(logits.dtype).eps ** 0.5 * logits.abs().max()
            apart = (logits[[0, -1]] - torch.stack([first, last])).abs().max()
            if apart <= bound:
                yield MaskedLogits(some, logits, last)
            else:
                yield MaskedLogits(some, torch.stack([self.plain(mask) for mask in some]), None)

    def _logits(self, masks: Tensor) -> Tensor:
        """(masks, samples, classes), all masks in one pass: the samples once for each mask."""
        count, samples = len(masks), len(self.entering)
        with changing(self.model, self.numbering.per_layer(masks), self._ablated, self.numbering.dims):
            logits = run(self.rest, self.entering.repeat(count, *[1] * (self.entering.ndim - 1)))
        if not isinstance(logits, Tensor) or logits.shape[:1] != (count * samples,):
            shape = tuple(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
            raise ActivityError(f"model: output {shape} for {count * samples} images; (samples, classes) is needed")
        return logits.unflatten(0, (count, samples))

    def _ablated(self, call: Call, masked: Tensor) -> Tensor:
        """A layer's output with each mask's units ablated in its share of the samples; masked (masks, units)."""
        output, constants = call.output, self.numbering.constants
        shape = [-1 if d == call.dim else 1 for d in range(output.ndim)]
        each = masked.to(output.device).view(len(masked), *shape)
        values = output.new_zeros(()) if constants is None else of_call(constants, call, "value")
        apart = output.unflatten(0, (len(masked), -1))
        return torch.where(each, values.to(output), apart).flatten(0, 1)
