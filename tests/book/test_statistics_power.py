import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.power import TTestIndPower, TTestPower

from selectivity_core.book.statistics import detectable_effect, equivalent, paired
from selectivity_core.errors import ParameterError


@pytest.mark.parametrize("missing", [(np.nan, 1, 4), (0, np.nan, 4), (0, 1, np.nan), (0, 1, 0)])
def test_nothing_known_is_never_equivalence(missing):
    found = equivalent(*missing, margin=1)
    assert not found.inside
    assert np.isnan([found.low90, found.high90, found.p_tost]).all()


def test_no_spread_decides_by_the_estimate():
    assert equivalent(0.4, 0, 5, 0.5) == equivalent(0.4, 0.0, 5, 0.5)
    assert equivalent(0.4, 0, 5, 0.5).inside
    assert equivalent(0.4, 0, 5, 0.5).p_tost == 0
    on_the_edge = equivalent(0.5, 0, 5, 0.5)
    assert (on_the_edge.inside, on_the_edge.p_tost) == (False, 1)


def test_equivalence_against_two_one_sided_tests_of_scipy():
    differences = np.array([0.1, -0.2, 0.15, 0.05, -0.1, 0.2])
    n = differences.size
    found = equivalent(differences.mean(), stats.sem(differences), n - 1, 0.25)
    above = stats.ttest_1samp(differences, -0.25, alternative="greater").pvalue
    below = stats.ttest_1samp(differences, 0.25, alternative="less").pvalue
    assert found.p_tost == pytest.approx(max(above, below))
    bounds = paired(differences, np.zeros(n), level=0.9)
    assert (found.low90, found.high90) == (pytest.approx(bounds.low), pytest.approx(bounds.high))
    assert found.inside


@given(st.floats(-2, 2), st.floats(0.01, 2), st.integers(1, 60), st.floats(0.01, 3))
def test_the_interval_lies_inside_where_the_p_value_is_under_five_per_cent(estimate, se, df, margin):
    found = equivalent(estimate, se, df, margin)
    if abs(found.p_tost - 0.05) > 1e-9:
        assert found.inside == (found.p_tost < 0.05)


@pytest.mark.parametrize("arguments", [(0, 1, 5, 0), (0, 1, 5, -1), (0, 1, 5, np.nan), (0, -1, 5, 1)])
def test_margins_and_errors_that_cannot_be_are_refused(arguments):
    with pytest.raises(ParameterError, match="given; allowed is"):
        equivalent(*arguments)


@pytest.mark.parametrize("arguments", [(1, 1, 5), (1, 5, 1), (1, 0, 0), (np.nan, 5, 5)])
def test_effect_that_cannot_be_worked_out_is_nan(arguments):
    assert np.isnan(detectable_effect(*arguments))


def test_effect_without_spread_is_none():
    assert detectable_effect(0, 3, 3) == 0


@pytest.mark.parametrize(("n_a", "n_b", "level"), [(3, 3, 0.05), (20, 20, 0.05), (5, 20, 0.01), (10, 4, 0.005)])
def test_effect_against_statsmodels(n_a, n_b, level):
    oracle = TTestIndPower()
    found = detectable_effect(2.0, n_a, n_b, level=level)
    assert oracle.power(found / 2, n_a, level, ratio=n_b / n_a) == pytest.approx(0.8, abs=1e-6)


@pytest.mark.parametrize("n", [3, 5, 20])
def test_paired_effect_against_statsmodels(n):
    found = detectable_effect(1.0, n, n, paired=True, power=0.9)
    assert TTestPower().power(found, n, 0.05) == pytest.approx(0.9, abs=1e-6)


def test_two_pairs_against_drawn_samples():
    effect = detectable_effect(1.0, 2, 2, paired=True)
    drawn = np.random.default_rng(0).normal(effect, 1, size=(40_000, 2))
    assert (stats.ttest_1samp(drawn, 0, axis=1).pvalue < 0.05).mean() == pytest.approx(0.8, abs=0.01)


def test_comparisons_share_the_level():
    assert detectable_effect(1, 5, 5, comparisons=10) == pytest.approx(detectable_effect(1, 5, 5, level=0.005))


@given(st.integers(2, 30), st.integers(1, 15), st.booleans())
def test_effect_falls_with_n_and_rises_with_the_comparisons(n, comparisons, in_pairs):
    def found(networks: int, tests: int) -> float:
        return detectable_effect(1, networks, networks, comparisons=tests, paired=in_pairs)

    assert 0 < found(n + 1, comparisons) < found(n, comparisons) < found(n, comparisons + 1)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sd": -1}, "sd: -1"),
        ({"level": 5}, "level: 5"),
        ({"power": 80}, "power: 80"),
        ({"power": 0.04}, "above the level"),
        ({"comparisons": 0}, "comparisons: 0"),
        ({"n_b": 4, "paired": True}, "3 and 4"),
    ],
)
def test_arguments_that_cannot_be_are_refused(options, message):
    with pytest.raises(ParameterError, match=message):
        detectable_effect(**{"sd": 1, "n_a": 3, "n_b": 3, **options})
