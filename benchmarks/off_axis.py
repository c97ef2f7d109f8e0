"""What the search for the off-axis bound costs beside the straightforward one, on generated activity."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import orthogonal

from selectivity_core import selectivity_index
from selectivity_core.rotation import ShiftedIndex, fit_projections, starting_projections
from selectivity_core.seeds import generator

from .timing import Paired, compare

CLASSES, LR = 10, 1e-3


def generated(samples: int, units: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Rectified activity (samples, units) with class means of its own, and labels; the means do not hang on `seed`."""
    labels = torch.arange(samples) % CLASSES
    means = torch.rand(CLASSES, units, generator=generator(0, "means"))
    return torch.relu(means[labels] + 0.7 * torch.randn(samples, units, generator=generator(seed, "noise"))), labels


def plain_index(activity: Tensor, labels: Tensor, projection: Tensor) -> Tensor:
    """Mean index of the columns of A·W, each less its minimum: formed from all samples, for autograd."""
    projected = activity @ projection
    return selectivity_index(projected - projected.amin(0), labels).mean()


def plain_layer(start: Tensor) -> nn.Module:
    """A layer whose `weight` is kept orthonormal by torch's parametrization, from a W to start with."""
    layer = nn.Linear(*start.shape, bias=False, dtype=start.dtype)
    with torch.no_grad():
        layer.weight.copy_(start)
    orthogonal(layer)
    layer.weight = start
    return layer


def plain_fit(activity: Tensor, labels: Tensor, start: Tensor, steps: int) -> Tensor:
    """The straightforward peer: so many steps of Adam from one start; the W reached."""
    layer = plain_layer(start.to(activity.dtype))
    optimizer = torch.optim.Adam(layer.parameters(), lr=LR)
    for _ in range(steps):
        optimizer.zero_grad()
        (-plain_index(activity, labels, layer.weight)).backward()
        optimizer.step()
    return layer.weight.detach()


def searches(units: int, steps: int, samples: int = 5_000) -> Paired:
    """Times of so many steps from every start of the library's search."""
    activity, labels = generated(samples, units)
    starts = starting_projections(ShiftedIndex(activity, labels), 0)
    return compare(
        lambda: fit_projections(activity, labels, steps=steps, lr=LR, seed=0),
        lambda: [plain_fit(activity, labels, start, steps) for start in starts],
    )


def measure() -> dict[str, Paired]:
    """The ratio for two widths of a layer."""
    return {"off-axis-64": searches(64, 25), "off-axis-256": searches(256, 3)}
