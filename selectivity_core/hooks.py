"""Hooks that a model's copies and compiled forms survive, and what the call stack and tensors tell of a pass."""

from __future__ import annotations

import sys
import weakref
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from .errors import UnitError

T = TypeVar("T")


def uncompiled(function: Callable[..., T]) -> Callable[..., T]:
    """The function, run as it is where a compiled model calls it."""
    try:  # a reason is shown under fullgraph=True; torch below 2.7 takes none
        return torch.compiler.disable(function, reason="selectivity_core reads layers uncompiled; leave fullgraph off")
    except TypeError:
        return torch.compiler.disable(function)


class _ScriptedHook(UnitError, AttributeError):
    """An `AttributeError`, so that a hook has no name for anyone who can do without."""


class Hook:
    """Calls a method of its owner while that lives. A copied or pickled model carries one without an owner."""

    def __init__(self, method: Callable[..., Any] | None = None, *first: object, compiled: bool = False) -> None:
        self._method = None if method is None else weakref.WeakMethod(method)
        self._first = first
        # A compiled model calls it as it is, rather than having it traced.
        self._run = uncompiled(self._call) if compiled else self._call

    def __call__(self, *given: Any) -> Any:
        """As a hook of a module, whose copies it leaves at their first pass."""
        return self._run(*given)

    def _call(self, *given: Any) -> Any:
        method = None if self._method is None else self._method()
        if method is not None:
            return method(*self._first, *given)
        if given and isinstance(given[0], nn.Module):
            for name in ("_forward_hooks", "_forward_pre_hooks"):
                for key in [key for key, hook in getattr(given[0], name).items() if hook is self]:
                    for kept in (name, f"{name}_with_kwargs", f"{name}_always_called"):
                        getattr(given[0], kept, {}).pop(key, None)
        return None

    @property
    def __name__(self) -> str:
        """Asked for by `torch.jit.script`, which would go on to compile it."""
        raise _ScriptedHook(
            "torch.jit.script: the model has hooks of this package, which cannot be compiled; take them away first, as "
            "with remove() (a copy of the model loses them in its first pass)"
        )

    @property
    def gone(self) -> bool:
        """Whether it has no owner that lives."""
        return self._method is None or self._method() is None

    def __reduce__(self) -> tuple[type, tuple[()]]:
        return Hook, ()


def in_checkpoint(*, blind: bool = False) -> bool:
    """Whether the code runs in an activation checkpoint, or in one that has no gradients (use_reentrant=True)."""
    frame: Any = sys._getframe(1)
    while frame is not None:
        name = frame.f_code.co_qualname
        of_torch = name == "checkpoint" and frame.f_globals.get("__name__") == "torch.utils.checkpoint"
        if name.startswith("CheckpointFunction.") or (of_torch and not blind):
            return True
        frame = frame.f_back
    return False


def batched(tensor: Tensor) -> bool:
    """Whether the code runs under `torch.vmap` over samples of a tensor."""
    functions = torch._C._functorch
    while functions.is_functorch_wrapped_tensor(tensor):
        if functions.is_batchedtensor(tensor):
            return True
        tensor = functions.get_unwrapped(tensor)
    return False


def tensors_of(output: object, depth: int = 4) -> list[Tensor]:
    """The tensors of what a model returned: one, or those in tuples, dictionaries and objects."""
    if isinstance(output, Tensor):
        return [output]
    if isinstance(output, Mapping):
        output = list(output.values())
    elif not isinstance(output, tuple | list):
        output = list(getattr(output, "__dict__", {}).values())
    return [t for part in output for t in tensors_of(part, depth - 1)] if depth else []


def call_of(model: nn.Module) -> Any:
    """The frame of a call of the model that is in progress."""
    frame: Any = sys._getframe(1)
    while frame is not None and not (
        frame.f_code is nn.Module._call_impl.__code__ and frame.f_locals.get("self") is model
    ):
        frame = frame.f_back
    return frame
