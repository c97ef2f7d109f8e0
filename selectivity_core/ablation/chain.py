"""Ablation of networks that are chains of layers, by what each clamped unit changes.

Between two non-linearities a chain is linear, so that clamping a unit changes the next layer's input by what that one
unit alone feeds it. Only layers behind the next one are computed anew, and only from units and for units that are not
clamped yet.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import groupby

import torch
from torch import Tensor, nn

from ..models.network import Stage
from .decisions import Block
from .inputs import Numbering
from .links import Link, read_links
from .stages import run

STEPS = 32  # between two plain passes, from which the state starts afresh


@dataclass(frozen=True)
class State:
    """The chain under a mask.

    Attributes:
        clamped: (units,) bool for each layer.
        units: numbers of the units that `inputs` has for each layer, ascending; clamped ones may be missing.
        inputs: (samples, units there, ...) what goes into each layer; for the first its activity; then the logits.
    """

    clamped: tuple[Tensor, ...]
    units: tuple[Tensor, ...]
    inputs: tuple[Tensor, ...]

    @property
    def logits(self) -> Tensor:
        """(samples, classes)."""
        return self.inputs[-1]


class ChainEvaluator:
    """Evaluates masks by what they change; `of` says whether a network can be evaluated so.

    Args:
        before: stages up to the first ablated layer, that included.
        links: behind it and each layer that follows.
        layers: which of those layers each of the numbering's is.
        numbering: of the units that masks are about.
    """

    def __init__(self, before: list[Stage], links: list[Link], layers: list[int], numbering: Numbering) -> None:
        self.before, self.links, self.layers, self.numbering = before, links, layers, numbering
        self.sizes = [link.weight.shape[1] for link in links]
        in_chain = dict(zip(numbering.sizes, layers, strict=True))
        self.places = [(in_chain[layer], unit) for layer, unit in numbering.places()]
        self.constants = [link.weight.new_zeros(size) for link, size in zip(links, self.sizes, strict=True)]
        for layer, constants in (numbering.constants or {}).items():
            self.constants[in_chain[layer]] = constants.to(self.constants[in_chain[layer]])

    @classmethod
    def of(cls, model: nn.Module, numbering: Numbering) -> ChainEvaluator | None:
        """The evaluator of a network, where it is a chain from its first ablated layer on."""
        wanted = [model.get_submodule(name) for name in numbering.sizes]
        read = read_links(model, wanted)
        if read is None:
            return None
        before, found = read
        order = [id(source) for source, _ in found]
        return cls(before, [link for _, link in found], [order.index(id(layer)) for layer in wanted], numbering)

    def load(self, images: Tensor) -> None:
        """What comes up to the first ablated layer is computed once."""
        self.activity = run(self.before, images)
        self.intact = self._state(torch.zeros(len(self.numbering), dtype=torch.bool))

    def plain(self, mask: Tensor) -> Tensor:
        """One pass for one mask."""
        return self._state(mask).logits

    def cumulative(self, ordering: Tensor) -> Iterator[Block]:
        """Steps 0 to N of an ordering (units,)."""
        rank, state = ordering.argsort(), self.intact
        yield Block(torch.zeros(1, len(rank), dtype=torch.bool), state.logits[None], None)
        for start in range(0, len(ordering), STEPS):
            numbers = ordering[start : start + STEPS].tolist()
            masks = torch.arange(start + 1, start + len(numbers) + 1)[:, None] > rank
            logits = self._walk(state, numbers)
            state = self._state(masks[-1])
            yield Block(masks, logits, state.logits)

    def singles(self) -> Iterator[Block]:
        """Every unit alone."""
        masks = torch.eye(len(self.numbering), dtype=torch.bool)
        for numbers in torch.arange(len(masks)).split(STEPS):
            logits = [self._walk(self.intact, [number]) for number in numbers.tolist()]
            yield Block(masks[numbers], torch.cat(logits), self.plain(masks[numbers[-1]]))

    def _state(self, mask: Tensor) -> State:
        """The chain under a mask (all units,), computed as the network does."""
        clamped = [torch.zeros(size, dtype=torch.bool) for size in self.sizes]
        for place, part in zip(self.layers, self.numbering.split(mask).values(), strict=True):
            clamped[place] = part
        inputs, activity = [self.activity], self.activity
        for k, link in enumerate(self.links):
            if clamped[k].any():
                each = (-1,) + (1,) * (activity.ndim - 2)
                where, values = (t.to(activity.device).view(each) for t in (clamped[k], self.constants[k]))
                activity = torch.where(where, values, activity)
            inputs.append(link.plain(activity))
            activity = link.activate(inputs[-1])
        units = tuple(torch.arange(size) for size in self.sizes)
        return State(tuple(clamped), units, tuple(x.contiguous() for x in inputs))

    def _walk(self, state: State, numbers: list[int]) -> Tensor:
        """(steps, samples, classes): the logits as one unit more is clamped at each step."""
        logits: list[Tensor] = []
        last = len(self.links) - 1
        for in_last, some in groupby((self.places[number] for number in numbers), key=lambda place: place[0] == last):
            if in_last:
                units = [unit for _, unit in some]
                logits.append(self._last_layer(state, units))
                state = self._with(state, last, units, logits[-1][-1])
                continue
            for layer, unit in some:
                state = self._next(state, layer, unit)
                logits.append(state.logits[None])
        return torch.cat(logits)

    def _last_layer(self, state: State, units: list[int]) -> Tensor:
        """(steps, samples, classes): the logits as units of the last layer are clamped one after the other."""
        link = self.links[-1]
        change = link.pool(self._change(state, len(self.links) - 1, units))
        each = change.T[:, :, None] * link.weight[:, units].T[:, None, :]
        return state.logits + each.cumsum(0)

    def _with(self, state: State, layer: int, units: list[int], logits: Tensor) -> State:
        clamped = list(state.clamped)
        clamped[layer] = clamped[layer].clone()
        clamped[layer][units] = True
        return replace(state, clamped=tuple(clamped), inputs=(*state.inputs[:-1], logits))

    def _change(self, state: State, layer: int, units: list[int]) -> Tensor:
        """(samples, units given, ...): the constants less the activity of units that are not clamped yet."""
        places = torch.searchsorted(state.units[layer], torch.tensor(units)).to(self.activity.device)
        given = state.inputs[layer][:, places]
        activity = given if layer == 0 else self.links[layer - 1].activate(given)
        return self.constants[layer][units].view(-1, *[1] * (activity.ndim - 2)) - activity

    def _next(self, state: State, layer: int, unit: int) -> State:
        """The state with one unit more clamped."""
        change = self._change(state, layer, [unit])
        state = self._with(state, layer, [unit], state.logits)
        units, inputs = [*state.units, torch.arange(len(self.links[-1].weight))], list(state.inputs)
        added = self._fed(layer, change, torch.tensor([unit]), units[layer + 1], inputs[layer + 1])
        inputs[layer + 1] = inputs[layer + 1] + added
        for k in range(layer + 1, len(self.links)):
            if k + 1 < len(self.links):
                units[k + 1] = (~state.clamped[k + 1]).nonzero().flatten()
            inputs[k + 1] = self._anew(state.clamped[k], k, units[k : k + 2], inputs[k : k + 2])
        return State(state.clamped, tuple(units[:-1]), tuple(inputs))

    def _anew(self, clamped: Tensor, k: int, units: list[Tensor], inputs: list[Tensor]) -> Tensor:
        """The input of layer k + 1 for `units[1]`, from that of layer k for `units[0]`; the old one gives its shape."""
        source, (given, old) = self.links[k - 1], inputs
        kept = ~clamped[units[0]]
        activity = source.activate(given if kept.all() else given[:, kept.to(given.device)])
        anew = self._fed(k, activity, units[0][kept], units[1], old)
        constants = self.constants[k] * clamped.to(given.device)
        if constants.any():
            each = constants.view(1, -1, *[1] * (given.ndim - 2)).expand(1, -1, *given.shape[2:])
            anew = anew + self._fed(k, each, torch.arange(len(clamped)), units[1], old[:1])
        return anew + self.links[k].bias[units[1]].view(-1, *[1] * (anew.ndim - 2))

    def _fed(self, k: int, activity: Tensor, units: Tensor, outputs: Tensor, like: Tensor) -> Tensor:
        """What `units` of layer k feed to `outputs` of the next; shaped like that one's input so far."""
        if not len(units) or not len(outputs):
            return like.new_zeros(len(like), len(outputs), *like.shape[2:])
        return self.links[k].apply(activity, units, outputs)
