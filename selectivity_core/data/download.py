"""Downloads of the data sets with checksums, and torchvision beside a torch that lacks CUDA."""

from __future__ import annotations

import sys
import zipfile
from functools import lru_cache
from pathlib import Path
from types import ModuleType

import torch

from ..errors import DataError
from ..extras import required
from ..files import make_folder
from .catalogue import DATASETS

_KEPT: list[torch.library.Library] = []  # an operator lives as long as the library that declared it


@lru_cache(maxsize=1)
def torchvision() -> ModuleType:
    """The torchvision package.

    The published wheel skips its compiled extension beside a CPU-only torch and then fails for want of two detection
    operators. On exactly that error the operators are declared, without an implementation, and the import repeated:
    data sets, transforms and classifiers then work, detection operators fail when called.

    Raises:
        MissingExtraError: it is not installed.
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


# name -> torchvision's class, which checks every file's MD5
TORCHVISION = {"cifar10": "CIFAR10", "mnist": "MNIST", "fashion-mnist": "FashionMNIST"}
TINY_IMAGENET = "http://cs231n.stanford.edu/tiny-imagenet-200.zip"
TINY_IMAGENET_MD5 = "90528d7ca1a48142e341f4ef8d21d0de"


def download(name: str, root: Path) -> None:
    """Downloads a data set into `root`; nothing happens where it is there and whole.

    Raises:
        DataError: an unknown name, no connection, or a file that does not match its checksum.
    """
    from .dataset import load

    try:
        load(name, root)
        return
    except DataError:
        if name not in DATASETS:
            raise
    make_folder(root)
    package = torchvision()
    try:
        if name in TORCHVISION:
            getattr(package.datasets, TORCHVISION[name])(root, download=True)
        else:  # an archive that is there and whole is only unpacked
            package.datasets.utils.download_and_extract_archive(TINY_IMAGENET, str(root), md5=TINY_IMAGENET_MD5)
    except (OSError, RuntimeError, ValueError, zipfile.BadZipFile) as error:
        raise DataError(f"{name}: cannot be downloaded into {root} ({error})") from error
