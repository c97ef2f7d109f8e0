"""Images as uint8 tensors with their labels: loading, splitting, batches.

`load(name)` gives a `Dataset`; `split(dataset, seed, train_size)` the images of one run; `batch` what a network is fed.
"""

from .dataset import Dataset, batch, data_root, download, load, normalise, split
from .sources import DATASETS, class_names

__all__ = ["DATASETS", "Dataset", "batch", "class_names", "data_root", "download", "load", "normalise", "split"]
