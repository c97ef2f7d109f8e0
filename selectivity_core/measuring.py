"""Every index of every unit over a set of images, for any network."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from operator import length_hint
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import torch
from torch import Tensor, nn

from .arithmetic import evaluating
from .errors import ActivityError, SelectivityError, UnitError
from .indices import (
    IGNORED,
    ClassStatistics,
    bin_activity,
    checked,
    checked_labels,
    class_statistics,
    constant_at_zero,
    dead_units,
    discriminability_of,
    index_of_means,
    information_of_bins,
    share_between,
)
from .indices import precision as precision_of
from .progress import bar
from .tables import MEASURES
from .watching import record

if TYPE_CHECKING:
    import pandas as pd

MEMORY = 2**26  # bytes of activity that are held before they go to disk


def measures(activity: Tensor, labels: Tensor, binned: Tensor, stats: ClassStatistics | None = None) -> Tensor:
    """(measures, units): every entry of `MEASURES` for activity (samples, units), float64.

    `si` of a unit that is negative on some sample is that of its activity less its minimum; `unit_table` has NaN there.
    """
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
        which the index is not defined for (table `units` of a run has there that of the activity less its minimum);
        `si_shifted` subtracts each unit's minimum.

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

    def moved(value: Any) -> Any:
        return torch.as_tensor(value).to(wanted) if isinstance(value, Tensor | np.ndarray) else value

    if wanted != home:
        model.to(wanted)
    try:
        seeing = record(model, layers, unit_dim=unit_dim)
        with evaluating(model), seeing as seen, bar("unit table", total, "batch") as shown:
            for batch in batches:
                if not isinstance(batch, tuple | list) or len(batch) != 2:
                    raise ActivityError(f"batches: a {type(batch).__name__} given; pairs (inputs, labels) are needed")
                if isinstance(batch[0], Mapping):
                    model(**{name: moved(value) for name, value in batch[0].items()})
                else:
                    model(moved(batch[0]))
                # Of layers asked for by name each must be used; of "all" those that are used count.
                used = {name.rpartition(":")[0] for name in seen} | set(seen)
                asked = ([] if seen else [layers]) if isinstance(layers, str) else layers
                if unused := [name for name in asked if name not in used]:
                    raise UnitError(f"layer {unused[0]!r}: the model does not use it in a pass")
                activity, targets = _of_batch(seen, batch[1])
                found = {name: values.shape[1] for name, values in activity.items()}
                sizes = sizes or found
                if found != sizes:
                    raise UnitError(f"layers: one batch has units {sizes}, another {found}; all need the same")
                in_order = [activity[name] for name in sizes]  # a pass may use its layers in another order
                columns.append(torch.cat(in_order, 1).cpu().numpy())
                labels.append(targets.cpu())
                shown.update()
    finally:
        if wanted != home:
            model.to(home)
    if not sum(len(some) for some in labels):
        raise ActivityError("batches: no samples given; at least one is needed")
    return sizes, torch.cat(labels)


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
    level = constant_at_zero(values)  # whose index is 0 as well
    counts = torch.bincount(index, minlength=len(classes)).double()
    # Sums of classes, where `class_statistics` multiplies matrices of a size of samples times classes.
    means = values.new_zeros(len(classes), values.shape[1]).index_add_(0, index, level) / counts[:, None]
    spread = (level - means[index]).square_()
    variances = torch.zeros_like(means).index_add_(0, index, spread) / counts[:, None]
    stats = ClassStatistics(classes, counts, means, variances)
    found = dict(zip(MEASURES, measures(activity, labels, bin_activity(activity), stats), strict=True))
    found["si"] = torch.where(activity.amin(0) < 0, torch.nan, found["si"])
    dead = dead_units(activity)
    preferred = torch.where(dead, -1, classes[stats.highest()])
    columns = {"mean": values.mean(0), "sd": values.std(0, correction=0), **found, "preferred_class": preferred}
    return pd.DataFrame({name: column.numpy() for name, column in (columns | {"dead": dead}).items()})


class Columns:
    """Rows of one length and type that are read column by column; on disk where they exceed `memory` bytes.

    Each addition is written transposed, so that a few columns are read without the others.
    """

    def __init__(self, memory: int | None = None) -> None:
        self._file = tempfile.SpooledTemporaryFile(MEMORY if memory is None else memory)  # noqa: SIM115  # closed on exit
        self._blocks: list[int] = []  # rows of each addition
        self._columns = 0
        self._dtype: np.dtype = np.dtype(np.float32)  # that of the first

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        with contextlib.suppress(OSError):  # what did not fit
            self._file.close()

    def append(self, rows: np.ndarray) -> None:
        """Adds rows (rows, columns); an ActivityError where they are of another type than those before."""
        if not len(rows):
            return
        if self._blocks and rows.dtype != self._dtype:
            raise ActivityError(f"activity: {rows.dtype} given after {self._dtype}; all batches need the same type")
        self._blocks.append(len(rows))
        self._columns, self._dtype = rows.shape[1], rows.dtype
        try:
            self._file.seek(0, os.SEEK_END)
            self._file.write(np.ascontiguousarray(rows.T).data)
            self._file.flush()
        except OSError as error:
            raise SelectivityError(
                f"activity: {sum(self._blocks)} samples of {self._columns} units do not fit into "
                f"{tempfile.gettempdir()} ({error.strerror}); TMPDIR names another folder"
            ) from error

    def read(self, start: int, stop: int) -> np.ndarray:
        """(rows, stop − start): columns `start` to `stop` of all rows so far, in new memory."""
        parts, place, size = [], 0, self._dtype.itemsize
        for rows in self._blocks:
            self._file.seek(place + start * rows * size)
            read = self._file.read((stop - start) * rows * size)
            parts.append(np.frombuffer(read, self._dtype).reshape(stop - start, rows))
            place += self._columns * rows * size
        return np.concatenate(parts, axis=1).T
