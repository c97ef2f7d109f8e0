"""Class selectivity of single units: functions of (activity, labels).

Activity is (samples, units), or (samples, units, H, W), of which the spatial mean is taken; labels are (samples,)
integers, of which those of -100 are left out with their samples; results are (units,) CPU tensors, float32 or better.
Class means are over the samples of a class, and classes that do not occur are left out. With fewer than two classes an
index is 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .errors import ActivityError
from .units import spatial_mean

EPS = 1e-7
IGNORED = -100  # the label of samples that are left out, as in torch's cross-entropy


@dataclass(frozen=True)
class ClassStatistics:
    """Per-class moments of units: labels that occur, ascending, samples of each, means, population variances."""

    classes: Tensor
    counts: Tensor
    means: Tensor
    variances: Tensor

    def highest(self) -> Tensor:
        """(units,) row of the class with the largest mean."""
        return self.means.argmax(0)


def for_torch(given: Any) -> Any:
    """What is given, an array as torch takes it: neither reversed nor, without a warning, read-only."""
    return np.require(given, requirements=["C", "W"]) if isinstance(given, np.ndarray) else given


def checked_labels(
    labels: Tensor | np.ndarray, samples: int, device: torch.device | None = None, *, of: str = "samples"
) -> Tensor:
    """Labels (samples,) as int64, or an `ActivityError` that says `of` what they should be."""
    try:
        targets = torch.as_tensor(for_torch(labels), device=device)
    except (TypeError, ValueError, RuntimeError) as error:
        raise ActivityError(f"labels: a {type(labels).__name__} given; ({samples},) integers are needed") from error
    if targets.is_floating_point() or targets.dtype == torch.bool or targets.is_complex():
        raise ActivityError(f"labels: {targets.dtype} given; integers are needed")
    if targets.shape != (samples,):
        raise ActivityError(f"labels: shape {tuple(targets.shape)} given for {samples} {of}; ({samples},) is needed")
    return targets.long()


def checked(activity: Tensor | np.ndarray, labels: Tensor | np.ndarray) -> tuple[Tensor, Tensor]:
    """Activity as (samples, units) in float32 or better, and labels as int64, on one device; none that is ignored."""
    try:
        values = torch.as_tensor(for_torch(activity))
    except (TypeError, ValueError, RuntimeError, KeyError) as error:
        kind = type(activity).__name__
        raise ActivityError(f"activity: a {kind} given; numbers (samples, units) are needed") from error
    if values.device.type == "meta" or values.layout != torch.strided:
        where = "on the meta device, which has no values," if values.device.type == "meta" else f"as {values.layout}"
        raise ActivityError(f"activity: a tensor {where} given; an ordinary one is needed")
    if not values.is_floating_point() and not values.is_complex():
        values = values.to(torch.float64)
    values = spatial_mean(values)
    targets = checked_labels(labels, len(values), values.device)
    kept = targets != IGNORED
    if not kept.all():
        values, targets = values[kept], targets[kept]
    if not len(values):
        raise ActivityError("activity: no samples given; at least one is needed")
    bad = ~torch.isfinite(values.detach()).all(0)
    if bad.any():
        raise ActivityError(
            f"activity: not finite in {int(bad.sum())} of {values.shape[1]} units (first: {int(bad.nonzero()[0])})"
        )
    return values, targets


def class_means(activity: Tensor, labels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Labels that occur, one-hot shares (classes, samples) and means (classes, units) of checked activity.

    One matrix product, differentiable, in the precision of the activity whatever the autocast.
    """
    classes, index = labels.unique(return_inverse=True)
    shares = torch.nn.functional.one_hot(index, len(classes)).T.to(activity.dtype)
    shares = shares / shares.sum(1, keepdim=True)
    with torch.autocast(activity.device.type, enabled=False):
        return classes, shares, shares @ activity


def class_statistics(activity: Tensor, labels: Tensor) -> ClassStatistics:
    """Class moments of checked activity (samples, units); differentiable."""
    classes, shares, means = class_means(activity, labels)
    index = shares.argmax(0)
    with torch.autocast(activity.device.type, enabled=False):
        variances = shares @ (activity - means[index]).square()
    return ClassStatistics(classes, (shares > 0).sum(1).to(activity.dtype), means, variances)


def constant_at_zero(activity: Tensor) -> Tensor:
    """Activity (samples, units) less its constant in units that have one: rounding would tell their classes apart.

    For what a constant added to a unit does not change.
    """
    constant = (activity == activity[:1]).all(0)
    return activity - torch.where(constant, activity[:1], 0).detach() if constant.any() else activity


def index_of_means(means: Tensor, eps: float = EPS) -> Tensor:
    """Selectivity index of class means (classes, units), every class present (Leavitt & Morcos, Eq. 1).

    SI = (μmax − μ₋max) / (μmax + μ₋max + eps), μ₋max being the mean of the other class means.
    """
    if len(means) < 2:
        return means.sum(0) * 0
    top = means.max(0).values
    return index_against(top, (means.sum(0) - top) / (len(means) - 1), eps)


def index_against(top: Tensor, others: Tensor, eps: float = EPS) -> Tensor:
    """SI of a unit's mean for one class against a mean of the others; see `index_of_means`."""
    return (top - others) / (top + others + eps)


def selectivity_index(
    activity: Tensor | np.ndarray, labels: Tensor | np.ndarray, *, eps: float = EPS, shift: bool = False
) -> Tensor:
    """Class selectivity index of each unit, in [0, 1] (Leavitt & Morcos, Eq. 1; Morcos et al. 2018, Eq. 1).

    SI = (μmax − μ₋max) / (μmax + μ₋max + eps), with the largest class mean and the mean of the other class means.

    Args:
        activity: (samples, units) or (samples, units, H, W), not negative.
        labels: (samples,) integers.
        eps: keeps the denominator off zero (1e-7); a dead unit has index 0.
        shift: subtract each unit's minimum over these samples first (detached), for activity that can be negative.

    Returns:
        (units,) CPU tensor; differentiable where the activity is.

    Raises:
        ActivityError: shapes that do not fit, labels that are not integers, complex or non-finite values, or negative
            ones without `shift`.
    """
    values, targets = checked(activity, labels)
    lowest = values.detach().amin(0)
    if shift:
        values = values - lowest
    elif (lowest < 0).any():
        raise ActivityError(
            f"activity: negative in {int((lowest < 0).sum())} of {len(lowest)} units (lowest {float(lowest.min()):.4g})"
            "; the index needs activity of at least 0, or shift=True"
        )
    return index_of_means(class_means(values, targets)[2], eps).cpu()


def class_discriminability(activity: Tensor | np.ndarray, labels: Tensor | np.ndarray, *, eps: float = EPS) -> Tensor:
    """d′ of each unit: the preferred class against all other samples together (Leavitt & Morcos, A.14).

    d′ = (μmax − μ₋max) / (sqrt(½(σ²max + σ²₋max)) + eps), with population variances; μ₋max is the mean of the other
    class means and σ²₋max the variance of all samples of the other classes. A dead unit has 0.

    Args:
        activity: (samples, units) or (samples, units, H, W).
        labels: (samples,) integers.
        eps: keeps the denominator off zero (1e-7).

    Returns:
        (units,) CPU tensor, differentiable with finite gradients.

    Raises:
        ActivityError: shapes that do not fit, labels that are not integers, or complex or non-finite values.
    """
    values, targets = checked(activity, labels)
    return discriminability_of(class_statistics(constant_at_zero(values), targets), eps).cpu()


def discriminability_of(stats: ClassStatistics, eps: float = EPS) -> Tensor:
    """d′ of class moments (classes, units); see `class_discriminability`."""
    means = stats.means
    if len(means) < 2:
        return means.sum(0) * 0
    best = stats.highest()
    top = means.gather(0, best[None])[0]
    return discriminability_against(stats, best, top, (means.sum(0) - top) / (len(means) - 1), eps)


def discriminability_against(
    stats: ClassStatistics, best: Tensor, top: Tensor, others: Tensor, eps: float = EPS
) -> Tensor:
    """d′ of units whose class `best`, (units,) rows of the moments, has the mean `top` against `others`."""
    means, counts, best = stats.means, stats.counts[:, None], best[None]
    spread_top = stats.variances.gather(0, best)[0]
    # The pooled variance of the other samples, formed around their own mean so that nothing cancels.
    keep = counts.expand_as(means).scatter(0, best, 0.0)
    total = keep.sum(0).clamp_min(1)  # of none, where a batch has a single class
    centre = (keep * means).sum(0) / total
    spread_others = (keep * (stats.variances + (means - centre).square())).sum(0) / total
    half = (spread_top + spread_others) / 2
    # The root's slope is infinite at 0: there the spread is exactly 0 and takes no gradient.
    root = torch.where(half > 0, half, torch.ones_like(half)).sqrt() * (half > 0)
    return (top - others) / (root + eps)


def class_share(activity: Tensor | np.ndarray, labels: Tensor | np.ndarray) -> Tensor:
    """η² of each unit: the share of its variance that lies between classes, in [0, 1]; 0 for a constant unit.

    η² = Σ p(c)·(μc − μ)² / σ², with the classes' shares p(c) and means μc, and the mean μ and variance σ² of all
    samples.

    Args:
        activity, labels: as for `class_discriminability`, which refuses the same.

    Returns:
        (units,) CPU tensor.
    """
    values, targets = checked(activity, labels)
    return share_between(class_statistics(constant_at_zero(values), targets)).cpu()


def share_between(stats: ClassStatistics) -> Tensor:
    """(units,) η² of class moments; see `class_share`."""
    weights = (stats.counts / stats.counts.sum())[:, None]
    between = (weights * (stats.means - (weights * stats.means).sum(0)).square()).sum(0)
    total = between + (weights * stats.variances).sum(0)
    return torch.where(total > 0, between / torch.where(total > 0, total, torch.ones_like(total)), 0.0)


def dead_units(activity: Tensor) -> Tensor:
    """(units,) whether a unit is dead: its activity (samples, units) is 0 for every sample."""
    return (activity == 0).all(0)


def preferred_class(activity: Tensor | np.ndarray, labels: Tensor | np.ndarray) -> Tensor:
    """The label with the largest mean activity, per unit; the lowest label on a tie, −1 for a dead unit.

    Args:
        activity, labels: as for `class_discriminability`, which refuses the same.

    Returns:
        (units,) int64 CPU tensor of labels.
    """
    values, targets = checked(activity, labels)
    stats = class_statistics(constant_at_zero(values), targets)
    return torch.where(dead_units(values), -1, stats.classes[stats.highest()]).cpu()


class ClassMeans:
    """Class means gathered batch by batch, for sets too large to hold: the streaming form of the index.

    Sums are kept in float64 on the device of the activity.
    """

    def __init__(self, units: int, classes: int, device: torch.device | str = "cpu") -> None:
        dtype = torch.float64 if torch.device(device).type != "mps" else torch.float32
        self.sums = torch.zeros(classes, units, dtype=dtype, device=device)
        self.counts = torch.zeros(classes, dtype=dtype, device=device)

    def update(self, activity: Tensor, labels: Tensor) -> None:
        """Adds a batch: activity (samples, units) and labels (samples,) in [0, classes)."""
        self.sums.index_add_(0, labels, activity.to(self.sums.dtype))
        self.counts += torch.bincount(labels, minlength=len(self.counts))

    def means(self) -> Tensor:
        """(classes present, units) class means."""
        present = self.counts > 0
        return self.sums[present] / self.counts[present, None]

    def selectivity_index(self, eps: float = EPS) -> Tensor:
        """(units,) index of all batches so far; equals `selectivity_index` of them together."""
        return index_of_means(self.means(), eps).cpu()

    def preferred_class(self) -> Tensor:
        """(units,) label with the largest mean; −1 where every class mean is 0, as for a dead unit."""
        present = (self.counts > 0).nonzero()[:, 0]
        means = self.means()
        return torch.where((means == 0).all(0), -1, present[means.argmax(0)]).cpu()


def precision(activity: Tensor | np.ndarray, labels: Tensor | np.ndarray, *, n: int | None = None) -> Tensor:
    """Share of the commonest class among the samples that drive a unit most (Leavitt & Morcos, A.13).

    Samples tied at the cut count by their expected share, so that nothing is drawn at random. `RunSpec.precision` is
    another thing, the precision of a network's arithmetic.

    Args:
        activity, labels: as for `class_discriminability`, which refuses the same.
        n: how many of the most active samples; by default round(samples / classes present).

    Returns:
        (units,) float64 CPU tensor in [1/classes, 1].

    Raises:
        ActivityError: n outside 1 to the number of samples.
    """
    values, targets = checked(activity, labels)
    values = values.detach()
    classes, index = targets.unique(return_inverse=True)
    samples = len(values)
    n = max(1, round(samples / len(classes))) if n is None else n
    if not 1 <= n <= samples:
        raise ActivityError(f"precision: n={n} given; 1 to {samples} samples are allowed")
    cut = values.topk(n, dim=0).values[-1]  # the n-th largest value of each unit
    none = torch.zeros(len(classes), values.shape[1], dtype=torch.float64, device=values.device)
    above = none.index_add(0, index, (values > cut).double())
    tied = none.index_add(0, index, (values == cut).double())
    room = n - above.sum(0)
    return ((above + tied * room / tied.sum(0)).amax(0) / n).cpu()


def bin_activity(values: Tensor, bins: int = 20) -> Tensor:
    """(samples, units) int64: 0 for an exact zero, else one of at most `bins` bins of equal count, per unit, from 1 on.

    The edges are quantiles of the values that are not zero; equal values always share a bin.
    """
    array = values.detach().cpu().numpy()
    out = np.zeros(array.shape, dtype=np.int64)
    for unit in range(array.shape[1]):
        column = array[:, unit]
        nonzero = column != 0
        count = int(nonzero.sum())
        if count:
            # The k-th edge is the ceil(count · k / bins)-th smallest value, in whole numbers: quantile levels as
            # fractions would put some edges one rank off.
            ranks = [-(-count * k // bins) - 1 for k in range(1, bins)]
            edges = np.sort(column[nonzero])[ranks]
            out[nonzero, unit] = 1 + np.searchsorted(edges, column[nonzero], side="left")
    return torch.from_numpy(out)


def information_of_bins(binned: Tensor, labels: Tensor, bins: int = 20) -> Tensor:
    """Plug-in mutual information in bits of binned activity (samples, units) and labels (samples,): (units,)."""
    classes, index = labels.cpu().unique(return_inverse=True)
    samples, units = binned.shape
    cells = (bins + 1) * len(classes)
    flat = binned * len(classes) + index[:, None] + torch.arange(units) * cells
    joint = torch.bincount(flat.reshape(-1), minlength=units * cells).double()
    joint = joint.reshape(units, bins + 1, len(classes)) / samples

    def entropy(p: Tensor) -> Tensor:
        return -torch.special.xlogy(p, p).sum(-1) / np.log(2)

    information = entropy(joint.sum(2)) + entropy(joint.sum(1)) - entropy(joint.flatten(1))
    return information.clamp_min(0)  # rounding can leave −1e-16


def mutual_information(activity: Tensor | np.ndarray, labels: Tensor | np.ndarray, *, bins: int = 20) -> Tensor:
    """Mutual information between a unit's activity and the class, in bits (Leavitt & Morcos, A.13).

    I = Σ p(b, c)·log₂(p(b, c) / (p(b)·p(c))) over bins b of activity and classes c.

    The plug-in estimate over bins of equal count, exact zeros in a bin of their own. It is biased upward by few
    samples and many classes: compare it with the same labels shuffled.

    Args:
        activity, labels: as for `class_discriminability`, which refuses the same.
        bins: bins for values that are not zero, at least 1.

    Returns:
        (units,) float64 CPU tensor.
    """
    if bins < 1:
        raise ActivityError(f"mutual information: bins={bins} given; at least 1 is needed")
    values, targets = checked(activity, labels)
    return information_of_bins(bin_activity(values, bins), targets, bins)
