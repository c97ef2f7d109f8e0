"""ResNet18 (He et al. 2016) without the max-pool after the stem, as the first paper uses it on 64x64 images."""

from __future__ import annotations

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


def stem(channels: int, width: int, image_size: int) -> nn.Conv2d:
    """7x7 with stride 2; for images under 32 pixels 3x3 with stride 1, which keeps a map to work on."""
    if image_size < 32:
        return conv3x3(channels, width)
    return nn.Conv2d(channels, width, 7, stride=2, padding=3, bias=False)


def projection(inputs: int, outputs: int, stride: int) -> nn.Module:
    """The 1x1 shortcut where the shape changes. It has no non-linearity and so no units."""
    if stride == 1 and inputs == outputs:
        return nn.Identity()
    return nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride=stride, bias=False), nn.BatchNorm2d(outputs))


class BasicBlock(nn.Module):
    """Two 3x3 convolutions beside a shortcut."""

    expansion = 1
    convolutions = 2

    def __init__(self, inputs: int, width: int, stride: int, activation: str) -> None:
        super().__init__()
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


class ImageNetResNet(UnitNetwork):
    """Stem and four stages; the subclass names the block and how many a stage has."""

    name: str
    block: type[nn.Module]
    depths: tuple[int, int, int, int]

    def __init__(
        self, *, channels: int, image_size: int, classes: int, width: int = 64,
        activation: str = "relu", batch_norm: bool = True, dropout: float = 0.0,
    ) -> None:  # fmt: skip
        super().__init__()
        need_batch_norm(self.name, batch_norm)
        need_no_dropout(self.name, dropout)
        self.conv = stem(channels, width, image_size)
        self.bn = nn.BatchNorm2d(width)
        self.units = Units(activation)
        self.unit_filters["units"] = "conv"
        inputs = width
        for stage, depth in enumerate(self.depths, 1):
            blocks = []
            for k in range(depth):
                stride = 2 if stage > 1 and not k else 1
                blocks.append(self.block(inputs, width * 2 ** (stage - 1), stride, activation))
                inputs = width * 2 ** (stage - 1) * self.block.expansion  # type: ignore[operator]
                for c in range(1, self.block.convolutions + 1):  # type: ignore[operator]
                    self.unit_filters[f"stage{stage}.{k}.units{c}"] = f"stage{stage}.{k}.conv{c}"
            self.add_module(f"stage{stage}", nn.Sequential(*blocks))
        self.fc = nn.Linear(inputs, classes)
        initialise(self)

    def stages(self) -> list[Stage]:
        """The stem, the blocks one after the other, the mean over positions, the logits."""
        blocks = [*self.stage1, *self.stage2, *self.stage3, *self.stage4]
        return [self.conv, self.bn, self.units, *blocks, mean_over_positions, self.fc]


class ResNet18(ImageNetResNet):
    """Four stages of two basic blocks: 17 layers of units, 11.3 M parameters at width 64 and 200 classes."""

    name = "resnet18"
    block = BasicBlock
    depths = (2, 2, 2, 2)
