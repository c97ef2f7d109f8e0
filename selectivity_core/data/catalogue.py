"""Which data sets there are, and what each must look like."""

from __future__ import annotations

from dataclasses import dataclass

CIFAR10_CLASSES = (
    "airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck",
)  # fmt: skip
FASHION_CLASSES = (
    "t-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot",
)  # fmt: skip


@dataclass(frozen=True)
class Shape:
    """What a data set must look like, so that a wrong or short copy is refused."""

    classes: int
    image: tuple[int, int, int]
    train: int
    test: int
    validation: int
    title: str
    balanced: bool = True


DATASETS: dict[str, Shape] = {
    "digits": Shape(10, (8, 8, 1), 1000, 797, 300, "scikit-learn's digits", balanced=False),
    "mnist": Shape(10, (28, 28, 1), 60_000, 10_000, 5_000, "MNIST", balanced=False),
    "fashion-mnist": Shape(10, (28, 28, 1), 60_000, 10_000, 5_000, "Fashion-MNIST"),
    "cifar10": Shape(10, (32, 32, 3), 50_000, 10_000, 5_000, "CIFAR-10"),
    "tiny-imagenet": Shape(200, (64, 64, 3), 100_000, 10_000, 10_000, "Tiny ImageNet"),
    # Real images where no GPU is at hand: the first 20 classes of the label order, all their images.
    "tiny-imagenet-20": Shape(20, (64, 64, 3), 10_000, 1_000, 1_000, "Tiny ImageNet, 20 of its classes"),
}


def class_names(name: str) -> tuple[str, ...]:
    """Class names in label order, where they are known without the data; numbers otherwise."""
    named = {"cifar10": CIFAR10_CLASSES, "fashion-mnist": FASHION_CLASSES}
    return named.get(name) or tuple(str(k) for k in range(DATASETS[name].classes))
