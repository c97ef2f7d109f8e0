import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from selectivity_core.book.statistics import (
    bootstrap_interval,
    interval,
    prediction_interval,
    ratio_interval,
    t_interval,
)
from selectivity_core.errors import ParameterError

SAMPLE = [0.81, 0.84, 0.79, 0.86, 0.83]


@pytest.mark.parametrize("make", [t_interval, bootstrap_interval, interval])
def test_too_few_values_give_nan_and_say_how_many_there_were(make):
    for values, n in (([], 0), ([np.nan, np.nan], 0), ([0.5], 1), ([0.5, np.nan], 1)):
        found = make(values)
        assert found.n == n
        assert np.isnan([found.low, found.high]).all()
        np.testing.assert_equal(found.mean, 0.5 if n else np.nan)


@pytest.mark.parametrize("make", [t_interval, bootstrap_interval, interval])
def test_equal_values_give_an_interval_of_no_width(make):
    found = make([0.1] * 3)
    assert (found.low, found.high, found.n) == (pytest.approx(0.1), pytest.approx(0.1), 3)
    assert found.high - found.low < 1e-12


def test_nan_values_are_dropped():
    assert t_interval([*SAMPLE, np.nan]) == t_interval(SAMPLE)


def test_t_interval_worked_out_by_hand():
    # mean 3, sd 1, n 3: 3 -+ 4.302653 / sqrt(3)
    found = t_interval([2, 3, 4])
    assert (found.mean, found.kind, found.n) == (3, "t", 3)
    assert found.low == pytest.approx(3 - 2.484138, abs=1e-5)
    assert found.high == pytest.approx(3 + 2.484138, abs=1e-5)


def test_prediction_interval_worked_out_by_hand():
    # mean 3, sd 1, n 3: 3 -+ 4.302653 * sqrt(4 / 3)
    found = prediction_interval([2, 3, 4])
    assert (found.mean, found.kind, found.n) == (3, "t", 3)
    assert found.low == pytest.approx(3 - 4.968276, abs=1e-5)
    assert found.high == pytest.approx(3 + 4.968276, abs=1e-5)
    assert np.isnan(prediction_interval([2]).low) and np.isnan(prediction_interval([]).high)
    assert prediction_interval([2, 2]).low == prediction_interval([2, 2]).high == 2


def test_a_ratios_bounds_are_where_a_t_test_of_part_less_ratio_times_whole_turns():
    part, whole = [0.15, 0.22, 0.17, 0.11], [0.30, 0.35, 0.32, 0.31]
    for level in (0.9, 0.95):
        found = ratio_interval([*part, np.nan, 1], [*whole, 1, np.nan], level)
        assert (found.mean, found.n, found.kind) == (pytest.approx(0.65 / 1.28), 4, "fieller")
        assert found.low < found.mean < found.high
        for end in (found.low, found.high):
            rest = np.array(part) - end * np.array(whole)
            assert stats.ttest_1samp(rest, 0).pvalue == pytest.approx(1 - level)


def test_ratios_without_a_bounded_interval_have_no_value():
    assert np.isnan(ratio_interval([1, 2, 3], [-1, 1, 0.5]).mean)  # t tests cannot tell the whole from zero
    assert np.isnan(ratio_interval([1, 2], [-1, 1]).mean)
    assert np.isnan(ratio_interval([], []).mean)
    assert np.isnan(ratio_interval([0.1], [0.0]).mean)
    one = ratio_interval([0.1], [-0.2])
    assert (one.mean, one.n) == (-0.5, 1)
    assert np.isnan([one.low, one.high]).all()
    same = ratio_interval([0.1] * 3, [0.2] * 3)
    assert (same.low, same.mean, same.high) == pytest.approx((0.5, 0.5, 0.5))
    with pytest.raises(ParameterError, match=r"\(2,\) and \(3,\) given"):
        ratio_interval([1, 2], [1, 2, 3])


def test_ratio_intervals_hold_the_share_they_promise():
    rng = np.random.default_rng(0)
    noise = rng.normal(size=(3000, 2, 5))
    whole = 1 + 0.3 * noise[:, 0]
    part = 0.5 * whole + 0.2 * noise[:, 1]
    found = [ratio_interval(a, b) for a, b in zip(part, whole, strict=True)]
    known = [i for i in found if np.isfinite(i.low)]
    assert len(known) > 2900
    assert abs(np.mean([i.low <= 0.5 <= i.high for i in known]) - 0.95) < 4 * np.sqrt(0.95 * 0.05 / 3000)


def test_prediction_intervals_hold_the_share_they_promise():
    rng = np.random.default_rng(0)
    samples = rng.normal(size=(4000, 6))
    inside = [(i := prediction_interval(row[:5])).low <= row[5] <= i.high for row in samples]
    assert abs(np.mean(inside) - 0.95) < 4 * np.sqrt(0.95 * 0.05 / 4000)


@given(st.lists(st.floats(-100, 100), min_size=2, max_size=12), st.floats(0.5, 0.99))
def test_t_interval_agrees_with_scipy_and_narrows_with_the_level(values, level):
    found = t_interval(values, level)
    if np.ptp(values) > 1e-6:
        low, high = stats.t.interval(level, len(values) - 1, np.mean(values), stats.sem(values))
        assert (found.low, found.high) == (pytest.approx(low, abs=1e-8), pytest.approx(high, abs=1e-8))
    assert found.low <= found.mean <= found.high
    assert found.high - found.low <= t_interval(values, 0.995).high - t_interval(values, 0.995).low


def test_bootstrap_repeats_with_its_seed_and_agrees_with_a_plain_loop():
    values = np.random.default_rng(4).normal(size=15)
    first = bootstrap_interval(values)
    assert first == bootstrap_interval(values, seed=0)
    assert first != bootstrap_interval(values, seed=1)
    rng = np.random.default_rng(99)
    means = [rng.choice(values, 15).mean() for _ in range(10_000)]
    assert first.low == pytest.approx(np.percentile(means, 2.5), abs=0.02)
    assert first.high == pytest.approx(np.percentile(means, 97.5), abs=0.02)
    assert first.kind == "bootstrap"


def test_bootstrap_of_another_statistic():
    values = [1.0, 2.0, 3.0, 4.0, 100.0]
    found = bootstrap_interval(values, statistic=np.median)
    assert found.mean == 3
    assert {found.low, found.high} <= set(values)


def test_the_interval_drawn_is_a_bootstrap_from_ten_values_on():
    assert interval(range(9)).kind == "t"
    assert interval([*range(9), np.nan]).kind == "t"
    assert interval(range(10)) == bootstrap_interval(range(10))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: t_interval(SAMPLE, 95), "level: 95 given"),
        (lambda: interval(SAMPLE, 0), "level: 0 given"),
        (lambda: bootstrap_interval(SAMPLE, resamples=0), "resamples: 0 given"),
        (lambda: t_interval([SAMPLE]), r"shape \(1, 5\)"),
        (lambda: t_interval([0.1, np.inf]), "infinite"),
        (lambda: t_interval(["high"]), "read as numbers"),
    ],
)
def test_arguments_that_cannot_be_are_refused(call, message):
    with pytest.raises(ParameterError, match=message):
        call()
