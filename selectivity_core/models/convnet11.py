"""The 11-layer convolutional network of Morcos et al. 2018."""

from __future__ import annotations

from torch import nn

from .network import Chain, Units, conv3x3, drop, halving, initialise, mean_over_positions, norm
from .registry import register

MULTIPLES = (1, 1, 2, 2, 2, 4, 4, 4, 8, 8, 8)  # channels in multiples of the first layer's 64
STRIDES = (1, 1, 2, 1, 1, 2, 1, 1, 2, 1, 1)


@register("convnet11", title="11-layer convnet")
def convnet11(
    *, channels: int, image_size: int, classes: int, width: int = 64,
    activation: str = "relu", batch_norm: bool = True, dropout: float = 0.0, min_map: int = 1,
) -> Chain:  # fmt: skip
    """Eleven 3x3 convolutions, with or without batch norm, then the mean over positions and one linear layer.

    The paper's head is not described; a global mean keeps the last feature maps as the classifier's only input.
    """
    inputs, layers, side = channels, nn.Sequential(), image_size
    for k, (multiple, stride) in enumerate(zip(MULTIPLES, STRIDES, strict=True), 1):
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
