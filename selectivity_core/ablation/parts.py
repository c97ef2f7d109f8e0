"""A network as parts that follow each other, so that a pass can be entered in the middle."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from torch import Tensor, nn
from torch.nn.modules import module as hooks_of_all

from ..hooks import Hook
from ..models.network import Part, UnitNetwork
from ..units import modules_of, split_name


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
