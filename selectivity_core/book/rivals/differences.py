"""The list of differences, each measured on one trained network: the papers' way beside the other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...indices import class_discriminability
from ...progress import bar
from ...runs.trained import LoadedNetwork
from ...training import isolated
from . import indices, scales
from .measurements import Measurements, Pair

if TYPE_CHECKING:
    import pandas as pd

WRITTEN = "-0.5*10"


@dataclass(frozen=True)
class Difference:
    """One way in which related code differs.

    Attributes:
        name: a few words.
        differs: what is done in place of what.
        measure: what is compared, filled in with `Measurements.words`.
        pair: gives its value done the papers' way and the other.
    """

    name: str
    differs: str
    measure: str
    pair: Callable[[Measurements], Pair]


DIFFERENCES = (
    Difference(
        "class sums",
        "sums of activity for each class in place of means: unequal classes count as selectivity",
        "SI on test batches of {batch}",
        lambda m: m.on_batches(indices.index_of_class_sums),
    ),
    Difference(
        "absent classes as zero",
        "classes that a batch lacks are counted as classes without a response",
        "SI on test batches of {batch}",
        lambda m: m.on_batches(lambda a, y: indices.index_with_absent_classes_as_zero(a, y, m.classes)),
    ),
    Difference(
        "all other samples",
        "μ₋max over all other samples in place of the mean of the other class means",
        "SI on test batches of {batch}",
        lambda m: m.on_batches(indices.index_against_all_other_samples),
    ),
    Difference(
        "single positions",
        "every position of a feature map taken for a neuron of its own",
        "SI on the test set",
        Measurements.positions,
    ),
    Difference(
        "d′ without the root",
        "the difference of means divided by the mean variance, not by its square root",
        "d′ on the test set",
        lambda m: (m.over_layers(class_discriminability), m.over_layers(indices.discriminability_without_root)),
    ),
    Difference(
        "sign flipped",
        "+α·μ_SI in the loss in place of −α·μ_SI",
        "SI after {steps} more steps at α = −1",
        lambda m: (m.fine_tuned(-1.0), m.fine_tuned(-1.0, flipped=True)),
    ),
    Difference(
        "sign lost in reading",
        f'a regular expression reads α = "{WRITTEN}" as 5 in place of −5',
        "SI after {steps} more steps at the α read",
        lambda m: (m.fine_tuned(scales.scale_as_written(WRITTEN)), m.fine_tuned(scales.scale_by_pattern(WRITTEN))),
    ),
    Difference(
        "layers dropped",
        "names of layers that the network lacks are passed over in silence; here the last {dropped} are misspelt",
        "SI over the layers read",
        Measurements.dropped,
    ),
    Difference(
        "last call only",
        "one slot for an activation module that a block uses at every place: all but its last output are lost",
        "SI over the layers read",
        Measurements.last_calls,
    ),
    Difference(
        "weights zeroed",
        "a unit's weights set to zero in place of its activity: batch norm and the shortcut go on",
        "accuracy with half of a layer ablated",
        Measurements.half_ablated,
    ),
    Difference(
        "another fifth at every point",
        "each point of an ablation curve measured on another random fifth of the samples",
        "mean change from point to point, {last}",
        Measurements.curve,
    ),
)


def measure_differences(network: LoadedNetwork, *, samples: int = 2000, seed: int = 0) -> pd.DataFrame:
    """What each difference changes on a trained network.

    Indices are means over layers of means over units. Activity that can be negative (leaky-ReLU) is shifted by each
    unit's minimum over the test samples.

    Args:
        network: a finished run's; it is left as it was.
        samples: test samples at most, drawn at random where there are more.
        seed: decides which samples, batches, units and orderings.

    Returns:
        a row for each, in a fixed order: name, differs (what is done otherwise), measure (what is compared), paper and
        other (its value either way).
    """
    import pandas as pd

    rows = []
    with isolated(network.spec), bar("how others differ", len(DIFFERENCES), "difference") as shown:
        taken = Measurements(network.part(samples, seed), seed)
        for entry in DIFFERENCES:
            texts = (text.format(**taken.words) for text in (entry.name, entry.differs, entry.measure))
            rows.append((*texts, *entry.pair(taken)))
            shown.update()
    return pd.DataFrame(rows, columns=["name", "differs", "measure", "paper", "other"])
