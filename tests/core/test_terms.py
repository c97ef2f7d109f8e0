"""Terms that reach an index by one means alone: the value of the whole, and a gradient that moves nothing else."""

import pytest
import torch

from selectivity_core import RunSpec, SelectivityRegularizer, class_discriminability, selectivity_index
from selectivity_core.errors import SpecError
from selectivity_core.indices import class_means, class_statistics
from selectivity_core.regularizer import offset_of_means, spread_of


@pytest.fixture
def batch():
    generator = torch.Generator().manual_seed(0)
    activity = torch.rand(40, 7, generator=generator, dtype=torch.float64)
    activity[:, 6] = 0  # a dead unit
    labels = torch.arange(40) % 4
    return activity.requires_grad_(), labels


def test_values_are_those_of_the_measures(batch):
    activity, labels = batch
    plain = activity.detach()
    assert torch.allclose(offset_of_means(class_means(plain, labels)[2]), selectivity_index(plain, labels))
    assert torch.allclose(spread_of(class_statistics(plain, labels)), class_discriminability(plain, labels))


def test_offset_moves_all_samples_of_a_unit_alike(batch):
    activity, labels = batch
    offset_of_means(class_means(activity, labels)[2]).sum().backward()
    slopes = activity.grad
    assert torch.allclose(slopes, slopes[:1].expand_as(slopes))  # ten samples a class
    # d SI / d shift = −2 (μmax − μ₋max) / (μmax + μ₋max)², which is −2 SI² / (μmax − μ₋max).
    means = class_means(activity.detach(), labels)[2][:, :6]
    top = means.max(0).values
    others = (means.sum(0) - top) / 3
    assert torch.allclose(slopes[:, :6].sum(0), -2 * (top - others) / (top + others + 1e-7).square())


def test_spread_moves_no_class_mean(batch):
    activity, labels = batch
    spread_of(class_statistics(activity, labels)).sum().backward()
    slopes = torch.stack([activity.grad[labels == c].sum(0) for c in range(4)])
    assert torch.allclose(slopes, torch.zeros_like(slopes), atol=1e-12)
    assert (activity.grad[:, :6].abs().sum(0) > 0).all()
    assert torch.isfinite(activity.grad).all()


def test_a_step_against_spread_widens_classes_and_leaves_the_index(batch):
    activity, labels = batch
    spread_of(class_statistics(activity, labels)).sum().backward()
    moved = activity.detach() - 0.01 * activity.grad
    assert (class_discriminability(moved, labels)[:6] < class_discriminability(activity.detach(), labels)[:6]).all()
    means = [class_means(values, labels)[2] for values in (moved, activity.detach())]
    assert torch.allclose(*means)


@pytest.mark.parametrize("classes", [0, 1])
def test_fewer_than_two_classes_give_zero(classes):
    activity = torch.rand(5 * classes, 3, requires_grad=True)
    labels = torch.zeros(5 * classes, dtype=torch.long)
    if classes:
        assert offset_of_means(class_means(activity, labels)[2]).tolist() == [0, 0, 0]
        assert spread_of(class_statistics(activity, labels)).tolist() == [0, 0, 0]
    else:
        assert offset_of_means(activity[:0]).tolist() == [0, 0, 0]


@pytest.mark.parametrize(("index", "whole"), [("offset", "si"), ("spread", "dprime")])
def test_the_regulariser_takes_them(index, whole):
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(6, 5), torch.nn.ReLU(), torch.nn.Linear(5, 3))
    images, labels = torch.rand(30, 6), torch.arange(30) % 3
    terms, slopes = [], []
    for name in (index, whole):
        regularizer = SelectivityRegularizer(model, -2.0, index=name)
        model.zero_grad()
        model(images)
        terms.append(regularizer(labels))
        terms[-1].backward()
        slopes.append(model[0].bias.grad.clone())
        regularizer.remove()
    assert torch.allclose(*terms)
    assert not torch.allclose(*slopes)


def test_specs_name_them_and_refuse_an_unbiased_estimate():
    assert RunSpec(index="offset").id != RunSpec().id
    with pytest.raises(SpecError, match='"unbiased" given with index "spread"'):
        RunSpec(index="spread", estimate="unbiased")
