"""The forward passes that a loss term can belong to.

A pass is a call of the model, or everything that runs in the body of a `with`. A term belongs to the pass in training
mode, with gradients, that the loss is made of. Such a pass waits until its term is asked for; evaluation in between
leaves it alone. Where two passes could be meant, or layers ran outside a pass, that is an error.
"""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn

from .axes import Axes, Memory
from .errors import ActivityError, UnitError
from .hooks import Hook, in_checkpoint, tensors_of, uncompiled
from .units import Units, spatial_mean, unit_layers
from .watching import Call, UnitDim, Watch

EXPLICITLY = "run the model as `with regularizer: logits = model(x)`"


class Trace:
    """Lives as long as what a pass computed can still be part of a loss: held by the autograd graph of its outputs."""

    def __init__(self) -> None:
        self.backward = False

    def __call__(self, *_: object) -> None:
        """Called by the graph when a gradient arrives."""
        self.backward = True

    @classmethod
    def of(cls, outputs: Sequence[Tensor], known: weakref.ref[Trace] | None = None) -> weakref.ref[Trace] | None:
        """A trace that lives with the graph of some tensors, and with those of a known trace; None without any."""
        trace = (known() if known is not None else None) or cls()
        nodes = [output.grad_fn for output in outputs if output.grad_fn is not None]
        for node in nodes:
            node.register_prehook(trace)
        return weakref.ref(trace) if nodes else known


@dataclass
class Entry:
    """One use of a layer: its name, the module, spatial means (samples, units), and the memory of its output."""

    layer: str
    module: nn.Module
    mean: Tensor
    memory: Memory | None = None


@dataclass(eq=False)
class Pass:
    """What one forward pass showed of the units.

    Attributes:
        training: it was made in training mode and with `gradients`.
        explicit: it was the body of a `with`.
        whole: every layer ran in a call of the model, so that its logits are known.
        spent: its term was given.
        blind: what was computed without gradients in a checkpoint.
    """

    training: bool
    gradients: bool
    entries: list[Entry] = field(default_factory=list)
    explicit: bool = False
    whole: bool = True
    spent: bool = False
    blind: str | None = None
    trace: weakref.ref[Trace] | None = None
    order: int = 0  # among passes

    @property
    def alive(self) -> bool:
        """Whether a loss is still to be made of what it computed."""
        if self.trace is None:
            return self.explicit
        trace = self.trace()
        return trace is not None and not trace.backward


class Passes(Watch):
    """The passes of a model that can still be asked for. Layers that are not listed exclude those on the logits."""

    per_sample = True

    def __init__(self, model: nn.Module, layers: str | Sequence[str], unit_dim: UnitDim) -> None:
        super().__init__(model, layers, unit_dim)
        self._axes = _untraced()()
        self.listed, self._which = not isinstance(layers, str), layers
        self.current: Pass | None = None
        self.body = False  # whether the current pass is the body of a `with`
        self.waiting: list[Pass] = []
        self.latest: Pass | None = None
        self._ignoring = self._said = False
        self._order = 0
        self._outside: tuple[str, int] | None = None  # the latest layer that ran outside a pass, and when
        self._outside_traces: dict[bool, tuple[str, weakref.ref[Trace] | None]] = {}  # by training mode
        self.attach(compiled=True)

    def hook(self, layer: str, module: nn.Module, compiled: bool) -> Any:
        """`Units` hand out their spatial means themselves."""
        if not isinstance(module, Units):
            return super().hook(layer, module, compiled)
        return _Tap(module, Hook(self._tapped, layer, module, compiled=compiled), Hook(self._output, compiled=compiled))

    def open(self) -> Pass:
        """A pass begins that is the body of a `with`."""
        if self._depth and self._interrupted():
            self._depth, self.current = 0, None
        if self.current is not None:
            raise ActivityError("regulariser: a pass is in progress; end it before another begins")
        self.current, self.body = self._new(), True
        self.current.explicit, self._ignoring = True, False
        self._numbers.clear()
        self.unfollow()
        self.follow()
        self._axes.begin([])
        return self.current

    def close(self, failed: bool) -> None:
        """The body has ended."""
        assert self.current is not None
        found, self.current, self.body = self.current, None, False
        self._depth = 0
        self.unfollow()
        if not failed:
            self._keep(found)

    def began(self) -> None:
        """A call of the model."""
        new = self._new()
        self._ignoring = False
        if not self.body:
            self.unfollow()  # a pass that was broken off
            self.current = new
            self.follow()
        elif self.current is not None:
            self.current.blind = self.current.blind or new.blind
            # An evaluation within the body is no part of it.
            self._ignoring = (new.training, new.gradients) < (self.current.training, self.current.gradients)

    def ended(self, output: object, failed: bool) -> None:
        """A call of the model ended."""
        found, ignored = self.current, self._ignoring
        self._ignoring = False
        if not self.body:
            self.current = None
            self.unfollow()
        if found is None or failed or ignored:
            return
        outputs = tensors_of(output)
        if not self.listed:
            self._drop_logits(found, outputs)
        found.trace = Trace.of(outputs, found.trace)
        if not self.body:
            self._keep(found)

    def see(self, call: Call) -> None:
        """A layer was used."""
        self._add(Entry(call.layer, call.module, spatial_mean(call.output, call.dim), Memory.of(call.output)))

    def chosen(self) -> Pass:
        """The pass that a term of the loss belongs to."""
        if self.body and self.current is not None:
            return self.ensure_complete(self.current)
        if not torch.is_grad_enabled():
            return self.ensure_unspent(self.newest())
        for training in (True, False):
            outside, known = self._outside_traces.get(training, ("", None))
            if known is not None and (trace := known()) is not None and not trace.backward:
                raise self._was_outside(outside)
            some = [p for p in self.waiting if p.training == training]
            alive = [p for p in some if p.alive]
            if len(alive) > 1:
                raise ActivityError(
                    f"regulariser: {len(alive)} forward passes could be meant, whose outputs are still in use; "
                    f"{EXPLICITLY}, and take the term of that pass"
                )
            if alive or (some and training == self.model.training):
                return self.ensure_complete(alive[0] if alive else some[-1])
        if self.waiting:
            return self.ensure_complete(self.waiting[-1])
        self.ensure_unspent(self.newest())
        raise ActivityError(f"regulariser: the latest pass was made without gradients; {EXPLICITLY}, with gradients")

    def newest(self) -> Pass:
        """The latest pass of any kind, used or not."""
        if self.body and self.current is not None:
            return self.ensure_complete(self.current)
        if self._outside is not None and (self.latest is None or self._outside[1] > self.latest.order):
            raise self._was_outside(self._outside[0])
        if self.latest is None:
            raise UnitError(
                "regulariser: no units were seen; run the model first (a model compiled before the regulariser was "
                "made has to be compiled again)"
            )
        return self.ensure_complete(self.latest)

    def spend(self, found: Pass) -> None:
        """Notes that the term of a pass was given."""
        found.spent = True
        self.waiting = [p for p in self.waiting if p is not found]

    def forget(self) -> None:
        """Takes away all hooks and passes."""
        self.detach()
        self.current = self.latest = self._outside = None
        self.waiting, self._outside_traces = [], {}

    def _new(self) -> Pass:
        blind = not torch.is_grad_enabled() and in_checkpoint(blind=True)
        gradients = torch.is_grad_enabled() or blind
        return Pass(gradients and self.model.training, gradients, blind=type(self.model).__name__ if blind else None)

    def _keep(self, found: Pass) -> None:
        self._order += 1
        found.order, self.latest = self._order, found
        if found.gradients and not found.spent:
            kept = [p for p in self.waiting if p.alive or p.training != found.training]
            self.waiting = [*kept[-3:], found]  # more than two are as ambiguous as two

    def _add(self, entry: Entry) -> None:
        found = self.current
        assert found is not None
        if found.blind is None and found.gradients and not torch.is_grad_enabled() and in_checkpoint(blind=True):
            found.blind = f"layer {entry.layer!r}"
        found.whole = found.whole and self._depth > 0
        found.entries.append(entry)

    def _used(self, layer: str, module: nn.Module, args: tuple, output: Any) -> Any:
        if self._shown(layer, module, output):
            return super()._used(layer, module, args, output)
        return None

    def _tapped(self, layer: str, module: Units, mean: Tensor) -> None:
        if self._shown(layer, module, mean) and self.is_asked(layer):
            self.check_call(layer, mean)
            self._add(Entry(layer, module, mean))

    def _output(self, module: nn.Module, _args: object, output: Tensor) -> None:
        if self.current is not None and self.current.entries and self.current.entries[-1].module is module:
            self.current.entries[-1].memory = Memory.of(output)

    def _shown(self, layer: str, module: nn.Module, output: Any) -> bool:
        """Whether a use of a layer is part of a pass; those outside one are recorded."""
        if self._set_aside() or self._ignoring:
            return False
        if getattr(module, "_is_replica", False):
            raise UnitError("regulariser: DataParallel splits batches over threads; use DistributedDataParallel")
        if self.current is not None:
            return True
        self._order += 1
        self._outside = layer, self._order
        if torch.is_grad_enabled():
            self._outside_traces[self.model.training] = layer, Trace.of(tensors_of(output))
        return False

    def _drop_logits(self, found: Pass, outputs: list[Tensor]) -> None:
        """An activation whose output is what the model returns stands on the logits: it is left out."""
        kept = [e for e in found.entries if e.memory is None or not e.memory.is_among(outputs)]
        if len(kept) < len(found.entries) and len(outputs) > 1 and not self._said:
            self._said = True
            dropped = [f"{e.layer!r}, which the model returns" for e in found.entries if e not in kept]
            found.entries = kept
            self.leave_out(dropped)
        found.entries = kept

    def ensure_complete(self, found: Pass) -> Pass:
        """The same pass, which has all that a term is made of."""
        if found.blind is not None:
            raise ActivityError(
                f"regulariser: {found.blind} ran without gradients in a checkpoint; use use_reentrant=False there"
            )
        if not found.whole and not self.listed:
            raise UnitError(
                "regulariser: the body called a part of the model by itself, so that its logits are not known; "
                "name the layers, as in layers=list(unit_layers(model))"
            )
        if not found.entries:
            raise UnitError("regulariser: no units were seen; an activation besides that on the logits is needed")
        used = {entry.layer for entry in found.entries}
        if self.listed and (unused := [layer for layer in self._asked if layer not in used]):
            raise UnitError(f"layer {unused[0]!r}: this pass did not use it; list layers that every pass uses")
        self._check_layers()
        return found

    def _check_layers(self) -> None:
        now = unit_layers(self.model, list(self.layers) if self.listed else self._which)
        if {name: id(module) for name, module in now.items()} != {n: id(m) for n, m in self.layers.items()}:
            apart = {n for n in now.keys() | self.layers.keys() if now.get(n) is not self.layers.get(n)}
            raise UnitError(
                f"layer {min(apart)!r}: the model's modules are not those that it had when the regulariser was made; "
                "make a new one after changing them"
            )

    def ensure_unspent(self, found: Pass) -> Pass:
        """The same pass, whose term was not given yet."""
        if found.spent:
            raise ActivityError(
                "regulariser: the term of the latest pass was given already; run the model again (`measure` gives the "
                "index as often as it is asked for; a model compiled before the regulariser was made is not seen)"
            )
        return found

    def _was_outside(self, layer: str) -> ActivityError:
        return ActivityError(
            f"layer {layer!r}: it ran outside a call of the model; {EXPLICITLY}, whatever is called there"
        )


class _Tap:
    """What is put into `Units`, with the `remove` of a hook's handle."""

    def __init__(self, module: Units, tap: Hook, output: Hook) -> None:
        self.module, self.tap = module, tap
        module.taps.append(tap)
        self.handle = module.register_forward_hook(output)

    def remove(self) -> None:
        """Takes it away."""
        self.module.taps.remove(self.tap)
        self.handle.remove()


@cache
def _untraced() -> type[Axes]:
    """`Axes` that a compiled model calls as it is, rather than having it traced."""
    return type("UntracedAxes", (Axes,), {"__torch_function__": uncompiled(Axes.__torch_function__)})
