"""The tidy tables that runs leave and that everything downstream reads."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from .spec import field_names

if TYPE_CHECKING:
    import pandas as pd

# Measures of a unit; each stands also as its mean over label shuffles, with "_shuffled" behind its name.
MEASURES = ("si", "si_shifted", "dprime", "class_share", "precision", "mutual_information")
LATE_MEASURES: tuple[str, ...] = ()  # those that came after runs were archived, which read as NaN there
SHUFFLED = tuple(f"{m}_shuffled" for m in MEASURES)
UNIT_EXTRAS = ("active_samples", "active_positions", "dead", "switches", "weight_l1", "preferred")

# What a run's row holds besides spec, status and provenance; all NaN where it diverged.
RUN_NUMBERS = (
    "best_epoch", "test_accuracy", "test_loss", "validation_accuracy", "validation_loss", "train_accuracy",
    "train_loss", "si_units", "si_layers", "test_accuracy_last", "test_loss_last", "train_accuracy_last",
    "train_loss_last", "si_units_last", "si_layers_last", "t95", "parameters",
)  # fmt: skip
# Columns of `runs` that two trainings of one spec may differ in, and "provenance_…".
VOLATILE = ("seconds", "started")
PROVENANCE = ("version", "result_version", "commit", "torch", "device", "processor", "instructions", "data", "digest")

COLUMNS: dict[str, tuple[str, ...]] = {
    "runs": (
        "run", *field_names(), "status", "diverged_epoch", "diverged_step", *RUN_NUMBERS, *VOLATILE,
        *(f"provenance_{name}" for name in PROVENANCE),
    ),
    "history": (
        "run", "epoch", "lr", "train_loss", "train_accuracy", "batch_index", "validation_accuracy",
        "validation_loss", "test_accuracy", "test_loss", "si_units", "si_layers",
    ),
    "layers": (
        "run", "layer", "depth", "units", *MEASURES, *SHUFFLED, "si_living", "si_last",
        "active_samples", "active_positions", "dead", "switched", "switches",
    ),
    "units": ("run", "layer", "unit", "mean", "sd", *MEASURES, *SHUFFLED, *UNIT_EXTRAS),
    "responses": ("run", "layer", "unit", "class", "mean"),
    "pairs": ("run", "other", "analysis", "layer", "depth", "form", "distance"),
    "bounds": ("run", "analysis", "layer", "depth", "kind", "value"),
    "curves": ("run", "analysis", "kind", "ordering", "step", "fraction", "accuracy"),
    "importances": ("run", "analysis", "layer", "unit", "accuracy_change", "loss_change"),
    "damage": ("run", "analysis", "layer", "unit", "si", "preferred", "own_change", "others_change"),
    "classes": ("run", "analysis", "images", "class", "accuracy", "samples", "predicted"),
    "robustness": ("run", "analysis", "perturbation", "severity", "accuracy", "samples"),
    "dimensions": ("run", "analysis", "perturbation", "severity", "layer", "depth", "components"),
    "unit_epochs": ("run", "analysis", "epoch", "layer", "unit", "si", "dead", "loss_change"),
    "probes": ("run", "analysis", "layer", "depth", "accuracy", "train_accuracy"),
}  # fmt: skip

NAMES = tuple(COLUMNS)


def empty(name: str) -> pd.DataFrame:
    """Table `name` with no rows."""
    import pandas as pd

    return pd.DataFrame(columns=list(COLUMNS[name]))


def joined(name: str, frames: Iterable[pd.DataFrame]) -> pd.DataFrame:
    """Table `name` of these, one below the other. An empty one has no types: it would turn numbers to objects."""
    import pandas as pd

    frames = [frame for frame in frames if len(frame)]
    return pd.concat(frames, ignore_index=True) if frames else empty(name)


class Tables:
    """Tidy tables, a DataFrame each; `run` is the spec's id.

    Attributes:
        runs: a row a run: spec fields, status ("complete" or "diverged"), numbers at the best epoch and the last.
        history: a row an epoch (0 is the initialisation).
        layers, units, responses: measured on the test set with the best epoch's weights.
        pairs: distances between two runs' layers.
        bounds: the selectivity that a rotation of a layer's units can reach.
        curves: accuracy under perturbation.
        importances: what ablating a single unit changes.
        damage: what that changes for the unit's preferred class, and for the others.
        classes: accuracy on the test and the training images of each class, with the best epoch's weights.
        robustness: accuracy on corrupted and attacked test images.
        dimensions: dimensionality of what such changes of the images change in each layer.
        unit_epochs: each unit's index at some epochs, and what ablating it alone then changes.
        probes: how well a linear probe decodes the class from each layer.

    A table that was not given is asked of `read` when it is first used, or else is empty.

    Args:
        read: gives a table by name.
        frames: tables at hand.
    """

    def __init__(self, read: Callable[[str], pd.DataFrame] = empty, **frames: pd.DataFrame) -> None:
        self._read = read
        for name, frame in frames.items():
            if name not in NAMES:
                raise TypeError(f"table {name!r}: not one of {', '.join(NAMES)}")
            setattr(self, name, frame)

    def __getattr__(self, name: str) -> pd.DataFrame:
        if name not in NAMES:
            raise AttributeError(f"Tables has no table {name!r}; tables are {', '.join(NAMES)}")
        frame = self._read(name)
        setattr(self, name, frame)
        return frame

    def with_spec(self, name: str, *columns: str) -> pd.DataFrame:
        """Table `name` with columns of `runs` (α, seed, …) joined on, without the runs that diverged."""
        own = () if name == "runs" else columns  # which that table has anyway
        runs = self.runs.loc[self.runs["status"] == "complete", ["run", *own]]
        return getattr(self, name).merge(runs, on="run", how="inner", validate="many_to_one")


def concat(parts: Iterable[Tables]) -> Tables:
    """Tables one below the other, in the order given; each is read when it is first used."""
    parts = list(parts)

    return Tables(lambda name: joined(name, (getattr(part, name) for part in parts)))
