"""A conventional trainer, the peer of the epoch's row: what one writes first, with care, in float32.

Images pass one by one through torchvision's transforms in DataLoader workers; the network is contiguous, the
optimiser torch's default, and the regulariser sits in forward hooks.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import DataLoader
from torch.utils.data import Dataset as TorchDataset

from selectivity_core.data import Dataset
from selectivity_core.data.sources import torchvision
from selectivity_core.spec import RunSpec

from .regulariser_step import PlainRegularizer


class PictureSet(TorchDataset):
    """uint8 images as PIL pictures through transforms, one by one, as torchvision's data sets do it."""

    def __init__(self, images: Tensor, labels: Tensor, data: Dataset, augment: bool) -> None:
        torchvision()
        from torchvision import transforms

        random = [transforms.RandomCrop(32, padding=4), transforms.RandomHorizontalFlip()] if augment else []
        self.images, self.labels = images.numpy(), labels.tolist()
        self.transform = transforms.Compose([*random, transforms.ToTensor(), transforms.Normalize(data.mean, data.std)])

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        from PIL import Image

        return self.transform(Image.fromarray(self.images[index])), self.labels[index]


class ConventionalTrainer:
    """A contiguous float32 network, its loader, optimiser and regulariser.

    Args:
        model: built by `build_model`.
        spec: what to train; its precision and threads are not looked at.
        data: where the images are.
        index: (samples,) which of `data.images` to train on.
        workers: DataLoader processes.
        order: the places in `index`, in the order to take them; shuffled by default.
    """

    def __init__(
        self, model: nn.Module, spec: RunSpec, data: Dataset, index: Tensor, *, workers: int = 2,
        order: Sequence[int] | None = None,
    ) -> None:  # fmt: skip
        self.model = model
        self.loader = DataLoader(
            PictureSet(data.images[index], data.labels[index], data, spec.augment),
            batch_size=spec.batch_size, shuffle=order is None, sampler=order, num_workers=workers,
            persistent_workers=workers > 0,
        )  # fmt: skip
        self.optimizer = torch.optim.SGD(
            model.parameters(), lr=spec.lr, momentum=spec.momentum, weight_decay=spec.weight_decay
        )
        self.regularizer = PlainRegularizer(model, spec.alpha) if spec.alpha else None

    def run_epoch(self) -> None:
        """Trains on every image once."""
        self.model.train()
        for images, labels in self.loader:
            loss = F.cross_entropy(self.model(images), labels)
            if self.regularizer is not None:
                loss = loss + self.regularizer(labels)
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
