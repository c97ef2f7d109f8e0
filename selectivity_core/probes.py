"""What is measured of a model: accuracy, loss and class means at each epoch; whole tables of units at the end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .data import Dataset, normalise
from .evaluation import evaluating
from .gathering import LayerActivity
from .information import bin_activity, information_of_bins
from .metrics import ClassMeans, class_means, class_statistics, discriminability_of, index_of_means, share_between
from .models import UnitNetwork
from .tables import COLUMNS, MEASURES, SHUFFLED
from .units import record, unit_layers

if TYPE_CHECKING:
    import pandas as pd

EVALUATION_BATCH = 500
SHUFFLES = 20


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
    """Accuracy and cross-entropy of a model on uint8 images; `each` is called after every batch with its place."""
    correct = torch.zeros((), dtype=torch.float64, device=images.device)
    loss = torch.zeros_like(correct)
    with evaluating(model, precision):
        for start in range(0, len(images), EVALUATION_BATCH):
            place = slice(start, min(start + EVALUATION_BATCH, len(images)))
            logits = model(normalise(images[place], dataset)).float()
            correct += (logits.argmax(1) == labels[place]).sum()
            loss += F.cross_entropy(logits, labels[place], reduction="sum")
            if each is not None:
                each(place)
    return Score(float(correct) / len(images), float(loss) / len(images))


@dataclass(frozen=True)
class TestPass:
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


def test_pass(model: UnitNetwork, dataset: Dataset, precision: str) -> TestPass:
    """Accuracy, loss and each unit's class means on the whole test set, in one pass.

    Activity that can be negative (leaky-ReLU) is shifted by each unit's minimum over the test set.
    """
    means: dict[str, ClassMeans] = {}
    lowest: dict[str, Tensor] = {}
    with record(model) as seen:

        def gather(place: slice) -> None:
            for name, activity in seen.items():
                if name not in means:
                    means[name] = ClassMeans(activity.shape[1], len(dataset.classes), activity.device)
                    lowest[name] = activity.amin(0)
                means[name].update(activity, dataset.test_labels[place])
                lowest[name] = torch.minimum(lowest[name], activity.amin(0))

        result = score(model, dataset, dataset.test_images, dataset.test_labels, precision, gather)
    indices = {name: index_of_means(m.means() - lowest[name].clamp_max(0).double()).cpu() for name, m in means.items()}
    preferred = torch.cat([m.preferred_class() for m in means.values()])
    return TestPass(result, indices, preferred)


def measures(activity: Tensor, labels: Tensor, binned: Tensor) -> Tensor:
    """(measures, units): every entry of `MEASURES` for activity (samples, units), float64."""
    stats = class_statistics(activity, labels)
    lowest = activity.amin(0)
    n = max(1, round(len(activity) / len(stats.classes)))
    rows = (
        index_of_means(stats.means - lowest.clamp_max(0)),
        index_of_means(stats.means - lowest),
        discriminability_of(stats),
        share_between(stats),
        _precision(activity, labels, n),
        information_of_bins(binned, labels),
    )
    return torch.stack([row.double() for row in rows])


def _precision(activity: Tensor, labels: Tensor, n: int) -> Tensor:
    from .information import precision

    return precision(activity, labels, n=n)


def unit_table(
    model: UnitNetwork, dataset: Dataset, precision: str, seed: int, *, shuffles: int = SHUFFLES
) -> tuple[pd.DataFrame, pd.DataFrame, Score]:
    """Every measure of every unit on the whole test set, with the mean of each over label shuffles beside it.

    Args:
        model: a trained network.
        dataset: on the model's device.
        precision: the run's.
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
        dead = ~layer.ever.cpu()
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
