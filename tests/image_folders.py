"""Made-up image files in the layouts of the real data sets, at a few images a class."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from selectivity_core.data import dataset
from selectivity_core.data.sources import CIFAR10_CLASSES

TRAIN, TEST = 6, 2  # images a class
TINY_CLASSES = ("n03", "n01", "n02")


def pixels(size: int, seed: int, channels: int = 3) -> np.ndarray:
    shape = (size, size, channels) if channels > 1 else (size, size)
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def save(path: Path, size: int, seed: int, channels: int = 3) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels(size, seed, channels)).save(path)


def shrink(monkeypatch: pytest.MonkeyPatch, name: str, classes: int, validation: int) -> None:
    """Lets a data set be as small as the made-up copy."""
    monkeypatch.setitem(
        dataset.DATASETS,
        name,
        replace(
            dataset.DATASETS[name],
            classes=classes,
            train=classes * TRAIN,
            test=classes * TEST,
            validation=validation,
        ),
    )
    dataset._load.cache_clear()


def make_cifar10(root: Path) -> None:
    """Lossless files, so that a test can say which pixels must come back: image k of class c has seed 100·c + k."""
    for label, name in enumerate(CIFAR10_CLASSES):
        for k in range(TRAIN):
            save(root / "cifar10" / "train" / name / f"{k:04d}.png", 32, 100 * label + k)
        for k in range(TEST):
            save(root / "cifar10" / "test" / name / f"{k:04d}.png", 32, 100 * label + 50 + k)


def make_tiny_imagenet(root: Path) -> None:
    """The original layout: validation images lie flat in one folder, their classes in a text file, in no order."""
    folder = root / "tiny-imagenet-200"
    for label, name in enumerate(sorted(TINY_CLASSES)):
        for k in range(TRAIN):
            save(folder / "train" / name / "images" / f"{name}_{k}.png", 64, 100 * label + k)
    (folder / "wnids.txt").write_text("\n".join(TINY_CLASSES) + "\n")
    lines = []
    for k in range(TEST * len(TINY_CLASSES)):
        save(folder / "val" / "images" / f"val_{k}.png", 64, 1000 + k, channels=1 if k == 0 else 3)
        lines.append(f"val_{k}.png\t{TINY_CLASSES[k % 3]}\t0\t0\t62\t62\n")
    (folder / "val" / "val_annotations.txt").write_text("".join(lines))
