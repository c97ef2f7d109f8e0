from dataclasses import replace

import numpy as np
import pytest
import torch

from selectivity_core.data import DATASETS, batch, class_names, dataset, load, normalise, split
from selectivity_core.data.dataset import check, crop_and_flip, relabelled
from selectivity_core.errors import DataError, SpecError


@pytest.fixture(scope="module")
def digits():
    return load("digits")


def test_digits_are_scikit_learns(digits):
    from sklearn.datasets import load_digits

    assert digits.images.shape == (1000, 8, 8, 1)
    assert torch.bincount(digits.labels).tolist() == [100] * 10
    bunch = load_digits()
    assert torch.bincount(digits.test_labels).tolist() == (np.bincount(bunch.target) - 100).tolist()
    ours = torch.cat([digits.images, digits.test_images]).flatten(1).numpy()
    theirs = np.rint(bunch.data * 255 / 16).astype(np.uint8)
    labels = torch.cat([digits.labels, digits.test_labels]).numpy()
    both = [sorted(map(tuple, np.c_[x, y].tolist())) for x, y in ((ours, labels), (theirs, bunch.target))]
    assert both[0] == both[1]  # every image once, with its own label: training and test share none
    assert load("digits") is load("digits")


def test_the_digits_never_change(digits):
    assert digits.digest == "7f3bd493728e8b9aed9f09e5d32df34dd3f2a091e5306b6df7a539dfb7eaf597"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"images": torch.zeros(1000, 8, 9, 1, dtype=torch.uint8)}, r"training images .*\(8, 9, 1\) torch.uint8 found"),
        ({"test_images": torch.zeros(797, 8, 8, 1)}, "test images .*float32 found"),
        ({"labels": torch.zeros(999, dtype=torch.long)}, "1000 images and 999 labels found; 1000 are needed"),
        ({"labels": torch.zeros(1000, dtype=torch.long)}, r"classes \[1, 2, .*\] have no images"),
        ({"labels": torch.arange(1000) % 11}, "labels must be 0 to 9"),
    ],
)
def test_check_refuses(digits, change, words):
    with pytest.raises(DataError, match=words):
        check(replace(digits, **change))
    check(digits)


def test_class_names_without_the_data(digits):
    assert class_names("digits") == digits.classes
    assert class_names("cifar10")[9] == "truck"
    assert all(len(class_names(name)) == shape.classes for name, shape in DATASETS.items())


@pytest.mark.parametrize("size", [1, 37, 150, 700])
def test_splits_are_disjoint_and_balanced(digits, size):
    found = split(digits, 3, size)
    assert len(found.train) == size
    assert len(found.validation) == 300
    assert len(set(found.train.tolist()) | set(found.validation.tolist())) == size + 300
    for part, wanted in ((found.train, size), (found.validation, 300)):
        counts = torch.bincount(digits.labels[part], minlength=10)
        assert counts.max() - counts.min() <= (wanted % 10 > 0)
    assert torch.equal(found.train_labels, digits.labels[found.train])


def test_a_seed_decides_the_split(digits):
    first, again, other = split(digits, 0, 100), split(digits, 0, 100), split(digits, 1, 100)
    assert torch.equal(first.train, again.train)
    assert torch.equal(first.validation, again.validation)
    assert set(first.train.tolist()) != set(other.train.tolist())
    # more images to train on are the same ones and others, so that sizes can be compared
    assert torch.equal(split(digits, 0, 200).train[:100], first.train)


@pytest.mark.parametrize("size", [0, 701, -1])
def test_more_than_there_is_is_refused(digits, size):
    with pytest.raises(SpecError, match=f"train_size: {size} given; 1 to 700 is allowed for digits"):
        split(digits, 0, size)


def test_corruption_share_and_nesting():
    labels = torch.arange(100_000) % 10
    half, all_ = relabelled(labels, 10, 0.5, 0), relabelled(labels, 10, 1.0, 0)
    # a relabelled sample keeps its label by chance one time in ten
    assert (half != labels).double().mean().item() == pytest.approx(0.45, abs=0.01)
    assert (all_ != labels).double().mean().item() == pytest.approx(0.9, abs=0.01)
    assert torch.bincount(all_).double().div(10_000).sub(1).abs().max() < 0.05
    assert ((half == labels) | (half == all_)).all()
    assert torch.equal(relabelled(labels, 10, 0.0, 0), labels)
    assert not torch.equal(relabelled(labels, 10, 0.5, 1), half)
    assert labels[:3].tolist() == [0, 1, 2]


def test_corruption_leaves_validation_and_test_alone(digits):
    plain, corrupted = split(digits, 0, 400), split(digits, 0, 400, 0.6)
    assert torch.equal(plain.train, corrupted.train)
    assert torch.equal(plain.validation, corrupted.validation)
    assert (plain.train_labels != corrupted.train_labels).sum() > 150


def test_crop_and_flip_is_one_of_the_possible_views(monkeypatch):
    monkeypatch.setattr(dataset, "PADDING", 2)
    draw = torch.Generator().manual_seed(0)
    images = torch.randint(1, 256, (300, 5, 6, 3), dtype=torch.uint8, generator=draw)
    found = crop_and_flip(images, torch.Generator().manual_seed(1)).numpy()
    seen = set()
    for image, view in zip(images.numpy(), found, strict=True):
        padded = np.zeros((9, 10, 3), dtype=np.uint8)
        padded[2:7, 2:8] = image
        views = {
            (down, right, flip): padded[down : down + 5, right : right + 6][:, :: -1 if flip else 1]
            for down in range(5) for right in range(5) for flip in (False, True)
        }  # fmt: skip
        matching = [place for place, one in views.items() if np.array_equal(one, view)]
        assert matching
        seen |= set(matching)
    assert len(seen) == 50  # every place and both directions occur
    again = crop_and_flip(images, torch.Generator().manual_seed(1))
    np.testing.assert_array_equal(found, again)


def test_batches_are_normalised_images(digits):
    chosen = torch.tensor([5, 900, 5])
    found = batch(digits, chosen)
    assert found.shape == (3, 1, 8, 8)
    expected = (digits.images[chosen, :, :, 0].double() / 255 - digits.mean[0]) / digits.std[0]
    np.testing.assert_allclose(found[:, 0], expected, atol=1e-5)
    assert torch.equal(found[0], found[2])
    whole = normalise(digits.images, digits)
    assert whole.mean().abs() < 1e-4
    assert whole.std().item() == pytest.approx(1, abs=1e-3)
    draw = torch.Generator().manual_seed(0)
    augmented = batch(digits, chosen, draw)
    draw = torch.Generator().manual_seed(0)
    assert torch.equal(augmented, normalise(crop_and_flip(digits.images[chosen], draw), digits))
