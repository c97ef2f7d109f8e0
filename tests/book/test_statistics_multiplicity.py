import numpy as np
import pytest
from scipy import stats

from selectivity_core.book.statistics.multiplicity import adjusted_p, critical_value, exceedance, product_form


def equal(m: int, rho: float) -> np.ndarray:
    return np.full((m, m), rho) + np.diag(np.full(m, 1 - rho))


# Not of product form: the middle contrast hangs on both others, which do not hang on each other.
CHAIN = np.array([[1, 0.6, 0.0], [0.6, 1, 0.6], [0.0, 0.6, 1]])


@pytest.mark.parametrize("df", [1, 2, 2.5, 30])
@pytest.mark.parametrize("q", [0.1, 2.0, 25.0])
def test_one_statistic_is_student_t(df, q):
    assert exceedance(q, np.ones((1, 1)), df) == pytest.approx(2 * stats.t.sf(q, df), rel=1e-6, abs=1e-13)


def test_a_limit_of_zero_is_always_passed():
    assert exceedance(0.0, CHAIN, 5) == exceedance(0.0, equal(3, 0.5), 5) == 1


def test_product_form_is_found_and_only_where_there_is_one():
    loadings = np.array([0.9, -0.3, 0.5, 0.7])
    correlation = np.outer(loadings, loadings)
    np.fill_diagonal(correlation, 1)
    found = product_form(correlation)
    np.testing.assert_allclose(np.abs(found), np.abs(loadings))
    assert product_form(CHAIN) is None
    with_a_loner = np.pad(equal(3, 0.5), (0, 1))
    with_a_loner[3, 3] = 1
    np.testing.assert_allclose(product_form(with_a_loner), [np.sqrt(0.5)] * 3 + [0], atol=1e-12)
    np.testing.assert_array_equal(product_form(np.eye(4)), np.zeros(4))


@pytest.mark.parametrize("rho", [-0.6, 0.0, 0.8])
def test_two_statistics_against_scipy(rho):
    limits = np.full(2, 2.2)
    inside = stats.multivariate_t.cdf(
        limits, shape=equal(2, rho), df=7, lower_limit=-limits, maxpts=200_000, random_state=1
    )
    assert exceedance(2.2, equal(2, rho), 7) == pytest.approx(1 - inside, abs=1e-5)


@pytest.mark.parametrize(("m", "df"), [(3, 4), (9, 18)])
def test_both_integrals_agree_on_a_product_form(m, df):
    limits = np.full(m, 2.7)
    inside = stats.multivariate_t.cdf(
        limits, shape=equal(m, 0.5), df=df, lower_limit=-limits, maxpts=200_000, random_state=2
    )
    assert exceedance(2.7, equal(m, 0.5), df) == pytest.approx(1 - inside, abs=1e-4)


# Two-sided 5 % points of Dunnett's test as printed in textbooks: comparisons, degrees of freedom, value.
@pytest.mark.parametrize(("m", "df", "printed"), [(2, 5, 3.03), (3, 10, 2.76), (3, 20, 2.54), (9, 20, 2.95)])
def test_critical_values_against_published_tables(m, df, printed):
    assert critical_value(0.95, equal(m, 0.5), df) == pytest.approx(printed, abs=0.0051)


def test_adjustment_against_scipy_dunnett():
    # Without blocks and with equal sizes the correlation is 0.5, the degrees of freedom N less the groups.
    rng = np.random.default_rng(3)
    control, *others = rng.normal(size=(5, 6)) + np.array([0, 0.4, 1.0, 1.6, 2.2])[:, None]
    oracle = stats.dunnett(*others, control=control, rng=np.random.default_rng(0))
    for statistic, p in zip(oracle.statistic, oracle.pvalue, strict=True):
        assert adjusted_p(statistic, equal(4, 0.5), 25) == pytest.approx(p, abs=2e-4)
    half = oracle.confidence_interval(0.95).high[0] - (others[0].mean() - control.mean())
    spread = np.sqrt(np.mean([group.var(ddof=1) for group in (control, *others)]) * 2 / 6)
    assert critical_value(0.95, equal(4, 0.5), 25) * spread == pytest.approx(half, rel=2e-3)


def test_other_correlations_against_drawn_statistics():
    rng = np.random.default_rng(0)
    normal = rng.multivariate_normal(np.zeros(3), CHAIN, size=200_000)
    drawn = np.abs(normal / np.sqrt(rng.chisquare(6, size=(200_000, 1)) / 6)).max(axis=1)
    assert exceedance(2.5, CHAIN, 6) == pytest.approx((drawn > 2.5).mean(), abs=0.003)
    assert critical_value(0.95, CHAIN, 6) == pytest.approx(np.quantile(drawn, 0.95), abs=0.04)


@pytest.mark.parametrize("correlation", [CHAIN, equal(3, 0.5)])
def test_results_repeat_and_lie_between_uncorrected_and_bonferroni(correlation):
    for t in (0.0, 0.5, 2.0, 6.0, 60.0):
        single = 2 * stats.t.sf(t, 9)
        p = adjusted_p(-t, correlation, 9)
        assert single <= p <= min(1, 3 * single)
        assert p == adjusted_p(t, correlation, 9)
    q = critical_value(0.95, correlation, 9)
    assert stats.t.ppf(0.975, 9) < q <= stats.t.ppf(1 - 0.05 / 6, 9)
    assert adjusted_p(q, correlation, 9) == pytest.approx(0.05, abs=1e-4)


def test_critical_values_at_the_ends():
    assert critical_value(0.95, np.ones((1, 1)), 4) == pytest.approx(stats.t.ppf(0.975, 4))
    almost_the_same = equal(3, 1 - 1e-8)
    assert critical_value(0.95, almost_the_same, 4) == pytest.approx(stats.t.ppf(0.975, 4), rel=0.01)
