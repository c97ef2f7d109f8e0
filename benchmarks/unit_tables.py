"""Tables of units of a whole test set against the evaluation pass without which there are none."""

from __future__ import annotations

import torch

from selectivity_core import build_model, profile
from selectivity_core.evaluation import measured_units, score

from .images import generated
from .timing import Paired, compare

IMAGES, THREADS = 10_000, 1


def measure() -> dict[str, Paired]:
    """The ratio: ResNet20 at full width on as many images as CIFAR-10 tests on, every measure of every layer."""
    spec, data = profile("cifar10-short"), generated(10, 10, IMAGES)
    torch.manual_seed(0)
    model = build_model(spec.model, channels=3, image_size=32, classes=10, width=spec.width)
    model = model.to(memory_format=torch.channels_last)
    threads = torch.get_num_threads()
    torch.set_num_threads(THREADS)
    try:
        found = compare(
            lambda: measured_units(model, data, spec.precision, spec.seed, shuffles=0),
            lambda: score(model, data, data.test_images, data.test_labels, spec.precision),
        )
    finally:
        torch.set_num_threads(threads)
    return {"unit-tables": found}
