"""The regulariser on networks from elsewhere: what the tutorial pages run.

Two networks that know nothing of this package (torchvision's, and a transformer of torch's own layers), the digits of
scikit-learn in the forms that these take, and their training and measurement at several α.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import pandas as pd
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..data import load, normalise, split
from ..data.download import torchvision
from ..errors import ParameterError
from ..evaluation import SHUFFLES
from ..indices import selectivity_index
from ..progress import bar
from ..recording import record
from ..regularizer import SelectivityRegularizer
from ..seeds import generator, seed_for
from ..units import unit_layers

SIDE = 32  # pixels, of the digits that torchvision's network is shown
GELU_SHIFT = 0.17  # GELU is nowhere below −0.17
BATCH_SIZE = 25  # samples a batch, at most
LEARNING_RATE = 1e-3

Shift = Literal["min"] | float | None


@dataclass(frozen=True, eq=False)
class Samples:
    """What a network is trained or tested on.

    Attributes:
        inputs: (samples, ...) float32, as the network takes them.
        labels: (samples,) int64.
    """

    inputs: Tensor
    labels: Tensor


def digits_as_images(seed: int, train_size: int) -> tuple[Samples, Samples]:
    """Training and test digits as torchvision's networks take images, (samples, 3, 32, 32): enlarged, grey as colour.

    Raises:
        SpecError: more training images than there are.
    """
    return _digits(seed, train_size, _enlarged)


def digits_as_rows(seed: int, train_size: int) -> tuple[Samples, Samples]:
    """Training and test digits as sequences (samples, 8 tokens, 8 features): a token for each row of pixels.

    Raises:
        SpecError: more training images than there are.
    """
    return _digits(seed, train_size, lambda images: images[:, 0])


def _digits(seed: int, train_size: int, form: Callable[[Tensor], Tensor]) -> tuple[Samples, Samples]:
    digits = load("digits")
    drawn = split(digits, seed, train_size)
    train = Samples(form(normalise(digits.images[drawn.train], digits)).contiguous(), drawn.train_labels)
    return train, Samples(form(normalise(digits.test_images, digits)).contiguous(), digits.test_labels)


def _enlarged(images: Tensor) -> Tensor:
    return F.interpolate(images, size=SIDE, mode="bilinear", align_corners=False).expand(-1, 3, -1, -1)


def residual_network(classes: int = 10) -> nn.Module:
    """torchvision's ResNet with one basic block in each of its four stages, freshly initialised."""
    resnet = torchvision().models.resnet
    return resnet.ResNet(resnet.BasicBlock, [1, 1, 1, 1], num_classes=classes)


class RowTransformer(nn.Module):
    """A transformer encoder over the rows of a small image.

    torch's own encoder layers (pre-norm, no dropout), whose hidden units are GELUs;
    the class is read from the mean over tokens.

    Args:
        tokens: rows of the image.
        features: pixels of a row.
        classes: logits.
        width: features of a token inside; a block has twice as many hidden units.
        depth: blocks.
    """

    def __init__(
        self,
        tokens: int = 8,
        features: int = 8,
        classes: int = 10,
        width: int = 64,
        depth: int = 3,
    ) -> None:
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
        """Logits (samples, classes) of rows (samples, tokens, features)."""
        tokens = self.blocks(self.embed(rows) + self.place)
        return self.head(self.norm(tokens).mean(1))


def calls(model: nn.Module, inputs: Tensor) -> pd.DataFrame:
    """How often a forward pass uses each activation module, and how many units it has there.

    Args:
        model: any network with activation modules.
        inputs: (samples, ...) one batch.

    Returns:
        a row for each module with layer (its name), kind, calls and units (of its calls, in order; as text).

    Raises:
        UnitError: no activation module.
    """
    seen: dict[str, list[int]] = {}
    found = unit_layers(model)

    def counter(name: str) -> Callable[..., None]:
        def hook(_module: nn.Module, _inputs: object, output: Tensor) -> None:
            seen.setdefault(name, []).append(output.shape[-1 if output.ndim == 3 else 1])

        return hook

    handles = [module.register_forward_hook(counter(name)) for name, module in found.items()]
    try:
        with torch.no_grad():
            model(inputs)
    finally:
        for handle in handles:
            handle.remove()
    rows = []
    for name, module in found.items():
        units = seen.get(name, [])
        kind = type(module).__name__
        rows.append({"layer": name, "kind": kind, "calls": len(units), "units": ", ".join(map(str, units))})
    return pd.DataFrame(rows)


@dataclass(frozen=True, eq=False)
class Comparison:
    """Networks that differ in α and seed only.

    Attributes:
        networks: a row for each network, with alpha, seed, accuracy (test set, in [0, 1]) and si (mean over layers of
            mean over units).
        layers: a row for each network and layer, with alpha, seed, depth, layer, units, si and si_shuffled (means over
            units; the latter also over 20 label shuffles).
    """

    networks: pd.DataFrame
    layers: pd.DataFrame


def fit(
    model: nn.Module,
    train: Samples,
    alpha: float,
    *,
    layers: str | Sequence[str] = "all",
    shift: Shift = None,
    epochs: int = 10,
    seed: int = 0,
) -> None:
    """Trains a network on cross-entropy − α·μ_SI, in place.

    The tutorial pages show this source: it is the loop that a reader would write.

    Args:
        model: any network; what it is given are batches of `train.inputs`.
        train: the samples.
        alpha: the regulariser's scale.
        layers, shift: as for `SelectivityRegularizer`.
        epochs: passes over the samples.
        seed: decides the order of the samples.
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

    Args:
        model: any network whose layers are each used once in a pass.
        test: the samples.
        layers: as for `unit_layers`.
        shift: as for `SelectivityRegularizer`.

    Returns:
        accuracy in [0, 1], and a row for each layer with depth, layer, units, si and si_shuffled (means over units).

    Raises:
        UnitError: a layer that the model lacks.
        ActivityError: negative activity that is not shifted.
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
    build: Callable[[], nn.Module],
    digits: Callable[[int, int], tuple[Samples, Samples]],
    alphas: Sequence[float],
    *,
    seeds: int = 1,
    epochs: int = 10,
    train_size: int = 200,
    layers: str | Sequence[str] = "all",
    shift: Shift = None,
) -> Comparison:
    """Trains and measures a network for each α and seed; a seed means the same start, images and order at every α.

    Args:
        build: gives a new network, drawn from torch's global generator.
        digits: `digits_as_images` or `digits_as_rows`.
        alphas: values of α, each once.
        seeds: how many networks at each α.
        epochs: passes over the training images.
        train_size: training images.
        layers: as for `unit_layers`.
        shift: as for `SelectivityRegularizer`.

    Raises:
        ParameterError: no α, one given twice, or counts below 1 (training images below 2, for batch norm).
        SpecError: more training images than there are.
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
    layers_table = pd.concat(tables, ignore_index=True)
    columns = ["alpha", "seed", "depth", "layer", "units", "si", "si_shuffled"]
    return Comparison(pd.DataFrame(networks), layers_table[columns])
