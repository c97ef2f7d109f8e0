"""The VGG16-like network of the first paper: batch norm, and one hidden layer of 512 units for the two of 4,096."""

from __future__ import annotations

from torch import nn

from .network import Chain, Part, Units, conv3x3, drop, initialise, norm, rows
from .registry import register

STAGES = (2, 2, 3, 3, 3)  # convolutions before each pool


@register("vgg16", title="VGG16")
def vgg16(
    *, channels: int, image_size: int, classes: int, width: int = 64,
    activation: str = "relu", batch_norm: bool = True, dropout: float = 0.0, min_map: int = 1,
) -> Chain:  # fmt: skip
    """Thirteen 3x3 convolutions in five pooled stages, then a hidden layer: 14 layers of units.

    `width` is the first stage's channels (64 in the paper); the hidden layer has 8 · width units. A pool that would
    shrink the map below `min_map` is left out.
    """
    parts: dict[str, Part] = {}
    inputs, size = channels, image_size
    for stage, depth in enumerate(STAGES, 1):
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
