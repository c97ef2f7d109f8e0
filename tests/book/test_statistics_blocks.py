import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from selectivity_core.book.statistics import blocks
from selectivity_core.book.statistics.blocks import block_contrasts, fit_blocks, pool, residual_variances


def drawn(seeds: int, spreads, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return 5 * rng.normal(size=(seeds, 1)) + rng.normal(size=(seeds, len(spreads))) * np.asarray(spreads)


def test_the_complete_fit_is_the_table_of_means_by_hand():
    # grand mean 3, seed means 2 and 4, treatment means 2 and 4: residuals of 0.5 in every cell, one df
    fit = fit_blocks(np.array([[0.5, 3.5], [3.5, 4.5]]))
    assert fit.df == 1
    assert fit.variance == pytest.approx(4 * 0.5**2)
    np.testing.assert_allclose(fit.coefficients[3] - fit.coefficients[2], 2)


def test_nothing_to_fit():
    fit = fit_blocks(np.full((2, 3), np.nan))
    assert fit.df == 0
    assert np.isnan(fit.variance)
    assert not fit.estimable(np.array([0, 0, 1, -1, 0]))


def test_differences_are_determined_and_single_effects_are_not():
    fit = fit_blocks(drawn(3, [1, 1]))
    assert fit.estimable(np.array([0, 0, 0, 1, -1]))
    assert not fit.estimable(np.array([0, 0, 0, 1, 0]))


def test_spreads_are_recovered_whatever_the_seeds_do():
    spreads = np.array([1, 2, 0.5, 20])
    found = residual_variances(drawn(4000, spreads))
    np.testing.assert_allclose(np.sqrt(found)[[0, 1, 3]], spreads[[0, 1, 3]], rtol=0.15)
    assert np.sqrt(found[2]) < 1


def test_spread_of_two_treatments_cannot_be_told_apart():
    assert np.isnan(residual_variances(drawn(5, [1, 1]))).all()
    assert pool(drawn(5, [1, 50])).all()


def test_spread_by_hand():
    # differences to the second 1, 2, 3 and to the third 1, 3, 5: covariance 2
    first = np.array([1.0, 2.0, 3.0])
    cells = np.stack([first, first - [1, 2, 3], first - [1, 3, 5]], axis=1)
    assert residual_variances(cells)[0] == pytest.approx(2)


def test_spread_without_shared_seeds_is_missing():
    cells = drawn(5, [1, 1, 1])
    cells[1:, 2] = np.nan
    found = residual_variances(cells)
    assert np.isnan(found[2])


@pytest.mark.parametrize(
    ("spreads", "expected"),
    [
        ([1, 1, 1, 1], [1, 1, 1, 1]),
        ([1, 1, 1, 30], [1, 1, 1, 0]),
        ([1, 1, 1, 0.01], [1, 1, 1, 0]),
        ([30, 1, 1, 1], [1, 0, 0, 0]),
        ([0.01, 1, 1, 1], [1, 0, 0, 0]),
        ([1, 1, 1, 20, 20, 20], [1, 1, 1, 0, 0, 0]),
    ],
)
def test_the_pool_is_what_spreads_like_the_control(spreads, expected):
    np.testing.assert_array_equal(pool(drawn(60, spreads)), np.array(expected, dtype=bool))


def test_a_tight_alpha_is_never_judged_by_its_own_spread():
    cells = drawn(8, [1, 1, 1, 1e-3], seed=3)
    cells[:, 3] = np.median(cells, axis=1)
    found = block_contrasts(cells)
    if not pool(cells)[3]:
        assert found.pooled[2]
    fit = fit_blocks(cells[:, pool(cells)])
    assert found.se[2] >= np.sqrt(fit.variance / 8)
    assert found.df[2] == fit.df


def test_a_noisy_control_alone_makes_paired_t_tests():
    cells = drawn(12, [50, 1, 1, 1], seed=4)
    found = block_contrasts(cells)
    differences = cells[:, 1:] - cells[:, [0]]
    np.testing.assert_allclose(found.estimate, differences.mean(axis=0))
    np.testing.assert_allclose(found.se, differences.std(axis=0, ddof=1) / np.sqrt(12))
    np.testing.assert_array_equal(found.df, 11)
    np.testing.assert_array_equal(found.correlation, np.eye(3))
    assert not found.pooled.any()


def test_a_single_wild_network_has_an_estimate_and_no_error():
    cells = drawn(6, [1, 1, 1, 1])
    cells[1:, 3] = np.nan
    found = block_contrasts(cells)
    assert np.isfinite(found.estimate).all()
    np.testing.assert_array_equal(np.isnan(found.se), [False, False, True])
    np.testing.assert_array_equal(np.isnan(found.df), [False, False, True])


@pytest.mark.parametrize("spreads", [[1, 1, 1], [1, 1, 20]])
def test_seeds_with_nothing_but_the_control_change_no_contrast(spreads):
    cells = drawn(4, spreads, seed=3)
    alone = np.full((3, 3), np.nan)
    alone[:, 0] = [-7, 2, 30]
    found, wider = block_contrasts(cells), block_contrasts(np.vstack([cells, alone]))
    for name in ("estimate", "se", "df", "pooled", "correlation", "pool_df"):
        np.testing.assert_allclose(getattr(wider, name), getattr(found, name), atol=1e-9)


def test_variances_of_all_contrasts_against_drawn_tables():
    spreads = [1, 1, 1, 15]
    missing = (np.array([0, 2, 3]), np.array([1, 3, 2]))
    estimates, variances = [], []
    for seed in range(400):
        cells = drawn(9, spreads, seed)
        cells[missing] = np.nan
        found = block_contrasts(cells)
        estimates.append(found.estimate)
        variances.append(found.se**2)
    np.testing.assert_allclose(np.mean(variances, axis=0), np.var(estimates, axis=0), rtol=0.25)


@given(st.integers(0, 10_000), st.integers(2, 6), st.integers(2, 6))
def test_any_table_with_holes_gives_sound_numbers(seed, seeds, treatments):
    rng = np.random.default_rng(seed)
    cells = rng.normal(size=(seeds, treatments)) * rng.choice([0.01, 1, 10], size=treatments)
    cells[rng.random(cells.shape) < 0.25] = np.nan
    found = block_contrasts(cells)
    known = ~np.isnan(found.se)
    assert (found.se[known] >= 0).all()
    assert (found.df[known] > 0).all()
    assert np.isfinite(found.estimate[known]).all()
    assert np.isnan(found.df[~known]).all()
    assert np.isnan(found.estimate[np.isnan(cells).all(axis=0)[1:]]).all()
    assert np.linalg.eigvalsh(found.correlation[np.ix_(known, known)]).min(initial=0) > -1e-9


def test_the_factor_is_the_documented_one():
    assert f"factor {blocks.SIMILAR:.0f} " in blocks.__doc__.replace("\n", " ")
