"""The quantities that each difference moves, measured both ways on one trained network."""

from __future__ import annotations

import copy
from collections.abc import Callable
from functools import cached_property
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ...arithmetic import arithmetic, evaluating
from ...data import batch, split
from ...evaluation import EVALUATION_BATCH, score, test_set_pass
from ...indices import selectivity_index
from ...perturbation import ablate
from ...regularizer import SelectivityRegularizer
from ...runs.trained import LoadedNetwork
from ...seeds import generator
from ...units import unit_layers
from . import indices, networks, scales

Pair = tuple[float, float]  # the papers' way, the other
BATCHES, STEPS, POINTS, DROPPED = 50, 30, 32, 3


class Measurements:
    """The measurements, on one network and set of test samples.

    Attributes:
        words: what descriptions of measures are filled in with.
    """

    def __init__(self, network: LoadedNetwork, seed: int) -> None:
        self.network, self.seed = network, seed
        self.model, self.dataset, self.labels = network.model, network.dataset, network.dataset.test_labels.cpu()
        self.classes = len(self.dataset.classes)
        self.layers = list(unit_layers(self.model))
        self.words: dict[str, Any] = {
            "batch": min(network.spec.batch_size, len(self.labels)), "steps": STEPS,
            "last": f"layer {len(self.layers)}", "dropped": min(DROPPED, len(self.layers) - 1),
        }  # fmt: skip

    @cached_property
    def activity(self) -> dict[str, Tensor]:
        """layer -> (samples, units), not negative."""
        return self.network.shifted_activity()

    def over_layers(self, index: Callable[[Tensor, Tensor], Tensor]) -> float:
        """Mean over layers of mean over units of an index of the whole set."""
        return _mean([float(index(values, self.labels).mean()) for values in self.activity.values()])

    def on_batches(self, index: Callable[[Tensor, Tensor], Tensor]) -> Pair:
        """The papers' index and another on the same random batches, mean over layers of mean over units."""
        joined = torch.cat(list(self.activity.values()), 1)
        weights = torch.cat([v.new_full((v.shape[1],), 1 / v.shape[1]) for v in self.activity.values()])
        weights /= len(self.activity)
        source, found = generator(self.seed, "batches"), []
        for _ in range(BATCHES):
            chosen = torch.randperm(len(self.labels), generator=source)[: self.words["batch"]]
            pair = [f(joined[chosen], self.labels[chosen]) @ weights for f in (selectivity_index, index)]
            found.append([float(value) for value in pair])
        paper, other = np.mean(found, 0)
        return float(paper), float(other)

    def positions(self) -> Pair:
        """Units against their single positions, over the whole set."""
        found = []
        for layer, values in self.activity.items():
            maps = self.network.maps(layer)
            if maps.ndim == 4:
                values = indices.index_of_positions(maps - maps.amin(0).clamp_max(0), self.labels)
            else:
                values = selectivity_index(values, self.labels)
            found.append(float(values.mean()))
        return self.over_layers(selectivity_index), _mean(found)

    def fine_tuned(self, alpha: float, *, flipped: bool = False) -> float:
        """Mean index over layers on the test set after some steps of training on with the regulariser at α."""
        spec, model = self.network.spec, copy.deepcopy(self.model).train()
        parts = split(self.dataset, spec.seed, spec.train_size, spec.label_corruption)
        order = torch.randperm(spec.train_size, generator=generator(self.seed, "fine-tuning"))
        order = order.repeat(-(-STEPS * spec.batch_size // spec.train_size))
        regularizer = SelectivityRegularizer(model, alpha)
        optimizer = torch.optim.SGD(model.parameters(), lr=spec.lr, momentum=spec.momentum)
        for chosen in order.split(spec.batch_size)[:STEPS]:
            images = batch(self.dataset, parts.train[chosen].to(self.dataset.images.device))
            labels = parts.train_labels[chosen].to(images.device)
            with arithmetic(images.device, spec.precision):
                loss = F.cross_entropy(model(images), labels)
            loss = loss + (scales.flipped_term(regularizer, labels) if flipped else regularizer(labels))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        regularizer.remove()
        return test_set_pass(model, self.dataset, spec.precision).si_layers()

    def dropped(self) -> Pair:
        """The mean over all layers asked for, and over those found where the last names are misspelt."""
        count = self.words["dropped"]
        asked = [n if k < len(self.layers) - count else f"{n}_relu" for k, n in enumerate(self.layers)]
        means = {name: float(selectivity_index(values, self.labels).mean()) for name, values in self.activity.items()}
        return _mean(list(means.values())), _mean([means[n] for n in networks.layers_found(self.model, asked)])

    def last_calls(self) -> Pair:
        """The mean over all layers, and over what is kept where each block has a single activation module."""
        shared = copy.deepcopy(self.model)
        networks.share_activations(shared)
        parts: dict[str, list[Tensor]] = {}
        with (
            evaluating(shared, self.network.spec.precision),
            networks.keep_last_call(shared, list(unit_layers(shared))) as kept,
        ):
            for images in self.network.inputs().split(EVALUATION_BATCH):
                shared(images)
                for name, values in kept.items():
                    parts.setdefault(name, []).append(values.cpu())
        joined = [torch.cat(values) for values in parts.values()]
        found = [float(selectivity_index(a - a.amin(0).clamp_max(0), self.labels).mean()) for a in joined]
        return self.over_layers(selectivity_index), _mean(found)

    def half_ablated(self) -> Pair:
        """Test accuracy with a random half of a layer's units ablated, mean over layers, or with its weights zeroed."""
        source, found = generator(self.seed, "halves"), []
        for name, count in ((name, values.shape[1]) for name, values in self.activity.items()):
            units = torch.randperm(count, generator=source)[: -(-count // 2)].tolist()
            with ablate(self.model, {name: units}):
                ablated = self._accuracy()
            with networks.zero_weights(self.model, name, units):
                found.append((ablated, self._accuracy()))
        ablated, unweighted = np.mean(found, 0)
        return float(ablated), float(unweighted)

    def _accuracy(self) -> float:
        tested = self.dataset
        return score(
            self.model, tested, tested.test_images, tested.test_labels, self.network.spec.precision
        ).accuracy  # fmt: skip

    def curve(self) -> Pair:
        """Mean step between points of an ablation curve: all samples at each point, and another fifth at each."""
        name, images, labels = self.layers[-1], self.network.inputs(), self.dataset.test_labels
        count = self.activity[name].shape[1]
        ordering = torch.randperm(count, generator=generator(self.seed, "ordering")).tolist()
        counts = sorted({round(float(c)) for c in np.linspace(0, count, min(count, POINTS) + 1)})
        curves = [
            networks.fresh_sample_curve(
                self.model, images, labels, name, counts, ordering, share=share, seed=self.seed
            )
            for share in (1.0, networks.FIFTH)
        ]  # fmt: skip
        whole, fresh = (float(np.abs(np.diff(curve)).mean()) for curve in curves)
        return whole, fresh


def _mean(values: list[float]) -> float:
    return float(np.mean(values))
