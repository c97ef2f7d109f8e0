"""ResNet20 for 32x32 images (He et al. 2016), with parameter-free shortcuts."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from .network import Units, conv3x3
from .registry import register
from .resnet import Block, ResNet


class PaddedBlock(Block):
    """Two 3x3 convolutions; the shortcut subsamples and pads with zero channels where the shape changes."""

    def __init__(self, inputs: int, width: int, stride: int, activation: str) -> None:
        super().__init__(inputs, width, stride, activation)
        self.conv1 = conv3x3(inputs, width, stride)
        self.bn1 = nn.BatchNorm2d(width)
        self.units1 = Units(activation)
        self.conv2 = conv3x3(width, width)
        self.bn2 = nn.BatchNorm2d(width)
        self.units2 = Units(activation)
        self.stride = stride
        self.pad = (width - inputs) // 2, width - inputs - (width - inputs) // 2

    def forward(self, x: Tensor) -> Tensor:
        """Map to map."""
        y = self.bn2(self.conv2(self.units1(self.bn1(self.conv1(x)))))
        if self.stride != 1 or any(self.pad):
            x = F.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, *self.pad))
        y += x
        return self.units2(y)


@register("resnet20", title="ResNet20")
class ResNet20(ResNet):
    """Stem and three stages of three blocks: 19 layers of units, 0.27 M parameters at width 16."""

    name = "resnet20"
    block = PaddedBlock
    depths = (3, 3, 3)

    @staticmethod
    def stem(channels: int, width: int, image_size: int) -> nn.Conv2d:
        """3x3 with stride 1."""
        return conv3x3(channels, width)
