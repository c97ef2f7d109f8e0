"""Networks without shortcuts: the perceptron and convnet of Morcos et al. 2018, and the first paper's VGG16."""

from __future__ import annotations

from torch import nn

from ..errors import SpecError
from .network import Chain, Part, Units, conv3x3, drop, halving, initialise, mean_over_positions, norm, register, rows

CONVNET11_MULTIPLES = (1, 1, 2, 2, 2, 4, 4, 4, 8, 8, 8)  # channels in multiples of the first layer's 64
CONVNET11_STRIDES = (1, 1, 2, 1, 1, 2, 1, 1, 2, 1, 1)
VGG16_STAGES = (2, 2, 3, 3, 3)  # convolutions before each pool


@register("mlp", title="MLP")
def mlp(
    *, channels: int, image_size: int, classes: int, width: int = 512,
    activation: str = "relu", batch_norm: bool = False, dropout: float = 0.0, min_map: int = 1,
) -> Chain:  # fmt: skip
    """Two hidden layers of `width` units. Batch norm, where asked for, stands before each non-linearity."""
    if min_map != 1:
        raise SpecError(f"min_map: {min_map} given; a perceptron has no feature maps")
    parts: dict[str, Part] = {"rows": rows}
    inputs = channels * image_size * image_size
    for k in (1, 2):
        parts[f"fc{k}"] = nn.Linear(inputs, width)
        parts[f"bn{k}"] = nn.BatchNorm1d(width) if batch_norm else nn.Identity()
        parts[f"units{k}"] = Units(activation)
        parts[f"drop{k}"] = drop(dropout)
        inputs = width
    model = Chain({**parts, "fc": nn.Linear(width, classes)})
    initialise(model)
    return model


@register("convnet11", title="11-layer convnet")
def convnet11(
    *, channels: int, image_size: int, classes: int, width: int = 64,
    activation: str = "relu", batch_norm: bool = True, dropout: float = 0.0, min_map: int = 1,
) -> Chain:  # fmt: skip
    """Eleven 3x3 convolutions, with or without batch norm, then the mean over positions and one linear layer.

    The paper's head is not described; a global mean keeps the last feature maps as the classifier's only input.
    """
    inputs, layers, side = channels, nn.Sequential(), image_size
    for k, (multiple, stride) in enumerate(zip(CONVNET11_MULTIPLES, CONVNET11_STRIDES, strict=True), 1):
        outputs = width * multiple
        stride, side = halving(side, min_map) if stride == 2 else (1, side)
        layers.add_module(f"conv{k}", conv3x3(inputs, outputs, stride, bias=not batch_norm))
        layers.add_module(f"bn{k}", norm(outputs, batch_norm))
        layers.add_module(f"units{k}", Units(activation))
        layers.add_module(f"drop{k}", drop(dropout))
        inputs = outputs
    model = Chain({"layers": layers, "mean": mean_over_positions, "fc": nn.Linear(inputs, classes)})
    initialise(model)
    return model


@register("vgg16", title="VGG16")
def vgg16(
    *, channels: int, image_size: int, classes: int, width: int = 64,
    activation: str = "relu", batch_norm: bool = True, dropout: float = 0.0, min_map: int = 1,
) -> Chain:  # fmt: skip
    """Thirteen 3x3 convolutions in five pooled stages, then a hidden layer: 14 layers of units.

    One hidden layer of 8 · width units stands for the two of 4,096. `width` is the first stage's channels (64 in the
    paper). A pool that would shrink the map below `min_map` is left out.
    """
    parts: dict[str, Part] = {}
    inputs, size = channels, image_size
    for stage, depth in enumerate(VGG16_STAGES, 1):
        outputs, stack = width * min(2 ** (stage - 1), 8), nn.Sequential()
        for k in range(1, depth + 1):
            stack.add_module(f"conv{k}", conv3x3(inputs, outputs, bias=not batch_norm))
            stack.add_module(f"bn{k}", norm(outputs, batch_norm))
            stack.add_module(f"units{k}", Units(activation))
            inputs = outputs
        if size // 2 >= min_map:
            stack.add_module("pool", nn.MaxPool2d(2))
            size //= 2
        parts[f"stage{stage}"] = stack
    parts |= {"rows": rows, "hidden": nn.Linear(inputs * size * size, width * 8), "units": Units(activation)}
    model = Chain({**parts, "drop": drop(dropout), "fc": nn.Linear(width * 8, classes)})
    initialise(model)
    return model
