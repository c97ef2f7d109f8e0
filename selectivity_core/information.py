"""Precision and mutual information of single units: measures that look at whole distributions, not class means."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from .errors import ActivityError
from .metrics import checked


def precision(activity: Tensor | np.ndarray, labels: Tensor | np.ndarray, *, n: int | None = None) -> Tensor:
    """Share of the commonest class among the samples that drive a unit most (Leavitt & Morcos, A.13).

    Samples tied at the cut count by their expected share, so that nothing is drawn at random.

    Args:
        activity: (samples, units) or (samples, units, H, W).
        labels: (samples,) integers.
        n: how many of the most active samples; by default round(samples / classes present).

    Returns:
        (units,) float64 CPU tensor in [1/classes, 1].

    Raises:
        ActivityError: shapes that do not fit, non-finite values, or n outside 1 to the number of samples.
    """
    values, targets = checked(activity, labels)
    values = values.detach()
    classes, index = targets.unique(return_inverse=True)
    samples = len(values)
    n = max(1, round(samples / len(classes))) if n is None else n
    if not 1 <= n <= samples:
        raise ActivityError(f"precision: n={n} given; 1 to {samples} samples are allowed")
    cut = values.topk(n, dim=0).values[-1]  # the n-th largest value of each unit
    one_hot = torch.nn.functional.one_hot(index, len(classes)).to(torch.float64)
    above = one_hot.T @ (values > cut).double()  # (classes, units)
    tied = one_hot.T @ (values == cut).double()
    room = n - above.sum(0)
    return ((above + tied * room / tied.sum(0)).amax(0) / n).cpu()


def bin_activity(values: Tensor, bins: int = 20) -> Tensor:
    """Bin of each value: 0 for an exact zero, else one of at most `bins` bins of equal count, per unit.

    The edges are quantiles of the values that are not zero; equal values always share a bin.

    Args:
        values: (samples, units).
        bins: how many bins for values that are not zero.

    Returns:
        (samples, units) int64 in [0, bins].
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
        activity: (samples, units) or (samples, units, H, W).
        labels: (samples,) integers.
        bins: bins for values that are not zero, at least 1.

    Returns:
        (units,) float64 CPU tensor.

    Raises:
        ActivityError: shapes that do not fit, non-finite values, or bins below 1.
    """
    if bins < 1:
        raise ActivityError(f"mutual information: bins={bins} given; at least 1 is needed")
    values, targets = checked(activity, labels)
    return information_of_bins(bin_activity(values, bins), targets, bins)
