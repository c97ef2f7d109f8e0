"""Ways of reading and ablating units that miss some of them, or do less than they say."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor, nn

from ...errors import UnitError
from ...models import UnitNetwork
from ...perturbation import ablate
from ...seeds import generator
from ...units import Units, spatial_mean

FIFTH = 0.2


def layers_found(model: nn.Module, layers: Sequence[str]) -> list[str]:
    """Those of the layers asked for that the model has; the others are dropped in silence.

    A misspelt name, or a list written for another network, then leaves a mean over fewer layers than was asked for.
    """
    modules = dict(model.named_modules())
    return [name for name in layers if name in modules]


@contextmanager
def keep_last_call(model: nn.Module, layers: Sequence[str]) -> Iterator[dict[str, Tensor]]:
    """Collects spatial means with one slot a module: a module that a pass uses several times keeps its last call only.

    Args:
        model: any module.
        layers: names of modules whose outputs are units.

    Yields:
        name -> (samples, units); filled by each pass, detached.
    """
    kept: dict[str, Tensor] = {}

    def keeper(name: str) -> Callable[..., None]:
        def hook(_module: nn.Module, _inputs: object, output: Tensor) -> None:
            kept[name] = spatial_mean(output.detach())

        return hook

    handles = [model.get_submodule(name).register_forward_hook(keeper(name)) for name in layers]
    try:
        yield kept
    finally:
        for handle in handles:
            handle.remove()


def share_activations(model: nn.Module) -> None:
    """Lets each block of a network use one activation module at all its places, as torchvision's blocks do.

    The network computes the same: the modules hold no state. Changes the model in place.
    """
    for block in list(model.modules()):
        own = {name: child for name, child in block.named_children() if isinstance(child, Units)}
        for name in own:
            setattr(block, name, next(iter(own.values())))


@contextmanager
def zero_weights(model: UnitNetwork, layer: str, units: Sequence[int]) -> Iterator[None]:
    """ "Ablates" units by setting the weights (and bias) that produce them to zero, for the body of the `with`.

    Behind batch norm the unit goes on: it emits relu(β) in training, and relu(β − γ·m/sqrt(v + eps)) in evaluation, m
    and v being the running mean and variance. In a residual sum the shortcut's share goes on as well.

    Args:
        model: a network of this package.
        layer: a layer of units.
        units: numbers of the units.

    Raises:
        UnitError: a layer that the model lacks, or a number out of range.
    """
    if layer not in model.unit_filters:
        raise UnitError(f"layer {layer!r}: not there; one of {', '.join(model.unit_filters)} is allowed")
    producer = model.get_submodule(model.unit_filters[layer])
    tensors = [t for t in (producer.weight, producer.bias) if isinstance(t, Tensor)]
    wrong = [u for u in units if not 0 <= u < len(tensors[0])]
    if wrong:
        raise UnitError(f"layer {layer!r}: unit {wrong[0]} given; 0 to {len(tensors[0]) - 1} is allowed")
    before = [t.detach().clone() for t in tensors]
    try:
        with torch.no_grad():
            for tensor in tensors:
                tensor[list(units)] = 0
        yield
    finally:
        with torch.no_grad():
            for tensor, values in zip(tensors, before, strict=True):
                tensor.copy_(values)


def fresh_sample_curve(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    layer: str,
    counts: Sequence[int],
    ordering: Sequence[int],
    *,
    share: float = FIFTH,
    seed: int = 0,
) -> np.ndarray:
    """An ablation curve whose every point is measured on another random share of the data.

    The step from one point to the next is then the effect of the ablation plus the difference between two samples.

    Args:
        model: in evaluation mode.
        images: as the model takes them.
        labels: (samples,) of the images.
        layer: a layer of units, ablated one after the other.
        counts: numbers of units ablated, a point of the curve each.
        ordering: (units,) the order in which they are ablated.
        share: of the data at each point; 1 is the whole set every time.
        seed: decides the shares.

    Returns:
        (points,) accuracy in [0, 1].
    """
    source, size = generator(seed, "fresh shares"), max(1, round(share * len(labels)))
    points = []
    for count in counts:
        chosen = torch.randperm(len(labels), generator=source)[:size].to(labels.device)
        with torch.inference_mode(), ablate(model, {layer: list(ordering[:count])}):
            found = torch.cat([model(part).argmax(1) for part in images[chosen].split(500)])
        points.append(float((found == labels[chosen]).double().mean()))
    return np.array(points)
