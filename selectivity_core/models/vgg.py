"""The VGG16-like network of the first paper: batch norm, and one hidden layer of 512 units for the two of 4,096."""

from __future__ import annotations

from torch import nn

from .network import Stage, UnitNetwork, Units, conv3x3, drop, initialise, norm, rows

STAGES = (2, 2, 3, 3, 3)  # convolutions before each pool


class VGG16(UnitNetwork):
    """Thirteen 3x3 convolutions in five pooled stages, then a hidden layer: 14 layers of units.

    `width` is the first stage's channels (64 in the paper); the hidden layer has 8 · width units. A pool that would
    shrink the map below 1x1 is left out.
    """

    def __init__(
        self, *, channels: int, image_size: int, classes: int, width: int = 64,
        activation: str = "relu", batch_norm: bool = True, dropout: float = 0.0,
    ) -> None:  # fmt: skip
        super().__init__()
        inputs, size = channels, image_size
        for stage, depth in enumerate(STAGES, 1):
            outputs = width * min(2 ** (stage - 1), 8)
            layers: dict[str, nn.Module] = {}
            for k in range(1, depth + 1):
                layers[f"conv{k}"] = conv3x3(inputs, outputs, bias=not batch_norm)
                layers[f"bn{k}"] = norm(outputs, batch_norm)
                layers[f"units{k}"] = Units(activation)
                self.unit_filters[f"stage{stage}.units{k}"] = f"stage{stage}.conv{k}"
                inputs = outputs
            if size >= 2:
                layers["pool"] = nn.MaxPool2d(2)
                size //= 2
            stack = nn.Sequential()
            for name, module in layers.items():
                stack.add_module(name, module)
            self.add_module(f"stage{stage}", stack)
        self.hidden = nn.Linear(inputs * size * size, width * 8)
        self.units = Units(activation)
        self.unit_filters["units"] = "hidden"
        self.drop = drop(dropout)
        self.fc = nn.Linear(width * 8, classes)
        initialise(self)

    def stages(self) -> list[Stage]:
        """The convolutional stages, the hidden layer, the logits."""
        stacks = [getattr(self, f"stage{stage}") for stage in range(1, len(STAGES) + 1)]
        return [*stacks, rows, self.hidden, self.units, self.drop, self.fc]
