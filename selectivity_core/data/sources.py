"""The data sets there are: what each must look like, the reader of its files, its download, and a cache of pixels.

Image files are decoded once, into a cache that is checked.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import stat
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from types import ModuleType

import numpy as np
import torch
from torch import Tensor

from ..errors import DataError, required
from ..progress import bar

CIFAR10_CLASSES = (
    "airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck",
)  # fmt: skip
FASHION_CLASSES = (
    "t-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot",
)  # fmt: skip


IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
TINY_IMAGENET = "http://cs231n.stanford.edu/tiny-imagenet-200.zip"
TINY_IMAGENET_MD5 = "90528d7ca1a48142e341f4ef8d21d0de"


@dataclass(frozen=True)
class Shape:
    """What a data set must look like, so that a wrong or short copy is refused, and how its pixels are normalised.

    `normalisation` is the mean and standard deviation of each channel; None for those of its own training images.
    """

    classes: int
    image: tuple[int, int, int]
    train: int
    test: int
    validation: int
    title: str
    balanced: bool = True
    normalisation: tuple[tuple[float, ...], tuple[float, ...]] | None = None


DATASETS: dict[str, Shape] = {
    "digits": Shape(10, (8, 8, 1), 1000, 797, 300, "scikit-learn's digits", balanced=False),
    "mnist": Shape(10, (28, 28, 1), 60_000, 10_000, 5_000, "MNIST", balanced=False),
    "fashion-mnist": Shape(10, (28, 28, 1), 60_000, 10_000, 5_000, "Fashion-MNIST"),
    "cifar10": Shape(10, (32, 32, 3), 50_000, 10_000, 5_000, "CIFAR-10", normalisation=IMAGENET),
    "tiny-imagenet": Shape(200, (64, 64, 3), 100_000, 10_000, 10_000, "Tiny ImageNet", normalisation=IMAGENET),
    # Real images where no GPU is at hand: the first 20 classes of the label order, all their images.
    "tiny-imagenet-20": Shape(
        20, (64, 64, 3), 10_000, 1_000, 1_000, "Tiny ImageNet, 20 of its classes", normalisation=IMAGENET
    ),
}


def class_names(name: str) -> tuple[str, ...]:
    """Class names in label order, where they are known without the data; numbers otherwise."""
    named = {"cifar10": CIFAR10_CLASSES, "fashion-mnist": FASHION_CLASSES}
    return named.get(name) or tuple(str(k) for k in range(DATASETS[name].classes))


def user_cache() -> Path:
    """The user's cache folder, XDG_CACHE_HOME or one in the home folder."""
    try:
        return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "selectivity"
    except RuntimeError:
        raise DataError("no home folder; set SELECTIVITY_DATA and SELECTIVITY_CACHE, or XDG_CACHE_HOME") from None


def cache_folder() -> Path:
    """Where decoded images are kept: SELECTIVITY_CACHE, else the user's cache folder."""
    given = os.environ.get("SELECTIVITY_CACHE")
    return (Path(given) if given else user_cache()) / "decoded"


def decode(paths: list[Path], shape: tuple[int, int, int], *, root: Path) -> Tensor:
    """(files, H, W, channels) uint8 of the image files in a folder, or what an earlier call kept of them.

    The cache is keyed by the folder and by each file's device, inode, size and times of change, and holds a digest of
    its pixels that is checked when it is read. Grey files are repeated over three channels.

    Raises:
        DataError: a file that is missing, damaged, or no opaque PNG or JPEG of 8 bits a channel and the size wanted.
    """
    key = hashlib.sha256(f"{shape} {root.resolve()}\n".encode(errors="surrogateescape"))
    for path in paths:
        try:
            s = path.stat()
        except OSError as error:
            raise DataError(f"{path}: cannot be read ({error.strerror})") from error
        if not stat.S_ISREG(s.st_mode):  # nobody may ever write to a FIFO
            raise DataError(f"{path}: is no file")
        key.update(f"{s.st_dev} {s.st_ino} {s.st_size} {s.st_mtime_ns} {s.st_ctime_ns}\n".encode())
    cache = cache_folder() / f"{key.hexdigest()[:32]}.npy"
    kept = _read_cache(cache, (len(paths), *shape))
    if kept is not None:
        return kept
    required("data", "PIL")
    images = torch.empty(len(paths), *shape, dtype=torch.uint8)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        jobs = pool.map(lambda item: _decode_one(images, *item), enumerate(paths), chunksize=256)
        with bar(f"decoding {root.name}", len(paths), "image") as shown:
            for _ in jobs:
                shown.update()
    _write_cache(cache, images)
    return images


def _decode_one(images: Tensor, position: int, path: Path) -> None:
    from PIL import Image

    height, width, channels = images.shape[1:]
    try:
        with Image.open(path, formats=("PNG", "JPEG")) as image:
            if image.size != (width, height):  # before any pixel is decoded: a small file can hold a huge image
                found = f"({image.height}, {image.width}, {channels})"
                raise DataError(f"{path}: {found} pixels found; {tuple(images.shape[1:])} are needed")
            if any(";16" in str(tile[-1]) for tile in image.tile):  # Pillow would drop the lower half without a word
                raise DataError(f"{path}: 16 bits a channel; save it with 8")
            if image.mode in ("LA", "RGBA") and image.getextrema()[-1] != (255, 255):
                raise DataError(f"{path}: partly transparent; save it without an alpha channel")
            pixels = np.array(image.convert("RGB"))
    except DataError:
        raise
    except Exception as error:  # decoders raise anything on a damaged file
        raise DataError(f"{path}: not a readable image ({error})") from error
    images[position] = torch.from_numpy(pixels)


def _read_cache(cache: Path, shape: tuple[int, ...]) -> Tensor | None:
    """Pixels in numpy's format with their digest behind; None where they do not verify: they are decoded anew."""
    try:
        with cache.open("rb") as file:
            images, digest = np.load(file, allow_pickle=False), file.read()
    except (OSError, ValueError, EOFError, MemoryError):
        return None
    whole = images.shape == shape and images.dtype == np.uint8 and hashlib.sha256(images.data).digest() == digest
    return torch.from_numpy(images) if whole else None


def _write_cache(cache: Path, images: Tensor) -> None:
    stage = cache.with_suffix(f".{os.getpid()}.part")
    try:
        cache.parent.mkdir(parents=True, exist_ok=True)
        _remove_leftovers(cache.parent)
        with stage.open("wb") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            np.save(file, images.numpy())
            file.write(hashlib.sha256(images.numpy().data).digest())
        stage.replace(cache)
    except OSError as error:
        # The cache only saves time: without it the images are decoded again.
        print(f"decoded images could not be kept at {cache}: {error}", file=sys.stderr)
    finally:
        with contextlib.suppress(OSError):
            stage.unlink()


def _remove_leftovers(folder: Path) -> None:
    """Removes what killed processes left half-written: a living one holds a lock on its file."""
    for part in folder.glob("*.part"):
        with contextlib.suppress(OSError), part.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            part.unlink()


@dataclass(frozen=True, eq=False)
class Read:
    """What a reader found: images (samples, H, W, channels) uint8 and labels (samples,) int64."""

    images: Tensor
    labels: Tensor
    test_images: Tensor
    test_labels: Tensor
    classes: tuple[str, ...]
    source: str


def digits(_root: Path) -> Read:
    """The 1,797 8x8 digits that scikit-learn carries: 100 of each class to draw from, the other 797 for testing."""
    required("data", "sklearn")
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
    """CIFAR-10 under `root`: torchvision's `cifar-10-batches-py`, or class folders `cifar10/{train,test}/<class>/`."""
    if (root / "cifar-10-batches-py").is_dir():
        return _torchvision("CIFAR10", CIFAR10_CLASSES, "CIFAR-10 (torchvision's download)", root)
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


def tiny_imagenet(root: Path, name: str) -> Read:
    """Tiny ImageNet, or its first 20 classes; the published validation images are the test set."""
    try:
        return _tiny_imagenet(root, name)
    except DataError as error:
        remedy = "`selectivity data get tiny-imagenet` gets it, or unpacks it again where an unpacking broke off"
        raise DataError(f"{error}; {remedy}") from error


def _tiny_imagenet(root: Path, name: str) -> Read:
    folder = root / "tiny-imagenet-200"
    listing, annotations = folder / "wnids.txt", folder / "val" / "val_annotations.txt"
    for needed in (folder / "train", folder / "val" / "images", listing, annotations):
        if not needed.exists():
            raise DataError(f"tiny-imagenet: {needed} is missing")
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
    """The image files of a folder; hidden ones are left out, `._x.png` of a Mac among them."""
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder; {count} images are needed there")
    found = sorted(
        p for p in folder.iterdir() if p.suffix.lower() in (".jpg", ".jpeg", ".png") and not p.name.startswith(".")
    )
    if len(found) != count:
        raise DataError(f"{folder}: {len(found)} images found; {count} are needed")
    return found


def _class_folders(folder: Path, classes: tuple[str, ...], count: int) -> tuple[list[Path], Tensor]:
    """Files and labels of class folders; folders that notebooks (`.ipynb_checkpoints`) and Macs leave are left out."""
    there = {p.name for p in folder.iterdir() if p.is_dir()} if folder.is_dir() else set()
    there = {name for name in there if not name.startswith(".") and name != "__MACOSX"}
    if there != set(classes):
        lacking, odd = ", ".join(sorted(set(classes) - there)), ", ".join(sorted(there - set(classes)))
        found = [f"no folder for {lacking}"] * bool(lacking) + [f"no class is called {odd}"] * bool(odd)
        raise DataError(f"{folder}: {'; '.join(found)}; one folder for each class is needed")
    paths = [path for name in classes for path in _images(folder / name, count)]
    return paths, torch.arange(len(classes)).repeat_interleave(count)


_KEPT: list[torch.library.Library] = []  # an operator lives as long as the library that declared it


@lru_cache(maxsize=1)
def torchvision() -> ModuleType:
    """The torchvision package.

    The published wheel skips its compiled extension beside a CPU-only torch and then fails for want of two detection
    operators. On exactly that error the operators are declared, without an implementation, and the import repeated:
    data sets, transforms and classifiers then work, detection operators fail when called.
    """
    required("data", "torchvision")
    try:
        import torchvision
    except RuntimeError as error:
        if "torchvision::nms does not exist" not in str(error):
            raise
        library = torch.library.Library("torchvision", "DEF")
        for name in ("nms", "qnms"):
            library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        _KEPT.append(library)
        for name in [n for n in sys.modules if n.split(".")[0] == "torchvision"]:
            del sys.modules[name]
        import torchvision
    import torchvision.datasets

    return torchvision


def _torchvision(kind: str, classes: tuple[str, ...], source: str, root: Path) -> Read:
    """A data set that torchvision reads from its own layout, after its checksums."""
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


READERS: dict[str, Callable[[Path], Read]] = {
    "digits": digits,
    "mnist": partial(_torchvision, "MNIST", tuple("0123456789"), "MNIST (idx files)"),
    "fashion-mnist": partial(_torchvision, "FashionMNIST", FASHION_CLASSES, "Fashion-MNIST (idx files)"),
    "cifar10": cifar10,
    "tiny-imagenet": partial(tiny_imagenet, name="tiny-imagenet"),
    "tiny-imagenet-20": partial(tiny_imagenet, name="tiny-imagenet-20"),
}


def _get(kind: str, root: Path) -> None:
    """torchvision's download, which checks every file's MD5."""
    getattr(torchvision().datasets, kind)(root, download=True)


def _get_tiny_imagenet(root: Path) -> None:
    """An archive that is there and whole is only unpacked."""
    torchvision().datasets.utils.download_and_extract_archive(TINY_IMAGENET, str(root), md5=TINY_IMAGENET_MD5)


# What puts a data set's files into a folder; scikit-learn carries the digits.
DOWNLOADS: dict[str, Callable[[Path], None]] = {
    "mnist": partial(_get, "MNIST"),
    "fashion-mnist": partial(_get, "FashionMNIST"),
    "cifar10": partial(_get, "CIFAR10"),
    "tiny-imagenet": _get_tiny_imagenet,
    "tiny-imagenet-20": _get_tiny_imagenet,
}
