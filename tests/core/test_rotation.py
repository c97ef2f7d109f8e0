"""The off-axis bound against hidden axes, hand-made units and chance."""

import math

import numpy as np
import pytest
import torch
from rotated import SHORT, fits, layer, one_class_a_unit, projection

from selectivity_core import selectivity_index
from selectivity_core.errors import ActivityError
from selectivity_core.rotation import (
    ShiftedIndex,
    max_off_axis_selectivity,
    off_axis_scores,
    projected_index,
    starting_projections,
)

KINDS = ["axis", "axis_shifted", "random", "bound", "bound_shuffled"]


def test_a_single_unit_can_only_be_turned_round():
    activity, labels = np.array([[4.0], [4.0], [4.0], [4.0], [0.0], [0.0]]), np.array([0, 0, 1, 1, 2, 2])
    # As it is (4 - 2) / (4 + 2); turned round and shifted its class means are 0, 0 and 4.
    assert selectivity_index(activity, labels).item() == pytest.approx(1 / 3)
    bound = max_off_axis_selectivity(activity, labels, activity, labels)
    assert bound.tolist() == pytest.approx([1.0])


def test_selectivity_hidden_by_a_rotation_is_found():
    hidden = projection(4, 1)
    (val, val_labels), (test, test_labels) = (one_class_a_unit(200, 4, seed) for seed in (0, 1))
    straight = selectivity_index(test, test_labels).mean().item()
    val, test = val @ hidden.T, test @ hidden.T
    assert straight == pytest.approx(1 / 1.1, abs=0.01)
    assert selectivity_index(test, test_labels, shift=True).mean() < 0.6
    bound = max_off_axis_selectivity(val, val_labels, test, test_labels, steps=400, lr=1e-2)
    assert bound.mean().item() == pytest.approx(straight, abs=0.03)


def test_scores_tell_what_is_there_from_chance():
    val, test = (
        (values @ projection(6).T + 2, labels) for values, labels in (one_class_a_unit(600, 6, k) for k in (0, 1))
    )
    scores = off_axis_scores(*val, *test, steps=200, lr=1e-2)
    assert list(scores) == KINDS
    assert {values.shape for values in scores.values()} == {(6,)}
    torch.testing.assert_close(scores["axis"], selectivity_index(test[0].double(), test[1]))
    shifted = selectivity_index(test[0].double(), test[1], shift=True)
    torch.testing.assert_close(scores["axis_shifted"], shifted, rtol=0, atol=1e-10)
    torch.testing.assert_close(scores["bound"], max_off_axis_selectivity(*val, *test, steps=200, lr=1e-2))
    mean = {kind: values.mean().item() for kind, values in scores.items()}
    assert mean["bound"] > max(mean["axis_shifted"], mean["random"])
    assert mean["bound_shuffled"] < mean["bound"] / 2


def test_random_is_near_the_mean_of_many_projections_and_far_from_the_units():
    val, (test, labels) = layer(units=8, seed=0), layer(units=8, seed=1)
    scores = off_axis_scores(*val, test, labels, steps=0)
    means = torch.stack([projected_index(test, labels, projection(8, k)).mean() for k in range(200)])
    # The mean of ten of them; four of its standard errors.
    error = 4 * means.std() / math.sqrt(10)
    assert (scores["random"].mean() - means.mean()).abs() < error
    assert scores["axis"].mean() - means.mean() > error


def test_negative_activity_has_a_bound_and_no_plain_index():
    val, test = layer(units=4, seed=0), layer(units=4, seed=1)
    scores = off_axis_scores(val[0] - 1, val[1], test[0] - 1, test[1], **SHORT)
    assert scores["axis"].isnan().all()
    plain = off_axis_scores(*val, *test, steps=0)
    torch.testing.assert_close(scores["axis_shifted"], plain["axis_shifted"], rtol=0, atol=1e-6)
    assert torch.isfinite(scores["bound"]).all()


def test_steps_end_when_nothing_changes_and_zero_steps_give_the_best_start():
    constant, labels = torch.full((40, 3), 2.0), torch.arange(40) % 4
    assert [fit.steps for fit in fits(constant, labels, steps=500)] == [10, 10, 10]
    activity, labels = layer()
    starts = starting_projections(ShiftedIndex(activity, labels), 0)
    bound = max_off_axis_selectivity(activity, labels, activity, labels, steps=0)
    means = [projected_index(activity, labels, w).mean().item() for w in starts]
    assert bound.mean().item() == pytest.approx(max(means))


def test_dead_and_constant_units():
    activity, labels = layer(units=4)
    activity[:, 1], activity[:, 2] = 0, 3
    scores = off_axis_scores(activity, labels, activity, labels, **SHORT)
    assert scores["axis_shifted"][1:3].abs().max() < 1e-9
    assert scores["bound"].mean() > scores["axis_shifted"].mean()
    nothing = off_axis_scores(torch.zeros(40, 3), labels[:40], torch.full((40, 3), 7e5), labels[:40], **SHORT)
    assert {kind: values.abs().max().item() < 1e-6 for kind, values in nothing.items()} == dict.fromkeys(KINDS, True)


def test_one_sample_a_class_and_classes_on_one_side_only():
    source = torch.Generator().manual_seed(0)
    val, test = torch.rand(3, 4, generator=source), torch.rand(5, 4, generator=source)
    # Three samples span a plane: each column's lowest sample is at 0 and the index is finite.
    bound = max_off_axis_selectivity(val, torch.tensor([5, 0, 9]), test, torch.tensor([0, 0, 1, 1, 2]), **SHORT)
    assert ((bound >= 0) & (bound <= 1)).all()


def test_the_same_seed_gives_the_same_bits_whatever_the_callers_modes():
    val, test = layer(seed=0), layer(seed=1)
    bound = max_off_axis_selectivity(*val, *test, **SHORT)
    assert torch.equal(bound, max_off_axis_selectivity(*val, *test, **SHORT))
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        inside = max_off_axis_selectivity(val[0].clone(), val[1].clone(), *test, **SHORT)
    assert torch.equal(bound, inside)
    with torch.no_grad():
        assert torch.equal(bound, max_off_axis_selectivity(val[0].requires_grad_(), val[1], *test, **SHORT))
    starts = [starting_projections(ShiftedIndex(val[0].detach(), val[1]), seed) for seed in (0, 1)]
    assert torch.equal(starts[0][0], starts[1][0])
    assert not torch.equal(starts[0][1:], starts[1][1:])


def test_maps_arrays_and_whole_numbers_are_taken():
    (val, val_labels), (test, test_labels) = layer(seed=0), layer(seed=1)
    bound = max_off_axis_selectivity(val, val_labels, test, test_labels, **SHORT)
    maps = [a[:, :, None, None] + torch.tensor([[-0.5, 0.5], [1.0, -1.0]]) for a in (val, test)]
    torch.testing.assert_close(
        max_off_axis_selectivity(maps[0], val_labels, maps[1], test_labels, steps=3),  # the same means, rounded
        max_off_axis_selectivity(val, val_labels, test, test_labels, steps=3),
        rtol=0,
        atol=1e-4,
    )
    arrays = [a.numpy() for a in (val, val_labels, test, test_labels)]
    for array in arrays:
        array.flags.writeable = False
    assert torch.equal(bound, max_off_axis_selectivity(*arrays, **SHORT))
    counts = (val * 10).long()
    assert torch.isfinite(max_off_axis_selectivity(counts, val_labels, counts, val_labels, **SHORT)).all()
    assert bound.dtype == torch.float64 and bound.device.type == "cpu" and not bound.requires_grad


A, Y = np.ones((4, 2)), np.array([0, 1, 0, 1])
NAN = np.array([[1.0, np.nan]] * 4)


@pytest.mark.parametrize("measure", [max_off_axis_selectivity, off_axis_scores])
@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        ((NAN, Y, A, Y), {}, "val_activity: not finite in 1 of 2 units"),
        ((A, Y, NAN, Y), {}, "test_activity: not finite in 1 of 2 units"),
        ((A, Y[:3], A, Y), {}, r"val_labels: shape \(3,\) given for 4 samples"),
        ((A, Y, A, Y * 1.0), {}, "test_labels: torch.float64 given; integers are needed"),
        ((A[:, 0], Y, A, Y), {}, r"val_activity: shape \(4,\) given"),
        ((A[:0], Y[:0], A, Y), {}, "val_activity: no samples"),
        ((A[:, :0], Y, A[:, :0], Y), {}, "val_activity: no units given"),
        ((A, Y, A[:, :1], Y), {}, "test_activity: 1 units given; val_activity has 2"),
        ((A, Y * 0, A, Y), {}, "val_labels: one class given; two or more"),
        ((A, Y, A, Y * 0), {}, "test_labels: one class given; two or more"),
        ((A, Y, A, Y), {"steps": -1}, "steps: -1 given; a whole number of 0 or more"),
        ((A, Y, A, Y), {"steps": 2.5}, "steps: 2.5 given"),
        ((A, Y, A, Y), {"lr": 0.0}, "lr: 0.0 given; a finite number above 0"),
        ((A, Y, A, Y), {"lr": math.inf}, "lr: inf given"),
    ],
)
def test_what_has_no_bound_is_refused_by_argument(measure, arguments, options, message):
    with pytest.raises(ActivityError, match=message):
        measure(*arguments, **options)
