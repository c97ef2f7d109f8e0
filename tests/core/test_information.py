import itertools
import math
from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from selectivity_core import mutual_information, precision
from selectivity_core.errors import ActivityError
from selectivity_core.indices import bin_activity


def precision_by_enumeration(column, labels, n):
    """Counts of each class among the n most active, averaged over every way to fill the tied places."""
    cut = np.sort(column)[-n]
    sure, tied = labels[column > cut], labels[column == cut]
    ways = list(itertools.combinations(tied, n - len(sure)))
    shares = [np.mean([list(way).count(c) for way in ways]) + (sure == c).sum() for c in set(labels)]
    return max(shares) / n


def information_by_counts(column, labels, bins):
    """Bins filled by rank: an equal value belongs to the bin of its lowest rank."""
    values = np.sort(column[column != 0])
    edges = [values[math.ceil(len(values) * k / bins) - 1] for k in range(1, bins)] if len(values) else []
    cells = [0 if v == 0 else 1 + sum(v > e for e in edges) for v in column]
    n = len(labels)
    joint, left, right = Counter(zip(cells, labels.tolist(), strict=True)), Counter(cells), Counter(labels.tolist())
    return sum(k / n * math.log2(k * n / (left[b] * right[c])) for (b, c), k in joint.items())


def test_precision_by_hand():
    labels = np.array([0, 0, 1, 1])
    # n = 2: both of class 0; one of each; all tied
    activity = np.array([[4.0, 4, 1], [3, 1, 1], [2, 3, 1], [1, 2, 1]])
    np.testing.assert_allclose(precision(activity, labels), [1, 0.5, 0.5])


def test_ties_at_the_cut_count_by_their_share():
    # n = 3: 5 (class 0) is in; two of the three tied at 2 (0, 1, 1): 2/3 of class 0 and 4/3 of class 1 expected
    activity = np.array([[5.0], [2], [2], [2], [0], [0]])
    assert precision(activity, np.array([0, 0, 1, 1, 1, 0]), n=3)[0] == pytest.approx((1 + 2 / 3) / 3)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("n", [1, 3, 5, 9])
def test_precision_equals_enumeration(seed, n):
    rng = np.random.default_rng(seed)
    activity, labels = rng.integers(0, 4, (9, 3)).astype(float), rng.integers(0, 3, 9)
    expected = [precision_by_enumeration(activity[:, u], labels, n) for u in range(3)]
    np.testing.assert_allclose(precision(activity, labels, n=n), expected)


def test_default_n_is_samples_over_classes_present():
    rng = np.random.default_rng(0)
    activity, labels = rng.random((11, 4)), np.array([0, 0, 0, 0, 5, 5, 5, 5, 9, 9, 9])
    assert torch.equal(precision(activity, labels), precision(activity, labels, n=round(11 / 3)))


@pytest.mark.parametrize("n", [0, -1, 5])
def test_precision_refuses_other_counts(n):
    with pytest.raises(ActivityError, match=f"n={n} given; 1 to 4"):
        precision(np.ones((4, 1)), np.arange(4), n=n)


def test_information_by_hand():
    labels = np.array([0, 0, 1, 1])
    # a unit that tells the two classes apart carries 1 bit, on or off; a constant or dead one none
    activity = np.array([[1.0, 0, 3, 0], [1, 0, 3, 0], [2, 5, 3, 0], [2, 5, 3, 0]])
    np.testing.assert_allclose(mutual_information(activity, labels), [1, 1, 0, 0], atol=1e-12)
    # one of four samples apart: H(1/4) - H(class | rest)/..., by the definition
    expected = 1 - 0.75 * (math.log2(3) - 2 / 3)
    assert mutual_information(np.array([[0.0], [0], [0], [7]]), labels)[0] == pytest.approx(expected)


@pytest.mark.parametrize("bins", [1, 2, 5, 20])
@pytest.mark.parametrize("seed", range(3))
def test_information_equals_plain_counts(bins, seed):
    rng = np.random.default_rng(seed)
    activity = rng.exponential(size=(83, 4))
    activity[activity < 0.3] = 0
    activity[:, 1] = activity[:, 1].round(1)  # many equal values
    activity[:, 2] -= 1  # negative ones too
    labels = rng.integers(0, 4, 83)
    expected = [information_by_counts(activity[:, u], labels, bins) for u in range(4)]
    np.testing.assert_allclose(mutual_information(activity, labels, bins=bins), expected, atol=1e-12)


def test_bins_hold_equal_counts_and_zeros_their_own():
    values = torch.cat([torch.zeros(7, 1), torch.rand(100, 1, generator=torch.Generator().manual_seed(0)) + 1])
    counts = torch.bincount(bin_activity(values)[:, 0])
    assert counts[0] == 7
    assert len(counts) == 21
    assert ((counts[1:] - 5).abs() <= 1).all()  # 0.55 · 100 is 55.000000000000007: an edge can be one rank off


@given(st.lists(st.sampled_from([0.0, 0.25, 1.0, 2.0, -3.0]), min_size=1, max_size=40), st.integers(1, 25))
def test_equal_values_share_a_bin_and_order_is_kept(values, bins):
    binned = bin_activity(torch.tensor(values)[:, None], bins)[:, 0].tolist()
    cells = {v: {b for w, b in zip(values, binned, strict=True) if w == v} for v in values}
    assert all(len(found) == 1 for found in cells.values())
    assert cells.get(0.0, {0}) == {0}
    ordered = [next(iter(cells[v])) for v in sorted(cells) if v]
    assert ordered == sorted(ordered)
    assert all(1 <= b <= bins for b in ordered)


@given(st.integers(0, 2**32 - 1))
def test_information_lies_between_zero_and_the_entropy_of_classes(seed):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 4, 30)
    share = np.bincount(labels)[np.unique(labels)] / 30
    found = mutual_information(rng.exponential(size=(30, 3)).round(1), labels)
    assert (found >= 0).all()
    assert (found <= -(share * np.log2(share)).sum() + 1e-9).all()


def test_bins_below_one_are_refused():
    with pytest.raises(ActivityError, match="bins=0 given; at least 1"):
        mutual_information(np.ones((4, 1)), np.arange(4), bins=0)
