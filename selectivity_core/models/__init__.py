"""The papers' networks, each with `width` (channels of its first stage) and named layers of units.

Every network is a `UnitNetwork`: `forward` gives logits (samples, classes), `unit_filters` says which module's
weights produce each layer of units. Small images (under 32 pixels) adapt the stem and leave out pools that would
shrink a map below 1x1.
"""

from __future__ import annotations

from ..errors import SpecError
from .convnet11 import Convnet11
from .mlp import MLP
from .network import UnitNetwork
from .resnet_bottleneck import ResNet50
from .resnet_cifar import ResNet20
from .resnet_imagenet import ResNet18
from .vgg import VGG16

MODELS: dict[str, type[UnitNetwork]] = {
    "resnet20": ResNet20,
    "vgg16": VGG16,
    "resnet18": ResNet18,
    "resnet50": ResNet50,
    "mlp": MLP,
    "convnet11": Convnet11,
}


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

    Raises:
        SpecError: an unknown name, or options that this network does not have.
    """
    if name not in MODELS:
        raise SpecError(f"model: {name!r} given; one of {', '.join(MODELS)} is allowed")
    return MODELS[name](
        channels=channels, image_size=image_size, classes=classes, width=width,
        activation=activation, batch_norm=batch_norm, dropout=dropout,
    )  # fmt: skip


__all__ = ["MLP", "MODELS", "VGG16", "Convnet11", "ResNet18", "ResNet20", "ResNet50", "UnitNetwork", "build_model"]
