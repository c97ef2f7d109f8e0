"""A finished run as a network again, and what it makes of images."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from .data import Dataset, load, normalise, split
from .evaluation import evaluating
from .models import UnitNetwork
from .probes import EVALUATION_BATCH
from .spec import RunSpec
from .store import RunStore
from .training import build
from .units import record

Images = Literal["train", "validation", "test"]


def network(spec: RunSpec, store: RunStore, data: Dataset, epoch: str = "best") -> UnitNetwork:
    """The network of a finished run, in evaluation mode, on the CPU.

    Raises:
        StoreError: the store has no such run, or no weights of it.
        RuntimeError: weights that do not fit the spec's network, with the names that differ.
    """
    with torch.random.fork_rng():  # building draws an initialisation that is then replaced
        model = build(spec, data)
    model.load_state_dict(store.weights(spec, epoch))
    return model.placed().eval()


def part(spec: RunSpec, data: Dataset, which: Images) -> tuple[Tensor, Tensor]:
    """Images (samples, H, W, channels) uint8 and labels of one part of a run's data.

    Training labels are those it was trained with, corrupted where its spec says so.
    """
    if which == "test":
        return data.test_images, data.test_labels
    parts = split(data, spec.seed, spec.train_size, spec.label_corruption)
    if which == "train":
        return data.images[parts.train], parts.train_labels
    return data.images[parts.validation], data.labels[parts.validation]


def unit_activity(
    model: UnitNetwork,
    data: Dataset,
    images: Tensor,
    precision: str,
    *,
    layers: str | Sequence[str] = "all",
    maps: bool = False,
) -> dict[str, Tensor]:
    """Layer -> (samples, units) float32 on the CPU, feature maps averaged over their positions; or the maps whole."""
    found: dict[str, list[Tensor]] = {}
    with record(model, layers, maps=maps) as seen, evaluating(model, precision):
        for start in range(0, len(images), EVALUATION_BATCH):
            model(normalise(images[start : start + EVALUATION_BATCH], data))
            for name, activity in seen.items():
                found.setdefault(name, []).append(activity.float().cpu())
    return {name: torch.cat(batches).clone() for name, batches in found.items()}


class TrainedRuns:
    """Activity of finished runs, worked out once for each as long as it is among the latest asked for.

    Args:
        store: where the runs' weights lie.
        data: the folder of data sets; see `data.data_root`.
        keep: how many runs' activity is held in memory.
    """

    def __init__(self, store: RunStore, data: str | Path | None = None, keep: int = 8) -> None:
        self.store, self.data = store, data
        self.activity = lru_cache(maxsize=keep)(self._activity)

    def dataset(self, spec: RunSpec) -> Dataset:
        """The run's data set."""
        return load(spec.dataset, self.data)

    def network(self, spec: RunSpec, epoch: str = "best") -> UnitNetwork:
        """The run's network at its "best" or "last" epoch."""
        return network(spec, self.store, self.dataset(spec), epoch)

    def labels(self, spec: RunSpec, which: Images) -> Tensor:
        """Labels of a part of the run's data."""
        return part(spec, self.dataset(spec), which)[1]

    def _activity(self, spec: RunSpec, which: Images = "test") -> dict[str, Tensor]:
        dataset = self.dataset(spec)
        return unit_activity(self.network(spec), dataset, part(spec, dataset, which)[0], spec.precision)
