"""What the search for the off-axis bound costs beside the straightforward one; generated activity, one thread.

python -m benchmarks.off_axis
"""

from __future__ import annotations

import time

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import orthogonal

from selectivity_core import selectivity_index
from selectivity_core.orthonormal import ShiftedIndex, fit_projections, starting_projections
from selectivity_core.rotation import max_off_axis_selectivity
from selectivity_core.seeds import generator

from .timing import compare

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


def main() -> None:
    """Prints a ratio for each width, then the time of a whole bound."""
    torch.set_num_threads(1)
    for units, steps in ((64, 25), (256, 3)):
        activity, labels = generated(5_000, units)
        starts = starting_projections(ShiftedIndex(activity, labels), 0)
        row = compare(
            f"{steps} steps of {len(starts)} starts, {units} units / parametrized",
            lambda data=(activity, labels), n=steps: fit_projections(*data, steps=n, lr=LR, seed=0),
            lambda data=(activity, labels), n=steps, ws=starts: [plain_fit(*data, w, n) for w in ws],
            pairs=5,
        ).row()
        print(row, flush=True)
    data = *generated(5_000, 64), *generated(10_000, 64, seed=1)
    begun = time.perf_counter()
    bound = max_off_axis_selectivity(*data, lr=LR)
    print(
        f"the bound of 64 units, all steps and starts: {time.perf_counter() - begun:.1f} s, {bound.mean():.3f} on test"
    )


if __name__ == "__main__":
    main()
