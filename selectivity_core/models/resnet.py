"""What residual networks share (He et al. 2016): a stem, stages of blocks, the mean over positions, the logits."""

from __future__ import annotations

from torch import nn

from ..errors import SpecError
from .network import (
    Stage,
    UnitNetwork,
    Units,
    halving,
    initialise,
    mean_over_positions,
    need_batch_norm,
    need_no_dropout,
)


class Block(nn.Module):
    """Convolutions beside a shortcut: map to map.

    Attributes:
        expansion: channels that come out, in multiples of `width`.
        convolutions: how many, each with a layer of units.
    """

    expansion = 1
    convolutions = 2

    def __init__(self, inputs: int, width: int, stride: int, activation: str) -> None:
        super().__init__()


class ResNet(UnitNetwork):
    """Stem and stages; each stage after the first halves the map and doubles the width.

    A subclass names the network, its block and how many a stage has, and gives the stem.
    """

    name: str
    block: type[Block]
    depths: tuple[int, ...]

    def __init__(
        self, *, channels: int, image_size: int, classes: int, width: int,
        activation: str = "relu", batch_norm: bool = True, dropout: float = 0.0, min_map: int = 1,
    ) -> None:  # fmt: skip
        super().__init__()
        need_batch_norm(self.name, batch_norm)
        need_no_dropout(self.name, dropout)
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

    def stages(self) -> list[Stage]:
        """The stem, the stages one after the other, the mean over positions, the logits."""
        stages = [self.get_submodule(f"stage{k}") for k in range(1, len(self.depths) + 1)]
        return [self.conv, self.bn, self.units, *stages, mean_over_positions, self.fc]
