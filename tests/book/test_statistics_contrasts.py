import itertools

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf
from scipy import stats

from selectivity_core.book.statistics import blocks, dunnett_block, paired
from selectivity_core.book.statistics.multiplicity import critical_value
from selectivity_core.errors import ParameterError


def table(cells: np.ndarray, alphas) -> pd.DataFrame:
    rows = itertools.product(range(len(cells)), range(cells.shape[1]))
    return pd.DataFrame([{"alpha": alphas[a], "seed": s, "accuracy": cells[s, a]} for s, a in rows])


def judged(frame: pd.DataFrame, **options):
    return dunnett_block(frame, value="accuracy", **options)


def drawn(seeds: int, spreads, seed: int = 0) -> np.ndarray:
    """Networks with no effect of alpha, a seed effect, and the residual spread given for each alpha."""
    rng = np.random.default_rng(seed)
    return rng.normal(size=(seeds, 1)) + rng.normal(size=(seeds, len(spreads))) * np.asarray(spreads)


def everything(cells: np.ndarray) -> np.ndarray:
    """In place of the rule for spreads, one spread for all."""
    return np.ones(cells.shape[1], dtype=bool)


def numbers(contrast) -> np.ndarray:
    return np.array([contrast.se, contrast.df, contrast.low, contrast.high, contrast.p_adjusted])


def test_the_control_alone_has_no_contrasts():
    assert judged(table(drawn(3, [1]), [0.0])) == []


def test_one_seed_gives_estimates_and_no_test():
    found = judged(table(np.array([[0.5, 0.75, 0.25]]), [0.0, 1.0, 2.0]))
    assert [(c.treatment, c.estimate, c.n) for c in found] == [
        (1.0, pytest.approx(0.25), 1),
        (2.0, pytest.approx(-0.25), 1),
    ]
    assert all(np.isnan(numbers(c)).all() for c in found)


def test_no_spread_gives_an_interval_of_no_width_and_no_p():
    cells = np.array([[0.1, 0.3, 0.1]] * 4) + np.arange(4)[:, None] / 10
    for found, expected in zip(judged(table(cells, [0.0, 1.0, 2.0])), (0.2, 0.0), strict=True):
        assert found.estimate == found.low == found.high == pytest.approx(expected, abs=1e-12)
        assert (found.se, np.isnan(found.p_adjusted), np.isnan(found.p_unadjusted)) == (0, True, True)


def test_values_that_are_all_missing_give_nan():
    cells = drawn(4, [1, 1, 1])
    cells[:, 1] = np.nan
    first, second = judged(table(cells, [0.0, 1.0, 2.0]))
    assert np.isnan([first.estimate, *numbers(first)]).all()
    assert first.n == 0
    # The one that is left is judged as if it were alone.
    oracle = paired(cells[:, 2], cells[:, 0])
    assert (second.low, second.p_adjusted) == (pytest.approx(oracle.low), pytest.approx(oracle.p))
    cells[:, 0] = np.nan
    assert all(np.isnan(numbers(c)).all() for c in judged(table(cells, [0.0, 1.0, 2.0])))


def test_one_alpha_is_the_paired_t_test():
    cells = drawn(5, [1, 1])
    (found,) = judged(table(cells, [0, 3]))
    oracle = paired(cells[:, 1], cells[:, 0])
    expected = (oracle.estimate, oracle.low, oracle.high, oracle.p, oracle.p, 4, 5)
    got = (found.estimate, found.low, found.high, found.p_adjusted, found.p_unadjusted, found.df, found.n)
    np.testing.assert_allclose(got, expected)


def test_seeds_that_share_nothing_cannot_be_compared():
    cells = np.array([[0.1, np.nan], [0.2, np.nan], [np.nan, 0.5], [np.nan, 0.7]])
    (found,) = judged(table(cells, [0.0, 1.0]))
    assert np.isnan([found.estimate, *numbers(found)]).all()
    assert found.n == 2


def unbalanced(missing) -> np.ndarray:
    cells = drawn(6, [1, 1.1, 0.9, 1, 1], seed=2) + np.array([0, 0.2, -0.4, 1.5, 0.3])
    for cell in missing:
        cells[cell] = np.nan
    return cells


@pytest.mark.parametrize(
    "missing",
    [[], [(2, 3)], [(0, 1), (1, 1), (5, 4)], [(4, 1), (4, 2), (4, 3), (4, 4)]],
    ids=["complete", "one cell missing", "three missing", "a seed of the control only"],
)
def test_estimates_errors_and_df_against_statsmodels(missing, monkeypatch):
    cells = unbalanced(missing)
    alphas = [0.0, -2.0, -1.0, 1.0, 2.0]
    monkeypatch.setattr(blocks, "pool", everything)
    frame = table(cells, alphas)
    oracle = smf.ols("accuracy ~ C(seed) + C(alpha, Treatment(0.0))", data=frame.dropna()).fit()
    found = judged(frame.sample(frac=1, random_state=0))
    assert [c.treatment for c in found] == [-2.0, -1.0, 1.0, 2.0]
    for contrast in found:
        name = f"C(alpha, Treatment(0.0))[T.{contrast.treatment}]"
        expected = (oracle.params[name], oracle.bse[name], oracle.df_resid, oracle.pvalues[name])
        got = (contrast.estimate, contrast.se, contrast.df, contrast.p_unadjusted)
        np.testing.assert_allclose(got, expected, rtol=1e-8)
        assert contrast.n == np.isfinite(cells[:, alphas.index(contrast.treatment)]).sum()
    # The limit from statsmodels' own covariance of the estimates, by drawn statistics.
    names = [f"C(alpha, Treatment(0.0))[T.{c.treatment}]" for c in found]
    covariance = oracle.cov_params().loc[names, names].to_numpy()
    errors = np.sqrt(np.diag(covariance))
    rng = np.random.default_rng(1)
    statistics = rng.multivariate_normal(np.zeros(4), covariance / np.outer(errors, errors), size=100_000)
    statistics /= np.sqrt(rng.chisquare(oracle.df_resid, size=(100_000, 1)) / oracle.df_resid)
    limit = np.quantile(np.abs(statistics).max(axis=1), 0.95)
    assert (found[0].high - found[0].estimate) / found[0].se == pytest.approx(limit, rel=0.01)


def test_a_complete_design_has_dunnetts_correlation_of_one_half(monkeypatch):
    monkeypatch.setattr(blocks, "pool", everything)
    found = judged(table(unbalanced([]), [0.0, 1.0, 2.0, 3.0, 4.0]))
    assert found[0].df == 20
    limit = critical_value(0.95, np.full((4, 4), 0.5) + np.eye(4) / 2, 20)
    for contrast in found:
        assert contrast.high - contrast.estimate == pytest.approx(limit * contrast.se)
        assert (contrast.p_adjusted < 0.05) == (contrast.low > 0 or contrast.high < 0)
        assert contrast.p_adjusted >= contrast.p_unadjusted


def test_the_seed_effect_and_the_unit_do_not_matter():
    cells = unbalanced([(1, 2)])
    alphas = [0.0, 1.0, 2.0, 3.0, 4.0]
    for first, second in zip(
        judged(table(cells, alphas)),
        judged(table(100 * (cells + np.arange(6)[:, None] * 7), alphas)),
        strict=True,
    ):
        got = np.array([second.estimate, second.se, second.low, second.high]) / 100
        np.testing.assert_allclose(got, [first.estimate, first.se, first.low, first.high], rtol=1e-6)
        assert second.p_adjusted == pytest.approx(first.p_adjusted, abs=1e-6)


def test_results_repeat():
    frame = table(unbalanced([(1, 2), (3, 4), (0, 3)]), [0.0, 1.0, 2.0, 3.0, 4.0])
    assert judged(frame) == judged(frame)


def test_a_wild_alpha_has_its_own_spread_and_bonferroni():
    cells = drawn(10, [1, 1, 1, 1, 30], seed=1)
    *calm, wild = judged(table(cells, [0.0, 0.1, 0.2, 0.3, 5.0]))
    without = judged(table(cells[:, :4], [0.0, 0.1, 0.2, 0.3]))
    for contrast, alone in zip(calm, without, strict=True):
        assert (contrast.se, contrast.df) == (pytest.approx(alone.se), alone.df)
        assert contrast.p_adjusted > alone.p_adjusted
    assert wild.estimate == pytest.approx(np.mean(cells[:, 4] - cells[:, 0]))
    assert wild.se == pytest.approx(stats.sem(cells[:, 4] - cells[:, 0]), rel=0.1)
    assert 9 <= wild.df < 10
    assert wild.p_adjusted == pytest.approx(min(1, 4 * wild.p_unadjusted))
    limit = stats.t.ppf(1 - 0.025 / 4, wild.df)
    assert wild.high - wild.estimate == pytest.approx(limit * wild.se)


def test_another_control_and_other_columns():
    cells = drawn(4, [1, 1, 1])
    frame = table(cells, ["si", "none", "dprime"]).rename(columns={"alpha": "index", "seed": "replicate"})
    found = dunnett_block(frame, value="accuracy", treatment="index", block="replicate", control="none", level=0.9)
    assert [c.treatment for c in found] == ["dprime", "si"]
    assert found[1].estimate == pytest.approx((cells[:, 0] - cells[:, 1]).mean())


@pytest.mark.parametrize(
    ("change", "options", "message"),
    [
        (lambda t: t.drop(columns="seed"), {}, "seed: no such column; the table has alpha, accuracy"),
        (lambda t: t, {"control": 7.0}, r"alpha: no row of the control 7.0; given are \[0.0, 1.0\]"),
        (lambda t: pd.concat([t, t.iloc[[3]]]), {}, r"alpha 1\.0, seed 1.*: given twice"),
        (lambda t: t.assign(seed=[0, np.nan, 1, 1]), {}, "seed: holds a missing value"),
        (lambda t: t.assign(accuracy=[1, 2, 3, np.inf]), {}, "accuracy: holds an infinite value"),
        (lambda t: t.assign(accuracy="high"), {}, "accuracy: cannot be read as numbers"),
        (lambda t: t, {"level": 95}, "level: 95 given"),
    ],
)
def test_tables_that_cannot_be_are_refused(change, options, message):
    with pytest.raises(ParameterError, match=message):
        judged(change(table(drawn(2, [1, 1]), [0.0, 1.0])), **options)


def false_findings(seeds: int, spreads, families: int) -> float:
    """Share of families with no true difference in which some adjusted p-value lies below 5 %."""
    alphas = np.arange(float(len(spreads)))
    found = (judged(table(drawn(seeds, spreads, seed), alphas)) for seed in range(families))
    return float(np.mean([min(c.p_adjusted for c in family) < 0.05 for family in found]))


# Three standard errors of a share of 5 % in 150 families are 5.3 points.
@pytest.mark.slow
def test_false_findings_are_near_five_per_cent_of_families():
    assert 0.006 < false_findings(6, [1, 1, 1, 1], 150) < 0.103


@pytest.mark.slow
def test_unequal_spreads_do_not_add_false_findings_where_one_spread_for_all_does(monkeypatch):
    spreads = [1, 1, 1, 1, 1, 10]
    assert false_findings(8, spreads, 150) < 0.103
    monkeypatch.setattr(blocks, "pool", everything)
    assert false_findings(8, spreads, 150) > 0.103
