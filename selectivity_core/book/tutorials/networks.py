"""Two networks that know nothing of this package: torchvision's, and a transformer of torch's own layers."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd
import torch
from torch import Tensor, nn

from ...data.sources import torchvision
from ...units import unit_layers

GELU_SHIFT = 0.17  # GELU is nowhere below −0.17


def residual_network(classes: int = 10) -> nn.Module:
    """torchvision's ResNet with one basic block in each of its four stages, freshly initialised."""
    resnet = torchvision().models.resnet
    return resnet.ResNet(resnet.BasicBlock, [1, 1, 1, 1], num_classes=classes)


class RowTransformer(nn.Module):
    """A transformer encoder over the rows of a small image.

    torch's own encoder layers (pre-norm, no dropout), whose hidden units are GELUs;
    the class is read from the mean over tokens.

    Args:
        tokens: rows of the image.
        features: pixels of a row.
        classes: logits.
        width: features of a token inside; a block has twice as many hidden units.
        depth: blocks.
    """

    def __init__(
        self,
        tokens: int = 8,
        features: int = 8,
        classes: int = 10,
        width: int = 64,
        depth: int = 3,
    ) -> None:
        super().__init__()
        self.embed = nn.Linear(features, width)
        self.place = nn.Parameter(torch.randn(tokens, width) * 0.02)
        block = nn.TransformerEncoderLayer(
            width,
            nhead=4,
            dim_feedforward=2 * width,
            dropout=0.0,
            activation=nn.GELU(),  # a module; "gelu" is a function
            batch_first=True,
            norm_first=True,
        )
        self.blocks = nn.TransformerEncoder(block, depth, enable_nested_tensor=False)
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, classes)

    def forward(self, rows: Tensor) -> Tensor:
        """Logits (samples, classes) of rows (samples, tokens, features)."""
        tokens = self.blocks(self.embed(rows) + self.place)
        return self.head(self.norm(tokens).mean(1))


def calls(model: nn.Module, inputs: Tensor) -> pd.DataFrame:
    """How often a forward pass uses each activation module, and how many units it has there.

    Args:
        model: any network with activation modules.
        inputs: (samples, ...) one batch.

    Returns:
        a row for each module with layer (its name), kind, calls and units (of its calls, in order; as text).

    Raises:
        UnitError: no activation module.
    """
    seen: dict[str, list[int]] = {}
    found = unit_layers(model)

    def counter(name: str) -> Callable[..., None]:
        def hook(_module: nn.Module, _inputs: object, output: Tensor) -> None:
            seen.setdefault(name, []).append(output.shape[-1 if output.ndim == 3 else 1])

        return hook

    handles = [module.register_forward_hook(counter(name)) for name, module in found.items()]
    try:
        with torch.no_grad():
            model(inputs)
    finally:
        for handle in handles:
            handle.remove()
    rows = []
    for name, module in found.items():
        units = seen.get(name, [])
        kind = type(module).__name__
        rows.append({"layer": name, "kind": kind, "calls": len(units), "units": ", ".join(map(str, units))})
    return pd.DataFrame(rows)
