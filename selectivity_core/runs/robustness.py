"""How well trained networks do on corrupted and attacked images, and how many dimensions their activity changes in."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ..arithmetic import evaluating
from ..corruptions import SEVERITIES, corrupt, corruptions_for
from ..data import Dataset, normalise
from ..models import UnitNetwork
from ..robustness import BATCH, dimensionality, fgsm, pgd
from ..seeds import generator
from ..spec import RunSpec
from ..watching import record
from .trained import MOST_IMAGES, TrainedRuns, fixed

if TYPE_CHECKING:
    import pandas as pd

MOST_ATTACKED = 500  # images: a gradient costs as much as two or three passes, and PGD takes ten
STEPS = 10  # of PGD
# eps in units of 1/255, by the channels of images: from nearly harmless to nearly always fatal.
EPS = {1: (8.0, 16.0, 32.0, 64.0), 3: (0.5, 1.0, 2.0, 4.0)}
MEASURED = 2  # the place of the eps at which dimensionality is measured


def unchanged(data: Dataset, most: int) -> tuple[Tensor, Tensor]:
    """At most so many `fixed` test images, uint8, and their labels."""
    chosen = fixed(data.test_labels, most)
    return data.test_images[chosen], data.test_labels[chosen]


def corrupted(data: Dataset, most: int, severities: Sequence[int] = SEVERITIES) -> Iterator[tuple[str, float, Tensor]]:
    """Every corruption that makes sense on a data set's images: its name, a severity, test images for the network.

    Every network of a data set is shown the same ones.
    """
    images, _ = unchanged(data, most)
    for name in corruptions_for(data.image_size):
        for severity in severities:
            yield name, float(severity), normalise(corrupt(images, name, severity), data)


def attacked(
    model: UnitNetwork, data: Dataset, most: int, sizes: Sequence[float]
) -> Iterator[tuple[str, float, Tensor]]:
    """FGSM and PGD: its name, eps in units of 1/255, test images for the network.

    PGD starts at the same random point near an image, whatever the network.
    """
    images, labels = unchanged(data, most)
    clean = images.permute(0, 3, 1, 2).float() / 255
    mean, std = (torch.tensor(values)[:, None, None] for values in (data.mean, data.std))
    for size in sizes:
        changed = fgsm(model, clean, labels, size / 255, mean=data.mean, std=data.std)
        yield "fgsm", size, (changed - mean) / std
        draw = generator(0, "pgd")
        changed = pgd(model, clean, labels, size / 255, steps=STEPS, generator=draw, mean=data.mean, std=data.std)
        yield "pgd", size, (changed - mean) / std


def robustness_rows(runs: TrainedRuns, spec: RunSpec) -> pd.DataFrame:
    """Accuracy on changed test images with the best epoch's weights; at severity 0 that on the same images, unchanged.

    Severities of corruptions are 1 to 5, those of attacks eps in units of 1/255.
    """
    import pandas as pd

    data, model = runs.dataset(spec), runs.network(spec)

    def accuracy(inputs: Tensor) -> tuple[float, int]:
        labels = unchanged(data, len(inputs))[1]
        with evaluating(model):
            right = torch.cat([model(some).argmax(1) for some in inputs.split(BATCH)]) == labels
        return float(right.double().mean()), len(labels)

    clean = {most: accuracy(normalise(unchanged(data, most)[0], data)) for most in (MOST_IMAGES, MOST_ATTACKED)}
    rows = [(name, 0.0, *clean[MOST_IMAGES]) for name in corruptions_for(data.image_size)]
    rows += [(name, 0.0, *clean[MOST_ATTACKED]) for name in ("fgsm", "pgd")]
    for source in (corrupted(data, MOST_IMAGES), attacked(model, data, MOST_ATTACKED, EPS[data.channels])):
        rows += [(name, severity, *accuracy(inputs)) for name, severity, inputs in source]
    return pd.DataFrame(rows, columns=["perturbation", "severity", "accuracy", "samples"])


def dimension_rows(runs: TrainedRuns, spec: RunSpec) -> pd.DataFrame:
    """Dimensionality of what a change of the test images changes in each layer's activity, its mean over positions.

    Corruptions are at severity 5, attacks at the third eps. Beside them "none", at severity 0, has the dimensionality
    of the activity itself.
    """
    import pandas as pd

    data, model = runs.dataset(spec), runs.network(spec)

    def activity(inputs: Tensor) -> dict[str, Tensor]:
        found: dict[str, list[Tensor]] = {}
        with record(model) as seen, evaluating(model):
            for some in inputs.split(BATCH):
                model(some)
                for layer, values in seen.items():
                    found.setdefault(layer, []).append(values)
        return {layer: torch.cat(parts) for layer, parts in found.items()}

    clean = activity(normalise(unchanged(data, MOST_ATTACKED)[0], data))
    rows = [("none", 0.0, layer, k, dimensionality(values)) for k, (layer, values) in enumerate(clean.items())]
    for source in (
        corrupted(data, MOST_ATTACKED, SEVERITIES[-1:]),
        attacked(model, data, MOST_ATTACKED, EPS[data.channels][MEASURED : MEASURED + 1]),
    ):
        for name, severity, inputs in source:
            changed = activity(inputs)
            rows += [
                (name, severity, layer, depth, dimensionality(changed[layer] - values))
                for depth, (layer, values) in enumerate(clean.items())
            ]
    return pd.DataFrame(rows, columns=["perturbation", "severity", "layer", "depth", "components"])
