"""Layers watched as a model runs: each use of them in a pass, and where their units are.

Everything done to units goes through a `Watch`: recording, regularising, ablating, adding noise.
"""

from __future__ import annotations

import sys
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any, Self, TypeVar

import torch
from torch import Tensor, nn

from .axes import PICKED, POSITIONS, ROWS, UNITS, UNKNOWN, Axes
from .errors import ActivityError, PartialUnits, UnitError
from .hooks import Hook, batched, call_of, in_checkpoint, tensors_of
from .units import Units, is_activation, modules_of, of_weights, shortened, spatial_mean, split_name, unit_layers

UnitDim = int | Mapping[str, int] | None
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Call:
    """One use of a layer in a pass, `number` counted from 0, and which dimension of (samples, ...) holds the units."""

    layer: str
    number: int
    module: nn.Module
    output: Tensor
    dim: int


def for_call(given: Mapping[str, T], layer: str, number: int) -> T | None:
    """What a mapping has for one use of a layer ("name:1"), or else for the layer ("name")."""
    return given.get(f"{layer}:{number}", given.get(layer))


class Watch:
    """Hooks that show each use of some layers in a pass, with the dimension of the units.

    A pass is a call of the model. Uses outside a call count on from each other. Layers that are computed again in a
    backward pass (activation checkpointing) are not shown again. The model's copies have no hooks. Layers are given as
    for `unit_layers`, and `unit_dim` as for `record`.

    Attributes:
        changes: whether outputs are replaced.
        per_sample: whether activity is read sample by sample.
        layers: name -> module.
        skipped: activations that were not found or left out, in words; after the first pass.
    """

    changes = False
    per_sample = False

    def __init__(self, model: nn.Module, layers: str | Sequence[str], unit_dim: UnitDim = None) -> None:
        self.model, self.layers, self.skipped = model, unit_layers(model, layers), list[str]()
        modules = modules_of(model)
        self.unit_dim = _checked_dim(unit_dim, modules)
        self._asked: dict[str, set[int] | None] = {}
        for name in self.layers:
            layer, number = split_name(name, modules)
            others = self._asked.get(layer, set())
            self._asked[layer] = None if number is None or others is None else others | {number}
        foreign = [name for name, module in self.layers.items() if not isinstance(module, Units)]
        told = unit_dim if isinstance(unit_dim, Mapping) else {}
        known = isinstance(unit_dim, int) or all(told.keys() & {n, split_name(n, modules)[0]} for n in foreign)
        self._finding = isinstance(layers, str) and bool(foreign)  # whether what was not found is still to be said
        self._following = not known
        self._axes, self._entered = Axes(), False
        self._numbers = Counter[str]()
        self._depth, self._gradients = 0, False
        self._frame: Any = None
        self._handles = list[Any]()

    def named(self, found: Mapping[tuple[str, int], T], *, as_asked: bool = False) -> dict[str, T]:
        """What was found by layer and number of use, by name: "name:0", "name:1" where there are several uses.

        In the order given, or in that of the layers as they were asked for.
        """
        several = {layer for layer, number in found if number or self._asked[layer] is not None}
        order = list(self._asked)
        uses = sorted(found, key=lambda use: (order.index(use[0]), use[1])) if as_asked else found
        return {f"{layer}:{n}" if layer in several else layer: found[layer, n] for layer, n in uses}

    def see(self, call: Call) -> Tensor | None:
        """A use of a layer; what is returned takes the place of its output."""
        raise NotImplementedError

    def began(self) -> None:
        """A pass begins."""

    def ended(self, output: object, failed: bool) -> None:
        """A pass ended, or failed."""

    def attach(self, *, compiled: bool = False) -> None:
        """Puts the hooks in place."""
        for layer in self._asked:
            self._handles.append(self.hook(layer, self.model.get_submodule(layer), compiled))
        enter, leave = Hook(self._enter, compiled=compiled), Hook(self._leave, compiled=compiled)
        self._handles.append(self.model.register_forward_pre_hook(enter, with_kwargs=True))
        self._handles.append(self.model.register_forward_hook(leave, always_call=True))

    def hook(self, layer: str, module: nn.Module, compiled: bool) -> Any:
        """Puts a layer's hook in place; returns its handle."""
        return module.register_forward_hook(Hook(self._used, layer, compiled=compiled))

    def detach(self) -> None:
        """Takes every hook away."""
        for handle in self._handles:
            handle.remove()
        self._handles = []
        self.unfollow()

    def follow(self) -> None:
        """Dimensions are followed from here on, where that is needed."""
        if (self._following or self._finding) and not self._entered:
            self._axes.collected = self._finding
            self._axes.__enter__()
            self._entered = True

    def unfollow(self) -> None:
        """Dimensions are no longer followed."""
        if self._entered:
            self._entered = False
            self._axes.__exit__(None, None, None)

    def __enter__(self) -> Self:
        # A compiled model would leave out hooks that it did not have when it was compiled.
        stance = getattr(torch.compiler, "set_stance", None) if "torch._dynamo" in sys.modules else None
        self._eager: AbstractContextManager = stance("force_eager") if stance else nullcontext()
        self._eager.__enter__()
        self.attach()
        self.follow()
        return self

    def __exit__(self, *error: Any) -> None:
        self.detach()
        self._eager.__exit__(*error)

    def _enter(self, _module: nn.Module, args: tuple, kwargs: dict) -> None:
        if self._set_aside():
            return
        if self._depth and self._interrupted():
            self._depth = 0
        self._depth += 1
        if self._depth == 1:
            self._gradients = torch.is_grad_enabled() or in_checkpoint(blind=True)
            self._frame = call_of(self.model)
            self._numbers.clear()
            self.began()
            self._axes.begin([*args, *kwargs.values()])

    def _leave(self, _module: nn.Module, _args: object, output: object) -> None:
        if self._set_aside() or not self._depth:
            return
        self._depth -= 1
        if not self._depth:
            self._frame = None
            failed = output is None and sys.exc_info()[0] is not None
            try:
                if not failed:
                    self._say_skipped(output)
            finally:
                self.ended(output, failed)

    def _interrupted(self) -> bool:
        """Whether the pass that had begun was broken off, by Ctrl-C for instance, with no hook to say so."""
        try:
            self._frame.clear()
        except (RuntimeError, AttributeError):  # still running, or not known
            return False
        return True

    def _used(self, layer: str, module: nn.Module, args: tuple, output: Any) -> Any:
        if self._set_aside():
            return None
        number = self._numbers[layer]
        if not self.is_asked(layer):
            return None
        recurrent = module if isinstance(module, nn.RNNBase) and isinstance(output, tuple) else None
        given = output[0] if recurrent is not None else output
        if not isinstance(given, Tensor):
            raise UnitError(f"layer {layer!r}: its output is a {type(given).__name__}; a tensor is needed")
        if given.is_nested:
            raise UnitError(f"layer {layer!r}: its output is a nested tensor; one with (samples, units, ...) is needed")
        self.check_call(layer, given)
        with nullcontext() if self.changes else torch._C.DisableTorchFunction():  # nobody need follow how it is read
            changed = self.see(Call(layer, number, module, given, self._dim(layer, number, module, args, given)))
        if recurrent is not None and changed is not None:
            return changed, _final_state(recurrent, changed, output[1])
        return changed

    def check_call(self, layer: str, output: Tensor) -> None:
        """Refuses calls under `torch.vmap`, or of a layer that is changed and computed once more for its gradient."""
        if not self.changes and batched(output):
            raise ActivityError(f"layer {layer!r}: it ran under torch.vmap, which hides samples; run the model without")
        if self.changes and (self._gradients if self._depth else torch.is_grad_enabled()) and in_checkpoint():
            raise ActivityError(
                f"layer {layer!r}: it is changed in a checkpoint, which computes it once more without the change for "
                "its gradient; switch activation checkpointing off, or run the model under torch.no_grad()"
            )

    def _set_aside(self) -> bool:
        """Whether the code runs within a backward pass, which computes layers again, or only to be traced."""
        return torch._C._current_graph_task_id() != -1 or (torch.jit.is_tracing() and not self.changes)

    def check_used(self) -> None:
        """Refuses layers that the latest pass has not used."""
        for layer, asked in self._asked.items():
            uses = self._numbers[layer]
            if not uses:
                raise UnitError(f"layer {layer!r}: the model does not use it in a pass")
            if asked is not None and max(asked) >= uses:
                raise UnitError(f"layer '{layer}:{max(asked)}': the model uses {layer!r} {uses} times in a pass")

    def is_asked(self, layer: str) -> bool:
        """Counts a use of a layer; whether it is among those to be shown."""
        number, asked = self._numbers[layer], self._asked[layer]
        self._numbers[layer] += 1
        return asked is None or number in asked

    def _dim(self, layer: str, number: int, module: nn.Module, args: tuple, output: Tensor) -> int:
        if output.ndim < 2:
            raise ActivityError(f"layer {layer!r}: shape {tuple(output.shape)}; (samples, units, ...) is needed")
        given = self.unit_dim
        given = for_call(given, layer, number) if isinstance(given, Mapping) else given
        axes, source = self._axes.of(output), args[0] if args else None
        if axes is None and is_activation(module) and isinstance(source, Tensor) and source.shape == output.shape:
            axes = self._axes.of(source)  # it was computed where nobody can follow
            self._axes.note(output, axes)
        elsewhere = UNITS + POSITIONS + PICKED + (UNKNOWN if output.ndim > 2 else "")
        if given is None and axes is not None and axes[0] in elsewhere:
            raise UnitError(
                f"layer {layer!r}: the samples of its output {tuple(output.shape)} are not known to be in dimension 0, "
                "in their order; name a layer where they are (unit_dim= says that they are)"
            )
        if given is None and axes is not None and axes[0] == ROWS and self.per_sample:
            raise UnitError(
                f"layer {layer!r}: its output {tuple(output.shape)} has the positions of all samples in dimension 0; "
                "name a layer before they are put there, or after"
            )
        if output.ndim == 2 or isinstance(module, Units):
            return 1
        if given is not None:
            if not -output.ndim < given < output.ndim:
                raise UnitError(f"unit_dim: {given} given for layer {layer!r}, whose output is {tuple(output.shape)}")
            return given % output.ndim
        if axes is None or axes.count(UNITS) != 1:
            raise UnitError(
                f"layer {layer!r}: which dimension of its output {tuple(output.shape)} holds the units cannot be told; "
                "pass unit_dim=, a dimension or layer -> dimension"
            )
        return axes.index(UNITS)

    def _say_skipped(self, output: object) -> None:
        """What a first pass showed of activations that are in no activation module."""
        if not self._finding or not self._entered:
            return
        self._finding = self._axes.collected = False
        names = {id(module): name for name, module in self.model.named_modules()}
        found = {id(part) for module in unit_layers(self.model).values() for part in module.modules()}
        missed = Counter[str]()
        for call in self._axes.calls:
            if of_weights(names.get(id(call.module), "")):
                continue
            if id(call.module) not in found and not call.memory.is_among(tensors_of(output)):
                missed[f"{call.function} in {names.get(id(call.module)) or type(self.model).__name__}"] += 1
        self._axes.calls.clear()
        self.leave_out([f"{name} ({n} times)" if n > 1 else name for name, n in missed.items()])

    def leave_out(self, what: list[str]) -> None:
        """Says which activations are not among the layers."""
        self.skipped += what
        if what:
            warnings.warn(
                f"layers: {len(self.layers)} activation modules of {type(self.model).__name__} were found; left out: "
                f"{shortened(what)}; name in `layers` the modules whose outputs are the units, if these are meant too",
                PartialUnits,
                stacklevel=2,
            )


def _final_state(module: nn.RNNBase, output: Tensor, state: Any) -> Any:
    """A recurrent layer's final state as its changed output has it: that of its last layer, at the end of each way."""
    hidden, *cell = state if isinstance(state, tuple) else (state,)
    time = int(bool(module.batch_first) and output.ndim == 3)
    size = hidden.shape[-1]
    ends = [output.select(time, -1)[..., :size]]
    ends += [output.select(time, 0)[..., size:]] if module.bidirectional else []
    hidden = torch.cat([hidden[: -len(ends)], torch.stack(ends)])
    return (hidden, *cell) if isinstance(state, tuple) else hidden


def _checked_dim(given: UnitDim, modules: Mapping[str, nn.Module]) -> UnitDim:
    for name, dim in given.items() if isinstance(given, Mapping) else [("", given)]:
        if name:
            split_name(name, modules)
        if dim is not None and (isinstance(dim, bool) or not isinstance(dim, int) or dim == 0):
            of = f" for layer {name!r}" if name else ""
            raise UnitError(f"unit_dim: {dim!r} given{of}; a dimension other than 0, the samples', is needed")
    return given


class Uses(Watch):
    """Hands each use of some layers to a function. Passes that leave a layer out are refused."""

    def __init__(
        self,
        model: nn.Module,
        layers: str | Sequence[str],
        unit_dim: UnitDim,
        see: Callable[[Call], Tensor | None],
        *,
        changes: bool = False,
    ) -> None:
        super().__init__(model, layers, unit_dim)
        self._see, self.changes = see, changes

    def see(self, call: Call) -> Tensor | None:
        """A layer was used."""
        return self._see(call)

    def ended(self, _output: object, failed: bool) -> None:
        """A pass ended, in which every layer must have been used."""
        if not failed:
            self.check_used()


class _Recorder(Watch):
    per_sample = True

    def __init__(self, model: nn.Module, layers: str | Sequence[str], unit_dim: UnitDim, maps: bool) -> None:
        super().__init__(model, layers, unit_dim)
        self.maps, self.found = maps, dict[str, Tensor]()
        self._uses = dict[tuple[str, int], Tensor]()

    def began(self) -> None:
        self.found.clear()
        self._uses.clear()

    def see(self, call: Call) -> None:
        output = call.output.detach()
        self._uses[call.layer, call.number] = output.clone() if self.maps else spatial_mean(output, call.dim)
        self.found.clear()
        self.found.update(self.named(self._uses))


@contextmanager
def record(
    model: nn.Module, layers: str | Sequence[str] = "all", *, maps: bool = False, unit_dim: UnitDim = None
) -> Iterator[dict[str, Tensor]]:
    """Collects the units' activity of the latest forward pass, in copies that nothing later changes.

    A module that the pass uses several times has an entry for each use, "name:0", "name:1" and so on. A pass is a call
    of the model; what runs outside one, such as a part of it, is taken to be of one pass.

    Args:
        model: any module.
        layers: as for `unit_layers`.
        maps: keep whole outputs, such as (samples, units, H, W), rather than spatial means (samples, units).
        unit_dim: the dimension of the units in outputs with more than two, for all layers or as layer -> dimension;
            by default it is told by what produces them: 1 behind a convolution or batch norm, the last behind a
            linear layer, layer norm or embedding.

    Yields:
        name -> activity; filled by each pass, detached.

    Raises:
        UnitError: a layer that the model lacks, or no layer at all; a ScriptModule; in a pass, units whose dimension
            cannot be told, samples that are not all in dimension 0 in their order, outputs that are no plain tensor.
        ActivityError: in a pass, outputs of fewer than two dimensions or of complex numbers; a pass under torch.vmap.

    Warns:
        PartialUnits: after the first pass, activations that no activation module holds.
    """
    with _Recorder(model, layers, unit_dim, maps) as recorder:
        yield recorder.found
