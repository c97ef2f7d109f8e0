"""The predictions of the page of that name, and whether they held: an interval over networks against a margin."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from pandas.io.formats.style import Styler

from .inference import mean_of, present

HOLDS, FAILS, OPEN = "holds", "fails", "open"
Side = Literal["below", "above", "within"]


@dataclass(frozen=True)
class Prediction:
    """One row of the page.

    Attributes:
        statement: what is expected.
        quantity: what is measured of each network, or pair of networks.
        side: on which side of the margin it is expected: "below", "above", or "within" it of 0, in absolute value.
        margin: in the quantity's unit.
        unit: "points" or "point" of accuracy; empty for shares and correlations.
    """

    statement: str
    quantity: str
    side: Side
    margin: float
    unit: str = ""

    @property
    def limit(self) -> str:
        """Side and margin as the page writes them: "above 0.5 points"."""
        return f"{self.side} {self.margin:g} {self.unit}".strip()


PREDICTIONS = {
    "P1": Prediction(
        "Networks recover from selectivity that was raised early.",
        "cost of α = 0.7 in the first nine epochs, as a fraction of its cost throughout",
        "below", 0.25,
    ),
    "P2": Prediction(
        "Raising selectivity late costs nearly as much as raising it throughout.",
        "the same fraction, after the first nine epochs (and, for equal length, in the last nine)",
        "above", 0.75,
    ),
    "P3": Prediction(
        "Early selectivity is not essential on CIFAR-10: suppressing it early costs little. (Ranadive et al. would "
        "predict a larger cost.)",
        "cost of α = −2 in the first nine epochs",
        "below", 1, "point",
    ),
    "P4": Prediction(
        "The cost goes with the index that a network reaches, whatever labels the regulariser used.",
        "cost of α = 0.7 with shuffled labels minus the cost of true labels at the same index, interpolated over α",
        "within", 2, "points",
    ),
    "P5": Prediction(
        "Selective units matter more early in training.",
        "rank correlation, within layers, of a unit's index with the rise in loss when it is ablated: epochs 1 to 3 "
        "minus the last three epochs",
        "above", 0.1,
    ),
    "P6": Prediction(
        "What costs accuracy is not the index: at equal index offset costs less than SI. The target is the index at "
        "which SI costs a point, or that of α = −10 if none does.",
        "cost of SI minus cost of offset at that index",
        "above", 0.5, "points",
    ),
    "P7": Prediction(
        "At the higher target SI and d′ cost the same.", "difference of their costs, in absolute value",
        "within", 2, "points",
    ),
    "P8": Prediction("Spread costs more than SI at equal d′.", "difference of costs", "above", 1, "point"),
    "P9": Prediction(
        "Lower selectivity makes networks more robust to corruptions.",
        "change of relative accuracy under corruptions from α = 0 to α = −2",
        "above", 0,
    ),
    "P10": Prediction(
        "Lower selectivity makes networks less robust to attacks.",
        "change of relative accuracy under PGD from α = 0 to α = −2",
        "below", 0,
    ),
    "P11": Prediction(
        "The index predicts robustness no better than d′ does, network by network.",
        "rank correlation with robustness under corruptions, in absolute value: index minus d′",
        "below", 0.1,
    ),
}  # fmt: skip
LEFT = {"text-align": "left"}  # of columns of words
COLUMNS = ("prediction", "statement", "judged by", "margin", "n", "estimate", "low", "high", "verdict")


def verdict(low: float, high: float, side: Side, margin: float) -> str:
    """Whether an interval lies on the predicted side of a margin ("holds"), on the other ("fails"), or across ("open").

    Args:
        low, high: the ends of the interval; NaN where there is none.
        side, margin: as of `Prediction`.
    """
    if math.isnan(low) or math.isnan(high):
        return OPEN
    if side == "within":
        return HOLDS if -margin < low and high < margin else FAILS if low > margin or high < -margin else OPEN
    below, above = high < margin, low > margin
    good, bad = (below, above) if side == "below" else (above, below)
    return HOLDS if good else FAILS if bad else OPEN


def judge(name: str, what: str, values: ArrayLike, *, reference: ArrayLike | None = None) -> dict[str, object]:
    """A prediction judged on one value a network, by Student's t interval.

    Args:
        name: "P1" to "P11".
        what: what the values are, in words.
        values: (networks,), NaN where a network has none; costs, where there is a reference.
        reference: (networks,) costs of which the margin is a fraction: the interval is that of value − margin ·
            reference, held against 0.

    Returns:
        a row for `table`.
    """
    margin = PREDICTIONS[name].margin
    if reference is not None:
        values = np.asarray(values, float) - margin * np.asarray(reference, float)
    found = present(values)
    if not found.size:
        return judged(name, what, math.nan, math.nan, math.nan, 0, ratio=reference is not None)
    estimate = mean_of(found)
    return judged(name, what, estimate.mean, *estimate.interval(), estimate.n, ratio=reference is not None)


def judged(
    name: str, what: str, estimate: float, low: float, high: float, n: int, *, ratio: bool = False
) -> dict[str, object]:
    """A prediction judged by an interval at hand; the row that `judge` gives.

    Args:
        name, what: as for `judge`.
        estimate, low, high: with its 95 % interval, in the unit of the margin.
        n: networks, or pairs of them.
        ratio: whether it is a cost less a fraction of another, which is held against 0.
    """
    row = PREDICTIONS[name]
    margin = 0.0 if ratio else row.margin
    limit = f"{row.side} 0 points" if ratio else row.limit
    values = (name, row.statement, what, limit, n, estimate, low, high, verdict(low, high, row.side, margin))
    return dict(zip(COLUMNS, values, strict=True))


def index_at_cost(index: pd.Series, cost: pd.Series, limit: float) -> float:
    """The index at which lowering α first costs so much, of means over networks.

    Linear in log index between the last α that costs less and the first that costs at least `limit`.

    Args:
        index, cost: by α ≤ 0, in any order, α = 0 among them.
        limit: in the unit of the cost, above 0.

    Returns:
        the index; NaN where no α costs so much.
    """
    ordered = pd.DataFrame({"index": np.log(index), "cost": cost}).sort_index(ascending=False)
    dear = np.flatnonzero(ordered["cost"].to_numpy() >= limit)
    if not dear.size or not dear[0]:
        return math.nan
    before, after = ordered.iloc[dear[0] - 1], ordered.iloc[dear[0]]
    share = (limit - before["cost"]) / (after["cost"] - before["cost"])
    return float(np.exp(before["index"] + share * (after["index"] - before["index"])))


def table(rows: Iterable[dict[str, object]]) -> pd.DataFrame:
    """Judged predictions, a row each."""
    return pd.DataFrame(list(rows), columns=list(COLUMNS))


def listed(names: Iterable[str]) -> Styler:
    """Predictions as the page of that name has them, for a table on the page that judges them."""
    rows = [(name, row.statement, row.quantity, row.limit) for name in names if (row := PREDICTIONS[name])]
    shown = pd.DataFrame(rows, columns=["", "prediction", "quantity", "margin"]).style.hide()
    return shown.set_properties(**LEFT)


def styled(judgements: pd.DataFrame) -> Styler:
    """The table as pages show it."""
    shown = judgements.rename(columns={"prediction": "", "low": "95 % from", "high": "to"}).style.hide()
    shown = shown.format(precision=2, na_rep="–").set_properties(subset=["verdict"], **{"font-weight": "bold"})
    return shown.set_properties(subset=["statement", "judged by", "margin"], **LEFT)
