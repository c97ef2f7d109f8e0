"""Getting data sets from where they are published, each checked against a published checksum."""

from __future__ import annotations

from pathlib import Path

from ..errors import DataError
from ..files import make_folder
from .catalogue import DATASETS

# name -> torchvision's class, which checks every file's MD5
TORCHVISION = {"cifar10": "CIFAR10", "mnist": "MNIST", "fashion-mnist": "FashionMNIST"}
TINY_IMAGENET = "http://cs231n.stanford.edu/tiny-imagenet-200.zip"
TINY_IMAGENET_MD5 = "90528d7ca1a48142e341f4ef8d21d0de"


def download(name: str, root: Path) -> None:
    """Downloads a data set into `root`; nothing happens where it is there and whole.

    Raises:
        DataError: an unknown name, no connection, or a file that does not match its checksum.
    """
    from .torchvision_import import torchvision

    if name == "digits":
        return
    if name not in DATASETS:
        raise DataError(f"data set {name!r}: not known; one of {', '.join(DATASETS)} is allowed")
    make_folder(root)
    package = torchvision()
    try:
        if name in TORCHVISION:
            getattr(package.datasets, TORCHVISION[name])(root, download=True)
        elif not (root / "tiny-imagenet-200").is_dir():
            package.datasets.utils.download_and_extract_archive(TINY_IMAGENET, str(root), md5=TINY_IMAGENET_MD5)
    except (OSError, RuntimeError) as error:
        raise DataError(f"{name}: cannot be downloaded into {root} ({error})") from error
