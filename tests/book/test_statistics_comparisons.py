from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.stats.weightstats import CompareMeans, DescrStatsW

from selectivity_core.book.statistics import paired, rank_sum, rank_sum_floor, student, welch
from selectivity_core.errors import ParameterError

A = np.array([0.91, 0.88, 0.93, 0.90, 0.87])
B = np.array([0.85, 0.86, 0.80, 0.83])
ALL = [welch, student, rank_sum]


@pytest.mark.parametrize("test", [*ALL, paired])
def test_a_side_without_values_gives_nan(test):
    found = test([np.nan], [np.nan])
    assert (found.n_a, found.n_b) == (0, 0)
    assert np.isnan([found.statistic, found.p, found.estimate, found.low, found.high]).all()


@pytest.mark.parametrize("test", [welch, student, paired])
def test_one_value_a_side_gives_an_estimate_and_no_test(test):
    found = test([3.0], [1.0])
    assert found.estimate == 2
    assert np.isnan([found.statistic, found.p, found.low, found.high]).all()


@pytest.mark.parametrize("test", [welch, student, paired])
def test_no_spread_at_all_is_no_test(test):
    found = test([0.3, 0.3, 0.3], [0.1, 0.1, 0.1])
    assert found.estimate == pytest.approx(0.2)
    assert np.isnan([found.statistic, found.p, found.low, found.high]).all()


def test_one_side_without_spread_is_a_test():
    # by hand: mean difference 2, standard error 1 / sqrt(3) from one side alone, so 2 degrees of freedom
    found = welch([2.0, 3.0, 4.0], [1.0, 1.0, 1.0])
    assert found.statistic == pytest.approx(2 * np.sqrt(3))
    assert found.p == pytest.approx(2 * stats.t.sf(2 * np.sqrt(3), 2))


def test_nan_values_are_dropped_and_counted_out():
    for test in ALL:
        assert test([*A, np.nan], [np.nan, *B]) == test(A, B)
        assert (test([*A, np.nan], B).n_a, test(A, B).n_b) == (5, 4)


@pytest.mark.parametrize(("test", "variance"), [(welch, "unequal"), (student, "pooled")])
def test_tests_of_means_against_statsmodels(test, variance):
    oracle = CompareMeans(DescrStatsW(A), DescrStatsW(B))
    statistic, p, _ = oracle.ttest_ind(usevar=variance)
    low, high = oracle.tconfint_diff(alpha=0.1, usevar=variance)
    found = test(A, B, level=0.9)
    expected = (statistic, p, A.mean() - B.mean(), low, high)
    np.testing.assert_allclose((found.statistic, found.p, found.estimate, found.low, found.high), expected, rtol=1e-10)


def test_paired_by_hand():
    # differences 1, 2, 3: mean 2, standard error 1 / sqrt(3), t = 2 sqrt(3), half-width 4.302653 / sqrt(3)
    found = paired([2, 4, 6], [1, 2, 3])
    assert (found.estimate, found.n_a, found.n_b) == (2, 3, 3)
    assert found.statistic == pytest.approx(2 * np.sqrt(3))
    assert found.p == pytest.approx(0.0741799, abs=1e-6)
    assert (found.low, found.high) == (pytest.approx(-0.484138, abs=1e-5), pytest.approx(4.484138, abs=1e-5))


def test_pairs_with_a_missing_side_are_dropped():
    assert paired([2, 4, 6, 9], [1, 2, 3, np.nan]) == paired([2, 4, 6], [1, 2, 3])


def test_series_are_paired_by_seed_whatever_their_order():
    a = pd.Series([6.0, 2.0, 4.0, 8.0], index=[2, 0, 1, 7])
    b = pd.Series([1.0, 2.0, 3.0, 8.0], index=[0, 1, 2, 9])
    assert paired(a, b) == paired([2, 4, 6], [1, 2, 3])


def test_unequal_sides_and_seeds_given_twice_are_refused():
    with pytest.raises(ParameterError, match="2 and 3 values"):
        paired([1, 2], [1, 2, 3])
    with pytest.raises(ParameterError, match="seed occurs twice"):
        paired(pd.Series([1, 2], index=[0, 0]), pd.Series([1, 2], index=[0, 1]))


@pytest.mark.parametrize("test", [*ALL, paired])
def test_levels_that_cannot_be_are_refused(test):
    with pytest.raises(ParameterError, match="level: 1 given"):
        test([1, 2], [1, 2], level=1)


def test_rank_sum_p_counts_the_orders():
    # The share of all ways to choose the first side's ranks that lie at least as far from the middle.
    values = np.concatenate([A, B])
    sums = [sum(chosen) for chosen in combinations(stats.rankdata(values), len(A))]
    observed = stats.rankdata(values)[: len(A)].sum()
    far = np.abs(np.array(sums) - np.mean(sums)) >= abs(observed - np.mean(sums))
    found = rank_sum(A, B)
    assert found.p == pytest.approx(far.mean())
    assert found.name == "rank sum (exact)"


def test_rank_sum_interval_holds_the_shifts_that_the_test_keeps():
    rng = np.random.default_rng(5)
    a, b = rng.normal(1, 1, 6), rng.normal(0, 1, 7)
    found = rank_sum(a, b)
    assert found.low < found.estimate < found.high
    for shift, kept in (
        (found.low + 1e-9, True),
        (found.high - 1e-9, True),
        (found.low - 1e-9, False),
        (found.high + 1e-9, False),
    ):
        assert (stats.mannwhitneyu(a - shift, b, method="exact").pvalue > 0.05) is np.bool_(kept)


def test_rank_sum_of_three_against_three_bounds_nothing_at_five_per_cent():
    found = rank_sum([4, 5, 6], [1, 2, 3])
    assert found.p == pytest.approx(0.1)
    assert (found.low, found.high) == (-np.inf, np.inf)
    assert rank_sum([4, 5, 6], [1, 2, 3], level=0.9).low == 1


def test_small_tied_samples_are_counted_and_never_pass_their_floor():
    # 1, 1, 1 against 4, 4, 4: two of the 20 deals are as far apart
    assert rank_sum([1, 1, 1], [4, 4, 4]).p == pytest.approx(0.1)
    found = rank_sum([1, 2, 3], [4, 4, 4])
    assert found.p == pytest.approx(0.1)
    assert found.name == "rank sum (exact)"
    many = rank_sum([1, 2] * 10, [2, 3] * 10)
    assert many.name == "rank sum (normal approximation)"
    assert 0 < many.p < 0.05


def test_large_samples_use_the_normal_approximation_and_say_so():
    rng = np.random.default_rng(0)
    large = rank_sum(rng.normal(size=60), rng.normal(size=51))
    assert large.name == "rank sum (normal approximation)"
    assert np.isnan([large.low, large.high]).all()
    assert 0 < large.p <= 1


def test_rank_sum_of_one_value_only_is_no_test():
    found = rank_sum([2.0, 2.0], [2.0, 2.0, 2.0])
    assert found.estimate == 0
    assert np.isnan([found.p, found.low, found.high]).all()


@pytest.mark.parametrize(("n_a", "n_b"), [(3, 3), (1, 1), (4, 3), (5, 5), (20, 1)])
def test_rank_sum_floor_is_the_p_of_sides_that_do_not_overlap(n_a, n_b):
    assert rank_sum_floor(n_a, n_b) == pytest.approx(rank_sum(np.arange(n_a) + 100, np.arange(n_b)).p)


def test_rank_sum_floor_known_values():
    assert rank_sum_floor(3, 3) == pytest.approx(0.1)
    assert np.isnan(rank_sum_floor(0, 3))
    with pytest.raises(ParameterError, match="-1 and 3 given"):
        rank_sum_floor(-1, 3)
