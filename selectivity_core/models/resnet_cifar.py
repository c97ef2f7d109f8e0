"""ResNet20 for 32x32 images (He et al. 2016), with parameter-free shortcuts."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from .network import (
    Stage,
    UnitNetwork,
    Units,
    conv3x3,
    initialise,
    mean_over_positions,
    need_batch_norm,
    need_no_dropout,
)


class _Block(nn.Module):
    """Two 3x3 convolutions; the shortcut subsamples and pads with zero channels where the shape changes."""

    def __init__(self, inputs: int, outputs: int, stride: int, activation: str) -> None:
        super().__init__()
        self.conv1 = conv3x3(inputs, outputs, stride)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.units1 = Units(activation)
        self.conv2 = conv3x3(outputs, outputs)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.units2 = Units(activation)
        self.stride = stride
        self.pad = (outputs - inputs) // 2, outputs - inputs - (outputs - inputs) // 2

    def forward(self, x: Tensor) -> Tensor:
        y = self.bn2(self.conv2(self.units1(self.bn1(self.conv1(x)))))
        if self.stride != 1 or any(self.pad):
            x = F.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, *self.pad))
        return self.units2(y + x)


class ResNet20(UnitNetwork):
    """Stem and three stages of three blocks: 19 layers of units, 0.27 M parameters at width 16."""

    def __init__(
        self, *, channels: int, image_size: int, classes: int, width: int = 16,
        activation: str = "relu", batch_norm: bool = True, dropout: float = 0.0,
    ) -> None:  # fmt: skip
        super().__init__()
        need_batch_norm("resnet20", batch_norm)
        need_no_dropout("resnet20", dropout)
        self.conv = conv3x3(channels, width)
        self.bn = nn.BatchNorm2d(width)
        self.units = Units(activation)
        self.unit_filters["units"] = "conv"
        inputs = width
        for stage in range(3):
            outputs = width * 2**stage
            blocks = []
            for block in range(3):
                blocks.append(_Block(inputs, outputs, 2 if stage and not block else 1, activation))
                inputs = outputs
                for k in (1, 2):
                    self.unit_filters[f"stage{stage + 1}.{block}.units{k}"] = f"stage{stage + 1}.{block}.conv{k}"
            self.add_module(f"stage{stage + 1}", nn.Sequential(*blocks))
        self.fc = nn.Linear(inputs, classes)
        initialise(self)

    def stages(self) -> list[Stage]:
        """The stem, the blocks one after the other, the mean over positions, the logits."""
        blocks = [*self.stage1, *self.stage2, *self.stage3]
        return [self.conv, self.bn, self.units, *blocks, mean_over_positions, self.fc]
