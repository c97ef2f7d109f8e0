"""Images as uint8 tensors with their labels: loading, splitting, batches.

`load(name)` gives a `Dataset`; `split(dataset, seed, train_size)` the images of one run; `batch` what a network is fed.
"""

from .dataset import Dataset, Split, batch, check, corrupt, crop_and_flip, data_root, download, load, normalise, split
from .sources import DATASETS, class_names

__all__ = [
    "DATASETS", "Dataset", "Split", "batch", "check", "class_names", "corrupt", "crop_and_flip", "data_root",
    "download", "load", "normalise", "split",
]  # fmt: skip
