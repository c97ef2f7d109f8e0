"""Networks by name, and what they share: layers of units with names, and the filters that produce them.

A network is one function or class: `@register` makes it known to specs, commands and figures.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Self, TypeVar

import torch
from torch import Tensor, nn

from ..data import DATASETS
from ..errors import SpecError, UnitError
from ..units import Units

if TYPE_CHECKING:
    from ..spec import RunSpec

Part = Callable[[Tensor], Tensor]


class UnitNetwork(nn.Module):
    """A classifier whose every non-linearity is a `Units` module.

    Attributes:
        unit_filters: layer of units -> module whose weights produce it, both by module name, in forward order.
    """

    unit_filters: dict[str, str]

    def __init__(self) -> None:
        super().__init__()
        self.unit_filters = {}

    def parts(self) -> list[Part]:
        """The forward pass as functions of one tensor, to be applied one after the other.

        A pass can be entered between any two of them, so that what comes before a perturbed layer is computed once.
        """
        raise NotImplementedError

    def with_channels_last(self, device: torch.device | None = None) -> Self:
        """Itself, on a device, in the memory format in which convolutions are fastest."""
        return self.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, x: Tensor) -> Tensor:
        """Images (samples, channels, H, W) to logits (samples, classes)."""
        for part in self.parts():
            x = part(x)
        return x

    def filter_l1(self) -> dict[str, Tensor]:
        """layer -> (units,) L1 norm of the weights that produce each unit."""
        modules = dict(self.named_modules())
        return {
            layer: modules[name].weight.detach().abs().flatten(1).sum(1).cpu()
            for layer, name in self.unit_filters.items()
        }


class Chain(UnitNetwork):
    """A network whose parts follow each other, given by name in forward order: modules, or functions of one tensor.

    A layer of units is produced by the last weights before it. Units before any weights are a `UnitError`, as is a part
    with the name of an attribute that networks have.
    """

    def __init__(self, parts: Mapping[str, Part]) -> None:
        super().__init__()
        self._order = tuple(parts)
        for name, part in parts.items():
            if hasattr(self, name):
                raise UnitError(f"part {name!r}: every network has an attribute of that name; choose another")
            setattr(self, name, part)
        producer = ""
        for name, module in self.named_modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                producer = name
            elif isinstance(module, Units):
                if not producer:
                    raise UnitError(f"layer {name!r}: no convolution or linear layer before it produces its units")
                self.unit_filters[name] = producer

    def parts(self) -> list[Part]:
        """The parts one after the other, as they stand now: one may have been replaced."""
        return [getattr(self, name) for name in self._order]


def rows(x: Tensor) -> Tensor:
    """(samples, ...) to (samples, numbers)."""
    return x.flatten(1)


def mean_over_positions(maps: Tensor) -> Tensor:
    """(samples, units, H, W) to (samples, units)."""
    return maps.mean((2, 3))


def norm(channels: int, batch_norm: bool) -> nn.Module:
    """Batch norm, or nothing."""
    return nn.BatchNorm2d(channels) if batch_norm else nn.Identity()


def drop(share: float) -> nn.Module:
    """Dropout, or nothing."""
    return nn.Dropout(share) if share else nn.Identity()


def halving(side: int, min_map: int) -> tuple[int, int]:
    """Stride 2 and the map's side after it, or stride 1 and the same side where that would be below `min_map`."""
    half = -(-side // 2)
    return (2, half) if half >= min_map else (1, side)


def conv3x3(inputs: int, outputs: int, stride: int = 1, *, bias: bool = False) -> nn.Conv2d:
    """A 3x3 convolution with padding 1."""
    return nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=bias)


def initialise(model: UnitNetwork) -> None:
    """He initialisation of everything that feeds units; the classifier `fc` keeps torch's smaller default.

    The papers name no initialisation. With He-sized classifier weights the logits of a residual network start far from
    zero: ResNet20's first epoch on CIFAR-10 ended at a training loss of 1.97 instead of 1.68 (one seed, α = 0), which a
    short schedule has no time to make up.
    """
    for name, module in model.named_modules():
        if isinstance(module, nn.Conv2d | nn.Linear) and name != "fc":
            nn.init.kaiming_normal_(module.weight)
            if module.bias is not None:
                nn.init.zeros_(module.bias)


Builder = Callable[..., UnitNetwork]  # takes the arguments of `build_model`, as keywords
AnyBuilder = TypeVar("AnyBuilder", bound=Builder)

MODELS: dict[str, Builder] = {}
MODEL_NAMES: dict[str, str] = {}  # as sentences and figures write them


def register(name: str, *, title: str) -> Callable[[AnyBuilder], AnyBuilder]:
    """Makes a network known: `RunSpec(model=name)` then trains it; sentences and figures write its title."""

    def keep(builder: AnyBuilder) -> AnyBuilder:
        if name in MODELS:
            raise SpecError(f"model: {name!r} is the name of another network already")
        MODELS[name], MODEL_NAMES[name] = builder, title
        return builder

    return keep


def find_model(name: str) -> Builder:
    """A network by its name."""
    if name not in MODELS:
        raise SpecError(f"model: {name!r} given; one of {', '.join(map(repr, sorted(MODELS)))} is allowed")
    return MODELS[name]


def build_model(
    name: str,
    *,
    channels: int,
    image_size: int,
    classes: int,
    width: int,
    activation: str = "relu",
    batch_norm: bool = True,
    dropout: float = 0.0,
    min_map: int = 1,
) -> UnitNetwork:
    """A freshly initialised network, drawn from torch's global generator.

    Args:
        name: one of `MODELS`.
        channels, image_size, classes: of the images, which are square, and of the logits.
        width: channels of the first stage (MLP: units a layer).
        activation: "relu" or "leaky_relu:b".
        batch_norm: normalise after each convolution.
        dropout: share of units dropped after each hidden layer.
        min_map: smallest side that a feature map may have; strides and pools that would go below it are left out.

    Returns:
        a module that gives logits (samples, classes) of images (samples, channels, H, W).

    Raises:
        SpecError: an unknown name, or options that this network does not have.
    """
    builder = find_model(name)
    if min_map > image_size:
        raise SpecError(f"min_map: {min_map} given; images of {image_size}x{image_size} pixels have no larger maps")
    return builder(
        channels=channels, image_size=image_size, classes=classes, width=width,
        activation=activation, batch_norm=batch_norm, dropout=dropout, min_map=min_map,
    )  # fmt: skip


def network_of(spec: RunSpec) -> UnitNetwork:
    """The network that a spec describes, freshly initialised; its data are not needed."""
    shape = DATASETS[spec.dataset]
    model = build_model(
        spec.model, channels=shape.image[2], image_size=shape.image[0], classes=shape.classes, width=spec.width,
        activation=spec.activation, batch_norm=spec.batch_norm, dropout=spec.dropout, min_map=spec.min_map,
    )  # fmt: skip
    for module in model.modules():
        if isinstance(module, Units):
            module.rounding = spec.rounding
    return model
