"""Estimates over networks: intervals, p values and what they could have found, worked out by hand."""

import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from selectivity_core.book.numbers import alpha_label
from selectivity_core.book.verdicts.findings import (
    Finding,
    capped,
    contrasts,
    correlation,
    matched,
    range_text,
    sample,
    two_samples,
)
from selectivity_core.errors import MissingRunsError

# Differences of 0.03, 0.02 and 0.04: mean 0.03, SD 0.01, se 0.01/√3, t = 5.196 with 2 degrees of freedom.
PAIRED = pd.DataFrame(
    {
        "alpha": [0.0, 0.0, 0.0, -1.0, -1.0, -1.0],
        "seed": [0, 1, 2, 0, 1, 2],
        "value": [0.50, 0.52, 0.54, 0.53, 0.54, 0.58],
    }
)


def test_two_alphas_are_the_paired_t_test_by_hand():
    found = contrasts(PAIRED, points=True)[-1.0]
    assert found.estimate == pytest.approx(0.03)
    assert found.se == pytest.approx(0.01 / math.sqrt(3))
    assert (found.df, found.n, found.family) == (2, 3, 1)
    assert found.bounds() == pytest.approx((0.03 - 4.302653 * 0.0057735, 0.03 + 4.302653 * 0.0057735), abs=1e-6)
    assert found.bounds(0.90) == pytest.approx((0.03 - 2.919986 * 0.0057735, 0.03 + 2.919986 * 0.0057735), abs=1e-6)
    assert found.p() == pytest.approx(0.0351, abs=1e-4)
    assert found.level.estimate == pytest.approx(0.55)
    assert found.p(0.03) == pytest.approx(1.0)


def test_the_family_is_corrected_for():
    more = pd.concat([PAIRED, PAIRED[PAIRED["alpha"] < 0].assign(alpha=1.0)])
    single, of_two = contrasts(PAIRED)[-1.0], contrasts(more)[-1.0]
    assert of_two.family == 2
    assert of_two.p_corrected() > of_two.p()
    assert single.p_corrected() == pytest.approx(single.p())
    joint = contrasts(more, joint=True)[-1.0]
    assert joint.bounds()[0] < of_two.bounds()[0]
    assert joint.p() == of_two.p_corrected()
    assert joint.detectable > of_two.detectable


def test_values_that_are_missing_count_as_missing():
    rows = PAIRED.assign(value=[0.50, 0.52, 0.54, 0.53, 0.54, math.nan])
    found = contrasts(rows)[-1.0]
    assert (found.n, found.estimate) == (2, pytest.approx(0.025))


def test_one_seed_has_an_estimate_and_nothing_to_test():
    found = contrasts(PAIRED[PAIRED["seed"] == 0])[-1.0]
    assert found.estimate == pytest.approx(0.03)
    assert np.isnan([*found.bounds(), found.p(), found.p_corrected(), found.detectable]).all()


def test_without_a_control_there_is_no_contrast():
    with pytest.raises(MissingRunsError, match="no run at α = 0"):
        contrasts(PAIRED[PAIRED["alpha"] < 0])
    assert contrasts(PAIRED[PAIRED["alpha"] == 0]) == {}


def test_equal_values_give_a_point_and_the_p_of_a_sign_test():
    found = sample([0.2, 0.2, 0.2])
    assert found.bounds() == pytest.approx((0.2, 0.2))
    assert found.p() == found.p_corrected() == 2 * 0.5**3
    assert found.p(found.estimate) == 1
    assert not found.telling()
    assert sample([0.2] * 6).telling()
    assert not sample([0.2] * 6).telling(2)
    assert math.isnan(found.detectable)


def test_a_sample_of_nothing_is_not_run():
    with pytest.raises(MissingRunsError):
        sample([math.nan])
    assert sample([1.0]).n == 1


def test_correlations_are_averaged_over_fishers_z():
    values = [0.3, 0.5, 0.6]
    z = np.arctanh(values)
    found = correlation(values)
    half = stats.t.ppf(0.975, 2) * z.std(ddof=1) / math.sqrt(3)
    assert found.estimate == pytest.approx(math.tanh(z.mean()))
    assert found.bounds() == pytest.approx((math.tanh(z.mean() - half), math.tanh(z.mean() + half)))
    assert found.p(0.2) == pytest.approx(stats.ttest_1samp(z, math.atanh(0.2)).pvalue)
    assert 0 < found.detectable < 1


def test_two_groups_are_welchs_test():
    a, b = [0.5, 0.6, 0.8], [0.2, 0.25]
    found, expected = two_samples(a, b), stats.ttest_ind(a, b, equal_var=False)
    assert found.p() == pytest.approx(expected.pvalue)
    bounds = expected.confidence_interval(0.95)
    assert found.bounds() == pytest.approx((bounds.low, bounds.high))
    assert found.n == 2


def test_pairs_are_matched_by_seed():
    first, second = pd.Series({0: 0.9, 1: 0.8, 2: 0.85}), pd.Series({2: 0.80, 0: 0.7})
    assert matched(first, second).estimate == pytest.approx(0.125)
    with pytest.raises(MissingRunsError):
        matched(first, pd.Series({7: 1.0}))


def test_the_detectable_effect_has_eighty_percent_power():
    found = sample([0.1, 0.2, 0.4, 0.3])
    noncentrality = found.detectable / found.se
    limit = stats.t.ppf(0.975, 3)
    power = stats.nct.sf(limit, 3, noncentrality) + stats.nct.cdf(-limit, 3, noncentrality)
    assert power == pytest.approx(0.8, abs=1e-6)


def test_an_exact_test_has_its_own_p_and_limits():
    found = Finding(0.1, math.nan, math.nan, 4, "exact", exact=0.03, limits=(0.01, 0.2), family=2)
    assert (found.p(), found.p_corrected(), found.bounds()) == (0.03, 0.06, (0.01, 0.2))
    assert math.isnan(found.bounds(0.90)[0])


def test_words():
    assert [alpha_label(a) for a in (-0.4, 0.0, 30.0)] == ["−0.4", "0", "30"]
    inf = math.inf
    ranges = [range_text(*r) for r in ((-inf, 0), (0, inf), (-inf, inf), (0.1, 0.2), (0.3, inf), (-inf, -3.5))]
    assert ranges == ["α < 0", "α > 0", "α ≠ 0", "α ≠ 0 from 0.1 to 0.2", "α ≠ 0 from 0.3 on", "α ≠ 0 up to −3.5"]
    assert capped(1.3) == 1.0
    assert math.isnan(capped(math.nan))
