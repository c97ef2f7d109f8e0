"""Ablation curves against one plain forward pass for each mask, and importance against captum's layer ablation."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor, nn

from selectivity_core import ablate, build_model
from selectivity_core.ablation import cumulative_ablation, unit_importance

from .timing import Paired, compare

IMAGES, BATCH, CLASSES = 1000, 500, 10
MLP_UNITS, CONVNET_WIDTH, CAPTUM_UNITS = 512, 8, 128
ORDERINGS = 10  # of ours
EVERY = 8  # the peer does every eighth mask of one ordering; its passes for the others would take as long
LAST_LAYERS = tuple(f"layers.units{k}" for k in (9, 10, 11))


def plain_curve(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    layers: Mapping[str, int],
    orderings: np.ndarray,
    value="zero",
    every: int = 1,
) -> np.ndarray:
    """(orderings, steps) accuracy by one forward pass a mask, batched over images.

    Args:
        layers: layer -> how many units it has.
        orderings: (orderings, units), units numbered one layer after the other.
        value: as `ablate` takes it.
        every: steps between one mask and the next that is evaluated.
    """
    starts = dict(zip(layers, np.cumsum([0, *layers.values()]), strict=False))
    batches = list(zip(images.split(BATCH), labels.split(BATCH), strict=True))
    accuracies = []
    with torch.inference_mode():
        for ordering in orderings:
            for step in range(0, len(ordering) + 1, every):
                gone = ordering[:step]
                units = {n: gone[(gone >= s) & (gone < s + layers[n])] - s for n, s in starts.items()}
                with ablate(model, units, value):
                    hits = sum(int((model(x).argmax(1) == y).sum()) for x, y in batches)
                accuracies.append(hits / len(labels))
    return np.reshape(accuracies, (len(orderings), -1))


def captum_changes(model: nn.Module, images: Tensor, labels: Tensor, layer: str, units: int) -> np.ndarray:
    """(units,) accuracy with each unit ablated to zero minus the intact accuracy, by captum."""
    from captum.attr import LayerFeatureAblation

    def accuracy(x: Tensor) -> Tensor:
        return (model(x).argmax(1) == labels).double().mean()

    module = model.get_submodule(layer)
    found = LayerFeatureAblation(accuracy, module).attribute(images, layer_mask=torch.arange(units)[None])
    return -found.flatten().numpy()


def network(name: str, width: int, size: int, channels: int) -> tuple[nn.Module, Tensor, Tensor]:
    """A network with statistics of a few batches, generated images and labels it gets right more often than not."""
    torch.manual_seed(0)
    model = build_model(
        name, channels=channels, image_size=size, classes=CLASSES, width=width, batch_norm=name == "convnet11"
    )
    images = torch.randn(IMAGES, channels, size, size)
    with torch.inference_mode():
        for some in images.split(BATCH):
            model(some)
        labels = model.eval()(images).argmax(1)
    labels = torch.where(torch.rand(IMAGES) < 0.8, labels, torch.randint(CLASSES, (IMAGES,)))
    return model, images, labels


def curves(layers: Mapping[str, int], orderings: int, *made: object) -> Paired:
    """Times of cumulative ablation; raises where the two ways' accuracies differ anywhere.

    Args:
        layers: layer -> how many units it has.
        orderings: ours does so many; the peer does every eighth mask of the first.
        made: what `network` gave.
    """
    model, images, labels = made
    order = np.stack([np.random.default_rng(k).permutation(sum(layers.values())) for k in range(orderings)])
    found: dict[str, np.ndarray] = {}

    def ours() -> None:
        curve = cumulative_ablation(model, images, labels, layers=list(layers), orderings=order)
        found["ours"] = curve["accuracy"].to_numpy().reshape(orderings, -1)

    def plain() -> None:
        found["plain"] = plain_curve(model, images, labels, layers, order[:1], every=EVERY)

    times = compare(ours, plain)
    np.testing.assert_array_equal(found["ours"][:1, ::EVERY], found["plain"])
    return Paired(times.seconds, times.peer_seconds, found["plain"].size / found["ours"].size)


def importance(layer: str, units: int, *made: object) -> Paired:
    """Times of single-unit importance of a layer of an MLP; raises where the two ways' changes differ."""
    model, images, labels = made
    found: dict[str, np.ndarray] = {}

    def ours() -> None:
        found["ours"] = unit_importance(model, images, labels, layers=[layer])["accuracy_change"].to_numpy()

    def captum() -> None:
        found["captum"] = captum_changes(model, images, labels, layer, units)

    times = compare(ours, captum)
    np.testing.assert_allclose(found["ours"], found["captum"], atol=1e-6)
    return times


def measure() -> dict[str, Paired]:
    """Every row; importance only where captum is installed."""
    convnet = dict.fromkeys(LAST_LAYERS, 8 * CONVNET_WIDTH)
    found = {
        "ablation-mlp": curves({"units2": MLP_UNITS}, ORDERINGS, *network("mlp", MLP_UNITS, 28, 1)),
        "ablation-convnet": curves(convnet, ORDERINGS, *network("convnet11", CONVNET_WIDTH, 32, 3)),
    }
    if importlib.util.find_spec("captum") is not None:
        found["importance"] = importance("units2", CAPTUM_UNITS, *network("mlp", CAPTUM_UNITS, 28, 1))
    return found
