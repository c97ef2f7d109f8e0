"""What is measured of a run's network on its data: accuracy, loss, and the tables of units, responses and layers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .arithmetic import evaluating
from .data import Dataset, normalise
from .indices import ClassMeans, bin_activity, class_means, dead_units, index_of_means
from .measuring import measures
from .models import UnitNetwork
from .tables import COLUMNS, MEASURES, SHUFFLED
from .units import spatial_mean, unit_layers
from .watching import record

if TYPE_CHECKING:
    import pandas as pd

EVALUATION_BATCH = 500  # images in one pass
SHUFFLES = 20  # of the labels, over which the measures are averaged


@dataclass(frozen=True)
class Score:
    """Accuracy in [0, 1] and mean cross-entropy in nats."""

    accuracy: float
    loss: float


def score(
    model: nn.Module,
    dataset: Dataset,
    images: Tensor,
    labels: Tensor,
    precision: str,
    each: Callable[[slice], None] | None = None,
) -> Score:
    """Accuracy and cross-entropy of a model on uint8 images; `each` is called after every batch with its rows."""
    correct = torch.zeros((), dtype=torch.float64, device=images.device)
    loss = torch.zeros_like(correct)
    with evaluating(model, precision):
        for start in range(0, len(images), EVALUATION_BATCH):
            rows = slice(start, min(start + EVALUATION_BATCH, len(images)))
            logits = model(normalise(images[rows], dataset)).float()
            correct += (logits.argmax(1) == labels[rows]).sum()
            loss += F.cross_entropy(logits, labels[rows], reduction="sum")
            if each is not None:
                each(rows)
    return Score(float(correct) / len(images), float(loss) / len(images))


@dataclass(frozen=True)
class TestSetPass:
    """What one pass over the test set gives at an epoch.

    Attributes:
        score: accuracy and loss.
        si: layer -> (units,) selectivity index.
        preferred: (all units,) label, −1 where dead, in layer order.
    """

    score: Score
    si: dict[str, Tensor]
    preferred: Tensor

    def si_units(self) -> float:
        """Mean index over all units of the network."""
        return float(torch.cat(list(self.si.values())).mean())

    def si_layers(self) -> float:
        """Mean over layers of the mean over units."""
        return float(torch.stack([v.mean() for v in self.si.values()]).mean())


def test_set_pass(model: UnitNetwork, dataset: Dataset, precision: str) -> TestSetPass:
    """Accuracy, loss and each unit's class means on the whole test set, in one pass.

    Activity that can be negative (leaky-ReLU) is shifted by each unit's minimum over the test set.
    """
    means: dict[str, ClassMeans] = {}
    lowest: dict[str, Tensor] = {}
    with record(model) as seen:

        def gather(rows: slice) -> None:
            for name, activity in seen.items():
                if name not in means:
                    means[name] = ClassMeans(activity.shape[1], len(dataset.classes), activity.device)
                    lowest[name] = activity.amin(0)
                means[name].update(activity, dataset.test_labels[rows])
                lowest[name] = torch.minimum(lowest[name], activity.amin(0))

        result = score(model, dataset, dataset.test_images, dataset.test_labels, precision, gather)
    indices = {name: index_of_means(m.means() - lowest[name].clamp_max(0).double()).cpu() for name, m in means.items()}
    preferred = torch.cat([m.preferred_class() for m in means.values()])
    return TestSetPass(result, indices, preferred)


def measured_units(
    model: UnitNetwork, dataset: Dataset, precision: str, seed: int, *, shuffles: int = SHUFFLES
) -> tuple[pd.DataFrame, pd.DataFrame, Score]:
    """Every measure of every unit on the whole test set, with the mean of each over label shuffles beside it.

    Args:
        model: a trained network.
        dataset: on the model's device.
        precision: of the arithmetic, as the run's spec has it.
        seed: decides the shuffles.
        shuffles: how many; without any, the columns of their means are NaN.

    Returns:
        units (COLUMNS["units"] but for run and switches), responses (but for run), and the test score.
    """
    import pandas as pd

    from .seeds import generator

    gathered, handles = {}, []
    for name, module in unit_layers(model).items():
        gathered[name] = LayerActivity()
        handles.append(module.register_forward_hook(gathered[name]))
    try:
        result = score(model, dataset, dataset.test_images, dataset.test_labels, precision)
    finally:
        for handle in handles:
            handle.remove()

    labels = dataset.test_labels.cpu()
    draw = generator(seed, "shuffles")
    shuffled = [labels[torch.randperm(len(labels), generator=draw)] for _ in range(shuffles)]
    l1 = model.filter_l1()
    units, responses = [], []
    for name, layer in gathered.items():
        activity, share = layer.means(), layer.shares()
        count = activity.shape[1]
        binned = bin_activity(activity)
        true = measures(activity, labels, binned)
        null = torch.full_like(true, torch.nan)
        if shuffled:
            null = torch.stack([measures(activity, s, binned) for s in shuffled]).mean(0)
        means = class_means(activity, labels)[2]
        dead = dead_units(activity)
        frame: dict[str, Any] = {"layer": [name] * count, "unit": range(count)}
        frame["mean"], frame["sd"] = activity.double().mean(0), activity.double().std(0, correction=0)
        frame |= dict(zip(MEASURES, true, strict=True)) | dict(zip(SHUFFLED, null, strict=True))
        frame["active_samples"] = (share > 0).double().mean(0)
        frame["active_positions"] = share.double().mean(0)
        frame["dead"], frame["weight_l1"] = dead, l1[name].double()
        frame["preferred"] = torch.where(dead, -1, labels.unique()[means.argmax(0)])
        units.append(pd.DataFrame({k: v.numpy() if isinstance(v, Tensor) else v for k, v in frame.items()}))
        classes = len(means)
        responses.append(
            pd.DataFrame(
                {
                    "layer": [name] * (count * classes),
                    "unit": torch.arange(count).repeat_interleave(classes).numpy(),
                    "class": labels.unique().repeat(count).numpy(),
                    "mean": means.T.reshape(-1).double().numpy(),
                }
            )
        )
    return pd.concat(units, ignore_index=True), pd.concat(responses, ignore_index=True), result


def layer_table(units: pd.DataFrame, si_last: dict[str, float]) -> pd.DataFrame:
    """Means over the units of each layer, in forward order (COLUMNS["layers"] but for run)."""
    import pandas as pd

    rows = []
    for depth, (name, group) in enumerate(units.groupby("layer", sort=False)):
        row = {"layer": name, "depth": depth, "units": len(group)}
        row |= {column: float(group[column].mean()) for column in (*MEASURES, *SHUFFLED)}
        row["si_living"] = float(group.loc[~group["dead"], "si"].mean())
        row["si_last"] = si_last[str(name)]
        row |= {c: float(group[c].mean()) for c in ("active_samples", "active_positions", "dead", "switches")}
        row["switched"] = float((group["switches"] > 0).mean())
        rows.append(row)
    return pd.DataFrame(rows)[[c for c in COLUMNS["layers"] if c != "run"]]


IMAGES_AT_ONCE = 64  # samples at a time: their maps are still in the processor's cache when they are read again


def active_share(output: Tensor) -> Tensor:
    """(samples, units) float32 share of positions where a unit's output is above zero.

    A positive floating-point number is a positive integer too when its bits are read as one; counting in short
    integers is several times faster than averaging truth values.

    Args:
        output: (samples, units) or (samples, units, H, W), finite, of 16 or 32 bits a number.
    """
    bits = output.view(torch.int16 if output.element_size() == 2 else torch.int32).clamp(0, 1)
    if output.ndim == 2:
        return bits.float()
    samples, units, height, width = output.shape
    if output.is_contiguous(memory_format=torch.channels_last):  # whole rows first: they are long
        rows = bits.permute(0, 2, 3, 1).reshape(samples, height, width * units)
        count = rows.sum(1, dtype=bits.dtype).view(samples, width, units).sum(1, dtype=torch.float32)
    else:
        count = bits.sum((2, 3), dtype=torch.float32)
    return count / (height * width)


class LayerActivity:
    """One layer's activity, gathered batch by batch as a forward hook."""

    def __init__(self) -> None:
        self._means: list[Tensor] = []
        self._shares: list[Tensor] = []

    def __call__(self, _module: nn.Module, _inputs: object, output: Tensor) -> None:
        """Takes a batch's output (samples, units) or (samples, units, H, W)."""
        for some in output.split(IMAGES_AT_ONCE):
            self._means.append(spatial_mean(some))
            self._shares.append(active_share(some))

    def means(self) -> Tensor:
        """(samples, units) spatial means of all batches so far, on the CPU."""
        return torch.cat(self._means).cpu()

    def shares(self) -> Tensor:
        """(samples, units) shares of active positions of all batches so far, on the CPU."""
        return torch.cat(self._shares).cpu()
