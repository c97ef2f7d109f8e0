"""A network as stages that can be entered in the middle."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from ..models.network import Stage, UnitNetwork


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
