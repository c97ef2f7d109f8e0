"""PWCCA against a plain version that forms everything from the samples, and against statsmodels."""

import numpy as np
import pytest
import torch
from statsmodels.multivariate.cancorr import CanCorr

from selectivity_core import pwcca_distance
from selectivity_core.errors import ActivityError
from selectivity_core.similarity import both_orders, represented


def samples(seed, n=600, units=12, shared=6):
    rng = np.random.default_rng(seed)
    common = np.random.default_rng(99).normal(size=(n, shared))
    values = common @ rng.normal(size=(shared, units)) + rng.normal(size=(n, units))
    return np.maximum(values + rng.uniform(0, 2, units), 0)


def plain(a, b, eps=1e-10, textbook=False):
    """Units in rows; covariances, matrix roots, singular vectors, then the QR basis of the directions themselves."""
    x, y = a.T, b.T
    n = x.shape[1]
    cov = np.cov(np.vstack([x, y]))
    k = len(x)
    xx, yy, xy = cov[:k, :k], cov[k:, k:], cov[:k, k:]
    mx, my = np.abs(xx).max(), np.abs(yy).max()
    xx, yy, xy = xx / mx, yy / my, xy / np.sqrt(mx * my)
    ix, iy = np.diag(xx) >= eps, np.diag(yy) >= eps
    xx, yy, xy = xx[np.ix_(ix, ix)], yy[np.ix_(iy, iy)], xy[np.ix_(ix, iy)]

    def root(m):
        values, vectors = np.linalg.eigh(np.linalg.inv(m + eps * np.eye(len(m))))
        return vectors @ np.diag(np.sqrt(values)) @ vectors.T

    u, s, vt = np.linalg.svd(root(xx) @ xy @ root(yy), full_matrices=False)
    own, vectors, white = (x[ix], u, root(xx)) if ix.sum() <= iy.sum() else (y[iy], vt.T, root(yy))
    mean = own.mean(1, keepdims=True)
    if textbook:
        h = vectors.T @ white @ (own - mean)
        w = np.abs(h @ (own - mean).T).sum(1)
    else:
        d = vectors.T @ (own - mean) + mean[: vectors.shape[1]]
        p, _ = np.linalg.qr(d.T)
        w = np.abs(p.T @ own.T).sum(1)
    assert n == own.shape[1]
    return 1 - (w / w.sum()) @ s


@pytest.mark.parametrize("textbook", [False, True])
def test_equals_the_version_from_samples_in_both_orders(textbook):
    a, b = samples(1), samples(2)
    weighting = "textbook" if textbook else "paper"
    assert pwcca_distance(a, b, weighting=weighting) == pytest.approx(plain(a, b, textbook=textbook), abs=1e-9)
    assert pwcca_distance(b, a, weighting=weighting) == pytest.approx(plain(b, a, textbook=textbook), abs=1e-9)


@pytest.mark.parametrize("weighting", ["paper", "textbook"])
def test_a_rotated_copy_is_at_distance_zero(weighting):
    a = samples(3)
    rotation = np.linalg.qr(np.random.default_rng(0).normal(size=(12, 12)))[0]
    assert pwcca_distance(a, a @ rotation, weighting=weighting) == pytest.approx(0, abs=1e-6)


def test_one_unit_a_side_is_one_minus_the_absolute_correlation():
    a, b = samples(1)[:, :1], samples(2)[:, :1]
    expected = 1 - abs(np.corrcoef(a[:, 0], b[:, 0])[0, 1])
    assert pwcca_distance(a, b) == pytest.approx(expected, abs=1e-8)


def test_distance_lies_between_one_minus_the_extreme_canonical_correlations():
    a, b = samples(1), samples(2)
    correlations = CanCorr(a, b).cancorr
    for weighting in ("paper", "textbook"):
        assert 1 - correlations.max() <= pwcca_distance(a, b, weighting=weighting) <= 1 - correlations.min()


def test_only_the_papers_form_moves_with_a_constant():
    a, b = samples(1), samples(2)
    moved = a + 10 * a.std(0)
    assert pwcca_distance(moved, b, weighting="textbook") == pytest.approx(
        pwcca_distance(a, b, weighting="textbook"), abs=1e-9
    )
    assert pwcca_distance(a, b) - pwcca_distance(moved, b) > 0.05


def test_units_that_do_not_vary_are_dropped():
    a, b = samples(1), samples(2)
    padded = np.concatenate([a, np.full((len(a), 2), 3.0)], 1)
    assert pwcca_distance(padded, b) == pytest.approx(pwcca_distance(a, b), abs=1e-12)


@pytest.mark.parametrize("weighting", ["paper", "textbook"])
def test_weights_come_from_the_side_that_keeps_fewer_units(weighting):
    a, b = samples(1), samples(2, units=5)
    assert pwcca_distance(a, b, weighting=weighting) == pytest.approx(
        plain(a, b, textbook=weighting == "textbook"), abs=1e-9
    )


def test_units_that_repeat_each_other_are_no_obstacle():
    a, b = samples(1), samples(2)
    twice = np.concatenate([a[:, :4]] * 3, 1)
    for weighting in ("paper", "textbook"):
        assert 0 <= pwcca_distance(twice, b, weighting=weighting) <= 1


def test_torch_and_numpy_and_single_precision():
    a, b = samples(1), samples(2)
    tensor = pwcca_distance(torch.from_numpy(a).float().requires_grad_(), torch.from_numpy(b).float())
    assert isinstance(tensor, float)
    assert tensor == pytest.approx(pwcca_distance(a, b), abs=1e-5)


def test_few_samples_are_warned_about():
    with pytest.warns(UserWarning, match=r"100 samples for 12 units"):
        pwcca_distance(samples(1, n=600)[:100], samples(2)[:100])


@pytest.mark.parametrize(
    ("a", "b", "message"),
    [
        (np.ones((20, 2)), samples(1)[:20, :2], "a: no unit varies"),
        (samples(1)[:50], samples(2)[:40], "50 and 40 samples"),
        (samples(1)[0], samples(2), r"a: shape \(12,\)"),
        (np.where(np.arange(600)[:, None] == 3, np.nan, samples(1)), samples(2), "a: not finite in 12 units"),
    ],
)
def test_what_has_no_distance_is_refused(a, b, message):
    with pytest.raises(ActivityError, match=message):
        pwcca_distance(a, b)


def test_unknown_weighting_is_refused():
    with pytest.raises(ActivityError, match=r"weighting: 'mean' given; one of paper, textbook"):
        pwcca_distance(samples(1), samples(2), weighting="mean")


@pytest.mark.parametrize("units", [12, 5])
def test_sides_worked_out_once_give_every_form_and_order(units):
    a, b = samples(1), samples(2, units=units)
    found = both_orders(represented(a), represented(b))
    assert set(found) == {(form, back) for form in ("paper", "textbook") for back in (False, True)}
    for (form, back), distance in found.items():
        first, second = (b, a) if back else (a, b)
        assert distance == pwcca_distance(first, second, weighting=form)
        assert distance == pytest.approx(plain(first, second, textbook=form == "textbook"), abs=1e-9)


def test_a_side_holds_the_moments_of_the_units_that_vary():
    a = np.concatenate([samples(1), np.full((600, 1), 2.0)], 1)
    given = represented(torch.from_numpy(a))
    assert given.kept.shape == (600, 12)
    np.testing.assert_allclose(given.mean, a[:, :12].mean(0))
    np.testing.assert_allclose(given.covariance, np.cov(a[:, :12].T))
    assert given.scale == pytest.approx(np.abs(np.cov(a.T)).max())
    np.testing.assert_allclose(given.root @ (given.covariance / given.scale) @ given.root, np.eye(12), atol=1e-6)


def test_what_cannot_be_prepared_or_compared_is_named():
    with pytest.raises(ActivityError, match="layer1: no unit varies"):
        represented(np.ones((20, 3)), name="layer1")
    with pytest.raises(ActivityError, match="sides: 600 and 500 samples given"):
        both_orders(represented(samples(1)), represented(samples(2)[:500]))


def test_fewer_samples_than_units():
    a, b = samples(1, n=8), samples(2, n=8)
    with pytest.warns(UserWarning, match="8 samples for 12 units"):
        assert pwcca_distance(a, b, weighting="textbook") == pytest.approx(0, abs=1e-4)
    with (
        pytest.warns(UserWarning, match="8 samples for 12 units"),
        pytest.raises(ActivityError, match='"paper" needs as many samples as units; 8 given for 12'),
    ):
        pwcca_distance(a, b)
    with pytest.warns(UserWarning):  # the argument with fewer units gives the weights
        assert pwcca_distance(a[:, :3], b) == pytest.approx(0, abs=1e-4)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_widened(dtype):
    a, b = (torch.as_tensor(samples(seed)).to(dtype) for seed in (1, 2))
    assert pwcca_distance(a, b) == pwcca_distance(a.double(), b.double())
