"""What the regulariser adds to a training step: ResNet20, batch 256, 32x32, bf16, one thread; generated images.

python -m benchmarks.regulariser_step
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from selectivity_core import SelectivityRegularizer, build_model
from selectivity_core.units import unit_layers

from .timing import compare

BATCH, CLASSES = 256, 10


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


def step(kind: str) -> Callable[[], Tensor]:
    """A training step with no regulariser ("none"), ours ("ours") or the plain one ("plain"); returns the loss."""
    torch.manual_seed(0)
    model = build_model("resnet20", channels=3, image_size=32, classes=CLASSES, width=16)
    model = model.to(memory_format=torch.channels_last)
    images = torch.randn(BATCH, 3, 32, 32).contiguous(memory_format=torch.channels_last)
    labels = torch.arange(BATCH) % CLASSES
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9, fused=True)
    make = {"none": lambda *_: None, "ours": SelectivityRegularizer, "plain": PlainRegularizer}[kind]
    regularizer = make(model, -1.0)

    def run() -> Tensor:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            loss = F.cross_entropy(model(images), labels)
        if regularizer is not None:
            loss = loss + regularizer(labels)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        return loss.detach()

    return run


def main() -> None:
    """Prints both ratios."""
    torch.set_num_threads(1)
    print(compare("step with the regulariser / without", step("ours"), step("none")).row())
    print(compare("step with the regulariser / with plain hooks", step("ours"), step("plain")).row())


if __name__ == "__main__":
    main()
