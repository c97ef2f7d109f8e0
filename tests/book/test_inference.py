"""Expectations worked out by hand, or by brute force over every sign flip."""

import itertools
import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests

from selectivity_core.book import inference
from selectivity_core.book.inference import (
    at_fold,
    at_index,
    differences,
    effects,
    holm,
    max_t,
    mean_of,
    sign_flip,
    signs,
)
from selectivity_core.errors import ParameterError


def table(cells, alphas=(-1.0, 0.0, 1.0), **more):
    """A row a run of cells (seeds, alphas); NaN cells are left out."""
    rows = [
        {"seed": s, "alpha": a, "value": v, **{k: x[s][j] for k, x in more.items()}}
        for s, row in enumerate(cells)
        for j, (a, v) in enumerate(zip(alphas, row, strict=True))
        if not math.isnan(v)
    ]
    return pd.DataFrame(rows)


def test_a_mean_has_students_interval():
    found = mean_of([1.0, 2.0, 6.0])
    # SD √7, SE √(7/3), t(0.975, 2) = 4.302653
    assert (found.mean, found.n, found.method) == (3.0, 3, "t")
    assert found.interval() == pytest.approx(
        (3 - 4.302653 * math.sqrt(7 / 3), 3 + 4.302653 * math.sqrt(7 / 3)), rel=1e-6
    )
    assert found.p == pytest.approx(stats.ttest_1samp([1.0, 2.0, 6.0], 0).pvalue)


def test_from_six_networks_on_the_sign_flip_stands():
    values = [-0.4, -4.0, -3.9, -4.2, -60.0, -3.0, -4.0, -5.0]  # all fall, one collapses: t sees nothing
    assert stats.ttest_1samp(values, 0).pvalue > 0.15
    found = mean_of(values)
    assert (found.method, found.p) == ("sign flip", 2 / 2**8)
    assert mean_of(values[:5]).method == "t"


def test_the_sign_flip_counts_every_flip():
    values = np.array([0.3, -0.1, 0.5, 0.2, 0.4, -0.2])
    means = [abs((values * flip).mean()) for flip in itertools.product((1, -1), repeat=6)]
    expected = np.mean(np.array(means) >= abs(values.mean()) - 1e-12)
    assert sign_flip(values) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("values", "p"), [([0.5, 0.5, 0.5], 0.25), ([0.0] * 3, 1.0), ([0.0, 0.0], math.nan), ([0.1] * 7, 2 / 2**7)]
)
def test_networks_without_any_spread_have_a_sign_tests_p(values, p):
    assert mean_of(values).p == pytest.approx(p, nan_ok=True)


def test_one_or_two_networks_have_no_interval():
    assert all(map(math.isnan, [*mean_of([0.3]).interval(), *mean_of([-0.53, -0.56]).interval()]))
    none = mean_of([math.nan])
    assert none.n == 0 and all(map(math.isnan, [none.mean, none.p, *none.interval(), none.detectable]))
    assert not none.inside(-1, 1)
    with pytest.raises(ParameterError, match="shape"):
        mean_of([[1.0]])


def test_equivalence_is_two_one_sided_tests():
    values = np.array([0.001, -0.002, 0.0, 0.001])
    low, high = stats.ttest_1samp(values, 0).confidence_interval(0.90)
    found = mean_of(values)
    assert found.interval(0.90) == pytest.approx((low, high))
    assert found.inside(-0.005, 0.005) and not found.inside(-0.0005, 0.005)


def test_the_detectable_effect_is_found_four_times_in_five():
    found = mean_of(np.random.default_rng(0).normal(0.0, 2.0, 8))
    spread = found.se * math.sqrt(8)
    draws = np.random.default_rng(1).normal(found.detectable, spread, (4000, 8))
    assert np.mean(stats.ttest_1samp(draws, 0, axis=1).pvalue < 0.05) == pytest.approx(0.80, abs=0.02)


def test_welch():
    a, b = [1.0, 2.0, 4.0], [2.0, 5.0, 9.0, 9.0]
    found, expected = inference.unpaired(a, b), stats.ttest_ind(a, b, equal_var=False)
    assert found.p == pytest.approx(expected.pvalue)
    assert found.interval() == pytest.approx(tuple(expected.confidence_interval()))


def test_differences_are_paired_by_seed():
    runs = table([[1.0, 2.0, 5.0], [2.0, 4.0, math.nan]])
    found = differences(runs, "value")
    assert found.columns.tolist() == [-1.0, 1.0]
    assert found.loc[0].tolist() == [-1.0, 3.0]
    assert found.loc[1].tolist()[0] == -2.0 and math.isnan(found.loc[1].tolist()[1])
    with pytest.raises(ParameterError, match="no run of those to be compared was found; `on_missing: train` trains"):
        differences(runs[:0], "value")
    with pytest.raises(ParameterError, match="no run at 0"):
        differences(runs[runs["alpha"] != 0], "value")


@pytest.mark.parametrize("n", [6, 7, 9])
@pytest.mark.parametrize("coverage", [0.8, 0.9, 0.95])
def test_from_six_networks_on_an_interval_holds_what_the_sign_flip_does_not_reject(n, coverage):
    values = np.random.default_rng(n).normal(0.4, 1.0, n)
    low, high = mean_of(values).interval(coverage)
    for end, sign in ((low, -1), (high, 1)):
        assert mean_of(values, null=end + sign * 1e-6).p <= 1 - coverage < mean_of(values, null=end - sign * 1e-6).p


def test_an_interval_sees_what_all_networks_agree_on():
    values = [-0.4, -4.0, -3.9, -4.2, -60.0, -3.0, -4.0, -5.0]
    low, high = mean_of(values).interval()
    # 0.05 of 128 flips: the sixth lowest and highest ends
    means = sorted(max(m, (sum(values) - k * m) / (8 - k)) for k, m in (
        (len(chosen), sum(chosen) / len(chosen))
        for size in range(1, 8) for chosen in itertools.combinations(values[1:], size)
    ))  # fmt: skip
    assert high == pytest.approx(means[-6]) and high < 0 and low < -20
    six = mean_of(values[:6])
    assert six.interval() == pytest.approx((-60.0, -0.4))  # a single flip of 32 is one too many
    half = stats.t.ppf(0.995, 5) * six.se
    assert six.interval(0.99) == pytest.approx((six.mean - half, six.mean + half))  # no flip can be spared
    assert mean_of(values[:5]).interval()[0] == pytest.approx(stats.ttest_1samp(values[:5], 0).confidence_interval()[0])


@pytest.mark.parametrize("hits", [(10, 7, -1, 8, 5, 4, 9, -4), (-1, -10, -3, -8, -6, -8, -3, 4)])
def test_an_interval_ends_at_0_where_a_flip_leaves_a_sum_of_0(hits):
    """Differences of accuracies are multiples of 1/images: rounding had made such ends 4e-17, on one side of 0."""
    found = mean_of(np.array(hits) / 797 * 100)
    assert found.p > 0.05
    assert 0.0 in found.interval()


def test_intervals_of_many_networks_agree_with_students():
    values = np.random.default_rng(1).normal(1.0, 2.0, 20)  # random flips, the observed signs perhaps among them
    assert mean_of(values).interval() == pytest.approx(stats.ttest_1samp(values, 0).confidence_interval(), abs=0.15)
    assert mean_of(np.ones(15)).interval() == (1.0, 1.0)


def test_max_t_counts_joint_flips():
    rng = np.random.default_rng(3)
    cells = rng.normal([0.0, 0.8, 0.1], 0.5, (7, 3))
    found = max_t(pd.DataFrame(cells, columns=[-1.0, 1.0, 2.0]))

    def t(x):
        return np.abs(x.mean(0)) / (x.std(0, ddof=1) / math.sqrt(7))

    largest = np.array([t(cells * np.array(flip)[:, None]).max() for flip in itertools.product((1, -1), repeat=7)])
    assert found.tolist() == pytest.approx([(largest >= own - 1e-12).mean() for own in t(cells)])


def test_max_t_holds_where_most_values_are_null():
    rng, false = np.random.default_rng(5), 0
    for _ in range(200):
        seeds = rng.normal(0, 1, (6, 1))  # shared by all levels of a seed
        false += bool((max_t(pd.DataFrame(seeds + rng.normal(0, 1, (6, 4)))) < 0.05).any())
    assert false / 200 < 0.09


def test_few_seeds_are_a_family_of_their_own():
    frame = pd.DataFrame({-1.0: [0.5, 0.6, 0.4, 0.5, 0.7, 0.5], 1.0: [0.1, -0.2, 0.3, math.nan, math.nan, math.nan]})
    found = max_t(frame)
    assert found[-1.0] == 2 / 2**6  # alone in its family: its own exact p
    assert found[1.0] == pytest.approx(stats.ttest_1samp([0.1, -0.2, 0.3], 0).pvalue)


def test_effects_place_levels_with_fewer_seeds_by_their_paired_difference():
    runs = table([[0.5, 0.6, 0.4], [0.7, 0.8, 0.7], [math.nan, 0.1, math.nan]])
    found = effects(runs, "value").set_index("alpha")
    assert found["n"].tolist() == [2, 3, 2]
    assert found.loc[0.0, "mean"] == pytest.approx(0.5)
    assert found.loc[-1.0, "mean"] == pytest.approx(0.4)  # a tenth below the baseline, not 0.6
    assert found.loc[-1.0, "level"] == pytest.approx(0.6)
    assert found.loc[1.0, "difference"] == pytest.approx(-0.15)
    # Differences of −0.1, −0.2 and −0.3: SE 0.1/√3, t(0.975, 2) = 4.302653, around the plain mean of 0.6.
    three = effects(table([[0.5, 0.6], [0.7, 0.9], [0.6, 0.9], [math.nan, 0.1]], (-1.0, 0.0)), "value").iloc[0]
    half = 4.302653 * 0.1 / math.sqrt(3)
    assert three[["level", "level_low", "level_high"]].tolist() == pytest.approx([0.6, 0.6 - half, 0.6 + half])
    assert effects(runs[runs["alpha"] == 0], "value")["difference"].tolist() == [0.0]
    assert list(effects(runs[:0], "value")) == list(effects(runs, "value"))


def test_signs_pair_equal_sizes():
    found = signs(table([[0.9, 0.8, 0.5], [0.7, 0.8, 0.6]]), "value")
    assert found[["size", "n", "negative", "positive"]].to_numpy().tolist() == [[1.0, 2, 0.8, 0.55]]
    assert found["difference"].iloc[0] == pytest.approx(0.25)
    assert signs(table([[0.9, 0.8]], alphas=(-1.0, 0.0)), "value").empty


def test_signs_leave_out_seeds_that_have_one_side_only():
    found = signs(table([[0.9, 0.8, 0.5], [0.7, 0.8, 0.6], [0.1, 0.8, math.nan]]), "value")
    assert found[["n", "negative", "positive"]].to_numpy().tolist() == [[2, 0.8, 0.55]]  # not 0.57 with the third's 0.1
    assert found["p_rank_sum"].tolist() == [pytest.approx(1 / 3)]  # of two a side the lowest


def test_a_cost_at_a_factor_is_read_between_the_runs_that_bracket_it():
    alphas = (-4.0, -2.0, -1.0, 0.0)
    runs = table([[0.50, 0.70, 0.78, 0.80]], alphas, si_units=[[0.01, 0.1, 0.2, 0.4]])
    assert at_fold(runs, 2.0)[0] == pytest.approx(-0.02)
    # 0.4/3 lies log(1.5)/log(2) of the way from 0.2 to 0.1
    assert at_fold(runs, 3.0)[0] == pytest.approx(-0.02 - 0.08 * math.log(1.5) / math.log(2))
    assert at_fold(runs, 41.0).empty  # beyond what was run: never extrapolated
    with pytest.raises(ParameterError, match="above 1"):
        at_fold(runs, 1.0)


def test_values_at_an_index_lie_between_the_runs_around_it():
    """Indices 0.4, 0.2 and 0.05 at α = 0, −1 and −5: half the index is half way in log from 0.4·√½ on, and so on."""
    runs = table([[70.0, 80.0, 90.0]] * 5, alphas=(-5.0, -1.0, 0.0), index=[[0.05, 0.2, 0.4]] * 5)
    targets = pd.Series({0: 0.2, 1: 0.4, 2: 0.4 / math.sqrt(2), 3: 0.041, 4: 0.1, 9: 0.2})
    found = at_index(runs, targets, "value", "index")
    assert found[[0, 1, 2]].tolist() == pytest.approx([80, 90, 85])
    assert found[[3, 4, 9]].isna().all()  # below all; a factor of 2 from either; a seed that was not run
    near = at_index(runs.replace({"index": {0.05: 0.08}}), targets, "value", "index")
    assert near[4] == pytest.approx(80 - 10 * math.log(2) / math.log(2.5))
    rising = table([[90.0, 60.0]], alphas=(0.0, 1.0), index=[[0.4, 0.5]])
    assert at_index(rising, pd.Series({0: 0.45}), "value", "index")[0] == pytest.approx(
        90 - 30 * math.log(0.45 / 0.4) / math.log(0.5 / 0.4)
    )
    with pytest.raises(ParameterError, match="both signs"):
        at_index(pd.concat([runs, rising]), targets, "value", "index")


def test_slopes_are_by_rank():
    runs = table([[1.0, 2.0, 4.0], [0.0, 0.0, math.nan]], alphas=(-5.0, 0.0, 30.0))
    assert inference.slopes(runs, "value").to_dict() == pytest.approx({0: 1.5, 1: 0.0})


def test_correlations():
    assert inference.spearman([1, 2, 3, math.nan], [1, 4, 9, 0]) == 1.0
    assert math.isnan(inference.spearman([1, 1, 1], [1, 2, 3]))
    mean = inference.mean_correlation([0.5, 0.7, 0.6])
    z = np.arctanh([0.5, 0.7, 0.6])
    assert mean.mean == pytest.approx(math.tanh(z.mean()))
    low, high = stats.ttest_1samp(z, 0).confidence_interval()
    assert mean.interval() == pytest.approx((math.tanh(low), math.tanh(high)))
    assert inference.correlation_over([1, 2, 3], [1, 2, 3]).n == 3
    many = inference.mean_correlation([0.5, 0.7, 0.6, 0.1, 0.8, 0.4])  # of Fisher's z: lowest and highest
    assert many.interval() == pytest.approx((0.1, 0.8))


def test_holm_and_rank_sum():
    assert holm([0.01, 0.04, math.nan]).tolist() == pytest.approx([0.02, 0.04, math.nan], nan_ok=True)
    p = np.random.default_rng(0).random(9) / 5
    assert holm(p).tolist() == pytest.approx(multipletests(p, method="holm")[1].tolist())
    assert inference.rank_sum([1, 2, 3], [4, 5, 6]) == pytest.approx(0.1)  # the lowest that three a side can reach
    assert math.isnan(inference.rank_sum([], [1.0]))
