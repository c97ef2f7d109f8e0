"""The regulariser on networks from elsewhere: what the tutorial pages run.

Two networks that know nothing of this package (torchvision's, and a transformer of torch's own layers), the digits of
scikit-learn in the forms that these take, and their training and measurement at several α.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Literal

import pandas as pd
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..data import load, normalise, split
from ..data.sources import torchvision
from ..errors import ParameterError
from ..evaluation import SHUFFLES
from ..indices import selectivity_index
from ..progress import bar
from ..regularizer import SelectivityRegularizer
from ..seeds import generator, seed_for
from ..units import unit_layers
from ..watching import record

SIDE = 32  # pixels, of the digits that torchvision's network is shown
BATCH_SIZE = 25  # samples a batch, at most
LEARNING_RATE = 1e-3

Shift = Literal["min"] | float | None


@dataclass(frozen=True, eq=False)
class Samples:
    """What a network is trained or tested on: inputs (samples, ...) as it takes them, labels (samples,) int64."""

    inputs: Tensor
    labels: Tensor


def digits_as_images(seed: int, train_size: int) -> tuple[Samples, Samples]:
    """Training and test digits as torchvision's networks take images, (samples, 3, 32, 32): enlarged, colours alike."""

    def enlarged(images: Tensor) -> Tensor:
        return F.interpolate(images, size=SIDE, mode="bilinear", align_corners=False).expand(-1, 3, -1, -1)

    return _digits(seed, train_size, enlarged)


def digits_as_rows(seed: int, train_size: int) -> tuple[Samples, Samples]:
    """Training and test digits as sequences (samples, 8 tokens, 8 features): a token for each row of pixels."""
    return _digits(seed, train_size, lambda images: images[:, 0])


def _digits(seed: int, train_size: int, form: Callable[[Tensor], Tensor]) -> tuple[Samples, Samples]:
    digits = load("digits")
    drawn = split(digits, seed, train_size)
    train, test = (
        form(normalise(images, digits)).contiguous() for images in (digits.images[drawn.train], digits.test_images)
    )
    return Samples(train, drawn.train_labels), Samples(test, digits.test_labels)


def residual_network(classes: int = 10) -> nn.Module:
    """torchvision's ResNet with one basic block in each of its four stages, freshly initialised."""
    resnet = torchvision().models.resnet
    return resnet.ResNet(resnet.BasicBlock, [1, 1, 1, 1], num_classes=classes)


class RowTransformer(nn.Module):
    """A transformer encoder over the rows of a small image: (samples, tokens, features) to logits (samples, classes).

    torch's own encoder layers (pre-norm, no dropout), whose hidden units are GELUs; the class is read from the mean.
    """

    def __init__(self, tokens: int = 8, features: int = 8, classes: int = 10, width: int = 64, depth: int = 3) -> None:
        super().__init__()
        self.embed = nn.Linear(features, width)
        self.place = nn.Parameter(torch.randn(tokens, width) * 0.02)
        block = nn.TransformerEncoderLayer(
            width,
            nhead=4,
            dim_feedforward=2 * width,
            dropout=0.0,
            activation=nn.GELU(),  # a module; "gelu" is a function
            batch_first=True,
            norm_first=True,
        )
        self.blocks = nn.TransformerEncoder(block, depth, enable_nested_tensor=False)
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, classes)

    def forward(self, rows: Tensor) -> Tensor:
        """Logits (samples, classes)."""
        tokens = self.blocks(self.embed(rows) + self.place)
        return self.head(self.norm(tokens).mean(1))


def calls(model: nn.Module, inputs: Tensor) -> pd.DataFrame:
    """How often a pass over one batch of inputs uses each activation module: layer (its name), kind, calls and units.

    Units are those of its calls, in order, as text.
    """
    modules = unit_layers(model)
    units: dict[nn.Module, list[int]] = {module: [] for module in modules.values()}

    def count(module: nn.Module, _inputs: object, output: Tensor) -> None:
        units[module].append(output.shape[-1 if output.ndim == 3 else 1])

    with ExitStack() as hooks, torch.no_grad():
        for module in modules.values():
            hooks.callback(module.register_forward_hook(count).remove)
        model(inputs)
    rows = [
        (name, type(module).__name__, len(units[module]), ", ".join(map(str, units[module])))
        for name, module in modules.items()
    ]
    return pd.DataFrame(rows, columns=["layer", "kind", "calls", "units"])


@dataclass(frozen=True, eq=False)
class Comparison:
    """Networks that differ in α and seed only."""

    networks: pd.DataFrame  # a row for each: alpha, seed, accuracy, si (mean over layers of that over units)
    layers: pd.DataFrame  # a row for each network and layer: alpha, seed, and the columns of `measure`


def fit(
    model: nn.Module, train: Samples, alpha: float, *,
    layers: str | Sequence[str] = "all", shift: Shift = None, epochs: int = 10, seed: int = 0,
) -> None:  # fmt: skip
    """Trains a network on cross-entropy − α·μ_SI, in place; `seed` decides the order of the samples.

    The tutorial pages show this source: it is the loop that a reader would write.
    """
    batches = math.ceil(len(train.labels) / BATCH_SIZE)
    optimizer = torch.optim.AdamW(model.parameters(), lr=LEARNING_RATE)
    regularizer = SelectivityRegularizer(
        model,
        alpha,
        layers=layers,  # whose outputs are the units
        shift=shift,  # what makes negative activity fit for the index
        warmup_steps=batches,  # α grows from 0 over the first epoch
    )
    model.train()
    for epoch in range(epochs):
        shuffle = generator(seed, "order", epoch)
        order = torch.randperm(len(train.labels), generator=shuffle)
        for chosen in order.tensor_split(batches):
            labels = train.labels[chosen]
            loss = F.cross_entropy(model(train.inputs[chosen]), labels)
            loss = loss + regularizer(labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    regularizer.remove()  # the network is an ordinary one again


@torch.no_grad()
def measure(
    model: nn.Module, test: Samples, *, layers: str | Sequence[str] = "all", shift: Shift = None
) -> tuple[float, pd.DataFrame]:
    """Accuracy of a network in evaluation mode, and the index of its layers, on the whole test set.

    Each layer is used once in a pass; `layers` and `shift` are those of `SelectivityRegularizer`.

    Returns:
        accuracy in [0, 1], and a row for each layer: depth, layer, units, si and si_shuffled (means over units; the
        latter also over label shuffles).
    """
    model.eval()
    with record(model, layers) as activity:
        logits = model(test.inputs)
    orders = [torch.randperm(len(test.labels), generator=generator(0, "shuffle", k)) for k in range(SHUFFLES)]
    rows = []
    for depth, (name, values) in enumerate(activity.items(), start=1):
        lifted = values + shift if isinstance(shift, int | float) else values
        index, *shuffled = (
            float(selectivity_index(lifted, labels, shift=shift == "min").mean())
            for labels in (test.labels, *(test.labels[order] for order in orders))
        )
        chance = sum(shuffled) / SHUFFLES
        rows.append({"depth": depth, "layer": name, "units": values.shape[1], "si": index, "si_shuffled": chance})
    return float((logits.argmax(1) == test.labels).double().mean()), pd.DataFrame(rows)


def compare(
    build: Callable[[], nn.Module], digits: Callable[[int, int], tuple[Samples, Samples]], alphas: Sequence[float], *,
    seeds: int = 1, epochs: int = 10, train_size: int = 200, layers: str | Sequence[str] = "all", shift: Shift = None,
) -> Comparison:  # fmt: skip
    """Trains and measures a network for each α and seed; a seed means the same start, images and order at every α.

    Args:
        build: gives a new network, drawn from torch's global generator.
        digits: `digits_as_images` or `digits_as_rows`.
        alphas: values of α, each once, with so many `seeds`.
        epochs, train_size: of the training; two images at least, for batch norm.
        layers, shift: as for `SelectivityRegularizer`.
    """
    if not alphas or len(set(alphas)) < len(alphas):
        raise ParameterError(f"alphas: {list(alphas)} given; at least one value of α, each once, is needed")
    for name, given, least in (("seeds", seeds, 1), ("epochs", epochs, 1), ("train_size", train_size, 2)):
        if given < least:
            raise ParameterError(f"{name}: {given} given; at least {least} is needed")
    networks, tables = [], []
    with bar("networks", seeds * len(alphas), "network") as shown:
        for seed in range(seeds):
            train, test = digits(seed, train_size)
            for alpha in alphas:
                with torch.random.fork_rng(devices=[]):
                    torch.manual_seed(seed_for(seed, "init"))
                    model = build()
                fit(model, train, alpha, layers=layers, shift=shift, epochs=epochs, seed=seed)
                accuracy, table = measure(model, test, layers=layers, shift=shift)
                here = {"alpha": float(alpha), "seed": seed}
                networks.append(here | {"accuracy": accuracy, "si": table["si"].mean()})
                tables.append(table.assign(**here))
                shown.update()
    return Comparison(pd.DataFrame(networks), pd.concat(tables, ignore_index=True))
