"""Measurements of trained networks that figures need.

Ablation, noise, importance, off-axis bounds, probes, and accuracy on corrupted and attacked images.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

import numpy as np
import pandas as pd
import torch
from safetensors.torch import load_file
from torch import Tensor

from ..ablation import cumulative_ablation, noise_curve, unit_importance
from ..arithmetic import evaluating
from ..corruptions import SEVERITIES, corrupt, corruptions_for
from ..data import Dataset, normalise
from ..errors import StoreError
from ..evaluation import EVALUATION_BATCH, test_set_pass
from ..indices import preferred_class, selectivity_index
from ..models import UnitNetwork
from ..perturbation import unit_deviations, unit_means
from ..progress import bar
from ..robustness import BATCH, dimensionality, fgsm, pgd
from ..rotation import off_axis_scores
from ..seeds import generator
from ..spec import RunSpec
from ..training import Trainer, isolated
from ..units import unit_layers
from .derived import Analysis, Task
from .profiles import Bound
from .trained import MOST_IMAGES, Images, TrainedRuns, activity_on, fixed, part, unit_activity

# The rows of `off_axis_scores` that are kept: of a bound the start that was best on validation activity.
BOUND_KINDS = ("axis", "axis_shifted", "random", "bound", "bound_shuffled")
ORDERINGS = 10
KEPT_STEPS = 64  # of a curve: more than a picture shows, few enough for the ledger
FEW_STEPS = 33  # of each of the many curves through a training
MOST_EPOCHS = 40  # at which a training is looked at
SCALES = tuple(float(s) for s in np.logspace(-1.5, 1, 11))  # of the noise, in units' own standard deviations
# The layers whose units are ablated: all of the perceptron, the last three of networks of feature maps.
ABLATED = {"mlp": "all"}
AT_ENDS, BETWEEN = 3, 2  # epochs at either end of a training whose units are ablated one by one, and between
PENALTIES = tuple(float(p) for p in np.logspace(-2, 4, 7))  # of the probe
MOST_FITTED = 10_000  # training images that it is fitted to, or accuracy is measured on
MOST_ATTACKED = 500  # images: a gradient costs as much as two or three passes, and PGD takes ten
PGD_STEPS = 10
# eps in units of 1/255, by the channels of images: from nearly harmless to nearly always fatal.
ATTACK_SIZES = {1: (8.0, 16.0, 32.0, 64.0), 3: (0.5, 1.0, 2.0, 4.0)}
MEASURED = 2  # the place of the eps at which dimensionality is measured


def bound_rows(runs: TrainedRuns, spec: RunSpec, layers: int = 0) -> pd.DataFrame:
    """Mean selectivity of some layers' units on the test set: as they are, shifted, rotated at random and at best.

    `layers` says how many, evenly spread over the depth; 0 for all.
    """
    validation, test = (runs.activity(spec, which) for which in ("validation", "test"))
    labels = [runs.labels(spec, which) for which in ("validation", "test")]
    names = list(test)
    rows = []
    for depth in evenly(len(names), layers):
        layer = names[depth]
        scores = off_axis_scores(validation[layer], labels[0], test[layer], labels[1], seed=spec.seed)
        for kind in BOUND_KINDS:
            rows.append({"layer": layer, "depth": depth, "kind": kind, "value": float(scores[kind].mean())})
    return pd.DataFrame(rows)


def evenly(count: int, wanted: int) -> list[int]:
    """`wanted` places out of `count`, first and last among them and evenly spread; all for 0."""
    if not wanted or wanted >= count:
        return list(range(count))
    return sorted({int(k) for k in np.linspace(0, count - 1, wanted).round()})


def bound_analysis(layers: int) -> Analysis:
    """The off-axis bound of so many layers (0 for all)."""
    return Analysis("bounds", "off-axis", 1, bound_rows, (("layers", layers),))


def bound_tasks(specs: Sequence[RunSpec], limit: Bound | None) -> Iterator[Task]:
    """The fits that a figure needs of one network's runs, within the profile's limit."""
    if limit is None:
        yield from (Task(bound_analysis(0), (spec,)) for spec in specs)
        return
    seeds = sorted({spec.seed for spec in specs}, key=lambda seed: (seed < limit.first, seed))[: limit.seeds]
    for spec in specs:
        if spec.seed in seeds and spec.alpha <= 0 and spec.alpha in limit.alphas:
            yield Task(bound_analysis(limit.layers), (spec,))


def images_for(runs: TrainedRuns, spec: RunSpec, images: Images) -> tuple[Tensor, Tensor]:
    """At most 1,000 images as the network takes them (`fixed` ones of the part), and their labels.

    Training labels are those the network was trained with.
    """
    dataset = runs.dataset(spec)
    pixels, labels = part(spec, dataset, images)
    chosen = fixed(labels)
    return normalise(pixels[chosen], dataset), labels[chosen]


def ablated_layers(model: UnitNetwork, spec: RunSpec) -> list[str]:
    """The names of the layers whose units are ablated."""
    return list(unit_layers(model, ABLATED.get(spec.model, "last3")))


def thinned(curve: pd.DataFrame, most: int = KEPT_STEPS) -> pd.DataFrame:
    """At most so many evenly spread steps of every ordering, first and last among them."""
    last = int(curve["step"].max())
    steps = np.unique(np.linspace(0, last, min(most, last + 1)).round().astype(int))
    return curve[curve["step"].isin(steps)].reset_index(drop=True)


def ablation_rows(
    runs: TrainedRuns, spec: RunSpec, value: str = "zero", images: Images = "train", epoch: str = "last"
) -> pd.DataFrame:
    """Accuracy as units are ablated one after the other, in ten random orderings.

    The epoch is "last" where training images are shown: a network that memorises does so after its best epoch.
    """
    model = runs.network(spec, epoch)
    names = ablated_layers(model, spec)
    inputs, labels = images_for(runs, spec, images)
    constant = _constant(runs, spec, model, names, value)
    curve = cumulative_ablation(model, inputs, labels, layers=names, orderings=ORDERINGS, value=constant)
    return thinned(curve).assign(kind=value)


def _constant(
    runs: TrainedRuns, spec: RunSpec, model: UnitNetwork, names: Sequence[str], value: str
) -> str | dict[str, Tensor]:
    """What `ablate` puts in a unit's place: "zero", or for "mean" each unit's own mean over the training images."""
    return unit_means(model, images_for(runs, spec, "train")[0], names) if value == "mean" else value


def networks_at(runs: TrainedRuns, spec: RunSpec, epochs: Collection[int]) -> Iterator[tuple[int, UnitNetwork]]:
    """A run's network at the end of some epochs, ascending; 0 is the initialisation. The same object each time.

    Weights are those that the store kept while it trained (`Profile.keep_epochs`). Where it lacks some that are wanted,
    or the last one's, the run is trained again.

    Raises:
        Diverged: the loss was not finite, although it was when the run was stored (on another machine).
        StoreError: the last weights, kept or trained again, are not the stored run's.
    """
    folder, stored = runs.store.epochs(spec), runs.store.weights(spec, "last")
    files = {epoch: folder / f"{epoch:03d}.safetensors" for epoch in {*epochs, spec.epochs} - {0}}
    kept = all(path.is_file() for path in files.values())

    def check(last: dict[str, Tensor], where: str) -> None:
        if last.keys() != stored.keys() or not all(torch.equal(last[name], stored[name]) for name in stored):
            raise StoreError(f"{where}: these are not the weights of the stored run {spec.id}")

    if kept:
        check(load_file(files[spec.epochs]), f"{files[spec.epochs]}, which is to be removed")
    with isolated(spec), bar("epochs", spec.epochs, "epoch", delay=2) as shown:
        trainer = Trainer(spec, runs.dataset(spec), torch.device("cpu"))
        for epoch in range(spec.epochs + 1):
            if epoch and not kept:
                trainer.run_epoch()
            elif epoch in files:
                trainer.model.load_state_dict(load_file(files[epoch]))
            if epoch == spec.epochs:
                check(trainer.model.state_dict(), "trained again on this machine")
            if epoch in epochs:
                yield epoch, trainer.model
            shown.update(epoch > 0)


def training_rows(runs: TrainedRuns, spec: RunSpec, images: Images = "train") -> pd.DataFrame:
    """Ablation curves at the epochs of a training; see `networks_at`.

    Each curve is the mean over ten orderings: all start from one accuracy, so that the area under it is the mean of
    theirs. At most 40 epochs are looked at, closer together where a network learns fast: evenly spread on a log axis,
    and 0, the initialisation.
    """
    inputs, labels = images_for(runs, spec, images)
    wanted = {0, *np.geomspace(1, spec.epochs, MOST_EPOCHS).round().astype(int).tolist()}
    found = []
    for epoch, model in networks_at(runs, spec, wanted):
        curve = cumulative_ablation(model, inputs, labels, layers=ablated_layers(model, spec), orderings=ORDERINGS)
        mean = thinned(curve, FEW_STEPS).groupby(["step", "fraction"], as_index=False)["accuracy"].mean()
        found.append(mean.assign(kind=f"epoch {epoch}", ordering=0))
    return pd.concat(found, ignore_index=True)


def looked_at(epochs: int) -> list[int]:
    """The first three epochs of a training, the last three, and two between, evenly spread on a log axis."""
    between = np.geomspace(AT_ENDS, max(AT_ENDS, epochs - AT_ENDS + 1), BETWEEN + 2).round().astype(int).tolist()
    ends = (*range(1, AT_ENDS + 1), *range(epochs - AT_ENDS + 1, epochs + 1))
    return sorted({epoch for epoch in (*between, *ends) if 1 <= epoch <= epochs})


def unit_epoch_rows(runs: TrainedRuns, spec: RunSpec, value: str = "zero", samples: int = 500) -> pd.DataFrame:
    """The change of loss when each unit is ablated alone, at the epochs `looked_at`, beside its index at that epoch.

    The index is that of the whole test set, the loss that of its first `samples` images (at most 1,000).
    """
    dataset = runs.dataset(spec)
    inputs, labels = (found[:samples] for found in images_for(runs, spec, "test"))
    found = []
    for epoch, model in networks_at(runs, spec, looked_at(spec.epochs)):
        tested = test_set_pass(model, dataset, spec.precision)
        changes = unit_importance(model, inputs, labels, layers=list(tested.si), value=value)
        own = {"epoch": epoch, "si": torch.cat(list(tested.si.values())).numpy()}
        own["dead"] = (tested.preferred.cpu() < 0).numpy().astype(int)
        found.append(changes[["layer", "unit", "loss_change"]].assign(**own))
    return pd.concat(found, ignore_index=True)


def noise_rows(runs: TrainedRuns, spec: RunSpec, images: Images = "train", epoch: str = "last") -> pd.DataFrame:
    """Accuracy under noise on every unit, in units of its own standard deviation over the training images.

    `fraction` holds the scale, `step` its place, `ordering` the draw; step 0 is without noise.
    """
    model = runs.network(spec, epoch)
    inputs, labels = images_for(runs, spec, images)
    std = unit_deviations(model, images_for(runs, spec, "train")[0])
    curve = noise_curve(model, inputs, labels, scales=(0.0, *SCALES), std=std, draws=ORDERINGS, seed=spec.seed)
    place = {scale: k for k, scale in enumerate((0.0, *SCALES))}
    renamed = curve.rename(columns={"draw": "ordering", "scale": "fraction"})
    return renamed.assign(kind="noise", step=[place[float(s)] for s in renamed["fraction"]])


def importance_rows(
    runs: TrainedRuns, spec: RunSpec, value: str = "zero", images: Images = "test", epoch: str = "best"
) -> pd.DataFrame:
    """The change of accuracy and loss when each unit of the network is ablated alone."""
    model = runs.network(spec, epoch)
    inputs, labels = images_for(runs, spec, images)
    names = list(unit_layers(model, "all"))
    return unit_importance(model, inputs, labels, layers=names, value=_constant(runs, spec, model, names, value))


def damage_rows(runs: TrainedRuns, spec: RunSpec, value: str = "zero") -> pd.DataFrame:
    """The change of loss on each unit's preferred class, and on the other classes, when it is ablated alone.

    Index and preferred class are those of the validation images and losses those of the test images (at most 1,000):
    a class that was chosen on the images which are then ablated would be the one that chance favours. Dead units have
    no preferred class and no row.
    """
    activity, known = runs.activity(spec, "validation"), runs.labels(spec, "validation")
    inputs, labels = images_for(runs, spec, "test")
    model = runs.network(spec)
    alone = {
        int(k): unit_importance(model, inputs[labels == k], labels[labels == k], layers=list(activity), value=value)
        for k in labels.unique()
    }
    changes = pd.DataFrame({k: found["loss_change"] for k, found in alone.items()})
    table = next(iter(alone.values()))[["layer", "unit"]].assign(
        si=torch.cat([selectivity_index(a, known) for a in activity.values()]).double().numpy(),
        preferred=torch.cat([preferred_class(a, known) for a in activity.values()]).numpy(),
    )
    table = table[table["preferred"].isin(list(changes))]
    own = changes.stack()[list(zip(table.index, table["preferred"], strict=True))].to_numpy()
    others = (changes.loc[table.index].sum(axis=1) - own) / (changes.shape[1] - 1)
    return table.assign(own_change=own, others_change=others).reset_index(drop=True)


def predicted(model: UnitNetwork, batches: Iterable[Tensor], precision: str = "float32") -> Tensor:
    """(samples,) the class with the highest logit, of batches as the network takes them."""
    with evaluating(model, precision):
        return torch.cat([model(some).float().argmax(1) for some in batches])


def class_rows(runs: TrainedRuns, spec: RunSpec) -> pd.DataFrame:
    """Accuracy on the test and the training images of each class, with the best epoch's weights.

    Training images are those of the run's `train_accuracy`: (the first 10,000 of) them, unaugmented, with the labels
    trained on. `predicted` is the share of all these images that are taken for the class.
    """
    dataset, model, rows = runs.dataset(spec), runs.network(spec), []
    for which in ("test", "train"):
        pixels, labels = (found[: None if which == "test" else MOST_FITTED] for found in part(spec, dataset, which))
        # Batches as `score` takes them: the same bits.
        batches = (normalise(images, dataset) for images in pixels.split(EVALUATION_BATCH))
        guess = predicted(model, batches, spec.precision)
        for k in labels.unique():
            own = guess[labels == k]
            right, taken = (float((some == k).double().mean()) for some in (own, guess))
            rows.append((which, int(k), right, len(own), taken))
    return pd.DataFrame(rows, columns=["images", "class", "accuracy", "samples", "predicted"])


def probe_rows(runs: TrainedRuns, spec: RunSpec) -> pd.DataFrame:
    """How well the class can be read off each layer of the best epoch's network by a linear probe.

    A ridge classifier on the units' standardised spatial means. It is fitted to the first 10,000 training images
    (unaugmented, with the labels trained on), `train_accuracy` is on these; its penalty is chosen among them by
    leave-one-out.
    """
    from sklearn.linear_model import RidgeClassifierCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    dataset = runs.dataset(spec)
    pixels, labels = (found[:MOST_FITTED] for found in part(spec, dataset, "train"))
    train, test = unit_activity(runs.network(spec), dataset, pixels, spec.precision), runs.activity(spec, "test")
    rows = []
    for depth, layer in enumerate(train):
        known, new = (activity[layer].double().numpy() for activity in (train, test))
        probe = make_pipeline(StandardScaler(), RidgeClassifierCV(alphas=PENALTIES)).fit(known, labels.numpy())
        scores = [float(probe.score(x, y.numpy())) for x, y in ((new, dataset.test_labels), (known, labels))]
        rows.append((layer, depth, *scores))
    return pd.DataFrame(rows, columns=["layer", "depth", "accuracy", "train_accuracy"])


def unchanged(data: Dataset, most: int) -> tuple[Tensor, Tensor]:
    """At most so many `fixed` test images, uint8, and their labels."""
    chosen = fixed(data.test_labels, most)
    return data.test_images[chosen], data.test_labels[chosen]


def corrupted(data: Dataset, most: int, severities: Sequence[int] = SEVERITIES) -> Iterator[tuple[str, float, Tensor]]:
    """Every corruption that makes sense on a data set's images: its name, a severity, test images for the network.

    Every network of a data set is shown the same ones.
    """
    images, _ = unchanged(data, most)
    for name in corruptions_for(data.image_size):
        for severity in severities:
            yield name, float(severity), normalise(corrupt(images, name, severity), data)


def attacked(
    model: UnitNetwork, data: Dataset, most: int, sizes: Sequence[float]
) -> Iterator[tuple[str, float, Tensor]]:
    """FGSM and PGD: its name, eps in units of 1/255, test images for the network.

    PGD starts at the same random point near an image, whatever the network.
    """
    images, labels = unchanged(data, most)
    clean = images.permute(0, 3, 1, 2).float() / 255
    mean, std = (torch.tensor(values)[:, None, None] for values in (data.mean, data.std))
    for size in sizes:
        changed = fgsm(model, clean, labels, size / 255, mean=data.mean, std=data.std)
        yield "fgsm", size, (changed - mean) / std
        draw = generator(0, "pgd")
        changed = pgd(model, clean, labels, size / 255, steps=PGD_STEPS, generator=draw, mean=data.mean, std=data.std)
        yield "pgd", size, (changed - mean) / std


def robustness_rows(runs: TrainedRuns, spec: RunSpec) -> pd.DataFrame:
    """Accuracy on changed test images with the best epoch's weights; at severity 0 that on the same images, unchanged.

    Severities of corruptions are 1 to 5, those of attacks eps in units of 1/255.
    """
    data, model = runs.dataset(spec), runs.network(spec)

    def accuracy(inputs: Tensor) -> tuple[float, int]:
        right = predicted(model, inputs.split(BATCH)) == unchanged(data, len(inputs))[1]
        return float(right.double().mean()), len(right)

    clean = {most: accuracy(normalise(unchanged(data, most)[0], data)) for most in (MOST_IMAGES, MOST_ATTACKED)}
    rows = [(name, 0.0, *clean[MOST_IMAGES]) for name in corruptions_for(data.image_size)]
    rows += [(name, 0.0, *clean[MOST_ATTACKED]) for name in ("fgsm", "pgd")]
    for source in (corrupted(data, MOST_IMAGES), attacked(model, data, MOST_ATTACKED, ATTACK_SIZES[data.channels])):
        rows += [(name, severity, *accuracy(inputs)) for name, severity, inputs in source]
    return pd.DataFrame(rows, columns=["perturbation", "severity", "accuracy", "samples"])


def dimension_rows(runs: TrainedRuns, spec: RunSpec) -> pd.DataFrame:
    """Dimensionality of what a change of the test images changes in each layer's activity, its mean over positions.

    Corruptions are at severity 5, attacks at the third eps. Beside them "none", at severity 0, has the dimensionality
    of the activity itself.
    """
    data, model = runs.dataset(spec), runs.network(spec)

    clean = activity_on(model, normalise(unchanged(data, MOST_ATTACKED)[0], data).split(BATCH))
    rows = [("none", 0.0, layer, k, dimensionality(values)) for k, (layer, values) in enumerate(clean.items())]
    for source in (
        corrupted(data, MOST_ATTACKED, SEVERITIES[-1:]),
        attacked(model, data, MOST_ATTACKED, ATTACK_SIZES[data.channels][MEASURED : MEASURED + 1]),
    ):
        for name, severity, inputs in source:
            changed = activity_on(model, inputs.split(BATCH))
            rows += [
                (name, severity, layer, depth, dimensionality(changed[layer] - values))
                for depth, (layer, values) in enumerate(clean.items())
            ]
    return pd.DataFrame(rows, columns=["perturbation", "severity", "layer", "depth", "components"])


def _analysis(
    table: str, kind: str, rows: Callable[..., pd.DataFrame], *, of_best: bool = True, **settings: str | int
) -> Analysis:
    of_best &= settings.get("epoch", "best") == "best"
    return Analysis(table, kind, 1, rows, tuple(settings.items()), of_best)


# What a figure's entry can ask for, by name.
ANALYSES: dict[str, Analysis] = {
    "ablation": _analysis("curves", "ablation", ablation_rows, value="zero", images="train", epoch="last"),
    "ablation-mean": _analysis("curves", "ablation", ablation_rows, value="mean", images="train", epoch="last"),
    "ablation-test": _analysis("curves", "ablation", ablation_rows, value="zero", images="test", epoch="best"),
    "ablation-test-mean": _analysis("curves", "ablation", ablation_rows, value="mean", images="test", epoch="best"),
    "training": _analysis("curves", "training", training_rows, images="train", of_best=False),
    "noise": _analysis("curves", "noise", noise_rows, images="train", epoch="last"),
    "noise-test": _analysis("curves", "noise", noise_rows, images="test", epoch="best"),
    "classes": _analysis("classes", "classes", class_rows),
    "damage": _analysis("damage", "damage", damage_rows, value="zero"),
    "dimensions": _analysis("dimensions", "dimensions", dimension_rows),
    "robustness": _analysis("robustness", "robustness", robustness_rows),
    "importance": _analysis("importances", "importance", importance_rows, value="zero", images="test", epoch="best"),
    "importance-by-epoch": _analysis(
        "unit_epochs", "importance by epoch", unit_epoch_rows, value="zero", samples=500, of_best=False
    ),
    "probe": _analysis("probes", "probe", probe_rows),
}
