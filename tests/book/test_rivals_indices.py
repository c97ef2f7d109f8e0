"""What each rival index gives on activity small enough to work it out by hand, beside the papers' own."""

import pytest
import torch

from selectivity_core import class_discriminability, selectivity_index
from selectivity_core.book.rivals import (
    discriminability_without_root,
    index_against_all_other_samples,
    index_of_class_sums,
    index_of_positions,
    index_with_absent_classes_as_zero,
)
from selectivity_core.errors import ActivityError
from selectivity_core.seeds import generator


def column(*values):
    return torch.tensor(values, dtype=torch.float64)[:, None]


def one(index):
    (value,) = index.tolist()
    return value


def test_class_sums():
    activity, labels = column(4, 2, 2, 2), torch.tensor([0, 1, 1, 1])
    assert one(selectivity_index(activity, labels)) == pytest.approx((4 - 2) / (4 + 2))
    # Sums 4 and 6: the class with more samples is taken for the preferred one.
    assert one(index_of_class_sums(activity, labels)) == pytest.approx((6 - 4) / (6 + 4))


def test_class_sums_of_equal_classes_are_the_index():
    activity, labels = torch.rand(12, 3, generator=generator(0, "equal")), torch.arange(12) % 4
    torch.testing.assert_close(index_of_class_sums(activity, labels), selectivity_index(activity, labels))


@pytest.mark.parametrize(("classes", "size", "expected"), [(10, 128, 0.20), (200, 256, 0.50)])
def test_class_sums_of_a_unit_that_never_changes(classes, size, expected):
    """On batches of drawn classes a constant unit has an index, where by its means it has none."""
    draw, activity = generator(0, "constant"), torch.ones(size, 1)
    batches = [torch.randint(classes, (size,), generator=draw) for _ in range(300)]
    assert max(one(selectivity_index(activity, labels)) for labels in batches) < 1e-6
    mean = sum(one(index_of_class_sums(activity, labels)) for labels in batches) / 300
    assert mean == pytest.approx(expected, abs=0.02)


def test_absent_classes_as_zero():
    activity, labels = column(6, 2), torch.tensor([0, 2])
    assert one(selectivity_index(activity, labels)) == pytest.approx((6 - 2) / (6 + 2))
    # Means 6, 0, 2, 0: the others' mean is 2/3.
    assert one(index_with_absent_classes_as_zero(activity, labels, 4)) == pytest.approx((6 - 2 / 3) / (6 + 2 / 3))


def test_one_class_alone_is_then_wholly_selective():
    activity, labels = column(1, 2), torch.tensor([1, 1])
    assert one(selectivity_index(activity, labels)) == 0
    assert one(index_with_absent_classes_as_zero(activity, labels, 3)) == pytest.approx(1)


def test_no_class_absent_is_the_index():
    activity, labels = torch.rand(12, 3, generator=generator(0, "none absent")), torch.arange(12) % 4
    torch.testing.assert_close(
        index_with_absent_classes_as_zero(activity, labels, 4), selectivity_index(activity, labels)
    )


def test_against_all_other_samples():
    activity, labels = column(8, 4, 1, 1, 1), torch.tensor([0, 1, 2, 2, 2])
    assert one(selectivity_index(activity, labels)) == pytest.approx((8 - 2.5) / (8 + 2.5))
    # The other four samples: (4 + 1 + 1 + 1) / 4.
    assert one(index_against_all_other_samples(activity, labels)) == pytest.approx((8 - 1.75) / (8 + 1.75))
    assert one(index_against_all_other_samples(activity, torch.zeros(5, dtype=torch.int64))) == 0


def test_all_other_samples_of_equal_classes_are_the_index():
    activity, labels = torch.rand(12, 3, generator=generator(0, "others")), torch.arange(12) % 4
    torch.testing.assert_close(index_against_all_other_samples(activity, labels), selectivity_index(activity, labels))


def test_positions():
    """A unit that answers both classes, each in a corner of its own: not selective, its two positions wholly so."""
    maps = torch.zeros(2, 1, 1, 2)
    maps[0, 0, 0, 0] = maps[1, 0, 0, 1] = 3
    labels = torch.tensor([0, 1])
    assert one(selectivity_index(maps, labels)) == 0
    assert index_of_positions(maps, labels).tolist() == pytest.approx([1, 1])


def test_positions_come_unit_by_unit():
    maps = torch.rand(6, 2, 3, 4, generator=generator(0, "maps"))
    labels = torch.arange(6) % 2
    found = index_of_positions(maps, labels)
    assert len(found) == 24
    torch.testing.assert_close(found[13:14], selectivity_index(maps[:, 1, 0, 1][:, None], labels))


def test_without_the_root():
    activity, labels = column(5, 7, 0, 4), torch.tensor([0, 0, 1, 1])
    # Means 6 and 2, population variances 1 and 4: half their sum is 2.5.
    assert one(class_discriminability(activity, labels)) == pytest.approx(4 / 2.5**0.5)
    assert one(discriminability_without_root(activity, labels)) == pytest.approx(4 / 2.5)


def test_without_the_root_over_three_classes():
    activity, labels = column(5, 7, 0, 4, 3), torch.tensor([0, 0, 1, 1, 2])
    # Others: mean of class means 2.5; their three samples 0, 4, 3 have variance 26/9.
    assert one(discriminability_without_root(activity, labels)) == pytest.approx(3.5 / ((1 + 26 / 9) / 2))
    assert one(class_discriminability(activity, labels)) == pytest.approx(3.5 / ((1 + 26 / 9) / 2) ** 0.5)


def test_without_the_root_the_scale_matters():
    activity, labels = column(5, 7, 0, 4), torch.tensor([0, 0, 1, 1])
    assert one(class_discriminability(10 * activity, labels)) == pytest.approx(4 / 2.5**0.5)
    assert one(discriminability_without_root(10 * activity, labels)) == pytest.approx(4 / 25)


def test_without_the_root_a_dead_unit_and_a_single_class_have_0():
    assert one(discriminability_without_root(column(0, 0, 0, 0), torch.tensor([0, 0, 1, 1]))) == 0
    assert one(discriminability_without_root(column(1, 2), torch.tensor([1, 1]))) == 0


@pytest.mark.parametrize("index", [index_of_class_sums, index_against_all_other_samples, discriminability_without_root])
def test_what_does_not_fit_is_refused(index):
    with pytest.raises(ActivityError, match=r"labels: shape \(3,\) given for 2 samples"):
        index(column(1, 2), torch.tensor([0, 1, 1]))
    with pytest.raises(ActivityError, match="not finite"):
        index(column(1, float("nan")), torch.tensor([0, 1]))
