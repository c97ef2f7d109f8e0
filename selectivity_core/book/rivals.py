"""What related public code computes in place of the papers' definitions, and how far that moves the numbers.

Nothing else in this package uses these functions: they exist to be compared. Each states what it does differently.
Activity is (samples, units), not negative, labels are (samples,) integers, and an index is a (units,) CPU tensor.
"""

from __future__ import annotations

import copy
import math
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..arithmetic import arithmetic, evaluating
from ..data import batch, split
from ..evaluation import EVALUATION_BATCH, score, test_set_pass
from ..indices import (
    EPS,
    checked,
    class_discriminability,
    class_statistics,
    index_against,
    index_of_means,
    selectivity_index,
)
from ..models import UnitNetwork
from ..perturbation import ablate
from ..progress import bar
from ..regularizer import SelectivityRegularizer
from ..runs.trained import LoadedNetwork
from ..seeds import generator
from ..training import isolated
from ..units import Units, spatial_mean, unit_layers

Index = Callable[[Tensor, Tensor], Tensor]
Pair = tuple[float, float]  # the papers' way, the other
BATCHES, TUNING_STEPS, POINTS, DROPPED, FIFTH = 50, 30, 32, 3, 0.2
WRITTEN = "-0.5*10"

# Indices that look like the papers' and are not.


def index_of_class_sums(activity: Tensor, labels: Tensor) -> Tensor:
    """The index of class sums in place of means: above 0 for a constant unit, as classes of batches differ in size."""
    stats = class_statistics(*checked(activity, labels))
    return index_of_means(stats.means * stats.counts[:, None]).cpu()


def index_with_absent_classes_as_zero(activity: Tensor, labels: Tensor, classes: int) -> Tensor:
    """The index with those of the `classes` that do not occur counted as without a response: small batches raise it."""
    stats = class_statistics(*checked(activity, labels))
    means = stats.means.new_zeros(classes, stats.means.shape[1]).index_copy(0, stats.classes, stats.means)
    return index_of_means(means).cpu()


def index_against_all_other_samples(activity: Tensor, labels: Tensor) -> Tensor:
    """The index with μ₋max taken over all samples of the other classes together: large ones weigh more than small."""
    stats = class_statistics(*checked(activity, labels))
    if len(stats.classes) < 2:
        return stats.means.sum(0).cpu() * 0
    best = stats.highest()[None]
    top = stats.means.gather(0, best)[0]
    sums = stats.means * stats.counts[:, None]
    others = (sums.sum(0) - sums.gather(0, best)[0]) / (stats.counts.sum() - stats.counts[best[0]])
    return index_against(top, others).cpu()


def index_of_positions(maps: Tensor, labels: Tensor) -> Tensor:
    """The index (units · H · W,) of each position of maps (samples, units, H, W), as if every one were a neuron."""
    return selectivity_index(maps.flatten(1), labels)


def discriminability_without_root(activity: Tensor, labels: Tensor) -> Tensor:
    """d′ divided by the mean variance itself and not by its root: half the value where activity is twice as large."""
    values, targets = checked(activity, labels)
    stats = class_statistics(values, targets)
    if len(stats.classes) < 2:
        return stats.means.sum(0).cpu() * 0
    best = stats.highest()
    top = stats.means.gather(0, best[None])[0]
    others = (stats.means.sum(0) - top) / (len(stats.classes) - 1)
    inside = (targets[:, None] == stats.classes[best]).to(values.dtype)
    spreads = []
    for weights in (inside, 1 - inside):
        mean = (weights * values).sum(0) / weights.sum(0)
        spreads.append((weights * (values - mean).square()).sum(0) / weights.sum(0))
    return ((top - others) / ((spreads[0] + spreads[1]) / 2 + EPS)).cpu()


# Signs of the regularisation scale that get lost between a paper, a command line and a loss.


def flipped_term(regularizer: SelectivityRegularizer, labels: Tensor) -> Tensor:
    """+α·μ_SI of the latest pass, where the papers' loss has −α·μ_SI: "lowering" selectivity then raises it."""
    return regularizer.scale * regularizer.measure(labels)


def scale_by_pattern(text: str) -> float:
    """The α that a regular expression for plain digits finds in a product such as "-0.5*10": signs are lost, 5."""
    return math.prod(map(float, re.findall(r"\d+(?:\.\d+)?", text)))


def scale_as_written(text: str) -> float:
    """The α that a product such as "-0.5*10" stands for: −5."""
    return math.prod(map(float, text.split("*")))


# Ways of reading and ablating units that miss some of them, or do less than they say.


def layers_found(model: nn.Module, layers: Sequence[str]) -> list[str]:
    """The layers asked for that the model has; misspelt ones are dropped in silence."""
    modules = dict(model.named_modules())
    return [name for name in layers if name in modules]


@contextmanager
def keep_last_call(model: nn.Module, layers: Sequence[str]) -> Iterator[dict[str, Tensor]]:
    """Spatial means by module, with one slot for each: of one that a pass uses several times the last call only."""
    kept: dict[str, Tensor] = {}

    def keeper(name: str) -> Callable[..., None]:
        return lambda _module, _inputs, output: kept.update({name: spatial_mean(output.detach())})

    with ExitStack() as hooks:
        for name in layers:
            hooks.callback(model.get_submodule(name).register_forward_hook(keeper(name)).remove)
        yield kept


def share_activations(model: nn.Module) -> None:
    """Lets each block use one activation module at all its places, as torchvision's do: it computes the same."""
    for block in list(model.modules()):
        own = {name: child for name, child in block.named_children() if isinstance(child, Units)}
        for name in own:
            setattr(block, name, next(iter(own.values())))


@contextmanager
def zero_weights(model: UnitNetwork, layer: str, units: Sequence[int]) -> Iterator[None]:
    """ "Ablates" units by setting the weights (and bias) that produce them to zero, for the body of the `with`.

    Behind batch norm the unit goes on: it emits relu(β) in training, and relu(β − γ·m/sqrt(v + eps)) in evaluation, m
    and v being the running mean and variance. In a residual sum the shortcut's share goes on as well.
    """
    producer = model.get_submodule(model.unit_filters[layer])
    before = copy.deepcopy(producer.state_dict())
    try:
        with torch.no_grad():
            for tensor in producer.parameters():
                tensor[list(units)] = 0
        yield
    finally:
        producer.load_state_dict(before)


def fresh_sample_curve(
    model: nn.Module, images: Tensor, labels: Tensor, layer: str, counts: Sequence[int], ordering: Sequence[int], *,
    share: float = FIFTH, seed: int = 0,
) -> np.ndarray:  # fmt: skip
    """An ablation curve whose every point is measured on another random share of the data.

    The step from one point to the next is then the effect of the ablation plus the difference between two samples.
    Accuracy (points,) is that with the first `counts` units of a layer's `ordering` ablated, on a `share` of the data.
    """
    source, size = generator(seed, "fresh shares"), max(1, round(share * len(labels)))
    points = []
    for count in counts:
        chosen = torch.randperm(len(labels), generator=source)[:size].to(labels.device)
        with torch.inference_mode(), ablate(model, {layer: list(ordering[:count])}):
            found = torch.cat([model(part).argmax(1) for part in images[chosen].split(500)])
        points.append(float((found == labels[chosen]).double().mean()))
    return np.array(points)


class Measurements:
    """The quantities that each difference moves, measured both ways on one trained network."""

    def __init__(self, network: LoadedNetwork) -> None:
        self.network = network
        self.model, self.dataset, self.labels = network.model, network.dataset, network.dataset.test_labels.cpu()
        self.layers = list(unit_layers(self.model))
        self.words: dict[str, Any] = {  # that descriptions of measures are filled in with
            "batch": min(network.spec.batch_size, len(self.labels)), "steps": TUNING_STEPS,
            "last": f"layer {len(self.layers)}", "dropped": min(DROPPED, len(self.layers) - 1),
        }  # fmt: skip

    @cached_property
    def activity(self) -> dict[str, Tensor]:
        """layer -> (samples, units), not negative."""
        return self.network.shifted_activity()

    def by_layer(self, index: Index = selectivity_index) -> dict[str, float]:
        """layer -> mean over units of an index of the whole set."""
        return {name: float(index(values, self.labels).mean()) for name, values in self.activity.items()}

    def over_layers(self, index: Index = selectivity_index) -> float:
        """Mean over layers of mean over units of an index of the whole set."""
        return _mean(list(self.by_layer(index).values()))

    def on_batches(self, index: Index) -> Pair:
        """The papers' index and another on the same random batches, mean over layers of mean over units."""
        joined = torch.cat(list(self.activity.values()), 1)
        weights = torch.cat([v.new_full((v.shape[1],), 1 / v.shape[1]) for v in self.activity.values()])
        weights /= len(self.activity)
        source, found = generator(0, "batches"), []
        for _ in range(BATCHES):
            chosen = torch.randperm(len(self.labels), generator=source)[: self.words["batch"]]
            pair = [f(joined[chosen], self.labels[chosen]) @ weights for f in (selectivity_index, index)]
            found.append([float(value) for value in pair])
        return _pair(found)

    def with_absent_classes(self) -> Pair:
        """`on_batches` for the index that counts absent classes."""
        classes = len(self.dataset.classes)
        return self.on_batches(lambda activity, labels: index_with_absent_classes_as_zero(activity, labels, classes))

    def positions(self) -> Pair:
        """The index of units and of their single positions, over the whole set."""
        means = self.by_layer()
        found = dict(means)
        for layer in means:
            maps = self.network.maps(layer)
            if maps.ndim == 4:
                found[layer] = float(index_of_positions(maps - maps.amin(0).clamp_max(0), self.labels).mean())
        return _mean(list(means.values())), _mean(list(found.values()))

    def fine_tuned(self, alpha: float, *, flipped: bool = False) -> float:
        """Mean index over layers on the test set after some steps of training on with the regulariser at α."""
        spec, model = self.network.spec, copy.deepcopy(self.model).train()
        parts = split(self.dataset, spec.seed, spec.train_size, spec.label_corruption)
        order = torch.randperm(spec.train_size, generator=generator(0, "fine-tuning"))
        order = order.repeat(-(-TUNING_STEPS * spec.batch_size // spec.train_size))
        regularizer = SelectivityRegularizer(model, alpha)
        optimizer = torch.optim.SGD(model.parameters(), lr=spec.lr, momentum=spec.momentum)
        for chosen in order.split(spec.batch_size)[:TUNING_STEPS]:
            images = batch(self.dataset, parts.train[chosen].to(self.dataset.images.device))
            labels = parts.train_labels[chosen].to(images.device)
            with arithmetic(images.device, spec.precision):
                loss = F.cross_entropy(model(images), labels)
            loss = loss + (flipped_term(regularizer, labels) if flipped else regularizer(labels))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        regularizer.remove()
        return test_set_pass(model, self.dataset, spec.precision).si_layers()

    def dropped(self) -> Pair:
        """The mean over all layers asked for, and over those found where the last names are misspelt."""
        count = self.words["dropped"]
        asked = [n if k < len(self.layers) - count else f"{n}_relu" for k, n in enumerate(self.layers)]
        means = self.by_layer()
        return _mean(list(means.values())), _mean([means[n] for n in layers_found(self.model, asked)])

    def last_calls(self) -> Pair:
        """The mean over all layers, and over what is kept where each block has a single activation module."""
        shared = copy.deepcopy(self.model)
        share_activations(shared)
        parts: dict[str, list[Tensor]] = {}
        with evaluating(shared, self.network.spec.precision), keep_last_call(shared, list(unit_layers(shared))) as kept:
            for images in self.network.inputs().split(EVALUATION_BATCH):
                shared(images)
                for name, values in kept.items():
                    parts.setdefault(name, []).append(values.cpu())
        joined = [torch.cat(values) for values in parts.values()]
        found = [float(selectivity_index(a - a.amin(0).clamp_max(0), self.labels).mean()) for a in joined]
        return self.over_layers(), _mean(found)

    def half_ablated(self) -> Pair:
        """Test accuracy with a random half of a layer's units ablated, mean over layers, or with its weights zeroed."""
        source, found = generator(0, "halves"), []
        for name, values in self.activity.items():
            count = values.shape[1]
            units = torch.randperm(count, generator=source)[: -(-count // 2)].tolist()
            with ablate(self.model, {name: units}):
                ablated = self._accuracy()
            with zero_weights(self.model, name, units):
                found.append((ablated, self._accuracy()))
        return _pair(found)

    def _accuracy(self) -> float:
        images, labels = self.dataset.test_images, self.dataset.test_labels
        return score(self.model, self.dataset, images, labels, self.network.spec.precision).accuracy

    def curve(self) -> Pair:
        """Mean step between points of an ablation curve: all samples at each point, and another fifth at each."""
        name, images, labels = self.layers[-1], self.network.inputs(), self.dataset.test_labels
        count = self.activity[name].shape[1]
        ordering = torch.randperm(count, generator=generator(0, "ordering")).tolist()
        counts = sorted({round(float(c)) for c in np.linspace(0, count, min(count, POINTS) + 1)})
        whole, fresh = (
            fresh_sample_curve(self.model, images, labels, name, counts, ordering, share=share)
            for share in (1.0, FIFTH)
        )
        return _mean(np.abs(np.diff(whole))), _mean(np.abs(np.diff(fresh)))


def _mean(values: Sequence[float] | np.ndarray) -> float:
    return float(np.mean(values))


def _pair(found: Sequence[Sequence[float]]) -> Pair:
    paper, other = np.mean(found, 0)
    return float(paper), float(other)


@dataclass(frozen=True)
class Difference:
    """One way in which related code differs."""

    name: str
    differs: str  # what is done in place of what
    measure: str  # what is compared, filled in with `Measurements.words`
    pair: Callable[[Measurements], Pair]


ON_BATCHES, READ = "SI on test batches of {batch}", "SI over the layers read"
DIFFERENCES = (
    Difference("class sums", "sums of activity for each class in place of means: unequal classes count as selectivity",
               ON_BATCHES, lambda m: m.on_batches(index_of_class_sums)),
    Difference("absent classes as zero", "classes that a batch lacks are counted as classes without a response",
               ON_BATCHES, Measurements.with_absent_classes),
    Difference("all other samples", "μ₋max over all other samples in place of the mean of the other class means",
               ON_BATCHES, lambda m: m.on_batches(index_against_all_other_samples)),
    Difference("single positions", "every position of a feature map taken for a neuron of its own",
               "SI on the test set", Measurements.positions),
    Difference("d′ without the root", "the difference of means divided by the mean variance, not by its square root",
               "d′ on the test set",
               lambda m: (m.over_layers(class_discriminability), m.over_layers(discriminability_without_root))),
    Difference("sign flipped", "+α·μ_SI in the loss in place of −α·μ_SI", "SI after {steps} more steps at α = −1",
               lambda m: (m.fine_tuned(-1.0), m.fine_tuned(-1.0, flipped=True))),
    Difference("sign lost in reading", f'a regular expression reads α = "{WRITTEN}" as 5 in place of −5',
               "SI after {steps} more steps at the α read",
               lambda m: (m.fine_tuned(scale_as_written(WRITTEN)), m.fine_tuned(scale_by_pattern(WRITTEN)))),
    Difference("layers dropped", "names of layers that the network lacks are passed over in silence; here the last "
               "{dropped} are misspelt", READ, Measurements.dropped),
    Difference("last call only", "one slot for an activation module that a block uses at every place: all but its last "
               "output are lost", READ, Measurements.last_calls),
    Difference("weights zeroed", "a unit's weights set to zero in place of its activity: batch norm and the shortcut "
               "go on", "accuracy with half of a layer ablated", Measurements.half_ablated),
    Difference("another fifth at every point", "each point of an ablation curve measured on another random fifth of "
               "the samples", "mean change from point to point, {last}", Measurements.curve),
)  # fmt: skip


def measure_differences(network: LoadedNetwork, *, samples: int = 2000) -> pd.DataFrame:
    """What each difference changes on a trained network, which is left as it was.

    Indices are means over layers of means over units. Activity that can be negative (leaky-ReLU) is shifted by each
    unit's minimum over the test samples, of which so many at most are drawn.

    Returns:
        a row for each of `DIFFERENCES`: name, differs, measure, paper and other (the measure's value either way).
    """
    rows = []
    with isolated(network.spec), bar("how others differ", len(DIFFERENCES), "difference") as shown:
        taken = Measurements(network.part(samples, seed=0))
        for entry in DIFFERENCES:
            texts = (text.format(**taken.words) for text in (entry.name, entry.differs, entry.measure))
            rows.append((*texts, *entry.pair(taken)))
            shown.update()
    return pd.DataFrame(rows, columns=["name", "differs", "measure", "paper", "other"])
