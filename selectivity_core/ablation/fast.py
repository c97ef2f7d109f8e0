"""Fast ablation: a network read as a chain of linear links between layers of units, and masks evaluated on that chain.

`read_links` says whether a network is such a chain; `ChainEvaluator` computes only what a mask changes on it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import TypeGuard, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..models.network import Part, Units, mean_over_positions
from ..units import ACTIVATIONS, unit_layers
from .masked import MaskedLogits, Numbering, parts_around, run

M = TypeVar("M", bound=nn.Module)
STEPS = 32  # between two plain passes, from which the state starts afresh
# Element by element and the same for every unit, so that any selection of units may be passed through.
POINTWISE = (Units, *(kind for kind in ACTIVATIONS if kind is not nn.PReLU))


@dataclass(frozen=True)
class Link:
    """From one layer's activity to the next one's input, or to the logits.

    Attributes:
        source: the layer itself.
        parts: as the network runs them.
        weight: (outputs, units) or (outputs, units, kernel, kernel), with batch norm's factor in it.
        bias: (outputs,), with batch norm's in it.
        convolution: whose geometry `weight` has; None where it is a matrix.
        pooled: the mean over positions comes first.
        activation: the layer that the link leads to; None before the logits.
    """

    source: nn.Module
    parts: tuple[Part, ...]
    weight: Tensor
    bias: Tensor
    convolution: nn.Conv2d | None
    pooled: bool
    activation: nn.Module | None

    def apply(self, activity: Tensor, units: Tensor, outputs: Tensor) -> Tensor:
        """What the activity (samples, units chosen, ...) of some units adds to some outputs, without the bias."""
        weight = self.weight
        weight = weight if len(outputs) == len(weight) else weight[outputs]
        weight = weight if len(units) == weight.shape[1] else weight[:, units]
        if self.convolution is not None:
            geometry = self.convolution
            return F.conv2d(activity, weight, None, geometry.stride, geometry.padding, geometry.dilation)
        return self.pool(activity) @ weight.T

    def pool(self, activity: Tensor) -> Tensor:
        """(samples, units, ...) as the matrix takes it."""
        return mean_over_positions(activity) if self.pooled else activity

    def activate(self, given: Tensor) -> Tensor:
        """The next layer's activity, of whatever units; logits are left as they are."""
        return given if self.activation is None else self.activation(given)


def read_links(model: nn.Module, names: Sequence[str]) -> tuple[list[Part], list[Link]] | None:
    """A model in evaluation mode as links from its first ablated layer on, where it is such a chain.

    Returns:
        the parts up to the first ablated layer, that included, and the link behind it and behind each layer that
        follows. None where something else stands between: a shortcut, a pool, a module used twice, hooks of others.
    """
    before, rest = parts_around(model, names)
    ids = [id(part) for part in before + rest]
    if not rest or not _plainly(rest[0], *POINTWISE) or len(set(ids)) != len(ids):
        return None
    links: list[Link] = []
    source, between = rest[0], list[Part]()
    for part in [*rest[1:], None]:
        if part is not None and not _plainly(part, *POINTWISE):
            between.append(part)
            continue
        link = _link(source, between, part)
        if link is None or getattr(source, "inplace", False):
            return None
        links.append(link)
        if part is not None:
            source, between = part, []
    known = {id(link.source) for link in links}
    if links[-1].convolution is not None or any(id(layer) not in known for layer in unit_layers(model, names).values()):
        return None
    return [*before, rest[0]], links


def _link(source: nn.Module, parts: list[Part], activation: nn.Module | None) -> Link | None:
    """The link that some parts make; None where they are not [mean,] one linear map[, batch norm]."""
    kept = [s for s in parts if not _plainly(s, nn.Identity, nn.Dropout)]
    pooled = bool(kept) and kept[0] is mean_over_positions
    kept = kept[1:] if pooled else kept
    if not 1 <= len(kept) <= 2:
        return None
    linear, norm = kept[0], kept[1] if len(kept) == 2 else None
    if _plainly(linear, nn.Conv2d):
        if pooled or linear.groups != 1 or linear.padding_mode != "zeros":
            return None
    elif not _plainly(linear, nn.Linear):
        return None
    if norm is not None and not (_plainly(norm, nn.BatchNorm1d, nn.BatchNorm2d) and norm.running_mean is not None):
        return None
    weight, bias = _folded(linear, norm)  # type: ignore[arg-type]
    convolution = linear if isinstance(linear, nn.Conv2d) else None
    return Link(source, tuple(parts), weight, bias, convolution, pooled, activation)


def _plainly(part: Part, *kinds: type[M]) -> TypeGuard[M]:
    """Whether a part is of one of some kinds and computes what that does, as a subclass need not."""
    return any(isinstance(part, kind) and type(part).forward is kind.forward for kind in kinds) and (
        "forward" not in vars(part)
    )


def _folded(linear: nn.Conv2d | nn.Linear, norm: nn.BatchNorm1d | nn.BatchNorm2d | None) -> tuple[Tensor, Tensor]:
    """Weight and bias of a linear map and the batch norm behind it as one, computed in float64."""
    weight = linear.weight.detach().double()
    bias = weight.new_zeros(len(weight)) if linear.bias is None else linear.bias.detach().double()
    if norm is not None:
        factor = (norm.running_var.double() + norm.eps).rsqrt()  # type: ignore[union-attr]
        factor = factor if norm.weight is None else factor * norm.weight.detach().double()
        weight = weight * factor.view(-1, *[1] * (weight.ndim - 1))
        bias = (bias - norm.running_mean.double()) * factor  # type: ignore[union-attr]
        bias = bias if norm.bias is None else bias + norm.bias.detach().double()
    dtype = linear.weight.dtype
    # Contiguous whatever the network's memory format, so that selections of it are too.
    return weight.to(dtype, memory_format=torch.contiguous_format), bias.to(dtype)


@dataclass(frozen=True)
class State:
    """The chain under a mask, for each layer and in the end the logits.

    Attributes:
        ablated: (units,) bool.
        units: numbers of the units that `inputs` has, ascending; ablated ones may be missing.
        inputs: (samples, units there, ...) what goes into the layer; for the first its activity.
    """

    ablated: tuple[Tensor, ...]
    units: tuple[Tensor, ...]
    inputs: tuple[Tensor, ...]


class ChainEvaluator:
    """Evaluates masks by what they change, with the methods of `MaskedEvaluator`.

    A pass is the parts `before` the first link, that layer included, then the links behind it and each layer that
    follows; `layers` says which of those each of the numbering's is.
    """

    def __init__(self, before: list[Part], links: list[Link], layers: list[int], numbering: Numbering) -> None:
        self.before, self.links, self.layers, self.numbering = before, links, layers, numbering
        self.sizes = [link.weight.shape[1] for link in links]
        in_chain = dict(zip(numbering.sizes, layers, strict=True))
        self.units = [(in_chain[layer], unit) for layer, unit in numbering.units()]
        self.constants = [link.weight.new_zeros(size) for link, size in zip(links, self.sizes, strict=True)]
        for layer, constants in (numbering.constants or {}).items():
            self.constants[in_chain[layer]] = constants.to(self.constants[in_chain[layer]])

    @classmethod
    def of(cls, model: nn.Module, numbering: Numbering) -> ChainEvaluator | None:
        """The evaluator of a network, where it is a chain from its first ablated layer on."""
        names = list(numbering.sizes)
        read = read_links(model, names)
        if read is None or any(dim != 1 for dim in numbering.dims.values()):
            return None
        before, links = read
        order = [id(link.source) for link in links]
        return cls(before, links, [order.index(id(layer)) for layer in unit_layers(model, names).values()], numbering)

    def load(self, images: Tensor) -> None:
        """What comes up to the first ablated layer is computed once."""
        self.activity = run(self.before, images)
        self.intact = self._state(torch.zeros(len(self.numbering), dtype=torch.bool))

    def plain(self, mask: Tensor) -> Tensor:
        """One pass for one mask."""
        return self._state(mask).inputs[-1]

    def cumulative(self, ordering: Tensor) -> Iterator[MaskedLogits]:
        """Steps 0 to N of an ordering (units,)."""
        rank, state = ordering.argsort(), self.intact
        yield MaskedLogits(torch.zeros(1, len(rank), dtype=torch.bool), state.inputs[-1][None], None)
        for start in range(0, len(ordering), STEPS):
            numbers = ordering[start : start + STEPS].tolist()
            masks = torch.arange(start + 1, start + len(numbers) + 1)[:, None] > rank
            logits = self._walk(state, numbers)
            state = self._state(masks[-1])
            yield MaskedLogits(masks, logits, state.inputs[-1])

    def singles(self) -> Iterator[MaskedLogits]:
        """Every unit alone."""
        masks = torch.eye(len(self.numbering), dtype=torch.bool)
        for numbers in torch.arange(len(masks)).split(STEPS):
            logits = [self._walk(self.intact, [number]) for number in numbers.tolist()]
            yield MaskedLogits(masks[numbers], torch.cat(logits), self.plain(masks[numbers[-1]]))

    def _state(self, mask: Tensor) -> State:
        """The chain under a mask (all units,), computed as the network does."""
        ablated = [torch.zeros(size, dtype=torch.bool) for size in self.sizes]
        for k, of_layer in zip(self.layers, self.numbering.per_layer(mask).values(), strict=True):
            ablated[k] = of_layer
        inputs, activity = [self.activity], self.activity
        for k, link in enumerate(self.links):
            if ablated[k].any():
                each = (-1,) + (1,) * (activity.ndim - 2)
                where, values = (t.to(activity.device).view(each) for t in (ablated[k], self.constants[k]))
                activity = torch.where(where, values, activity)
            inputs.append(run(link.parts, activity))
            activity = link.activate(inputs[-1])
        units = tuple(torch.arange(size) for size in self.sizes)
        return State(tuple(ablated), units, tuple(x.contiguous() for x in inputs))

    def _walk(self, state: State, numbers: list[int]) -> Tensor:
        """(steps, samples, classes): the logits as one unit more is ablated at each step."""
        logits: list[Tensor] = []
        last = len(self.links) - 1
        for in_last, some in groupby((self.units[number] for number in numbers), key=lambda unit: unit[0] == last):
            if in_last:
                units, link = [unit for _, unit in some], self.links[-1]
                change = link.pool(self._change(state, last, units))
                each = change.T[:, :, None] * link.weight[:, units].T[:, None, :]
                logits.append(state.inputs[-1] + each.cumsum(0))
                state = self._with(state, last, units, logits[-1][-1])
                continue
            for layer, unit in some:
                state = self._next(state, layer, unit)
                logits.append(state.inputs[-1][None])
        return torch.cat(logits)

    def _with(self, state: State, layer: int, units: list[int], logits: Tensor) -> State:
        ablated = list(state.ablated)
        ablated[layer] = ablated[layer].clone()
        ablated[layer][units] = True
        return replace(state, ablated=tuple(ablated), inputs=(*state.inputs[:-1], logits))

    def _change(self, state: State, layer: int, units: list[int]) -> Tensor:
        """(samples, units given, ...): the constants less the activity of units that are not ablated yet."""
        columns = torch.searchsorted(state.units[layer], torch.tensor(units)).to(self.activity.device)
        given = state.inputs[layer][:, columns]
        activity = given if layer == 0 else self.links[layer - 1].activate(given)
        return self.constants[layer][units].view(-1, *[1] * (activity.ndim - 2)) - activity

    def _next(self, state: State, layer: int, unit: int) -> State:
        """The state with one unit more ablated."""
        change = self._change(state, layer, [unit])
        state = self._with(state, layer, [unit], state.inputs[-1])
        units, inputs = [*state.units, torch.arange(len(self.links[-1].weight))], list(state.inputs)
        added = self._fed(layer, change, torch.tensor([unit]), units[layer + 1], inputs[layer + 1])
        inputs[layer + 1] = inputs[layer + 1] + added
        for k in range(layer + 1, len(self.links)):
            if k + 1 < len(self.links):
                units[k + 1] = (~state.ablated[k + 1]).nonzero().flatten()
            inputs[k + 1] = self._anew(state.ablated[k], k, units[k : k + 2], inputs[k : k + 2])
        return State(state.ablated, tuple(units[:-1]), tuple(inputs))

    def _anew(self, ablated: Tensor, k: int, units: list[Tensor], inputs: list[Tensor]) -> Tensor:
        """The input of layer k + 1 for `units[1]`, from that of layer k for `units[0]`; the old one gives its shape."""
        source, (given, old) = self.links[k - 1], inputs
        kept = ~ablated[units[0]]
        activity = source.activate(given if kept.all() else given[:, kept.to(given.device)])
        anew = self._fed(k, activity, units[0][kept], units[1], old)
        constants = self.constants[k] * ablated.to(given.device)
        if constants.any():
            each = constants.view(1, -1, *[1] * (given.ndim - 2)).expand(1, -1, *given.shape[2:])
            anew = anew + self._fed(k, each, torch.arange(len(ablated)), units[1], old[:1])
        return anew + self.links[k].bias[units[1]].view(-1, *[1] * (anew.ndim - 2))

    def _fed(self, k: int, activity: Tensor, units: Tensor, outputs: Tensor, like: Tensor) -> Tensor:
        """What `units` of layer k feed to `outputs` of the next; shaped like that one's input so far."""
        if not len(units) or not len(outputs):
            return like.new_zeros(len(like), len(outputs), *like.shape[2:])
        return self.links[k].apply(activity, units, outputs)
