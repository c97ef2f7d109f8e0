import math

import pytest

from selectivity_core.figures.numbers import number, span, with_span
from selectivity_core.statistics import Interval


@pytest.mark.parametrize(
    ("value", "options", "text"),
    [
        (0.126, {}, "0.13"), (-0.126, {}, "−0.13"), (-0.001, {}, "0.00"), (-0.001, {"signed": True}, "0.00"),
        (0.5, {"digits": 1, "signed": True}, "+0.5"), (12.6, {"digits": 0}, "13"), (math.nan, {}, "–"),
    ],
)  # fmt: skip
def test_number(value, options, text):
    assert number(value, **options) == text


def test_spans():
    band = Interval(0.2, -0.1, 0.5, 3, "t")
    assert span(band, 1) == "−0.1 to 0.5"
    assert span(band, 0, scale=100, signed=True) == "−10 to +50"
    assert with_span(band, 1) == "0.2 (−0.1 to 0.5)"
    assert with_span(Interval(0.2, math.nan, math.nan, 1, "t")) == "0.20"
    assert with_span(Interval(math.nan, math.nan, math.nan, 0, "t")) == "–"
    assert span(Interval(0.2, math.nan, math.nan, 1, "t")) == "–"
