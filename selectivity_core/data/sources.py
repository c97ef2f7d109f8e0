"""Readers of the layouts that data sets come in. Each gives uint8 images and labels; none decides how they are used."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..errors import DataError
from .catalogue import CIFAR10_CLASSES, DATASETS, FASHION_CLASSES
from .decoding import decode

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png")


@dataclass(frozen=True, eq=False)
class Read:
    """What a reader found: images (samples, H, W, channels) uint8 and labels (samples,) int64."""

    images: Tensor
    labels: Tensor
    test_images: Tensor
    test_labels: Tensor
    classes: tuple[str, ...]
    source: str


def digits() -> Read:
    """The 1,797 8x8 digits that scikit-learn carries: 100 of each class to draw from, the other 797 for testing."""
    from sklearn.datasets import load_digits

    bunch = load_digits()
    images = torch.from_numpy(np.rint(bunch.images * (255 / 16)).astype(np.uint8))[..., None]
    labels = torch.from_numpy(bunch.target.astype(np.int64))
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(0))
    pool = torch.cat([order[labels[order] == c][:100] for c in range(10)]).sort().values
    rest = torch.ones(len(labels), dtype=torch.bool)
    rest[pool] = False
    return Read(images[pool], labels[pool], images[rest], labels[rest], tuple("0123456789"), "scikit-learn digits")


def cifar10(root: Path) -> Read:
    """CIFAR-10 under `root`: torchvision's `cifar-10-batches-py`, or class folders `cifar10/{train,test}/<class>/`.

    Raises:
        DataError: neither is there, or what is there is damaged or short.
    """
    if (root / "cifar-10-batches-py").is_dir():
        return _torchvision("CIFAR10", root, CIFAR10_CLASSES, "CIFAR-10 (torchvision's download)")
    folder = root / "cifar10"
    if not folder.is_dir():
        raise DataError(
            f"cifar10: no images under {root}; run `selectivity data get cifar10`, or put class folders at "
            f"{folder}/{{train,test}}/<class>/, or point SELECTIVITY_DATA (--data) at the folder that holds them"
        )
    shape = DATASETS["cifar10"]
    parts = [
        _class_folders(folder / part, CIFAR10_CLASSES, count // shape.classes)
        for part, count in (("train", shape.train), ("test", shape.test))
    ]
    jpeg = all(path.suffix.lower() != ".png" for path in parts[0][0][:100])
    source = "CIFAR-10 (JPEG copy)" if jpeg else "CIFAR-10 (class folders)"
    (images, test_images), (labels, test_labels) = zip(
        *[(decode(paths, shape.image, root=folder), targets) for paths, targets in parts], strict=True
    )
    return Read(images, labels, test_images, test_labels, CIFAR10_CLASSES, source)


def mnist(root: Path) -> Read:
    """MNIST in torchvision's layout, `MNIST/raw/`."""
    return _torchvision("MNIST", root, tuple("0123456789"), "MNIST (idx files)")


def fashion_mnist(root: Path) -> Read:
    """Fashion-MNIST in torchvision's layout, `FashionMNIST/raw/`."""
    return _torchvision("FashionMNIST", root, FASHION_CLASSES, "Fashion-MNIST (idx files)")


def tiny_imagenet(root: Path, name: str = "tiny-imagenet") -> Read:
    """Tiny ImageNet in its original layout, `tiny-imagenet-200/`; the published validation images are the test set.

    Args:
        root: the folder of data sets.
        name: "tiny-imagenet", or "tiny-imagenet-20" for the first 20 classes.

    Raises:
        DataError: files or labels that are missing, or name a class that does not exist.
    """
    folder = root / "tiny-imagenet-200"
    listing, annotations = folder / "wnids.txt", folder / "val" / "val_annotations.txt"
    for needed in (folder / "train", folder / "val" / "images", listing, annotations):
        if not needed.exists():
            raise DataError(f"tiny-imagenet: {needed} is missing; run `selectivity data get tiny-imagenet`")
    shape = DATASETS[name]
    every = tuple(sorted(listing.read_text().split()))
    classes = every[: shape.classes]
    paths, labels = [], []
    for label, wnid in enumerate(classes):
        found = _images(folder / "train" / wnid / "images", shape.train // shape.classes)
        paths += found
        labels += [label] * len(found)
    known = {wnid: label for label, wnid in enumerate(every)}
    test_paths, test_labels = [], []
    for number, line in enumerate(annotations.read_text().splitlines(), 1):
        fields = line.split("\t")
        if len(fields) < 2 or fields[1] not in known:
            raise DataError(f"tiny-imagenet: {annotations} line {number} names no known class: {line[:60]!r}")
        if known[fields[1]] < len(classes):
            test_paths.append(folder / "val" / "images" / fields[0])
            test_labels.append(known[fields[1]])
    return Read(
        decode(paths, shape.image, root=folder), torch.tensor(labels), decode(test_paths, shape.image, root=folder),
        torch.tensor(test_labels), classes,
        "Tiny ImageNet (original files)" if classes == every else f"{len(classes)} classes of Tiny ImageNet",
    )  # fmt: skip


def _images(folder: Path, count: int) -> list[Path]:
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder; {count} images are needed there")
    found = sorted(p for p in folder.iterdir() if p.suffix.lower() in IMAGE_SUFFIXES)
    if len(found) != count:
        raise DataError(f"{folder}: {len(found)} images found; {count} are needed")
    return found


def _class_folders(folder: Path, classes: tuple[str, ...], count: int) -> tuple[list[Path], Tensor]:
    names = sorted(p.name for p in folder.iterdir() if p.is_dir()) if folder.is_dir() else []
    if tuple(names) != classes:
        raise DataError(f"{folder}: class folders {names or 'none'} found; {', '.join(classes)} are needed")
    paths = [path for name in classes for path in _images(folder / name, count)]
    return paths, torch.arange(len(classes)).repeat_interleave(count)


def _torchvision(kind: str, root: Path, classes: tuple[str, ...], source: str) -> Read:
    """A data set that torchvision reads from its own layout, after its checksums."""
    from .torchvision_import import torchvision

    try:
        train, test = (getattr(torchvision().datasets, kind)(root, train=part) for part in (True, False))
    except (RuntimeError, OSError, EOFError, ValueError) as error:
        raise DataError(
            f"{kind}: the files under {root} are missing or damaged ({str(error).splitlines()[0]}); "
            f"remove them and run `selectivity data get`"
        ) from error
    images, test_images = (torch.as_tensor(np.asarray(part.data)) for part in (train, test))
    if images.ndim == 3:
        images, test_images = images[..., None], test_images[..., None]
    labels, test_labels = (torch.as_tensor(part.targets).long() for part in (train, test))
    return Read(images, labels, test_images, test_labels, classes, source)
