"""The search for orthonormal axes along which a layer is as selective as can be, from several starts at once."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from .errors import ActivityError
from .indices import checked, class_means, index_of_means, selectivity_index
from .progress import bar
from .seeds import generator

STARTS = ("identity", "random 1", "random 2")
CHANGE, PATIENCE = 1e-6, 10
BLOCK = 128
RANDOM_PROJECTIONS = 10


@dataclass(frozen=True)
class Fit:
    """What one start of the search came to, after so many steps.

    `projection` (units, units) float64 is the best W that it passed through, `reached` its mean index.
    """

    projection: Tensor
    reached: float
    steps: int


class ShiftedIndex:
    """Mean selectivity index of the columns of A·W, each less its minimum over the samples, and its gradient.

    The minimum takes part in the gradient. Held constant, as the regulariser holds it, it would hide that a direction
    gains by raising its lowest sample, and the search would stop far below what it can reach.

    The class means of A·W are those of A times W, so that only the minima need the samples at every step.
    Activity (samples, units) has any sign.
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
    2019). A start ends after `steps`, or when its index changed by less than 1e-6 ten times running. Results are in the
    order of STARTS.
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
    reached, best = value, projections
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
                # One at a time: with several threads torch 2.13 solves batches of 160 units and more wrongly.
                turns = [torch.linalg.solve(unit - x / 2, unit + x / 2) for x in skew]
                turned = projections @ torch.stack(turns)
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
    return [Fit(best[k], reached[k].item(), int(taken[k])) for k in range(len(STARTS))]


def best_fit(fits: list[Fit]) -> Fit:
    """The one that reached most; the earlier start on a tie."""
    return max(fits, key=lambda fit: fit.reached)


def projected_index(activity: Tensor, labels: Tensor, projection: Tensor) -> Tensor:
    """(columns,) float64 index of A·W, of (samples, units) and (units, columns), each column less its minimum."""
    values = activity.double()
    # Less the units' means: the shift undoes it, and a large constant would cost the small differences their digits.
    return selectivity_index((values - values.mean(0)) @ projection, labels, shift=True)


def max_off_axis_selectivity(
    val_activity: Tensor | np.ndarray,
    val_labels: Tensor | np.ndarray,
    test_activity: Tensor | np.ndarray,
    test_labels: Tensor | np.ndarray,
    *,
    steps: int = 3500,
    lr: float = 1e-3,
    seed: int = 0,
) -> Tensor:
    """Upper bound of a layer's selectivity along any orthonormal axes (Leavitt & Morcos, Fig. 2c).

    The search starts from the identity and from two random projections (columns turned round where that is better),
    and the projection that reached the highest mean index on validation activity is scored on test activity. A local
    search gives no certificate: the true maximum may be higher. Classes may occur on one side only; each side's index
    is over the classes that it has. The time grows with samples · units²: seconds for 64 units and 5,000 samples on one
    core, about a quarter of an hour for 512 units.

    Args:
        val_activity, test_activity: (samples, units) or (samples, units, H, W), of which the spatial mean is taken, of
            the same units on different samples; any sign.
        val_labels, test_labels: (samples,) integers, two classes or more.
        steps: at most so many for each start.
        lr: Adam's learning rate.
        seed: of the random starts.

    Returns:
        (units,) float64 CPU tensor, the index of each column of the projection, in no order that belongs to units.

    Raises:
        ActivityError: by argument: shapes that do not fit, non-finite values, no units, fewer than two classes,
            numbers of units that differ, or steps and lr out of range.
    """
    (values, targets), (test_values, test_targets) = _checked(
        val_activity, val_labels, test_activity, test_labels, steps, lr
    )
    best = best_fit(fit_projections(values, targets, steps=steps, lr=lr, seed=seed))
    return projected_index(test_values, test_targets, best.projection)


def off_axis_scores(
    val_activity: Tensor | np.ndarray,
    val_labels: Tensor | np.ndarray,
    test_activity: Tensor | np.ndarray,
    test_labels: Tensor | np.ndarray,
    *,
    steps: int = 3500,
    lr: float = 1e-3,
    seed: int = 0,
) -> dict[str, Tensor]:
    """The bound of a layer beside what tells shift, rotation and overfitting apart.

    Args:
        val_activity, val_labels, test_activity, test_labels: as for `max_off_axis_selectivity`.
        steps, lr: as for `max_off_axis_selectivity`.
        seed: of the random starts, the labels dealt out and the projections.

    Returns:
        kind -> (units,) float64 index on test activity, of each unit or of each column of a projection:

        * axis: the units themselves; NaN where a layer has negative activity, for which it is not defined.
        * axis_shifted: the units, each less its minimum: what the shift alone does.
        * random: columns of random orthonormal projections with the shift, the mean of ten: what any rotation does.
        * bound: `max_off_axis_selectivity` with the same arguments.
        * bound_shuffled: the bound for validation labels dealt out at random, scored on test labels that are dealt out
          at random too: the index's level by chance on directions that the search finds where there is nothing.

    Raises:
        ActivityError: as for `max_off_axis_selectivity`.
    """
    val, test = _checked(val_activity, val_labels, test_activity, test_labels, steps, lr)
    activity, count = test[0], test[0].shape[1]
    drawn = [random_projection(count, generator(seed, "projection", k)) for k in range(RANDOM_PROJECTIONS)]
    found = {
        "axis": torch.full((count,), torch.nan, dtype=torch.float64),
        "axis_shifted": projected_index(*test, torch.eye(count, dtype=torch.float64)),
        "random": torch.stack([projected_index(*test, w) for w in drawn]).mean(0),
    }
    if not (activity < 0).any():
        found["axis"] = selectivity_index(activity.double(), test[1])
    dealt = [
        (values, labels[torch.randperm(len(labels), generator=generator(seed, "deal", place))])
        for place, (values, labels) in enumerate((val, test))
    ]
    for kind, (fitted, scored) in {"bound": (val, test), "bound_shuffled": dealt}.items():
        best = best_fit(fit_projections(*fitted, steps=steps, lr=lr, seed=seed))
        found[kind] = projected_index(*scored, best.projection)
    return found


def _checked(
    val_activity: Tensor | np.ndarray,
    val_labels: Tensor | np.ndarray,
    test_activity: Tensor | np.ndarray,
    test_labels: Tensor | np.ndarray,
    steps: int,
    lr: float,
) -> list[tuple[Tensor, Tensor]]:
    """Activity (samples, units) and labels (samples,) of both sides."""
    sides = []
    for name, activity, labels in (("val", val_activity, val_labels), ("test", test_activity, test_labels)):
        try:
            values, targets = checked(activity, labels)
        except ActivityError as error:  # its message begins with "activity" or "labels"
            raise ActivityError(f"{name}_{error}") from None
        if not values.shape[1]:
            raise ActivityError(f"{name}_activity: no units given; at least one is needed")
        if len(targets.unique()) < 2:
            raise ActivityError(f"{name}_labels: one class given; two or more are needed")
        sides.append((values.detach().cpu(), targets.cpu()))
    units = [values.shape[1] for values, _ in sides]
    if units[0] != units[1]:
        raise ActivityError(f"test_activity: {units[1]} units given; val_activity has {units[0]}")
    if not (isinstance(steps, int) and steps >= 0):
        raise ActivityError(f"steps: {steps!r} given; a whole number of 0 or more is needed")
    if not (isinstance(lr, int | float) and math.isfinite(lr) and lr > 0):
        raise ActivityError(f"lr: {lr!r} given; a finite number above 0 is needed")
    return sides
