"""An epoch of ResNet20 at CIFAR-10's size: the library's trainer, a conventional one, and the arithmetic's peak.

Twenty steps are timed, loading and augmentation included; both trainers' epochs are the same number of such steps, so
that the ratio is that of whole epochs.
"""

from __future__ import annotations

import torch
from torch.utils.flop_counter import FlopCounterMode

from selectivity_core import build_model, profile
from selectivity_core.data import split
from selectivity_core.spec import RunSpec
from selectivity_core.training import Trainer, isolated

from .conventional import ConventionalTrainer
from .images import generated
from .timing import Paired, in_turn

STEPS, THREADS = 20, 2
PRODUCT = 2048  # rows and columns of the matrices whose product gives the peak
REPEATS = 20


def epoch_spec(steps: int = STEPS) -> RunSpec:
    """The short CIFAR-10 profile's run at α = −1, on `steps` batches an epoch."""
    base = profile("cifar10-short", alpha=-1.0)
    return base.replace(train_size=steps * base.batch_size, threads=THREADS)


def training_flops(spec: RunSpec) -> float:
    """Floating-point operations of one training step: forward and backward, as matrix products count them."""
    with torch.device("meta"), torch.random.fork_rng(devices=[]):
        model = build_model(spec.model, channels=3, image_size=32, classes=10, width=spec.width)
        images = torch.empty(spec.batch_size, 3, 32, 32)
    with FlopCounterMode(display=False) as counter:
        model(images).sum().backward()
    return float(counter.get_total_flops())


def measure() -> dict[str, Paired]:
    """Epochs in turn with a large bf16 matrix product."""
    spec = epoch_spec()
    # A handful of images to validate and test on: only the steps are to be timed.
    data = generated(spec.train_size, 20, 20)
    index = split(data, spec.seed, spec.train_size).train
    with isolated(spec):
        trainer = Trainer(spec.replace(epochs=100, milestones=()), data, torch.device("cpu"))
        network = build_model(spec.model, channels=3, image_size=32, classes=10, width=spec.width)
        plain = ConventionalTrainer(network, spec, data, index)
        a, b = (torch.randn(PRODUCT, PRODUCT).bfloat16() for _ in range(2))

        def product() -> None:
            for _ in range(REPEATS):
                a @ b

        ours, theirs, peak = in_turn([trainer.run_epoch, plain.run_epoch, product])
    # Share of peak: the time that the epoch's arithmetic takes as matrix products, over the time that it took.
    scale = training_flops(spec) * STEPS / (2 * PRODUCT**3 * REPEATS)
    return {"epoch": Paired(ours, theirs), "peak": Paired(peak, ours, scale)}
