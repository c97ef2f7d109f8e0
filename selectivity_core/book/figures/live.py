"""Figure B9: networks trained where the book was built, beside those that the ledger keeps."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pandas as pd
from matplotlib.axes import Axes

from ..numbers import alpha_label, number
from ..statistics import prediction_interval
from ..study import MODEL_NAMES, Study
from .shown import Nothing, Shown, Table, show
from .style import alpha_axis, alpha_color, in_style, panels

# Column of `runs` -> its name, the factor it is shown with, and decimals.
MEASURES = {"test_accuracy": ("test accuracy (%)", 100, 1), "si_units": ("mean selectivity index", 1, 3)}


@dataclass(frozen=True)
class _Set:
    """The values of one measure at one α: kept ones, fresh ones, and where 95 % of fresh ones are to be expected."""

    alpha: float
    kept: list[float]
    fresh: list[float]
    low: float
    high: float

    @property
    def inside(self) -> int:
        """How many fresh values the interval holds."""
        return sum(self.low <= value <= self.high for value in self.fresh)


def _sets(kept: Study, fresh: Study, measure: str) -> Iterator[_Set]:
    scale = MEASURES[measure][1]
    old, new = (s.complete(s.models[0]) for s in (kept, fresh))
    for alpha in sorted(set(old["alpha"]) | set(new["alpha"])):
        known, now = ((scale * runs.loc[runs["alpha"] == alpha, measure]).tolist() for runs in (old, new))
        interval = prediction_interval(known)
        yield _Set(alpha, known, now, interval.low, interval.high)


@in_style
def beside(axes: Axes, sets: list[_Set], name: str) -> None:
    """Kept networks as small dots with their prediction interval, fresh ones as diamonds.

    Args:
        axes: where to draw.
        sets: one for each α, ascending.
        name: of the measure.
    """
    alphas = [s.alpha for s in sets]
    places = alpha_axis(axes, alphas)
    for k, found in enumerate(sets):
        place, color = places[found.alpha], alpha_color(found.alpha, alphas)
        axes.vlines(place - 0.12, found.low, found.high, color=color, lw=6, alpha=0.25)
        axes.plot([place - 0.12] * len(found.kept), found.kept, ".", color=color, ms=5, label=None if k else "kept")
        axes.plot(
            [place + 0.16] * len(found.fresh), found.fresh, "D", color="black", mfc=color, ms=6,
            label=None if k else "trained here",
        )  # fmt: skip
    axes.set_ylabel(name)
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.2), ncols=2)


def live(kept: Study, fresh: Study) -> Shown | Nothing:
    """Accuracy and selectivity of networks with new seeds, against the spread of those with seeds known before.

    Args:
        kept: the runs of the ledger.
        fresh: runs of the same settings with other seeds.
    """
    if not len(kept.complete()) or not len(fresh.complete()):
        return Nothing(fresh)
    figure, axes = panels(len(MEASURES), width=4.0, height=3.1)
    alts = []
    for axis, (measure, (name, _, digits)) in zip(axes, MEASURES.items(), strict=True):
        sets = list(_sets(kept, fresh, measure))
        beside(axis, sets, name)
        listed = "; ".join(
            f"α = {alpha_label(s.alpha)}: {', '.join(number(v, digits) for v in s.fresh) or 'none'} here, "
            f"{number(s.low, digits)} to {number(s.high, digits)} expected"
            for s in sets
        )
        alts.append(f"{name}: {listed}.")
    names = {MODEL_NAMES[model] for model in fresh.models}
    return show(
        figure, fresh, alt=" ".join(alts),
        caption=f"{' and '.join(sorted(names))} by α: small dots are networks that the ledger keeps, pale bars the "
        "range in which 95 % of further seeds are to be expected (Student's t), diamonds networks with seeds that the "
        "ledger does not have, trained where this page was built.",
    )  # fmt: skip


def live_table(kept: Study, fresh: Study) -> Table:
    """What was trained here, what was to be expected, and how much of it fell inside."""
    rows = []
    for measure, (name, _, digits) in MEASURES.items():
        for s in _sets(kept, fresh, measure):
            rows.append(
                {
                    "measure": name, "α": alpha_label(s.alpha), "kept": len(s.kept),
                    "expected, 95 %": f"{number(s.low, digits)} to {number(s.high, digits)}",
                    "trained here": ", ".join(number(v, digits) for v in s.fresh),
                    "inside": f"{s.inside} of {len(s.fresh)}",
                }
            )  # fmt: skip
    return Table(pd.DataFrame(rows), "Networks with new seeds against the spread of those that the ledger keeps")


def live_in_words(kept: Study, fresh: Study) -> str:
    """How many of the new networks fell where they were to be expected; computed."""
    sets = [s for measure in MEASURES for s in _sets(kept, fresh, measure)]
    total, inside = sum(len(s.fresh) for s in sets), sum(s.inside for s in sets)
    if not total:
        return "No network has been trained here: there is nothing to compare."
    seconds = fresh.complete()["seconds"].astype(float)
    seeds = sorted(fresh.complete()["seed"].unique())
    return (
        f"{len(seconds)} networks with seeds {', '.join(map(str, seeds))} were trained on this machine, in "
        f"{seconds.sum():.0f} seconds of processor time, when they were first needed, and are kept. Of their {total} "
        f"values, {inside} lie in the range in which 95 % of such values are to be expected."
    )
