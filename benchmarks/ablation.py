"""Ablation curves against one plain forward pass for each mask, and importance against captum's layer ablation.

python -m benchmarks.ablation [--orderings 10] [--width 64] [--pairs 2] [--threads 1]
"""

from __future__ import annotations

import argparse
import importlib.util
from collections.abc import Callable, Mapping

import numpy as np
import torch
from torch import Tensor, nn

from selectivity_core import ablate, build_model
from selectivity_core.ablation import cumulative_ablation
from selectivity_core.importance import unit_importance

from .timing import compare

IMAGES, BATCH, CLASSES = 1000, 500, 10
LAST_LAYERS = tuple(f"layers.units{k}" for k in (9, 10, 11))


def plain_curve(
    model: nn.Module, images: Tensor, labels: Tensor, layers: Mapping[str, int], orderings: np.ndarray, value="zero"
) -> np.ndarray:
    """(orderings, steps) accuracy by one forward pass a mask, batched over images.

    Args:
        layers: layer -> how many units it has.
        orderings: (orderings, units), units numbered one layer after the other.
        value: as `ablate` takes it.
    """
    starts = dict(zip(layers, np.cumsum([0, *layers.values()]), strict=False))
    batches = list(zip(images.split(BATCH), labels.split(BATCH), strict=True))
    accuracies = []
    with torch.inference_mode():
        for ordering in orderings:
            for step in range(len(ordering) + 1):
                gone = ordering[:step]
                units = {n: gone[(gone >= s) & (gone < s + layers[n])] - s for n, s in starts.items()}
                with ablate(model, units, value):
                    hits = sum(int((model(x).argmax(1) == y).sum()) for x, y in batches)
                accuracies.append(hits / len(labels))
    return np.reshape(accuracies, (len(orderings), -1))


def captum_changes(model: nn.Module, images: Tensor, labels: Tensor, layer: str, units: int) -> np.ndarray:
    """(units,) accuracy with each unit clamped to zero less the intact one, by captum."""
    from captum.attr import LayerFeatureAblation

    def accuracy(x: Tensor) -> Tensor:
        return (model(x).argmax(1) == labels).double().mean()

    module = model.get_submodule(layer)
    mask = torch.arange(units)
    mask = mask[None] if layer == "units2" else mask[None, :, None, None]
    found = LayerFeatureAblation(accuracy, module).attribute(images, layer_mask=mask)
    return -found.flatten(2).mean(2).flatten().numpy() if found.ndim > 2 else -found.flatten().numpy()


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


def curve_row(name: str, layers: Mapping[str, int], pairs: int, orderings: int, *made: object) -> str:
    """One row of cumulative ablation; raises where the two ways' accuracies differ anywhere."""
    model, images, labels = made
    order = np.stack([np.random.default_rng(k).permutation(sum(layers.values())) for k in range(orderings)])
    found: dict[str, np.ndarray] = {}

    def ours() -> None:
        curve = cumulative_ablation(model, images, labels, layers=list(layers), orderings=order)
        found["ours"] = curve["accuracy"].to_numpy().reshape(orderings, -1)

    def plain() -> None:
        found["plain"] = plain_curve(model, images, labels, layers, order)

    row = compare(name, ours, plain, pairs).row()
    np.testing.assert_array_equal(found["ours"], found["plain"])
    return row


def captum_row(name: str, layer: str, units: int, pairs: int, *made: object) -> str:
    """One row of single-unit importance, where captum is installed."""
    if importlib.util.find_spec("captum") is None:
        return f"{name:<58} captum is not installed"
    model, images, labels = made
    found: dict[str, np.ndarray] = {}

    def keep(key: str, work: Callable[[], np.ndarray]) -> Callable[[], None]:
        return lambda: found.update({key: work()})

    def ours() -> np.ndarray:
        return unit_importance(model, images, labels, layers=[layer])["accuracy_change"].to_numpy()

    row = compare(
        name, keep("ours", ours), keep("captum", lambda: captum_changes(model, images, labels, layer, units)), pairs
    ).row()
    np.testing.assert_allclose(found["ours"], found["captum"], atol=1e-6)
    return row


def main() -> None:
    """Prints every row; each compares the values that the two ways return too."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--orderings", type=int, default=1)
    parser.add_argument("--width", type=int, default=8, help="of the convnet's first layer; the paper's 64 takes a day")
    parser.add_argument("--pairs", type=int, default=2)
    parser.add_argument("--threads", type=int, default=1)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    told = f"{IMAGES} images, {given.orderings} orderings"
    mlp, units = network("mlp", 512, 28, 1), 8 * given.width
    print(f"{told}, {given.threads} threads", flush=True)
    print(curve_row("curve: MLP, second 512 / plain", {"units2": 512}, given.pairs, given.orderings, *mlp), flush=True)
    print(captum_row("importance: MLP, second 512 / captum", "units2", 512, given.pairs, *mlp), flush=True)
    convnet = network("convnet11", given.width, 32, 3)
    layers = dict.fromkeys(LAST_LAYERS, units)
    name = f"convnet, last three layers of {units}"
    print(curve_row(f"curve: {name} / plain", layers, given.pairs, given.orderings, *convnet), flush=True)
    name = f"importance: convnet, last layer of {units} / captum"
    print(captum_row(name, LAST_LAYERS[-1], units, given.pairs, *convnet), flush=True)


if __name__ == "__main__":
    main()
