"""A finished run as a network again, and what it makes of images."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from ..arithmetic import evaluating
from ..data import Dataset, load, normalise, split
from ..errors import MissingRunsError, ParameterError, StoreError
from ..evaluation import EVALUATION_BATCH
from ..machine import choose_device
from ..models import UnitNetwork, network_of
from ..seeds import generator
from ..spec import RunSpec, spec_of
from ..watching import record
from .archive import as_kept, kept_weights, ledger, ledger_folder
from .manifests import is_current
from .profiles import find_profile, profile_of
from .store import RunStore, default_store
from .sweeping import OnMissing, run_label, sweep

Images = Literal["train", "validation", "test"]
ASIDE = ".networks"  # of a store: runs that are trained for their weights alone
MOST_IMAGES = 1000  # on which perturbed networks are tested


def weights_of(
    spec: RunSpec, store: RunStore, epoch: str = "best", *, folder: Path | None = None, digest: str | None = None
) -> dict[str, Tensor]:
    """Parameters and buffers of a finished run: the store's, else those that the ledger keeps. Nothing is trained.

    Of a profile whose networks the ledger keeps, the best epoch's are rounded as it keeps them wherever they come from
    (`archive.as_kept`): whoever has the repository alone measures the same networks.

    Args:
        spec: the run.
        store: where finished runs are kept.
        epoch: "best" or "last"; the ledger has only the best.
        folder: the ledger's; that of `ledger_folder` by default.
        digest: of the data that the run must be made from; any by default.

    Raises:
        MissingRunsError: there are none.
        StoreError: the run diverged, or does not verify.
    """
    if store.holds(spec, digest):
        found = store.weights(spec, epoch)
        return as_kept(spec, found) if epoch == "best" and find_profile(profile_of(spec)).keep_weights else found
    folder = (folder or ledger_folder()) if epoch == "best" else None
    kept = None if folder is None or not _made_from(spec, folder, digest) else kept_weights(folder, spec)
    if kept is None:
        ledger_too = f"neither in {store.path} nor in the ledger, {folder or 'none'}"
        where = ledger_too if epoch == "best" else f"not in {store.path}, and the ledger keeps the best epoch's only"
        raise MissingRunsError(f"{run_label(spec)}: its weights ({epoch}) are {where}")
    return kept


def _made_from(spec: RunSpec, folder: Path, digest: str | None) -> bool:
    """Whether the ledger's run, where it has one, was trained on the data of a digest."""
    if digest is None:
        return True
    runs = ledger(profile_of(spec), folder=folder).runs
    return digest in runs.loc[runs["run"] == spec.id, "provenance_digest"].to_list()


def network(spec: RunSpec, store: RunStore, epoch: str = "best") -> UnitNetwork:
    """The network of a finished run, in evaluation mode, on the CPU; weights and errors are those of `weights_of`."""
    return _with_weights(spec, weights_of(spec, store, epoch))


def _with_weights(spec: RunSpec, weights: dict[str, Tensor]) -> UnitNetwork:
    with torch.random.fork_rng():  # building draws an initialisation that is then replaced
        model = network_of(spec)
    try:
        model.load_state_dict(weights)
    except RuntimeError as error:
        raise StoreError(f"run {spec.id}: its weights do not fit its network") from error
    return model.with_channels_last().eval()


def trained_network(
    run: RunSpec | str, *, store: RunStore | str | Path | None = None, folder: Path | None = None
) -> UnitNetwork:
    """The network of a finished run at its best epoch, in evaluation mode, on the CPU. Nothing is trained.

    That of the store goes before that of the ledger, as tables do. The ledger has networks of some profiles, and of
    these the weights of convolutions and linear layers are rounded to bf16.

    Args:
        run: its spec or id.
        store: where finished runs are kept; `default_store()` by default.
        folder: the ledger's; that of `ledger_folder` by default.

    Returns:
        the network, with the best epoch's parameters and buffers.

    Raises:
        MissingRunsError: neither has it.
        StoreError: the run diverged, or does not verify.
    """
    store = default_store() if store is None else store if isinstance(store, RunStore) else RunStore(store)
    spec = run if isinstance(run, RunSpec) else _spec_of(run, store, folder)
    return _with_weights(spec, weights_of(spec, store, folder=folder))


def _spec_of(run: str, store: RunStore, folder: Path | None) -> RunSpec:
    if (manifest := store.manifest(run)) is not None and is_current(manifest):
        return store.spec(run)
    runs = ledger(folder=folder).runs
    rows = runs[runs["run"] == run]
    if not len(rows):
        raise MissingRunsError(f"run {run}: in neither store nor ledger")
    return spec_of(rows.to_dict("records")[0])


def part(spec: RunSpec, data: Dataset, which: Images) -> tuple[Tensor, Tensor]:
    """Images (samples, H, W, channels) uint8 and labels of one part of a run's data, as it was trained with them."""
    if which == "test":
        return data.test_images, data.test_labels
    parts = split(data, spec.seed, spec.train_size, spec.label_corruption)
    if which == "train":
        return data.images[parts.train], parts.train_labels
    return data.images[parts.validation], data.labels[parts.validation]


def fixed(labels: Tensor, most: int = MOST_IMAGES) -> Tensor:
    """Indices of the same few images each time: the first ones, or evenly spread ones where they lie class by class."""
    samples, wanted = len(labels), min(most, len(labels))
    by_class = bool((labels.diff() >= 0).all())  # the first 1,000 of a folder of classes are of one class
    return torch.arange(wanted) * samples // wanted if by_class else torch.arange(wanted)


def unit_activity(
    model: UnitNetwork,
    data: Dataset,
    images: Tensor,
    precision: str,
    *,
    layers: str | Sequence[str] = "all",
    maps: bool = False,
) -> dict[str, Tensor]:
    """`activity_on` of uint8 images."""
    batches = (normalise(some, data) for some in images.split(EVALUATION_BATCH))
    return activity_on(model, batches, precision, layers=layers, maps=maps)


def activity_on(
    model: UnitNetwork,
    batches: Iterable[Tensor],
    precision: str = "float32",
    *,
    layers: str | Sequence[str] = "all",
    maps: bool = False,
) -> dict[str, Tensor]:
    """Layer -> (samples, units) float32 on the CPU, feature maps averaged over their positions; or the maps whole.

    Batches are as the network takes them.
    """
    found: dict[str, list[Tensor]] = {}
    with record(model, layers, maps=maps) as seen, evaluating(model, precision):
        for some in batches:
            model(some)
            for name, activity in seen.items():
                found.setdefault(name, []).append(activity.float().cpu())
    return {name: torch.cat(parts).clone() for name, parts in found.items()}


class TrainedRuns:
    """Activity of finished runs, worked out once for each as long as it is among the latest asked for.

    `keep` says of how many runs activity is held in memory.
    """

    def __init__(self, store: RunStore, keep: int = 8) -> None:
        self.store = store
        self.activity = lru_cache(maxsize=keep)(self._activity)

    def dataset(self, spec: RunSpec) -> Dataset:
        """The run's data set."""
        return load(spec.dataset)

    def network(self, spec: RunSpec, epoch: str = "best") -> UnitNetwork:
        """The run's network at its "best" or "last" epoch."""
        return network(spec, self.store, epoch)

    def labels(self, spec: RunSpec, which: Images) -> Tensor:
        """Labels of a part of the run's data."""
        return part(spec, self.dataset(spec), which)[1]

    def _activity(self, spec: RunSpec, which: Images = "test") -> dict[str, Tensor]:
        dataset = self.dataset(spec)
        return unit_activity(self.network(spec), dataset, part(spec, dataset, which)[0], spec.precision)


@dataclass(frozen=True, eq=False)
class LoadedNetwork:
    """A finished run's network at its best epoch, in evaluation mode, and its data, on one device."""

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
        """The same network with at most `samples` test images, drawn at random."""
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


def _place(spec: RunSpec, store: RunStore, digest: str) -> RunStore:
    """Where a run's weights lie, or are to be trained: the store, or aside where the ledger has the run's tables."""
    folder = ledger_folder()
    known = folder is not None and spec.id in set(ledger(profile_of(spec), folder=folder).runs["run"])
    return RunStore(store.path / ASIDE) if known and not store.holds(spec, digest) else store


def train_networks(specs: Iterable[RunSpec], store: RunStore, *, jobs: int = 1) -> None:
    """Trains the runs whose weights neither the store nor the ledger has.

    One of which the ledger has the tables is trained aside, in `ASIDE` of the store: on another processor it comes out
    a little different, and its row must not displace the ledger's on the pages of a book.

    Raises:
        StoreError: a run diverged, or does not verify.
        DataError: the data are not there.
    """
    lacking: dict[Path, list[RunSpec]] = {}
    for spec in specs:
        digest = load(spec.dataset).digest
        place = _place(spec, store, digest)
        try:
            weights_of(spec, place, digest=digest)
        except MissingRunsError:
            lacking.setdefault(place.path, []).append(spec)
    for path, some in lacking.items():
        sweep(some, path, jobs=jobs)


def load_network(spec: RunSpec, store: RunStore, *, on_missing: OnMissing = "train") -> LoadedNetwork | None:
    """The network of a run with its data: the store's, else the ledger's, whose weights are rounded, else trained now.

    Args:
        spec: the run.
        store: where finished runs are kept.
        on_missing: what to do where neither has it: "train" as `train_networks` does, "skip" or "raise".

    Returns:
        the network and its data, on a GPU where there is one; None where it is skipped.

    Raises:
        MissingRunsError: neither has the run and `on_missing` is "raise".
        StoreError: the run diverged, or does not verify.
        DataError: the data are not there.
    """
    dataset = load(spec.dataset)
    place = _place(spec, store, dataset.digest)
    try:
        weights = weights_of(spec, place, digest=dataset.digest)
    except MissingRunsError:
        if on_missing == "raise":
            raise
        if on_missing == "skip":
            return None
        train_networks([spec], store)
        weights = weights_of(spec, place)
    device = choose_device()
    return LoadedNetwork(spec, _with_weights(spec, weights).with_channels_last(device), dataset.to(device))
