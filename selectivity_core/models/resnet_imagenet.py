"""ResNet18 (He et al. 2016) without the max-pool after the stem, as the first paper uses it on 64x64 images."""

from __future__ import annotations

from torch import Tensor, nn

from .network import Units, conv3x3
from .registry import register
from .resnet import Block, ResNet


def projection(inputs: int, outputs: int, stride: int) -> nn.Module:
    """The 1x1 shortcut where the shape changes. It has no non-linearity and so no units."""
    if stride == 1 and inputs == outputs:
        return nn.Identity()
    return nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride=stride, bias=False), nn.BatchNorm2d(outputs))


class BasicBlock(Block):
    """Two 3x3 convolutions beside a shortcut."""

    def __init__(self, inputs: int, width: int, stride: int, activation: str) -> None:
        super().__init__(inputs, width, stride, activation)
        self.conv1 = conv3x3(inputs, width, stride)
        self.bn1 = nn.BatchNorm2d(width)
        self.units1 = Units(activation)
        self.conv2 = conv3x3(width, width)
        self.bn2 = nn.BatchNorm2d(width)
        self.shortcut = projection(inputs, width, stride)
        self.units2 = Units(activation)

    def forward(self, x: Tensor) -> Tensor:
        """Map to map."""
        y = self.units1(self.bn1(self.conv1(x)))
        return self.units2(self.bn2(self.conv2(y)) + self.shortcut(x))


class ImageNetResNet(ResNet):
    """A residual network whose stem suits the size of the images."""

    @staticmethod
    def stem(channels: int, width: int, image_size: int) -> nn.Conv2d:
        """7x7 with stride 2; for images under 32 pixels 3x3 with stride 1, which keeps a map to work on."""
        if image_size < 32:
            return conv3x3(channels, width)
        return nn.Conv2d(channels, width, 7, stride=2, padding=3, bias=False)


@register("resnet18", title="ResNet18")
class ResNet18(ImageNetResNet):
    """Four stages of two basic blocks: 17 layers of units, 11.3 M parameters at width 64 and 200 classes."""

    name = "resnet18"
    block = BasicBlock
    depths = (2, 2, 2, 2)
