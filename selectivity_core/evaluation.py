"""What is measured of a run's network on its data: accuracy, loss, and the tables of units, responses and layers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .arithmetic import evaluating
from .data import Dataset, normalise
from .indices import ClassMeans, bin_activity, class_means, dead_units, index_of_means
from .measuring import measures
from .models import UnitNetwork
from .seeds import generator
from .tables import COLUMNS, MEASURES, SHUFFLED
from .units import spatial_mean, unit_layers
from .watching import Call, Uses, record

if TYPE_CHECKING:
    import pandas as pd

EVALUATION_BATCH = 500  # images in one pass
SHUFFLES = 20  # of the labels, over which the measures are averaged
IMAGES_AT_ONCE = 64  # samples at a time: their maps are still in the processor's cache when they are read again


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
    """Score of one pass over the test set, layer -> (units,) index, and (all units,) preferred label, −1 where dead."""

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
    return TestSetPass(result, indices, torch.cat([m.preferred_class() for m in means.values()]))


def measured_units(
    model: UnitNetwork, dataset: Dataset, precision: str, seed: int, *, shuffles: int = SHUFFLES
) -> tuple[pd.DataFrame, pd.DataFrame, Score]:
    """Every measure of every unit on the whole test set, with the mean of each over label shuffles beside it.

    Returns:
        units (COLUMNS["units"] but for run and switches; without shuffles the columns of their means are NaN),
        responses (but for run), and the test score.
    """
    import pandas as pd

    # Spatial means of each layer, and shares of positions where a unit is active: (samples, units), in parts.
    gathered = {name: (list[Tensor](), list[Tensor]()) for name in unit_layers(model)}

    def gather(call: Call) -> None:
        means, shares = gathered[call.layer]
        for some in call.output.split(IMAGES_AT_ONCE):
            means.append(spatial_mean(some))
            shares.append(spatial_mean((some > 0).float()))

    with Uses(model, "all", None, gather):
        result = score(model, dataset, dataset.test_images, dataset.test_labels, precision)
    labels = dataset.test_labels.cpu()
    draw = generator(seed, "shuffles")
    shuffled = [labels[torch.randperm(len(labels), generator=draw)] for _ in range(shuffles)]
    l1 = model.filter_l1()
    units, responses = [], []
    for name, parts in gathered.items():
        activity, share = (torch.cat(part).cpu() for part in parts)
        binned = bin_activity(activity)
        true = measures(activity, labels, binned)
        null = torch.full_like(true, torch.nan)
        if shuffled:
            null = torch.stack([measures(activity, s, binned) for s in shuffled]).mean(0)
        classes, _, means = class_means(activity, labels)
        dead, numbers = dead_units(activity), torch.arange(activity.shape[1])
        columns = {
            "unit": numbers, "mean": activity.double().mean(0), "sd": activity.double().std(0, correction=0),
            **dict(zip(MEASURES, true, strict=True)), **dict(zip(SHUFFLED, null, strict=True)),
            "active_samples": (share > 0).double().mean(0), "active_positions": share.double().mean(0),
            "dead": dead, "weight_l1": l1[name].double(),
            "preferred": torch.where(dead, -1, classes[means.argmax(0)]),
        }  # fmt: skip
        units.append(_frame(name, columns))
        columns = {
            "unit": numbers.repeat_interleave(len(classes)), "class": classes.repeat(len(numbers)),
            "mean": means.T.reshape(-1).double(),
        }  # fmt: skip
        responses.append(_frame(name, columns))
    return pd.concat(units, ignore_index=True), pd.concat(responses, ignore_index=True), result


def _frame(layer: str, columns: dict[str, Tensor]) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame({"layer": layer, **{name: column.numpy() for name, column in columns.items()}})


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
