"""The selectivity index of batches: what chance gives, and what it says of real activity at each batch size.

The largest of several noisy class means is too large, so a unit that knows nothing of the class has an index above 0,
the more so the fewer samples a class. `estimate` "batch" is that index, the paper's; "unbiased" chooses the preferred
class on one half of the batch and takes the means on the other (see `SelectivityRegularizer`).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Literal

import pandas as pd
import torch
from torch import Tensor

from ..errors import ActivityError
from ..evaluation import SHUFFLES
from ..indices import checked, index_against
from ..seeds import generator

IndexEstimate = Literal["batch", "unbiased"]
INDEX_ESTIMATES: tuple[IndexEstimate, ...] = ("batch", "unbiased")
NUMBERS_AT_ONCE = 2**24  # activity values held at a time: 64 MiB in float32


def batch_indices(activity: Tensor, labels: Tensor, estimate: IndexEstimate = "batch") -> Tensor:
    """The index of every unit on each of many batches, classes absent from a batch left out.

    The regulariser computes the same of the one batch at hand, with gradients (`SelectivityRegularizer._unbiased`): a
    loop over it would take minutes for the tables below.

    Args:
        activity: (batches, samples, units), not negative.
        labels: (batches, samples) int64, 0 or more. Samples stand in random order: "unbiased" chooses on the first
            half of them and measures on the rest.

    Returns:
        (batches, units); 0 where fewer than two classes are there ("unbiased": in both halves).
    """
    classes = int(labels.max()) + 1
    if estimate == "batch":
        means, present = _class_means(activity, labels, classes)
        return _index(means, means, present)
    half = labels.shape[1] // 2
    choice, seen = _class_means(activity[:, :half], labels[:, :half], classes)
    means, held = _class_means(activity[:, half:], labels[:, half:], classes)
    return _index(means, choice, seen & held)


def _class_means(activity: Tensor, labels: Tensor, classes: int) -> tuple[Tensor, Tensor]:
    """Means (batches, classes, units), 0 where a class is absent, and presence (batches, classes)."""
    batches, _, units = activity.shape
    place = (labels + classes * torch.arange(batches)[:, None]).flatten()
    sums = activity.new_zeros(batches * classes, units).index_add_(0, place, activity.flatten(0, 1))
    counts = place.bincount(minlength=batches * classes)
    means = sums / counts.clamp_min(1)[:, None]
    return means.view(batches, classes, units), (counts > 0).view(batches, classes)


def _index(means: Tensor, choice: Tensor, present: Tensor) -> Tensor:
    """(batches, units) index of `means`, preferred classes taken from `choice`; both (batches, classes, units)."""
    absent, count = ~present[..., None], present.sum(1, keepdim=True)
    best = choice.masked_fill(absent, -math.inf).argmax(1, keepdim=True)
    top = means.gather(1, best)[:, 0]
    others = (means.masked_fill(absent, 0).sum(1) - top) / (count - 1).clamp_min(1)
    return torch.where(count < 2, 0.0, index_against(top, others))


def chance_table(classes: Sequence[int], batch_sizes: Sequence[int], *, draws: int = 2000) -> pd.DataFrame:
    """The expected index of units whose activity has nothing to do with the class, by simulation.

    Activity is exponential, independent over samples; the class of each sample is drawn, as in training batches. Every
    draw is one unit on one batch.

    Args:
        classes: numbers of classes, 2 or more.
        batch_sizes: samples a batch, 1 or more.
        draws: simulated batches, 2 or more.

    Returns:
        a row for each setting: classes, batch_size, estimate, si (mean over draws), standard_error.
    """
    if min([*classes, 2]) < 2 or min([*batch_sizes, 1]) < 1 or draws < 2:
        raise ActivityError(
            f"classes {list(classes)}, batch sizes {list(batch_sizes)}, draws {draws} given; "
            "2 classes, 1 sample and 2 draws or more are needed"
        )
    rows = []
    for count, size in itertools.product(classes, batch_sizes):
        source = generator(0, "chance", count, size)
        parts: dict[IndexEstimate, list[Tensor]] = {estimate: [] for estimate in INDEX_ESTIMATES}
        for amount in _portions(draws, max(size, count)):
            activity = torch.empty(amount, size, 1).exponential_(generator=source)
            labels = torch.randint(count, (amount, size), generator=source)
            for estimate, found in parts.items():
                found.append(batch_indices(activity, labels, estimate)[:, 0].double())
        for estimate, found in parts.items():
            values = torch.cat(found)
            rows.append((count, size, estimate, float(values.mean()), float(values.std()) / draws**0.5))
    return pd.DataFrame(rows, columns=["classes", "batch_size", "estimate", "si", "standard_error"])


def _portions(total: int, numbers: int) -> list[int]:
    """`total` batches of so many numbers each, in portions that fit into memory."""
    most = max(1, NUMBERS_AT_ONCE // numbers)
    return [min(most, total - done) for done in range(0, total, most)]


def index_on_batches(
    layers: Mapping[str, Tensor], labels: Tensor, batch_sizes: Sequence[int], *, batches: int = 200
) -> pd.DataFrame:
    """What the regulariser would read on random batches of real activity: mean over layers of mean over units.

    Batches are drawn without replacement. The whole set is measured too: there a draw decides the halves of
    "unbiased" and the shuffle, so 20 of them do.

    Args:
        layers: layer -> activity (samples, units), or (samples, units, H, W), not negative.
        labels: (samples,) integers, 0 or more.
        batch_sizes: samples a batch; those that the set is too small for are left out.
        batches: how many of each size.

    Returns:
        a row a batch: batch_size, estimate, labels ("true", or "shuffled" within the batch), batch, si.
    """
    if min([*batch_sizes, 1]) < 1:
        raise ActivityError(f"batch sizes {list(batch_sizes)} given; 1 or more are needed")
    values = []
    for name, activity in layers.items():
        found, targets = checked(activity, labels)
        values.append(found.detach().cpu())
        if (values[-1] < 0).any():
            raise ActivityError(f"layer {name!r}: activity down to {float(values[-1].min()):.4g}; 0 or more is needed")
    targets = targets.cpu()
    if (targets < 0).any():
        raise ActivityError(f"labels: {int(targets.min())} given; 0 or more is needed")
    joined, samples = torch.cat(values, 1), len(targets)
    weights = torch.cat([v.new_full((v.shape[1],), 1 / (len(values) * v.shape[1])) for v in values])
    frames = []
    for size in sorted({*(int(b) for b in batch_sizes if b < samples), samples}):
        source = generator(0, "batches", size)
        total = batches if size < samples else SHUFFLES
        parts: dict[tuple[IndexEstimate, str], list[Tensor]] = {
            (estimate, kind): [] for estimate in INDEX_ESTIMATES for kind in ("true", "shuffled")
        }
        for amount in _portions(total, size * joined.shape[1]):
            chosen = torch.rand(amount, samples, generator=source).argsort(1)[:, :size]
            taken, true = joined[chosen], targets[chosen]
            shuffled = true.gather(1, torch.rand(amount, size, generator=source).argsort(1))
            for (estimate, kind), collected in parts.items():
                indices = batch_indices(taken, true if kind == "true" else shuffled, estimate)
                collected.append(indices @ weights)
        for (estimate, kind), collected in parts.items():
            si = torch.cat(collected).double().numpy()
            row = {"batch_size": size, "estimate": estimate, "labels": kind, "batch": range(total), "si": si}
            frames.append(pd.DataFrame(row))
    return pd.concat(frames, ignore_index=True)
