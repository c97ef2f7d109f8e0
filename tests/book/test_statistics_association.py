import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from selectivity_core.book.statistics import mean_correlation, spearman
from selectivity_core.errors import ParameterError


@pytest.mark.parametrize(
    ("x", "y", "n"),
    [([], [], 0), ([1], [2], 1), ([1, 1, 1], [1, 2, 3], 3), ([1, 2, np.nan], [np.nan, 5, 6], 1)],
)
def test_nothing_to_rank_gives_nan_without_a_warning(x, y, n):
    rho, pairs = spearman(x, y)
    assert np.isnan(rho)
    assert pairs == n


def test_spearman_by_hand_with_a_missing_pair():
    # rank differences 0, 1, 1, 0: 1 - 6 * 2 / (4 * 15)
    rho, n = spearman([1, 2, 3, 4, np.nan], [10, 30, 20, 40, 5])
    assert rho == pytest.approx(0.8)
    assert n == 4


def test_spearman_with_ties_is_the_correlation_of_average_ranks():
    x, y = [1, 2, 2, 5, 7], [3, 1, 4, 4, 9]
    expected = np.corrcoef([1, 2.5, 2.5, 4, 5], [2, 1, 3.5, 3.5, 5])[0, 1]
    assert spearman(x, y)[0] == pytest.approx(expected)


@given(st.lists(st.floats(-50, 50), min_size=3, max_size=15, unique=True))
def test_spearman_sees_only_the_order(values):
    x = np.arange(len(values))
    assert spearman(x, values)[0] == pytest.approx(spearman(x, stats.rankdata(values))[0])
    assert spearman(x, np.negative(values))[0] == pytest.approx(-spearman(x, values)[0])


def test_mean_correlation_by_hand():
    # Fisher's z 0.5, 1.0, 1.5: mean 1, half-width 4.302653 * 0.5 / sqrt(3)
    found = mean_correlation(np.tanh([0.5, 1.0, 1.5]))
    assert found.mean == pytest.approx(np.tanh(1))
    assert found.low == pytest.approx(np.tanh(1 - 1.242069), abs=1e-5)
    assert found.high == pytest.approx(np.tanh(1 + 1.242069), abs=1e-5)
    assert (found.n, found.kind) == (3, "fisher z")


def test_mean_correlation_of_few_networks():
    assert np.isnan(mean_correlation([np.nan]).mean)
    one = mean_correlation([0.3, np.nan])
    assert (one.mean, one.n) == (pytest.approx(0.3), 1)
    assert np.isnan([one.low, one.high]).all()


def test_perfect_correlations_stay_finite():
    found = mean_correlation([1.0, 0.0, 0.0])
    assert found.mean == pytest.approx(np.tanh(np.arctanh(0.999) / 3))
    assert mean_correlation([-1.0, -1.0]).mean == pytest.approx(-0.999)


def test_what_cannot_be_is_refused():
    with pytest.raises(ParameterError, match=r"1\.5 given"):
        mean_correlation([0.2, 1.5])
    with pytest.raises(ParameterError, match="2 and 3 values"):
        spearman([1, 2], [1, 2, 3])
