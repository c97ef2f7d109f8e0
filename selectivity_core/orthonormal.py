"""The search for orthonormal axes along which a layer is as selective as can be, from several starts at once."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from .metrics import class_means, index_of_means
from .progress import bar
from .seeds import generator

STARTS = ("identity", "random 1", "random 2")
CHANGE, PATIENCE = 1e-6, 10
BLOCK = 128


@dataclass(frozen=True)
class Fit:
    """What one start of the search came to.

    Attributes:
        start: its name, one of STARTS.
        projection: (units, units) float64, the best W that the search passed through.
        first: mean index of the start itself.
        reached: mean index of `projection`; never below `first`.
        steps: how many were taken before the search stopped.
    """

    start: str
    projection: Tensor
    first: float
    reached: float
    steps: int


class ShiftedIndex:
    """Mean selectivity index of the columns of A·W, each less its minimum over the samples, and its gradient.

    The minimum takes part in the gradient. Held constant, as the regulariser holds it, it would hide that a direction
    gains by raising its lowest sample, and the search would stop far below what it can reach.

    The class means of A·W are those of A times W, so that only the minima need the samples at every step.

    Args:
        activity: (samples, units) of any sign.
        labels: (samples,) integers.
    """

    def __init__(self, activity: Tensor, labels: Tensor) -> None:
        values = activity.double()
        # A constant added to a unit moves all samples of a column alike; without it float32 resolves the minima.
        values = values - values.mean(0)
        self.means = class_means(values, labels)[2]
        filler = values[:1].expand(-len(values) % BLOCK, -1)  # repeats of a sample cannot change a minimum
        self.samples = torch.cat([values, filler])
        self._columns = self.samples.T.float().contiguous()

    def lowest(self, projection: Tensor) -> Tensor:
        """(units,) the sample with the smallest value in each column of W (units, units), up to float32 rounding."""
        values = (projection.T.float() @ self._columns).view(projection.shape[1], -1, BLOCK)
        block = values.amin(2).argmin(1)  # argmin over whole columns takes four times as long
        return block * BLOCK + values[torch.arange(len(values)), block].argmin(1)

    def columns(self, projections: Tensor) -> Tensor:
        """(starts, units) index of every column at each W of (starts, units, units) float64."""
        return _index(self._shifted_means(projections)[0])

    def __call__(self, projections: Tensor) -> tuple[Tensor, Tensor]:
        """(starts,) mean index at each W of (starts, units, units) float64, and its gradients, of the same shape."""
        means, rows = self._shifted_means(projections)
        with torch.enable_grad():
            index = _index(means.requires_grad_()).mean(1)
            (slope,) = torch.autograd.grad(index.sum(), means)
        return index.detach(), self.means.T @ slope - rows.mT * slope.sum(1, keepdim=True)

    def _shifted_means(self, projections: Tensor) -> tuple[Tensor, Tensor]:
        """Class means (starts, classes, units) of the columns, and their lowest samples (starts, units, units)."""
        rows = self.samples[torch.stack([self.lowest(w) for w in projections])]
        return self.means @ projections - (rows * projections.mT).sum(2)[:, None], rows


def _index(means: Tensor) -> Tensor:
    """(starts, units) index of class means (starts, classes, units): of all starts' columns side by side."""
    starts, _, units = means.shape
    return index_of_means(means.transpose(0, 1).flatten(1)).view(starts, units)


def random_projection(units: int, source: torch.Generator) -> Tensor:
    """(units, units) float64 orthonormal, drawn uniformly."""
    return torch.nn.init.orthogonal_(torch.empty(units, units, dtype=torch.float64), generator=source)


def starting_projections(objective: ShiftedIndex, seed: int) -> Tensor:
    """(starts, units, units) float64 in the order of STARTS: the identity and two random W, columns turned round.

    A column gets the sign with the higher index. The search could hardly change it afterwards: it would have to pass
    through directions that are worse than both, and a single unit has no other way at all.
    """
    units = objective.means.shape[1]
    drawn = [random_projection(units, generator(seed, "rotation", place)) for place in range(len(STARTS) - 1)]
    found = torch.stack([torch.eye(units, dtype=torch.float64), *drawn])
    return found * torch.where(objective.columns(-found) > objective.columns(found), -1, 1)[:, None]


def fit_projections(activity: Tensor, labels: Tensor, *, steps: int, lr: float, seed: int) -> list[Fit]:
    """Raises the mean index from every start by Adam along the orthonormal matrices.

    A step is taken in the tangent space at the current W (a skew matrix X; Adam keeps its moments between steps) and
    carried to W·(I − X/2)⁻¹(I + X/2), which is orthonormal: a trivialisation whose base moves along (Lezcano-Casado
    2019). A start ends after `steps`, or when its index changed by less than 1e-6 ten times running.

    Args:
        activity: (samples, units) on the CPU.
        labels: (samples,) integers of two classes or more.
        steps: at most so many for each start.
        lr: Adam's learning rate.
        seed: of the random starts.

    Returns:
        one result a start, in the order of STARTS.
    """
    # A caller's autocast would round the search, and its inference mode has no gradients.
    with torch.inference_mode(False), torch.autocast("cpu", enabled=False):
        objective = ShiftedIndex(activity, labels)
        return _search(objective, starting_projections(objective, seed), steps, lr)


def _search(objective: ShiftedIndex, projections: Tensor, steps: int, lr: float) -> list[Fit]:
    unit = torch.eye(projections.shape[1], dtype=projections.dtype)
    skew = torch.zeros_like(projections, requires_grad=True)
    optimizer = torch.optim.Adam([skew], lr=lr)  # not fused: that takes no heed of the strides of a gradient
    value, gradient = objective(projections)
    first, reached, best = value, value, projections
    taken = torch.zeros(len(projections), dtype=torch.int64)
    quiet = torch.zeros_like(taken)
    with bar("off-axis bound", steps, "step", delay=2, leave=False) as shown:
        for _ in range(steps):
            going = quiet < PATIENCE
            if not going.any():
                break
            pull = projections.mT @ gradient
            skew.grad = pull.mT - pull  # upwards: Adam descends
            optimizer.step()
            with torch.no_grad():
                turned = projections @ torch.linalg.solve(unit - skew / 2, unit + skew / 2)
                skew.zero_()
            # Starts that ended stay where they are, so that none depends on the others.
            projections = torch.where(going[:, None, None], turned, projections)
            before = value
            value, gradient = objective(projections)
            best = torch.where((value > reached)[:, None, None], projections, best)
            reached = torch.maximum(value, reached)
            quiet = torch.where((value - before).abs() < CHANGE, quiet + 1, 0)
            taken += going
            shown.update()
    return [Fit(name, best[k], first[k].item(), reached[k].item(), int(taken[k])) for k, name in enumerate(STARTS)]


def best_fit(fits: list[Fit]) -> Fit:
    """The one that reached most; the earlier start on a tie."""
    return max(fits, key=lambda fit: fit.reached)
