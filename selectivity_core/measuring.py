"""What is measured of units: moments over samples and positions, and every index over a set of images."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import length_hint
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .ablation.inputs import checked_images
from .ablation.masked import BATCH
from .arithmetic import evaluating
from .columns import MEMORY, Columns
from .data import Dataset, normalise
from .errors import ActivityError, UnitError
from .indices import (
    IGNORED,
    ClassMeans,
    ClassStatistics,
    bin_activity,
    checked,
    checked_labels,
    class_means,
    class_statistics,
    dead_units,
    discriminability_of,
    index_of_means,
    information_of_bins,
    share_between,
)
from .indices import precision as precision_of
from .models import UnitNetwork
from .progress import bar
from .tables import COLUMNS, MEASURES, SHUFFLED
from .units import LayerActivity, unit_layers
from .watching import Call, UnitDim, Watch, record

if TYPE_CHECKING:
    import pandas as pd

CHUNK = 64  # samples whose activity is held in float64 at a time


@dataclass
class Moments:
    """Running mean and sum of squared deviations, (units,) float64, of `count` values for each unit."""

    count: int
    mean: Tensor
    squares: Tensor

    def add(self, activity: Tensor) -> None:
        """Merges activity (units, values), without ever subtracting large sums from each other (Chan et al. 1983)."""
        values = activity.double()
        count, mean = values.shape[1], values.mean(1)
        apart = mean - self.mean
        total = self.count + count
        self.squares += (values - mean[:, None]).square().sum(1) + apart.square() * (self.count * count / total)
        self.mean += apart * (count / total)
        self.count = total


def unit_means(
    model: nn.Module, images: Tensor | np.ndarray, layers: str | Sequence[str] = "all", *, unit_dim: UnitDim = None
) -> dict[str, Tensor]:
    """layer -> (units,) float64 mean activity over samples and positions: what `value` of an ablation takes.

    Args:
        model: any module; it is evaluated in evaluation mode and left as it was.
        images: (samples, ...) as the model takes them; the training set's, for the papers' use.
        layers: as for `unit_layers`.
        unit_dim: as for `record`.

    Returns:
        layer -> (units,) float64 CPU tensor; an entry for each use of a module that a pass uses several times, as
        `record` names them.

    Raises:
        UnitError: a layer that the model lacks, does not use in every batch, or whose units cannot be told.
        ActivityError: images that are not finite floating-point numbers, or numbers of tokens.
    """
    return {name: found.mean.cpu() for name, found in _moments(model, images, layers, unit_dim).items()}


def unit_deviations(
    model: nn.Module, images: Tensor | np.ndarray, layers: str | Sequence[str] = "all", *, unit_dim: UnitDim = None
) -> dict[str, Tensor]:
    """layer -> (units,) float64 standard deviation over samples and positions (population: no Bessel correction).

    Args:
        model, images, layers, unit_dim: as for `unit_means`.

    Returns:
        as `unit_means` does, in the unit of the activity.

    Raises:
        UnitError, ActivityError: as `unit_means` does.
    """
    found = _moments(model, images, layers, unit_dim)
    return {name: (m.squares / m.count).sqrt().cpu() for name, m in found.items()}


class _Moments(Watch):
    """Moments of the units of every use of some layers."""

    def __init__(self, model: nn.Module, layers: str | Sequence[str], unit_dim: UnitDim) -> None:
        super().__init__(model, layers, unit_dim)
        self.found: dict[tuple[str, int], Moments] = {}
        self.passes = Counter[tuple[str, int]]()

    def see(self, call: Call) -> None:
        key = call.layer, call.number
        self.passes[key] += 1
        for some in call.output.split(CHUNK):
            activity = some.movedim(call.dim, 0).flatten(1)
            if key not in self.found:
                zeros = torch.zeros(len(activity), dtype=torch.float64, device=activity.device)
                self.found[key] = Moments(0, zeros, zeros.clone())
            self.found[key].add(activity)

    def ended(self, _output: object, failed: bool) -> None:
        if not failed:
            self.check_used()


def _moments(
    model: nn.Module, images: Tensor | np.ndarray, layers: str | Sequence[str], unit_dim: UnitDim
) -> dict[str, Moments]:
    pixels = checked_images(model, images)
    batches = pixels.split(BATCH)
    shown = bar("unit statistics", len(pixels), "image", delay=2)
    with evaluating(model), _Moments(model, layers, unit_dim) as seen, shown:
        for some in batches:
            model(some.clone())  # its first module may work in place
            shown.update(len(some))
    for (layer, number), passes in seen.passes.items():
        if passes < len(batches):
            raise UnitError(f"layer '{layer}:{number}': the model uses it in {passes} of {len(batches)} batches")
    return seen.named(seen.found, as_asked=True)


EVALUATION_BATCH = 500
SHUFFLES = 20


@dataclass(frozen=True)
class Score:
    """Accuracy in [0, 1] and mean cross-entropy in nats."""

    accuracy: float
    loss: float


def score(
    model: nn.Module,
    dataset: Dataset,
    images: Tensor,
    labels: Tensor,
    precision: str,
    each: Callable[[slice], None] | None = None,
) -> Score:
    """Accuracy and cross-entropy of a model on uint8 images; `each` is called after every batch with its rows."""
    correct = torch.zeros((), dtype=torch.float64, device=images.device)
    loss = torch.zeros_like(correct)
    with evaluating(model, precision):
        for start in range(0, len(images), EVALUATION_BATCH):
            rows = slice(start, min(start + EVALUATION_BATCH, len(images)))
            logits = model(normalise(images[rows], dataset)).float()
            correct += (logits.argmax(1) == labels[rows]).sum()
            loss += F.cross_entropy(logits, labels[rows], reduction="sum")
            if each is not None:
                each(rows)
    return Score(float(correct) / len(images), float(loss) / len(images))


@dataclass(frozen=True)
class TestSetPass:
    """What one pass over the test set gives at an epoch.

    Attributes:
        score: accuracy and loss.
        si: layer -> (units,) selectivity index.
        preferred: (all units,) label, −1 where dead, in layer order.
    """

    score: Score
    si: dict[str, Tensor]
    preferred: Tensor

    def si_units(self) -> float:
        """Mean index over all units of the network."""
        return float(torch.cat(list(self.si.values())).mean())

    def si_layers(self) -> float:
        """Mean over layers of the mean over units."""
        return float(torch.stack([v.mean() for v in self.si.values()]).mean())


def test_set_pass(model: UnitNetwork, dataset: Dataset, precision: str) -> TestSetPass:
    """Accuracy, loss and each unit's class means on the whole test set, in one pass.

    Activity that can be negative (leaky-ReLU) is shifted by each unit's minimum over the test set.
    """
    means: dict[str, ClassMeans] = {}
    lowest: dict[str, Tensor] = {}
    with record(model) as seen:

        def gather(rows: slice) -> None:
            for name, activity in seen.items():
                if name not in means:
                    means[name] = ClassMeans(activity.shape[1], len(dataset.classes), activity.device)
                    lowest[name] = activity.amin(0)
                means[name].update(activity, dataset.test_labels[rows])
                lowest[name] = torch.minimum(lowest[name], activity.amin(0))

        result = score(model, dataset, dataset.test_images, dataset.test_labels, precision, gather)
    indices = {name: index_of_means(m.means() - lowest[name].clamp_max(0).double()).cpu() for name, m in means.items()}
    preferred = torch.cat([m.preferred_class() for m in means.values()])
    return TestSetPass(result, indices, preferred)


def measures(activity: Tensor, labels: Tensor, binned: Tensor, stats: ClassStatistics | None = None) -> Tensor:
    """(measures, units): every entry of `MEASURES` for activity (samples, units), float64."""
    stats = stats or class_statistics(activity, labels)
    lowest = activity.amin(0)
    rows = (
        index_of_means(stats.means - lowest.clamp_max(0)),
        index_of_means(stats.means - lowest),
        discriminability_of(stats),
        share_between(stats),
        precision_of(activity, labels),
        information_of_bins(binned, labels),
    )
    return torch.stack([row.double() for row in rows])


def measured_units(
    model: UnitNetwork, dataset: Dataset, precision: str, seed: int, *, shuffles: int = SHUFFLES
) -> tuple[pd.DataFrame, pd.DataFrame, Score]:
    """Every measure of every unit on the whole test set, with the mean of each over label shuffles beside it.

    Args:
        model: a trained network.
        dataset: on the model's device.
        precision: of the arithmetic, as the run's spec has it.
        seed: decides the shuffles.
        shuffles: how many; without any, the columns of their means are NaN.

    Returns:
        units (COLUMNS["units"] but for run and switches), responses (but for run), and the test score.
    """
    import pandas as pd

    from .seeds import generator

    gathered, handles = {}, []
    for name, module in unit_layers(model).items():
        gathered[name] = LayerActivity()
        handles.append(module.register_forward_hook(gathered[name]))
    try:
        result = score(model, dataset, dataset.test_images, dataset.test_labels, precision)
    finally:
        for handle in handles:
            handle.remove()

    labels = dataset.test_labels.cpu()
    draw = generator(seed, "shuffles")
    shuffled = [labels[torch.randperm(len(labels), generator=draw)] for _ in range(shuffles)]
    l1 = model.filter_l1()
    units, responses = [], []
    for name, layer in gathered.items():
        activity, share = layer.means(), layer.shares()
        count = activity.shape[1]
        binned = bin_activity(activity)
        true = measures(activity, labels, binned)
        null = torch.full_like(true, torch.nan)
        if shuffled:
            null = torch.stack([measures(activity, s, binned) for s in shuffled]).mean(0)
        means = class_means(activity, labels)[2]
        dead = dead_units(activity)
        frame: dict[str, Any] = {"layer": [name] * count, "unit": range(count)}
        frame["mean"], frame["sd"] = activity.double().mean(0), activity.double().std(0, correction=0)
        frame |= dict(zip(MEASURES, true, strict=True)) | dict(zip(SHUFFLED, null, strict=True))
        frame["active_samples"] = (share > 0).double().mean(0)
        frame["active_positions"] = share.double().mean(0)
        frame["dead"], frame["weight_l1"] = dead, l1[name].double()
        frame["preferred"] = torch.where(dead, -1, labels.unique()[means.argmax(0)])
        units.append(pd.DataFrame({k: v.numpy() if isinstance(v, Tensor) else v for k, v in frame.items()}))
        classes = len(means)
        responses.append(
            pd.DataFrame(
                {
                    "layer": [name] * (count * classes),
                    "unit": torch.arange(count).repeat_interleave(classes).numpy(),
                    "class": labels.unique().repeat(count).numpy(),
                    "mean": means.T.reshape(-1).double().numpy(),
                }
            )
        )
    return pd.concat(units, ignore_index=True), pd.concat(responses, ignore_index=True), result


def unit_table(
    model: nn.Module,
    batches: Iterable[tuple[Any, Any]],
    *,
    layers: str | Sequence[str] = "all",
    unit_dim: int | None = None,
    device: torch.device | str | None = None,
) -> pd.DataFrame:
    """Every index of every unit over all batches together, equal to the functions of activity and labels.

    Only activity (samples, units) is kept, and on disk (in TMPDIR) beyond 64 MiB: 4 bytes a sample and unit. Memory
    holds a batch, the labels, and few units at a time, of one unit all samples.

    Args:
        model: any module; it is evaluated in evaluation mode, in its own precision, and left as it was.
        batches: a DataLoader or any other iterable of (inputs, labels); inputs are passed as `model(inputs)`, or as
            `model(**inputs)` where they are a mapping. Labels are (samples,) integers; samples of label -100 are left
            out.
        layers, unit_dim: as for `record`.
        device: where the passes run, the model's by default.

    Returns:
        columns layer, unit, mean, sd (population), si, si_shifted, dprime, class_share (η²), precision,
        mutual_information (bits), preferred_class (-1 for a dead unit) and dead (activity 0 on every sample), with a
        row for each unit, in the layers' order. `si` is NaN for a unit whose activity is negative on some sample,
        which the index is not defined for; `si_shifted` subtracts each unit's minimum.

    Raises:
        ActivityError: no samples, labels that do not fit, a batch that is not a pair, non-finite activity, or the
            meta device.
        UnitError: layers that the model lacks or does not use in every batch; else as for `record`.
        SelectivityError: no room on disk.
    """
    import pandas as pd

    frames = []
    with Columns() as columns:
        sizes, labels = _gathered(columns, model, batches, layers, unit_dim, device)
        classes, index = labels.unique(return_inverse=True)
        units = sum(sizes.values())
        # What is worked out of a number takes some 16 numbers of 8 bytes; the table of bins and classes some 4.
        step = max(1, min(units, MEMORY // (16 * 8 * len(labels)), MEMORY // (4 * 8 * 21 * len(classes))))
        with bar("indices", units, "unit", delay=2) as shown:
            for start in range(0, units, step):
                activity = torch.from_numpy(columns.read(start, min(start + step, units)))
                frames.append(_indices(activity, labels, classes, index))
                shown.update(activity.shape[1])
    table = pd.concat(frames, ignore_index=True)
    table.insert(0, "layer", [name for name, size in sizes.items() for _ in range(size)])
    table.insert(1, "unit", [unit for size in sizes.values() for unit in range(size)])
    return table


def _gathered(
    columns: Columns,
    model: nn.Module,
    batches: Iterable[tuple[Any, Any]],
    layers: str | Sequence[str],
    unit_dim: int | None,
    device: torch.device | str | None,
) -> tuple[dict[str, int], Tensor]:
    """Fills columns with activity (samples, all units); gives each layer's number of units, and labels (samples,)."""
    if not isinstance(batches, Iterable):
        raise ActivityError(f"batches: a {type(batches).__name__} given; pairs (inputs, labels) are needed")
    labels, sizes = [], dict[str, int]()
    total = length_hint(batches) or None
    home = next(model.parameters(), torch.zeros(())).device
    wanted = home if device is None else torch.device(device)
    if wanted.type == "meta":
        raise ActivityError("device: meta given, where activity has no values")
    if wanted != home:
        model.to(wanted)
    try:
        seeing = record(model, layers, unit_dim=unit_dim)
        with evaluating(model), seeing as seen, bar("unit table", total, "batch") as shown:
            for batch in batches:
                if not isinstance(batch, tuple | list) or len(batch) != 2:
                    raise ActivityError(f"batches: a {type(batch).__name__} given; pairs (inputs, labels) are needed")
                _pass(model, batch[0], wanted)
                _check_used(seen, layers)
                activity, targets = _of_batch(seen, batch[1])
                found = {name: values.shape[1] for name, values in activity.items()}
                sizes = sizes or found
                if found != sizes:
                    raise UnitError(f"layers: one batch has units {sizes}, another {found}; all need the same")
                columns.append(torch.cat(list(activity.values()), 1).cpu().numpy())
                labels.append(targets.cpu())
                shown.update()
    finally:
        if wanted != home:
            model.to(home)
    if not sum(len(some) for some in labels):
        raise ActivityError("batches: no samples given; at least one is needed")
    return sizes, torch.cat(labels)


def _pass(model: nn.Module, inputs: Any, device: torch.device) -> None:
    def moved(value: Any) -> Any:
        return torch.as_tensor(value).to(device) if isinstance(value, Tensor | np.ndarray) else value

    if isinstance(inputs, Mapping):
        model(**{name: moved(value) for name, value in inputs.items()})
    else:
        model(moved(inputs))


def _check_used(seen: dict[str, Tensor], layers: str | Sequence[str]) -> None:
    """Refuses layers that are asked for by name and that a pass did not use. Of "all", those that it used count."""
    used = {name.rpartition(":")[0] for name in seen} | set(seen)
    asked = ([] if seen else [layers]) if isinstance(layers, str) else layers
    unused = [name for name in asked if name not in used]
    if unused:
        raise UnitError(f"layer {unused[0]!r}: the model does not use it in a pass")


def _of_batch(seen: dict[str, Tensor], labels: Tensor | np.ndarray) -> tuple[dict[str, Tensor], Tensor]:
    """Activity (samples, units) of each layer and labels, (samples,), without samples that are left out."""
    targets = checked_labels(labels, len(next(iter(seen.values()))), torch.device("cpu"))
    kept = targets != IGNORED
    if not kept.any():
        return {name: values[:0] for name, values in seen.items()}, targets[:0]
    activity = {}
    for name, values in seen.items():
        try:
            activity[name] = checked(values, targets)[0]
        except ActivityError as error:
            raise ActivityError(f"layer {name!r}: {error}") from error
    return activity, targets[kept]


def _indices(activity: Tensor, labels: Tensor, classes: Tensor, index: Tensor) -> pd.DataFrame:
    """Columns of `unit_table` for activity (samples, units) and labels with their classes and indices among these."""
    import pandas as pd

    values = activity.double()
    counts = torch.bincount(index, minlength=len(classes)).double()
    # Sums of classes, where `class_statistics` multiplies matrices of a size of samples times classes.
    means = values.new_zeros(len(classes), values.shape[1]).index_add_(0, index, values) / counts[:, None]
    spread = (values - means[index]).square_()
    variances = torch.zeros_like(means).index_add_(0, index, spread) / counts[:, None]
    stats = ClassStatistics(classes, counts, means, variances)
    found = dict(zip(MEASURES, measures(activity, labels, bin_activity(activity), stats), strict=True))
    found["si"] = torch.where(activity.amin(0) < 0, torch.nan, found["si"])
    dead = dead_units(activity)
    preferred = torch.where(dead, -1, classes[stats.highest()])
    columns = {"mean": values.mean(0), "sd": values.std(0, correction=0), **found, "preferred_class": preferred}
    return pd.DataFrame({name: column.numpy() for name, column in (columns | {"dead": dead}).items()})


def layer_table(units: pd.DataFrame, si_last: dict[str, float]) -> pd.DataFrame:
    """Means over the units of each layer, in forward order (COLUMNS["layers"] but for run)."""
    import pandas as pd

    rows = []
    for depth, (name, group) in enumerate(units.groupby("layer", sort=False)):
        row = {"layer": name, "depth": depth, "units": len(group)}
        row |= {column: float(group[column].mean()) for column in (*MEASURES, *SHUFFLED)}
        row["si_living"] = float(group.loc[~group["dead"], "si"].mean())
        row["si_last"] = si_last[str(name)]
        row |= {c: float(group[c].mean()) for c in ("active_samples", "active_positions", "dead", "switches")}
        row["switched"] = float((group["switches"] > 0).mean())
        rows.append(row)
    return pd.DataFrame(rows)[[c for c in COLUMNS["layers"] if c != "run"]]
