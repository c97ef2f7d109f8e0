"""ResNet50 (He et al. 2016) without the max-pool after the stem."""

from __future__ import annotations

from torch import Tensor, nn

from .network import Units, conv3x3
from .registry import register
from .resnet import Block
from .resnet_imagenet import ImageNetResNet, projection


class Bottleneck(Block):
    """1x1, 3x3 (which takes the stride) and 1x1 convolutions beside a shortcut."""

    expansion = 4
    convolutions = 3

    def __init__(self, inputs: int, width: int, stride: int, activation: str) -> None:
        super().__init__(inputs, width, stride, activation)
        outputs = width * self.expansion
        self.conv1 = nn.Conv2d(inputs, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.units1 = Units(activation)
        self.conv2 = conv3x3(width, width, stride)
        self.bn2 = nn.BatchNorm2d(width)
        self.units2 = Units(activation)
        self.conv3 = nn.Conv2d(width, outputs, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(outputs)
        self.shortcut = projection(inputs, outputs, stride)
        self.units3 = Units(activation)

    def forward(self, x: Tensor) -> Tensor:
        """Map to map."""
        y = self.units1(self.bn1(self.conv1(x)))
        y = self.units2(self.bn2(self.conv2(y)))
        return self.units3(self.bn3(self.conv3(y)) + self.shortcut(x))


@register("resnet50", title="ResNet50")
class ResNet50(ImageNetResNet):
    """Four stages of 3, 4, 6 and 3 bottlenecks: 49 layers of units."""

    name = "resnet50"
    block = Bottleneck
    depths = (3, 4, 6, 3)
