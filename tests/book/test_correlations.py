"""Correlations over units and over networks, with numbers worked out by hand."""

import numpy as np
import pandas as pd
import pytest

from selectivity_core.book.correlations import by_layer, correlation_over, layer_means, over_networks


def units(**values):
    """name "run layer" -> pairs of values."""
    rows = []
    for place, pairs in values.items():
        run, layer = place.split("_")
        rows += [{"run": run, "layer": layer, "x": x, "y": y} for x, y in pairs]
    return pd.DataFrame(rows)


RISING, FALLING = [(1, 1), (2, 4), (3, 9)], [(1, 3), (2, 2), (3, 1)]
HALF = [(1, 1), (2, 3), (3, 2)]  # rank differences 0, 1, 1: 1 - 6 * 2 / 24


def test_each_network_and_layer_apart():
    found = by_layer(units(a_first=RISING, a_second=FALLING, b_first=HALF, b_second=RISING), "x", "y")
    assert found["rho"].tolist() == pytest.approx([1, -1, 0.5, 1])
    assert found["depth"].tolist() == [0, 1, 0, 1]
    assert found["units"].tolist() == [3] * 4


def test_units_of_unlike_layers_do_not_correlate_for_that():
    """Within layers nothing goes together; over all units x and y would."""
    low, high = [(0, 1), (1, 0)], [(10, 11), (11, 10)]
    assert by_layer(units(a_first=low, a_second=high), "x", "y")["rho"].tolist() == pytest.approx([-1, -1])


def test_missing_values_and_equal_ones():
    found = by_layer(units(a_first=[*RISING, (np.nan, 0)], a_second=[(1, 1), (2, 1)], a_third=[(1, 1)]), "x", "y")
    assert found["units"].tolist() == [3, 2, 1]
    assert found["rho"].tolist() == pytest.approx([1, np.nan, np.nan], nan_ok=True)


def test_layers_first_and_then_networks():
    table = pd.DataFrame({"run": list("aab"), "depth": [0, 1, 0], "rho": [0.2, 0.6, np.nan]})
    assert over_networks(table).mean == pytest.approx(0.4)
    assert over_networks(table).n == 1  # b has none
    table = pd.DataFrame({"run": list("ab"), "depth": [0, 0], "rho": [0.5, -0.5]})
    assert over_networks(table).mean == pytest.approx(0)
    assert {k: band.mean for k, band in layer_means(table).items()} == {0: pytest.approx(0)}


def test_interval_of_a_correlation_over_networks():
    networks = pd.DataFrame({"x": range(12), "y": [1, 0, 2, 3, 5, 4, 7, 6, 8, 9, 11, 10]})
    found = correlation_over(networks, "x", "y")
    rho = 1 - 6 * 8 / (12 * 143)  # four pairs exchanged: rank differences of 1, eight times
    half = 1.959964 * np.sqrt((1 + rho**2 / 2) / 9)
    assert (found.mean, found.n) == (pytest.approx(rho), 12)
    assert found.low == pytest.approx(np.tanh(np.arctanh(rho) - half), abs=1e-6)
    assert found.high == pytest.approx(np.tanh(np.arctanh(rho) + half), abs=1e-6)


def test_few_or_perfect_networks():
    few = pd.DataFrame({"x": [1, 2, 3], "y": [1, 3, 2]})
    found = correlation_over(few, "x", "y")
    assert found.mean == pytest.approx(0.5)
    assert np.isnan(found.low)
    perfect = correlation_over(pd.DataFrame({"x": range(5), "y": range(5)}), "x", "y")
    assert (perfect.low, perfect.high) == (pytest.approx(1), pytest.approx(1))
    assert np.isnan(correlation_over(pd.DataFrame({"x": [1] * 5, "y": range(5)}), "x", "y").mean)
