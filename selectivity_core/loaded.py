"""One run's network with its data, for the pages that look into weights and not only into tables."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from .data import Dataset, load, normalise
from .errors import MissingRunsError, ParameterError
from .machine import choose_device
from .models import UnitNetwork
from .seeds import generator
from .spec import RunSpec
from .store import RunStore
from .sweeping import OnMissing, describe, sweep
from .trained import network, unit_activity


@dataclass(frozen=True, eq=False)
class LoadedNetwork:
    """A finished run's network at its best epoch, and its data, on one device.

    Attributes:
        spec: the run's.
        model: in evaluation mode.
        dataset: the run's data set.
    """

    spec: RunSpec
    model: UnitNetwork
    dataset: Dataset

    def inputs(self) -> Tensor:
        """All test images as the network takes them: (samples, channels, H, W)."""
        return normalise(self.dataset.test_images, self.dataset)

    def activity(self) -> dict[str, Tensor]:
        """Layer -> (samples, units) spatial means on the whole test set, on the CPU, in forward order."""
        return unit_activity(self.model, self.dataset, self.dataset.test_images, self.spec.precision)

    def shifted_activity(self) -> dict[str, Tensor]:
        """The same, with units that can be negative (leaky-ReLU) raised by their minimum over the test set."""
        return {layer: values - values.amin(0).clamp_max(0) for layer, values in self.activity().items()}

    def maps(self, layer: str) -> Tensor:
        """(samples, units, H, W) of one layer on the whole test set, or (samples, units) where it has no positions."""
        data, precision = self.dataset, self.spec.precision
        return unit_activity(self.model, data, data.test_images, precision, layers=[layer], maps=True)[layer]

    def part(self, samples: int, seed: int) -> LoadedNetwork:
        """The same network with at most `samples` test images, drawn at random.

        Raises:
            ParameterError: no samples asked for.
        """
        if samples < 1:
            raise ParameterError(f"samples: {samples} given; 1 or more is needed")
        data = self.dataset
        if samples >= len(data.test_labels):
            return self
        chosen = torch.randperm(len(data.test_labels), generator=generator(seed, "test samples"))[:samples]
        chosen = chosen.to(data.test_labels.device)
        images, labels = data.test_images[chosen], data.test_labels[chosen]
        fewer = replace(data, test_images=images, test_labels=labels, digest=f"part of {data.digest}")
        return replace(self, dataset=fewer)


def load_network(
    spec: RunSpec,
    store: RunStore,
    *,
    on_missing: OnMissing = "train",
    data: str | Path | None = None,
    device: torch.device | None = None,
) -> LoadedNetwork | None:
    """The network of a run, trained now where the store lacks it: the ledger keeps tables but no weights.

    Args:
        spec: the run.
        store: where finished runs are kept.
        on_missing: what to do where the store lacks it: "train", "skip" or "raise".
        data: the folder of data sets; see `data.data_root`.
        device: where the network and data are put; a GPU by default where there is one.

    Returns:
        the network, or None where it is skipped.

    Raises:
        MissingRunsError: the store lacks the run and `on_missing` is "raise".
        StoreError: the run diverged, or does not verify.
        DataError: the data are not there.
    """
    dataset = load(spec.dataset, data)
    if on_missing == "train":
        sweep([spec], store, jobs=1, data=data)
    elif not store.holds(spec, dataset.digest):
        if on_missing == "skip":
            return None
        raise MissingRunsError(f'{describe(spec)}: its weights are not in {store.path}; on_missing="train" trains it')
    device = device or choose_device()
    return LoadedNetwork(spec, network(spec, store, dataset).placed(device), dataset.to(device))
