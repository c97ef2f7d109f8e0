"""Data sets in memory: loading, checking, splitting and relabelling."""

from __future__ import annotations

import hashlib
import os
import zipfile
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from ..errors import DataError, SpecError, unknown
from ..files import make_folder
from ..seeds import generator
from .sources import DATASETS, DOWNLOADS, READERS, user_cache

PADDING = 4  # black pixels around an image from which a crop is taken


@dataclass(frozen=True, eq=False)
class Dataset:
    """A data set on one device.

    Attributes:
        name: its name in a `RunSpec`.
        images: (samples, H, W, channels) uint8, from which training and validation images are drawn.
        labels: (samples,) int64 in [0, classes).
        test_images, test_labels: likewise; never trained on, never used to choose.
        classes: class names, in label order.
        validation: how many of `images` each seed sets apart.
        source: where the files came from, in words ("CIFAR-10 (class folders)").
        mean, std: (channels,) what `normalise` subtracts and divides by, in units of the pixel range [0, 1].
        digest: sha256 of all of the above pixels and labels.
    """

    name: str
    images: Tensor
    labels: Tensor
    test_images: Tensor
    test_labels: Tensor
    classes: tuple[str, ...]
    validation: int
    source: str
    mean: tuple[float, ...]
    std: tuple[float, ...]
    digest: str

    @property
    def image_size(self) -> int:
        """Height and width in pixels."""
        return self.images.shape[1]

    @property
    def channels(self) -> int:
        """1 for grey, 3 for colour."""
        return self.images.shape[3]

    def to(self, device: torch.device | str) -> Dataset:
        """The same data on another device."""
        moved = {k: getattr(self, k).to(device) for k in ("images", "labels", "test_images", "test_labels")}
        return replace(self, **moved)


def data_root(root: str | Path | None = None) -> Path:
    """The folder that holds data sets: `root`, else SELECTIVITY_DATA, else a cache folder of the user."""
    given = root or os.environ.get("SELECTIVITY_DATA")
    try:
        return Path(given).expanduser() if given else user_cache() / "data"
    except RuntimeError:
        raise DataError(f"{given}: there is no home folder of that name") from None


def load(name: str, root: str | Path | None = None) -> Dataset:
    """A data set by name, checked, as uint8 tensors on the CPU. Loaded once a process.

    Raises:
        DataError: an unknown name, or files that are missing, short, or not what the name says.
    """
    if name not in DATASETS:
        raise DataError(unknown("data set", name, DATASETS))
    return _load(name, data_root(root))


@lru_cache(maxsize=4)
def _load(name: str, root: Path) -> Dataset:
    read = READERS[name](root)
    shape = DATASETS[name]
    if shape.normalisation is None:
        channels = (read.images.float() / 255).unbind(-1)
        mean, std = tuple(float(c.mean()) for c in channels), tuple(float(c.std()) for c in channels)
    else:
        mean, std = shape.normalisation
    state = hashlib.sha256()
    for part in (read.images, read.labels, read.test_images, read.test_labels):
        state.update(part.contiguous().numpy().tobytes())
    dataset = Dataset(
        name=name, images=read.images, labels=read.labels, test_images=read.test_images, test_labels=read.test_labels,
        classes=read.classes, validation=shape.validation, source=read.source, mean=mean, std=std,
        digest=state.hexdigest(),
    )  # fmt: skip
    check(dataset)
    return dataset


def check(dataset: Dataset) -> None:
    """Holds a data set against what its name promises, or raises `DataError`."""
    shape = DATASETS[dataset.name]
    for part, images, labels, count in (
        ("training", dataset.images, dataset.labels, shape.train),
        ("test", dataset.test_images, dataset.test_labels, shape.test),
    ):
        where = f"{dataset.name}: {part} images from {dataset.source}"
        if tuple(images.shape[1:]) != shape.image or images.dtype != torch.uint8:
            raise DataError(f"{where}: {tuple(images.shape[1:])} {images.dtype} found; {shape.image} uint8 is needed")
        if len(images) != count or len(labels) != count:
            raise DataError(f"{where}: {len(images)} images and {len(labels)} labels found; {count} are needed")
        per_class = torch.bincount(labels, minlength=shape.classes)
        if len(per_class) != shape.classes or int(per_class.min()) == 0:
            absent = (per_class[: shape.classes] == 0).nonzero().flatten().tolist()
            raise DataError(f"{where}: classes {absent} have no images; labels must be 0 to {shape.classes - 1}")
        if shape.balanced and per_class.unique().numel() != 1:
            raise DataError(
                f"{where}: {int(per_class.min())} to {int(per_class.max())} images a class found; "
                f"{count // shape.classes} of each are needed"
            )


def download(name: str, root: Path) -> None:
    """Downloads a data set into `root`; nothing happens where it is there and whole."""
    try:
        load(name, root)
        return
    except DataError:
        if name not in DATASETS:
            raise
    if name not in DOWNLOADS:
        raise DataError(f"{name}: there is no download of it; those of {', '.join(DOWNLOADS)} are known")
    make_folder(root)
    try:
        DOWNLOADS[name](root)
    except (OSError, RuntimeError, ValueError, zipfile.BadZipFile) as error:
        raise DataError(f"{name}: cannot be downloaded into {root} ({error})") from error


@dataclass(frozen=True, eq=False)
class Split:
    """Indices (int64) of training and validation images, and the labels to train with, corrupted where asked for."""

    train: Tensor
    train_labels: Tensor
    validation: Tensor


def split(dataset: Dataset, seed: int, train_size: int, label_corruption: float = 0.0) -> Split:
    """Draws validation and training images for a seed, both balanced over classes as far as numbers allow.

    The order deals the classes out in turn, each class in random order; validation takes the first images, training
    the next `train_size`, or there is a `SpecError`.
    """
    available = len(dataset.labels) - dataset.validation
    if not 1 <= train_size <= available:
        raise SpecError(
            f"train_size: {train_size} given; 1 to {available} is allowed for {dataset.name} "
            f"({dataset.validation} images are set apart for validation)"
        )
    labels = dataset.labels.cpu()
    shuffled = torch.randperm(len(labels), generator=generator(seed, "split"))
    by_class = shuffled[labels[shuffled].argsort(stable=True)]
    turn = torch.cat([torch.arange(int(n)) for n in labels.bincount() if n])
    order = by_class[turn.argsort(stable=True)]
    validation, train = order[: dataset.validation], order[dataset.validation :][:train_size]
    return Split(train, relabelled(labels[train], len(dataset.classes), label_corruption, seed), validation)


def relabelled(labels: Tensor, classes: int, share: float, seed: int) -> Tensor:
    """Labels of which a share is drawn anew, uniformly over all classes, the true one included.

    Morcos et al. 2018, 3.1. The samples relabelled at a smaller share are among those of a larger one. Fixed for the
    whole training.
    """
    if share == 0:
        return labels
    draw = generator(seed, "corruption")
    chosen = torch.randperm(len(labels), generator=draw)[: round(share * len(labels))]
    drawn = torch.randint(classes, (len(labels),), generator=draw)
    found = labels.clone()
    found[chosen] = drawn[chosen]
    return found


def crop_and_flip(images: Tensor, generator: torch.Generator) -> Tensor:
    """A random crop of each image padded with black, and a horizontal flip of every second one on average."""
    views = draw_views(len(images), generator).to(images.device)
    return take_views(padded(images), torch.arange(len(images), device=images.device), views)


def draw_views(samples: int, generator: torch.Generator) -> Tensor:
    """(3, samples) int64 of each image's view: rows down and columns right in the padded image, and 1 for a flip."""
    down = torch.randint(2 * PADDING + 1, (samples, 1), generator=generator)
    right = torch.randint(2 * PADDING + 1, (samples, 1), generator=generator)
    flip = torch.rand(samples, 1, generator=generator) < 0.5
    return torch.cat([down, right, flip], 1).T


def padded(images: Tensor) -> Tensor:
    """Images (samples, H, W, channels) with `PADDING` black pixels on each side."""
    return F.pad(images, (0, 0, PADDING, PADDING, PADDING, PADDING))


def take_views(images: Tensor, chosen: Tensor, views: Tensor) -> Tensor:
    """The views (see `draw_views`) of the padded images at the positions `chosen`, without their padding."""
    down, right, flip = views.to(torch.int64)[:, :, None]
    rows = down + torch.arange(images.shape[1] - 2 * PADDING, device=images.device)
    columns = right + torch.arange(images.shape[2] - 2 * PADDING, device=images.device)
    columns = torch.where(flip > 0, columns.flip(1), columns)
    return images[chosen[:, None, None], rows[:, :, None], columns[:, None, :]]


def pixel_scale(dataset: Dataset, device: torch.device) -> tuple[Tensor, Tensor]:
    """(channels,) what `normalise` subtracts from pixels of 0 to 255, and what it multiplies them by."""
    mean, std = (torch.tensor(values, device=device) * 255 for values in (dataset.mean, dataset.std))
    return mean, 1 / std


def normalise(images: Tensor, dataset: Dataset, scale: tuple[Tensor, Tensor] | None = None) -> Tensor:
    """(samples, H, W, channels) uint8 to (samples, channels, H, W) float32, channels last in memory.

    `scale` is the `pixel_scale` of the data set, where it lies on the device already.
    """
    mean, inverse = scale or pixel_scale(dataset, images.device)
    return ((images.float() - mean) * inverse).permute(0, 3, 1, 2)


def batch(dataset: Dataset, indices: Tensor, augment: torch.Generator | None = None) -> Tensor:
    """The training images at `indices` as a network takes them, augmented where a generator is given."""
    images = dataset.images[indices]
    if augment is not None:
        images = crop_and_flip(images, augment)
    return normalise(images, dataset)
