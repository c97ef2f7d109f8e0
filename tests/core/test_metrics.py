import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from selectivity_core import (
    class_discriminability,
    class_share,
    mutual_information,
    precision,
    preferred_class,
    selectivity_index,
)  # fmt: skip
from selectivity_core.errors import ActivityError
from selectivity_core.indices import ClassMeans

# one unit a column: selective, indifferent, dead; class means (4, 1, 1), (2, 2, 2), (0, 0, 0)
LABELS = np.array([0, 0, 1, 1, 2, 2])
ACTIVITY = np.array([[3.0, 2, 0], [5, 2, 0], [1, 2, 0], [1, 2, 0], [0, 2, 0], [2, 2, 0]])

MEASURES = (selectivity_index, class_discriminability, class_share, preferred_class)


def si_by_loops(activity, labels, eps=1e-7):
    found = []
    for unit in range(activity.shape[1]):
        means = [activity[labels == c, unit].mean() for c in sorted(set(labels.tolist()))]
        top = max(means)
        means.remove(top)
        rest = sum(means) / len(means)
        found.append((top - rest) / (top + rest + eps))
    return np.array(found)


def dprime_by_loops(activity, labels, eps=1e-7):
    found = []
    for unit in range(activity.shape[1]):
        groups = [activity[labels == c, unit] for c in sorted(set(labels.tolist()))]
        best = max(range(len(groups)), key=lambda k: groups[k].mean())
        others = [g for k, g in enumerate(groups) if k != best]
        rest = np.mean([g.mean() for g in others])
        half = (groups[best].var() + np.concatenate(others).var()) / 2
        found.append((groups[best].mean() - rest) / (math.sqrt(half) + eps))
    return np.array(found)


def drawn(seed=0, samples=60, units=7, classes=4):
    rng = np.random.default_rng(seed)
    return rng.exponential(size=(samples, units)), rng.integers(0, classes, samples)


def test_si_by_hand():
    np.testing.assert_allclose(selectivity_index(ACTIVITY, LABELS), [3 / 5, 0, 0], atol=1e-6)
    assert selectivity_index(ACTIVITY, LABELS)[2] == 0


def test_d_prime_by_hand():
    # preferred class: mean 4, variance 1; the others' four samples 1, 1, 0, 2: mean 1, variance 1/2
    np.testing.assert_allclose(class_discriminability(ACTIVITY, LABELS), [3 / math.sqrt(0.75), 0, 0], rtol=1e-6)


def test_class_share_by_hand():
    # between (4 + 1 + 1)/3 = 2, within (1 + 0 + 1)/3
    np.testing.assert_allclose(class_share(ACTIVITY, LABELS), [2 / (2 + 2 / 3), 0, 0], rtol=1e-6)


def test_preferred_class_is_a_label_the_lowest_on_a_tie_and_minus_one_for_the_dead():
    assert preferred_class(ACTIVITY, LABELS).tolist() == [0, 0, -1]
    assert preferred_class(ACTIVITY, np.array([7, 7, 3, 3, 5, 5])).tolist() == [7, 3, -1]


def test_mean_of_class_means_not_of_samples():
    # classes of 1, 3 and 1 samples: the others' means are 1 and 3, so 2 whatever their sizes
    activity = np.array([[6.0], [1], [1], [1], [3]])
    labels = np.array([0, 1, 1, 1, 2])
    assert selectivity_index(activity, labels)[0] == pytest.approx(4 / 8)
    # their four samples 1, 1, 1, 3 have variance 3/4; the numerator keeps the mean of means
    assert class_discriminability(activity, labels)[0] == pytest.approx(4 / math.sqrt(3 / 8), rel=1e-6)


@pytest.mark.parametrize("seed", range(3))
def test_indices_equal_plain_loops(seed):
    activity, labels = drawn(seed)
    np.testing.assert_allclose(selectivity_index(activity, labels), si_by_loops(activity, labels), rtol=1e-9)
    np.testing.assert_allclose(class_discriminability(activity, labels), dprime_by_loops(activity, labels), rtol=1e-9)


def test_absent_classes_are_left_out():
    activity, labels = drawn()
    for measure in (selectivity_index, class_discriminability, class_share):
        assert torch.equal(measure(activity, labels * 1000 - 5), measure(activity, labels))


@pytest.mark.parametrize("measure", [selectivity_index, class_discriminability, class_share])
def test_fewer_than_two_classes_give_zero(measure):
    assert measure(ACTIVITY, np.zeros(6, dtype=int)).tolist() == [0, 0, 0]
    assert measure(ACTIVITY[:1], LABELS[:1]).tolist() == [0, 0, 0]


@pytest.mark.parametrize("measure", [*MEASURES, precision, mutual_information])
def test_samples_that_are_ignored_are_left_out(measure):
    labels = np.append(LABELS, [-100, -100])
    activity = np.concatenate([ACTIVITY, [[9, -1, 1], [np.nan, 9, 1]]])
    assert torch.equal(measure(activity, labels), measure(ACTIVITY, LABELS))
    with pytest.raises(ActivityError, match="no samples given"):
        measure(activity, np.full(8, -100))


@pytest.mark.parametrize("measure", [*MEASURES, precision, mutual_information])
def test_three_dimensions_are_ambiguous(measure):
    with pytest.raises(ActivityError, match=r"shape \(6, 3, 2\) given; take the mean over positions"):
        measure(np.ones((6, 3, 2)), LABELS)


def test_maps_count_by_their_spatial_mean():
    maps = torch.rand(12, 3, 4, 5, generator=torch.Generator().manual_seed(0))
    labels = torch.arange(12) % 3
    for measure in MEASURES:
        np.testing.assert_allclose(measure(maps, labels), measure(maps.mean((2, 3)), labels), rtol=1e-5)
        np.testing.assert_allclose(
            measure(maps.contiguous(memory_format=torch.channels_last), labels), measure(maps, labels), rtol=1e-5
        )


def test_negative_activity_is_refused_unless_shifted():
    activity = ACTIVITY - 1
    with pytest.raises(ActivityError, match=r"negative in 2 of 3 units \(lowest -1\).*shift=True"):
        selectivity_index(activity, LABELS)
    # shifted by the minimum 0 -> the unit of means (4, 1, 1) again; constant units become dead
    np.testing.assert_allclose(selectivity_index(activity, LABELS, shift=True), [3 / 5, 0, 0], atol=1e-6)


@pytest.mark.parametrize(
    ("activity", "labels", "words"),
    [
        (ACTIVITY, LABELS[:5], r"labels: shape \(5,\) given for 6 samples"),
        (ACTIVITY, LABELS[:, None], r"labels: shape \(6, 1\)"),
        (ACTIVITY, LABELS.astype(float), "labels: torch.float64 given; integers"),
        (ACTIVITY, LABELS > 0, "labels: torch.bool given; integers"),
        (ACTIVITY[:0], LABELS[:0], "no samples"),
        (ACTIVITY[:, 0], LABELS, r"shape \(6,\) given; \(samples, units"),
        (np.zeros((6, 2, 0, 4)), LABELS, "no positions"),
        (np.where(ACTIVITY == 5, np.nan, ACTIVITY), LABELS, r"not finite in 1 of 3 units \(first: 0\)"),
        (np.where(ACTIVITY == 2, np.inf, ACTIVITY), LABELS, "not finite in 2 of 3 units"),
    ],
)
def test_bad_input_is_refused_by_name(activity, labels, words):
    for measure in MEASURES:
        with pytest.raises(ActivityError, match=words):
            measure(activity, labels)


def test_integer_half_and_read_only_activity():
    frozen = ACTIVITY.copy()
    frozen.flags.writeable = False
    expected = selectivity_index(ACTIVITY, LABELS)
    np.testing.assert_allclose(selectivity_index(ACTIVITY.astype(int), LABELS), expected)
    assert selectivity_index(torch.tensor(ACTIVITY).bfloat16(), LABELS).dtype == torch.float32
    np.testing.assert_allclose(selectivity_index(frozen, LABELS), expected)
    np.testing.assert_allclose(selectivity_index(ACTIVITY[::-1], LABELS[::-1]), expected)


@pytest.mark.parametrize("measure", [selectivity_index, class_discriminability])
@pytest.mark.parametrize(
    ("activity", "labels"),
    [
        (np.zeros((6, 2)), LABELS),
        (np.full((6, 2), 0.1), LABELS),
        (ACTIVITY[[0, 2, 4]], np.array([0, 1, 2])),
        (ACTIVITY, np.zeros(6, dtype=int)),
        (np.repeat([[3.0], [1], [2]], 2, 0), LABELS),
    ],
    ids=["dead", "constant", "one sample a class", "one class", "constant within classes"],
)
def test_values_and_gradients_are_finite(measure, activity, labels):
    leaf = torch.tensor(activity, dtype=torch.float32, requires_grad=True)
    value = measure(leaf, labels)
    value.sum().backward()
    assert torch.isfinite(value).all()
    assert torch.isfinite(leaf.grad).all()


def test_gradients_are_the_numerical_ones():
    activity, labels = drawn(samples=12, units=3, classes=3)
    leaf = torch.tensor(activity, requires_grad=True)
    for measure in (selectivity_index, class_discriminability):
        assert torch.autograd.gradcheck(lambda a, m=measure: m(a, labels), leaf)


def test_precision_is_kept_under_autocast():
    activity, labels = drawn(samples=300)
    expected = si_by_loops(activity, labels)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = selectivity_index(torch.tensor(activity, dtype=torch.float32), labels)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)


@given(st.integers(0, 2**32 - 1), st.integers(2, 40), st.integers(2, 6), st.floats(0.1, 1e6))
def test_si_is_a_share_that_ignores_scale_order_and_names(seed, samples, classes, scale):
    activity, labels = drawn(seed, samples, 3, classes)
    activity[activity < 0.5] = 0
    rng = np.random.default_rng(seed)
    found = selectivity_index(activity, labels).numpy()
    assert (found >= -1e-12).all()
    assert (found <= 1).all()
    np.testing.assert_allclose(selectivity_index(activity * scale, labels), found, atol=1e-4)
    order = rng.permutation(samples)
    np.testing.assert_allclose(selectivity_index(activity[order], labels[order]), found, atol=1e-9)
    np.testing.assert_allclose(selectivity_index(activity, rng.permutation(classes)[labels]), found, atol=1e-9)


@given(st.integers(0, 2**32 - 1), st.floats(-100, 100))
def test_d_prime_ignores_a_shift(seed, shift):
    activity, labels = drawn(seed)
    np.testing.assert_allclose(
        class_discriminability(activity + shift, labels), class_discriminability(activity, labels), atol=1e-6
    )


def test_streaming_equals_the_whole():
    activity, labels = map(torch.as_tensor, drawn(samples=50))
    labels = labels + 1  # class 0 never occurs
    activity[:, 3] = 0
    means = ClassMeans(7, 6)
    for k in range(0, 50, 11):
        means.update(activity[k : k + 11], labels[k : k + 11])
    np.testing.assert_allclose(means.selectivity_index(), selectivity_index(activity, labels), rtol=1e-12)
    assert torch.equal(means.preferred_class(), preferred_class(activity, labels))
