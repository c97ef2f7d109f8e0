"""Networks by name. A network is one function or class: `@register` makes it known to specs, commands and figures."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol, TypeVar

from ..data.catalogue import DATASETS
from ..errors import SpecError
from .network import UnitNetwork

if TYPE_CHECKING:
    from ..spec import RunSpec


class Builder(Protocol):
    """What makes a freshly initialised network, drawn from torch's global generator."""

    def __call__(
        self, *, channels: int, image_size: int, classes: int, width: int, activation: str, batch_norm: bool,
        dropout: float, min_map: int,
    ) -> UnitNetwork:  # fmt: skip
        """A network; see `build_model` for the arguments."""


AnyBuilder = TypeVar("AnyBuilder", bound=Builder)

MODELS: dict[str, Builder] = {}
MODEL_NAMES: dict[str, str] = {}  # as sentences and figures write them


def register(name: str, *, title: str) -> Callable[[AnyBuilder], AnyBuilder]:
    """Makes a network known: `RunSpec(model=name)` then trains it.

    Args:
        name: in specs and commands.
        title: in sentences and figures.

    Raises:
        SpecError: the name is taken.
    """

    def keep(builder: AnyBuilder) -> AnyBuilder:
        if name in MODELS:
            raise SpecError(f"model: {name!r} is the name of another network already")
        MODELS[name], MODEL_NAMES[name] = builder, title
        return builder

    return keep


def find_model(name: str) -> Builder:
    """A network by its name.

    Raises:
        SpecError: no such network.
    """
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
        channels: image channels.
        image_size: height and width of the images.
        classes: logits.
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
    return build_model(
        spec.model, channels=shape.image[2], image_size=shape.image[0], classes=shape.classes, width=spec.width,
        activation=spec.activation, batch_norm=spec.batch_norm, dropout=spec.dropout, min_map=spec.min_map,
    )  # fmt: skip
