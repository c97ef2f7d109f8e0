"""Areas under curves by hand, and tables that are not curves."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from selectivity_core.ablation import ablation_auc
from selectivity_core.errors import ParameterError


def curve(*orderings):
    rows = [
        {"ordering": k, "step": s, "fraction": s / (len(accuracies) - 1), "accuracy": a}
        for k, accuracies in enumerate(orderings)
        for s, a in enumerate(accuracies)
    ]
    return pd.DataFrame(rows)


def test_by_hand():
    table = curve([0.8, 0.4, 0.2], [0.5, 0.5, 0.1])
    # trapezoids of width 1/2: (0.8 + 0.4) / 4 + (0.4 + 0.2) / 4 and (0.5 + 0.5) / 4 + (0.5 + 0.1) / 4
    np.testing.assert_allclose(ablation_auc(table, normalise="none"), [0.45, 0.4], rtol=1e-12)
    np.testing.assert_allclose(ablation_auc(table), [0.45 / 0.8, 0.4 / 0.5], rtol=1e-12)
    # less chance 0.2: 0.6, 0.2, 0 over 0.6; 0.3, 0.3, -0.1 over 0.3
    found = ablation_auc(table, normalise="chance", chance=0.2)
    np.testing.assert_allclose(found, [(0.6 + 2 * 0.2) / 4 / 0.6, (0.3 + 2 * 0.3 - 0.1) / 4 / 0.3], rtol=1e-12)
    assert found.dtype == np.float64


def test_rows_in_any_order_and_orderings_ascending():
    table = curve([1.0, 0.5, 0.0], [1.0, 1.0, 0.0], [1.0, 0.0, 0.0])
    shuffled = table.sample(frac=1, random_state=0)
    np.testing.assert_array_equal(ablation_auc(shuffled), ablation_auc(table))
    np.testing.assert_allclose(ablation_auc(table), [0.5, 0.75, 0.25], rtol=1e-12)


@given(st.floats(0.01, 1), st.integers(1, 40))
def test_constant_accuracy_has_area_one(accuracy, units):
    assert ablation_auc(curve([accuracy] * (units + 1)))[0] == pytest.approx(1, rel=1e-12)


def test_where_the_area_is_not_defined():
    table = curve([0.0, 0.1], [0.19, 0.1], [0.2, 0.1])
    assert np.isnan(ablation_auc(table)).tolist() == [True, False, False]
    assert np.isnan(ablation_auc(table, normalise="chance", chance=0.1)).tolist() == [True, True, False]
    assert not np.isnan(ablation_auc(table, normalise="none")).any()


@pytest.mark.parametrize(
    ("table", "options", "message"),
    [
        (curve([1.0, 0.5]), {"normalise": "first"}, "normalise: 'first' given; one of initial, none, chance"),
        (curve([1.0, 0.5]), {"normalise": "chance"}, "chance: None given"),
        (curve([1.0, 0.5]), {"normalise": "chance", "chance": 1}, "chance: 1 given"),
        (curve([1.0, 0.5]), {"normalise": "chance", "chance": float("nan")}, "chance: nan given"),
        (curve([1.0, 0.5]).drop(columns="fraction"), {}, "curve: no column 'fraction'"),
        (curve([1.0, 0.5]).iloc[:0], {}, "curve: no rows"),
        (curve([1.0, float("nan")]), {}, "curve: missing values"),
        (pd.concat([curve([1.0, 0.5])] * 2), {}, "curve: step 0 of ordering 0 twice"),
        (curve([1.0, 0.5, 0.2]).iloc[:2], {}, "does not run from fraction 0 to 1"),
    ],
)
def test_what_is_not_a_curve_is_refused(table, options, message):
    with pytest.raises(ParameterError, match=message):
        ablation_auc(table, **options)
