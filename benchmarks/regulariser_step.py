"""What the regulariser adds to a training step: ResNet20, batch 256, 32x32, bf16; generated images."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from selectivity_core import SelectivityRegularizer, build_model
from selectivity_core.arithmetic import arithmetic
from selectivity_core.units import unit_layers

from .timing import Paired, in_turn

BATCH, CLASSES, SIZE, WIDTH = 256, 10, 32, 16


class PlainRegularizer:
    """The straightforward peer: a forward hook on each layer, class means and the index layer by layer."""

    def __init__(self, model: torch.nn.Module, alpha: float) -> None:
        self.alpha, self.seen = alpha, []
        for module in unit_layers(model).values():
            module.register_forward_hook(lambda _m, _i, output: self.seen.append(output))

    def __call__(self, labels: Tensor) -> Tensor:
        means = [self._layer(output.float().mean((2, 3)), labels) for output in self.seen]
        self.seen.clear()
        return -self.alpha * torch.stack(means).mean()

    @staticmethod
    def _layer(activity: Tensor, labels: Tensor) -> Tensor:
        means = torch.stack([activity[labels == c].mean(0) for c in labels.unique()])
        top = means.max(0).values
        others = (means.sum(0) - top) / (len(means) - 1)
        return ((top - others) / (top + others + 1e-7)).mean()


def step(
    kind: str, *, width: int = WIDTH, classes: int = CLASSES, batch: int = BATCH, size: int = SIZE
) -> Callable[[], Tensor]:
    """A training step with no regulariser ("none"), ours ("ours") or the plain one ("plain"); returns the loss."""
    torch.manual_seed(0)
    model = build_model("resnet20", channels=3, image_size=size, classes=classes, width=width)
    model = model.to(memory_format=torch.channels_last)
    images = torch.randn(batch, 3, size, size).contiguous(memory_format=torch.channels_last)
    labels = torch.arange(batch) % classes
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9, fused=True)
    make = {"none": lambda *_: None, "ours": SelectivityRegularizer, "plain": PlainRegularizer}[kind]
    regularizer = make(model, -1.0)

    def run() -> Tensor:
        with arithmetic(images.device, "bfloat16"):
            loss = F.cross_entropy(model(images), labels)
        if regularizer is not None:
            loss = loss + regularizer(labels)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        return loss.detach()

    return run


def measure() -> dict[str, Paired]:
    """Both ratios, from steps taken in turn."""
    ours, none, plain = in_turn([step("ours"), step("none"), step("plain")], rounds=15)
    return {"step": Paired(ours, none), "step-hooks": Paired(ours, plain)}
