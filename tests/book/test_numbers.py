import math

import pytest

from selectivity_core.book.numbers import number, p_value, percent, span, with_span
from selectivity_core.book.statistics import Interval


@pytest.mark.parametrize(
    ("value", "options", "text"),
    [
        (0.126, {}, "0.13"), (-0.126, {}, "−0.13"), (-0.001, {}, "0.00"), (-0.001, {"signed": True}, "0.00"),
        (0.5, {"digits": 1, "signed": True}, "+0.5"), (12.6, {"digits": 0}, "13"), (math.nan, {}, "–"),
        (math.inf, {}, "∞"), (-math.inf, {}, "−∞"), (12.34, {"digits": 1, "unit": " %"}, "12.3 %"),
        (math.nan, {"unit": " %"}, "–"),
    ],
)  # fmt: skip
def test_number(value, options, text):
    assert number(value, **options) == text


@pytest.mark.parametrize(
    ("p", "text"),
    [(0.04996, "0.0500"), (1e-4, "0.0001"), (0.99e-4, "<\u00a00.0001"), (0.0, "<\u00a00.0001"), (math.nan, "–")],
)
def test_p_values(p, text):
    assert p_value(p) == text


def test_percentages():
    assert [percent(v) for v in (0.12345, -0.5, math.nan)] == ["12.35", "−50.00", "–"]
    assert percent(1.0, 0) == "100"


def test_spans():
    band = Interval(0.2, -0.1, 0.5, 3, "t")
    assert span(band, 1) == "−0.1 to 0.5"
    assert span(band, 0, scale=100, signed=True) == "−10 to +50"
    assert with_span(band, 1) == "0.2 (−0.1 to 0.5)"
    assert with_span(Interval(0.2, math.nan, math.nan, 1, "t")) == "0.20"
    assert with_span(Interval(math.nan, math.nan, math.nan, 0, "t")) == "–"


def test_a_bound_of_thousands_leaves_no_decimals():
    band = Interval(-36.4, -5170.57, -0.56, 8, "t")
    assert with_span(band) == "−36 (−5171 to −1)"
    assert span(Interval(0.0, -999.99, 0.5, 8, "t")) == "−999.99 to 0.50"
    assert with_span(Interval(1.0, 0.5, math.inf, 8, "t")) == "1.00 (0.50 to ∞)"
    assert span(Interval(0.2, math.nan, math.nan, 1, "t")) == "–"
