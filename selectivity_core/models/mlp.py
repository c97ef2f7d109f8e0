"""The multilayer perceptron of Morcos et al. 2018: two hidden layers of equal width."""

from __future__ import annotations

from torch import nn

from .network import Stage, UnitNetwork, Units, drop, initialise, rows


class MLP(UnitNetwork):
    """Two hidden layers of `width` units. Batch norm, where asked for, stands before each non-linearity."""

    def __init__(
        self, *, channels: int, image_size: int, classes: int, width: int = 512,
        activation: str = "relu", batch_norm: bool = False, dropout: float = 0.0,
    ) -> None:  # fmt: skip
        super().__init__()
        inputs = channels * image_size * image_size
        for k in (1, 2):
            self.add_module(f"fc{k}", nn.Linear(inputs, width))
            self.add_module(f"bn{k}", nn.BatchNorm1d(width) if batch_norm else nn.Identity())
            self.add_module(f"units{k}", Units(activation))
            self.add_module(f"drop{k}", drop(dropout))
            self.unit_filters[f"units{k}"] = f"fc{k}"
            inputs = width
        self.fc = nn.Linear(width, classes)
        initialise(self)

    def stages(self) -> list[Stage]:
        """Two hidden layers, then the logits."""
        first = [self.fc1, self.bn1, self.units1, self.drop1]
        return [rows, *first, self.fc2, self.bn2, self.units2, self.drop2, self.fc]
