"""The judging of predictions, and that those of the code are those of the page."""

import math

import pandas as pd
import pytest
from scipy import stats

from selectivity_core.book.predictions import (
    FAILS,
    HOLDS,
    OPEN,
    PREDICTIONS,
    index_at_cost,
    judge,
    listed,
    styled,
    table,
    verdict,
)


def test_they_are_those_of_the_page():
    assert list(PREDICTIONS) == [f"P{k}" for k in range(1, 12)]
    limits = ["below 0.25", "above 0.75", "below 1 point", "within 2 points", "above 0.1", "above 0.5 points",
              "within 2 points", "above 1 point", "above 0", "below 0", "below 0.1"]  # fmt: skip
    assert [prediction.limit for prediction in PREDICTIONS.values()] == limits
    assert PREDICTIONS["P7"].quantity == "difference of their costs, in absolute value"
    assert PREDICTIONS["P8"].statement == "Spread costs more than SI at equal d′."


@pytest.mark.parametrize(
    ("low", "high", "side", "margin", "expected"),
    [
        (-1, 0.9, "below", 1, HOLDS),
        (-1, 1, "below", 1, OPEN),  # on the margin is not beyond it
        (1.1, 3, "below", 1, FAILS),
        (1.1, 3, "above", 1, HOLDS),
        (-3, 0.9, "above", 1, FAILS),
        (0.9, 1.1, "above", 1, OPEN),
        (-1.9, 1.9, "within", 2, HOLDS),
        (-2.1, 1.9, "within", 2, OPEN),
        (2.1, 3, "within", 2, FAILS),
        (-3, -2.1, "within", 2, FAILS),
        (-3, 3, "within", 2, OPEN),
        (math.nan, math.nan, "below", 1, OPEN),
    ],
)
def test_an_interval_against_a_margin(low, high, side, margin, expected):
    assert verdict(low, high, side, margin) == expected


def test_one_value_a_network():
    """Costs of 0.1, 0.2 and 0.3 points against "below 1 point": mean 0.2, standard error 0.1/√3."""
    row = judge("P3", "cost", [0.1, 0.2, 0.3, math.nan])
    half = stats.t.ppf(0.975, 2) * 0.1 / math.sqrt(3)
    assert (row["n"], row["verdict"], row["margin"]) == (3, HOLDS, "below 1 point")
    assert (row["estimate"], row["low"], row["high"]) == pytest.approx((0.2, 0.2 - half, 0.2 + half))


def test_a_ratio_is_a_difference_held_against_zero():
    """Costs of 1, 2 and 3 of 8 points: less a quarter of them −1, 0 and 1; of 40 points −9, −8 and −7."""
    row = judge("P1", "ratio", [1, 2, 3], reference=[8, 8, 8])
    assert (row["estimate"], row["verdict"], row["margin"]) == (0, OPEN, "below 0 points")
    assert judge("P1", "ratio", [1, 2, 3], reference=[40, 40, 40])["verdict"] == HOLDS
    assert judge("P2", "ratio", [1, 2, 3], reference=[40, 40, 40])["verdict"] == FAILS


def test_nothing_to_judge_is_open():
    assert judge("P5", "none", [math.nan])["verdict"] == OPEN
    assert judge("P5", "one", [0.5])["verdict"] == OPEN  # one network has no interval
    found = table([judge("P5", "none", []), judge("P11", "given", [0.15, 0.2, 0.25, 0.3])])
    assert found["verdict"].tolist() == [OPEN, FAILS]
    assert "P11" in styled(found).to_html()


def test_the_predictions_of_a_page_are_listed_as_they_stand():
    text = listed(["P3", "P6"]).to_html()
    assert PREDICTIONS["P6"].quantity in text and "above 0.5 points" in text and "P5" not in text
    absolute = listed(["P7"]).to_html()
    assert "in absolute value" in absolute and "below 2 points" in absolute and "within 2" in listed(["P4"]).to_html()


def test_the_index_at_which_a_point_is_lost():
    """Costs of 0.5 at an index of 0.2 and 1.5 at 0.05: a point half way in log, at 0.1. A later dip does not count."""
    index = pd.Series({-30.0: 0.01, -5.0: 0.05, -1.0: 0.2, 0.0: 0.4})
    cost = pd.Series({0.0: 0.0, -1.0: 0.5, -5.0: 1.5, -30.0: 0.2})
    assert index_at_cost(index, cost, 1.0) == pytest.approx(0.1)
    assert index_at_cost(index, cost, 1.5) == pytest.approx(0.05)
    assert math.isnan(index_at_cost(index, cost, 2.0))
