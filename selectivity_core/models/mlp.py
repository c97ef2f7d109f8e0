"""The multilayer perceptron of Morcos et al. 2018: two hidden layers of equal width."""

from __future__ import annotations

from torch import nn

from ..errors import SpecError
from .network import Chain, Part, Units, drop, initialise, rows
from .registry import register


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
