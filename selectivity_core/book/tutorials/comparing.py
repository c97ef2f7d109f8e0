"""The tutorials' networks trained with the regulariser at several α, and measured."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import pandas as pd
import torch
import torch.nn.functional as F
from torch import nn

from ...errors import ParameterError
from ...indices import selectivity_index
from ...progress import bar
from ...regularizer import SelectivityRegularizer
from ...seeds import generator, seed_for
from ...watching import record
from .samples import Samples

BATCH_SIZE = 25  # samples a batch, at most
LEARNING_RATE = 1e-3
LABEL_SHUFFLES = 20

Shift = Literal["min"] | float | None


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
    orders = [torch.randperm(len(test.labels), generator=generator(0, "shuffle", k)) for k in range(LABEL_SHUFFLES)]
    rows = []
    for depth, (name, values) in enumerate(activity.items(), start=1):
        lifted = values + shift if isinstance(shift, int | float) else values
        index, *shuffled = (
            float(selectivity_index(lifted, labels, shift=shift == "min").mean())
            for labels in (test.labels, *(test.labels[order] for order in orders))
        )
        chance = sum(shuffled) / LABEL_SHUFFLES
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
