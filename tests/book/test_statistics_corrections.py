import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.multitest import multipletests

from selectivity_core.book.statistics import bonferroni, holm, stars
from selectivity_core.errors import ParameterError

P_VALUES = st.lists(st.floats(0, 1), min_size=1, max_size=20)


def test_no_tests_and_no_values():
    assert holm([]).size == bonferroni([]).size == 0
    assert np.isnan(holm([np.nan, np.nan])).all()
    assert np.isnan(bonferroni([np.nan])).all()


def test_holm_by_hand():
    # in order 0.01, 0.02, 0.03, 0.5: times 4, 3, 2, 1 and never falling
    np.testing.assert_allclose(holm([0.03, 0.01, 0.5, 0.02]), [0.06, 0.04, 0.5, 0.06])


def test_nan_stays_and_does_not_count():
    np.testing.assert_allclose(holm([0.03, np.nan, 0.01]), [0.03, np.nan, 0.02])
    np.testing.assert_allclose(bonferroni([0.03, np.nan, 0.01]), [0.06, np.nan, 0.02])


def test_the_input_is_left_alone():
    given_p = np.array([0.04, 0.01])
    holm(given_p), bonferroni(given_p)
    np.testing.assert_array_equal(given_p, [0.04, 0.01])


@settings(max_examples=15)  # the oracle takes a tenth of a second
@given(P_VALUES)
def test_against_statsmodels(p):
    np.testing.assert_allclose(holm(p), multipletests(p, method="holm")[1], rtol=1e-12)
    np.testing.assert_allclose(bonferroni(p), multipletests(p, method="bonferroni")[1], rtol=1e-12)


@given(P_VALUES)
def test_holm_lies_between_raw_and_bonferroni(p):
    assert (holm(p) >= p).all()
    assert (holm(p) <= bonferroni(p)).all()


@given(P_VALUES)
def test_holm_keeps_the_order(p):
    order = np.argsort(p, kind="stable")
    assert (np.diff(holm(p)[order]) >= 0).all()


def test_stars_count_the_levels_passed():
    found = [stars(p) for p in (1, 0.05, 0.049, 0.01, 0.009, 0.001, 0.0009, 0, np.nan)]
    assert found == ["", "", "*", "*", "**", "**", "***", "***", ""]
    assert stars(0.04, levels=(0.05,)) == "*"


@pytest.mark.parametrize("call", [holm, bonferroni, lambda p: stars(p[0])])
@pytest.mark.parametrize("value", [-0.1, 1.1, 5])
def test_what_is_no_p_value_is_refused(call, value):
    with pytest.raises(ParameterError, match=f"p: {float(value)} given"):
        call([value])


def test_a_level_that_cannot_be_is_refused():
    with pytest.raises(ParameterError, match="levels: 5 given"):
        stars(0.01, levels=(5,))
