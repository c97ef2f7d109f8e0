"""The predictions of the page of that name, and whether they held: an interval over networks against a margin.

They are this book's own; the papers' claims are judged in `verdicts`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from pandas.io.formats.style import Styler

from .build import ROOT
from .inference import mean_of, present

HOLDS, FAILS, OPEN = "holds", "fails", "open"
ABSOLUTE = ", in absolute value"  # of a quantity that is held against its margin on either side of 0
Side = Literal["below", "above", "within"]


@dataclass(frozen=True)
class Prediction:
    """One row of the page."""

    statement: str  # what is expected
    quantity: str  # what is measured of each network, or pair of networks
    side: Side  # of the margin on which it is expected; "within" it of 0, in absolute value
    margin: float
    unit: str = ""  # "points" or "point" of accuracy; empty for shares and correlations

    @property
    def limit(self) -> str:
        """Side and margin as the page writes them: "above 0.5 points"."""
        return f"{self.side} {self.margin:g} {self.unit}".strip()


def _written() -> dict[str, Prediction]:
    """The predictions of the page, where they were written down before the runs were made."""
    page = (ROOT / "book" / "predictions.md").read_text(encoding="utf-8")
    found = {}
    for name, *texts in re.findall(r"^\| (P\d+) \| (.*?) \| (.*?) \| (\w+) ([\d.]+) ?(.*?) \|$", page, re.MULTILINE):
        statement, quantity, side, margin, unit = texts
        absolute = quantity.endswith(ABSOLUTE)
        found[name] = Prediction(statement, quantity, "within" if absolute else side, float(margin), unit)
    return found


PREDICTIONS = _written()
LEFT = {"text-align": "left"}  # of columns of words
COLUMNS = ("prediction", "statement", "judged by", "margin", "n", "estimate", "low", "high", "verdict")


def verdict(low: float, high: float, side: Side, margin: float) -> str:
    """Whether an interval lies on the predicted side of a margin, on the other, or across it."""
    if math.isnan(low) or math.isnan(high):
        return OPEN
    if side == "within":
        return HOLDS if -margin < low and high < margin else FAILS if low > margin or high < -margin else OPEN
    below, above = high < margin, low > margin
    good, bad = (below, above) if side == "below" else (above, below)
    return HOLDS if good else FAILS if bad else OPEN


def judge(name: str, what: str, values: ArrayLike, *, reference: ArrayLike | None = None) -> dict[str, object]:
    """A prediction judged on one value a network, by the interval of `Estimate`.

    Args:
        name: "P1" to "P11".
        what: what the values are, in words.
        values: (networks,), NaN where a network has none; costs, where there is a reference.
        reference: (networks,) costs of which the margin is a fraction: the interval is that of value − margin ·
            reference, held against 0.

    Returns:
        a row for `table`.
    """
    row = PREDICTIONS[name]
    margin, limit = row.margin, row.limit
    if reference is not None:
        values = np.asarray(values, float) - margin * np.asarray(reference, float)
        margin, limit = 0.0, f"{row.side} 0 points"
    found = present(values)
    mean, low, high = math.nan, math.nan, math.nan
    if found.size:
        estimate = mean_of(found)
        mean, (low, high) = estimate.mean, estimate.interval()
    judgement = (
        name, row.statement, what, limit, found.size, mean, low, high, verdict(low, high, row.side, margin)
    )  # fmt: skip
    return dict(zip(COLUMNS, judgement, strict=True))


def index_at_cost(index: pd.Series, cost: pd.Series, limit: float) -> float:
    """The index at which lowering α first costs so much, of means over networks.

    Linear in log index between the last α that costs less and the first that costs at least `limit`; NaN where none
    does. Index and cost are by α ≤ 0, in any order, α = 0 among them.
    """
    ordered = pd.DataFrame({"index": np.log(index), "cost": cost}).sort_index(ascending=False)
    dear = np.flatnonzero(ordered["cost"].to_numpy() >= limit)
    if not dear.size or not dear[0]:
        return math.nan
    before, after = ordered.iloc[dear[0] - 1], ordered.iloc[dear[0]]
    share = (limit - before["cost"]) / (after["cost"] - before["cost"])
    return float(np.exp(before["index"] + share * (after["index"] - before["index"])))


def table(rows: Iterable[dict[str, object]]) -> pd.DataFrame:
    """Judged predictions, a row each: the rows of `judge`."""
    return pd.DataFrame(list(rows), columns=list(COLUMNS))


def listed(names: Iterable[str]) -> Styler:
    """Predictions as the page of that name has them, for a table on the page that judges them."""
    chosen = {name: PREDICTIONS[name] for name in names}
    rows = []
    for name, row in chosen.items():
        written = row.limit.replace("within", "below") if row.quantity.endswith(ABSOLUTE) else row.limit
        rows.append((name, row.statement, row.quantity, written))
    shown = pd.DataFrame(rows, columns=["", "prediction", "quantity", "margin"]).style.hide()
    return shown.set_properties(**LEFT)


def styled(judgements: pd.DataFrame) -> Styler:
    """The table as pages show it."""
    shown = judgements.rename(columns={"prediction": "", "low": "95 % from", "high": "to"}).style.hide()
    shown = shown.format(precision=2, na_rep="–").set_properties(subset=["verdict"], **{"font-weight": "bold"})
    return shown.set_properties(subset=["statement", "judged by", "margin"], **LEFT)
