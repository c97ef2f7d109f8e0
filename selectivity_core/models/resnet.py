"""What residual networks share (He et al. 2016): a stem, stages of blocks, the mean over positions, the logits."""

from __future__ import annotations

from collections.abc import Callable

import torch.nn.functional as F
from torch import Tensor, nn

from ..errors import SpecError
from .network import Part, UnitNetwork, Units, conv3x3, halving, initialise, mean_over_positions, register


class ResNet(UnitNetwork):
    """Stem and stages; each stage after the first halves the map and doubles the width.

    A subclass names the network, its block and how many a stage has, and gives the stem.
    """

    name: str
    block: type[BasicBlock | Bottleneck]
    depths: tuple[int, ...]

    def __init__(
        self, *, channels: int, image_size: int, classes: int, width: int,
        activation: str = "relu", batch_norm: bool = True, dropout: float = 0.0, min_map: int = 1,
    ) -> None:  # fmt: skip
        super().__init__()
        if not batch_norm:  # neither paper has it without, nor with dropout
            raise SpecError(f"batch_norm: False given; {self.name} is defined with batch norm only")
        if dropout:
            raise SpecError(f"dropout: {dropout} given; {self.name} is defined without dropout")
        self.conv = self.stem(channels, width, image_size)
        self.bn = nn.BatchNorm2d(width)
        self.units = Units(activation)
        self.unit_filters["units"] = "conv"
        inputs, side = width, -(-image_size // self.conv.stride[0])
        if side < min_map:
            raise SpecError(f"min_map: {min_map} given; the stem of {self.name} leaves maps of {side}x{side}")
        for stage, depth in enumerate(self.depths, 1):
            blocks = []
            first, side = halving(side, min_map) if stage > 1 else (1, side)
            for k in range(depth):
                blocks.append(self.block(inputs, width * 2 ** (stage - 1), 1 if k else first, activation))
                inputs = width * 2 ** (stage - 1) * self.block.expansion
                for c in range(1, self.block.convolutions + 1):
                    self.unit_filters[f"stage{stage}.{k}.units{c}"] = f"stage{stage}.{k}.conv{c}"
            self.add_module(f"stage{stage}", nn.Sequential(*blocks))
        self.fc = nn.Linear(inputs, classes)
        initialise(self)

    @staticmethod
    def stem(channels: int, width: int, image_size: int) -> nn.Conv2d:
        """The first convolution."""
        raise NotImplementedError

    def parts(self) -> list[Part]:
        """The stem, the stages one after the other, the mean over positions, the logits."""
        stages = [self.get_submodule(f"stage{k}") for k in range(1, len(self.depths) + 1)]
        return [self.conv, self.bn, self.units, *stages, mean_over_positions, self.fc]


def projection(inputs: int, outputs: int, stride: int) -> nn.Module:
    """The 1x1 shortcut where the shape changes. It has no non-linearity and so no units."""
    if stride == 1 and inputs == outputs:
        return nn.Identity()
    return nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride=stride, bias=False), nn.BatchNorm2d(outputs))


class BasicBlock(nn.Module):
    """Two 3x3 convolutions beside a shortcut: map to map.

    Attributes:
        expansion: channels that come out, in multiples of `width`.
        convolutions: how many, each with a layer of units.
    """

    expansion = 1
    convolutions = 2

    def __init__(self, inputs: int, width: int, stride: int, activation: str) -> None:
        super().__init__()
        self.conv1 = conv3x3(inputs, width, stride)
        self.bn1 = nn.BatchNorm2d(width)
        self.units1 = Units(activation)
        self.conv2 = conv3x3(width, width)
        self.bn2 = nn.BatchNorm2d(width)
        self.shortcut = self.shortcut_of(inputs, width, stride)
        self.units2 = Units(activation)

    shortcut_of: Callable[[int, int, int], nn.Module] = staticmethod(projection)

    def forward(self, x: Tensor) -> Tensor:
        """Map to map."""
        y = self.bn2(self.conv2(self.units1(self.bn1(self.conv1(x)))))
        y += self.shortcut(x)
        return self.units2(y)


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


class Padding(nn.Module):
    """The shortcut that subsamples and pads with zero channels where the shape changes."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.stride = stride
        self.pad = (outputs - inputs) // 2, outputs - inputs - (outputs - inputs) // 2

    def forward(self, x: Tensor) -> Tensor:
        """Map to map."""
        if self.stride == 1 and not any(self.pad):
            return x
        return F.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, *self.pad))


class PaddedBlock(BasicBlock):
    """Two 3x3 convolutions beside a shortcut without weights."""

    shortcut_of = Padding


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


class Bottleneck(nn.Module):
    """1x1, 3x3 (which takes the stride) and 1x1 convolutions beside a shortcut."""

    expansion = 4
    convolutions = 3

    def __init__(self, inputs: int, width: int, stride: int, activation: str) -> None:
        super().__init__()
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
