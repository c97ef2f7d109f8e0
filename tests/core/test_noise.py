"""Noise curves: none, little, and so much that only chance is left."""

import numpy as np
import pytest
import torch
from torch import nn

from selectivity_core import build_model, unit_noise
from selectivity_core.ablation import noise_curve
from selectivity_core.errors import ActivityError, UnitError
from selectivity_core.perturbation import unit_deviations
from selectivity_core.seeds import generator


def network():
    torch.manual_seed(0)
    model = build_model("mlp", channels=1, image_size=4, classes=3, width=12, batch_norm=False)
    images = torch.randn(600, 1, 4, 4)
    return model, images, model.eval()(images).argmax(1)


def test_no_noise_is_clean_accuracy_and_rows_follow_draws_and_scales():
    model, images, labels = network()
    labels[:30] = (labels[:30] + 1) % 3
    curve = noise_curve(model, images, labels, scales=[0.0, 100.0], draws=3)
    assert list(curve.columns) == ["draw", "scale", "accuracy"]
    assert curve["draw"].tolist() == [0, 0, 1, 1, 2, 2]
    assert curve["scale"].tolist() == [0, 100] * 3
    assert (curve["accuracy"][curve["scale"] == 0] == 0.95).all()
    assert (curve["accuracy"][curve["scale"] == 100] < 0.7).all()


def test_equal_to_passes_with_the_same_noise():
    model, images, labels = network()
    std = {"units2": torch.full((12,), 0.5)}
    curve = noise_curve(model, images, labels, scales=[0.7], std=std, draws=2, seed=4)
    for draw in range(2):
        hits = 0
        for k, (some, wanted) in enumerate(zip(images.split(500), labels.split(500), strict=True)):
            with unit_noise(model, 0.7, std, generator(4, "unit noise", draw, k)):
                hits += int((model(some).argmax(1) == wanted).sum())
        assert curve["accuracy"][draw] == hits / 600
    assert curve["accuracy"].nunique() == 2


def test_a_scale_has_the_same_noise_whatever_the_other_scales():
    model, images, labels = network()
    one = noise_curve(model, images, labels, scales=[0.5], draws=2)
    more = noise_curve(model, images, labels, scales=[0.1, 0.5], draws=2)
    assert one["accuracy"].tolist() == more["accuracy"][more["scale"] == 0.5].tolist()
    other = noise_curve(model, images, labels, scales=[0.5], draws=2, seed=1)
    assert one["accuracy"].tolist() != other["accuracy"].tolist()


def test_deviations_are_measured_where_none_are_given():
    model, images, labels = network()
    measured = unit_deviations(model, images, ["units1"])
    given = noise_curve(model, images, labels, scales=[1.0], std=measured, draws=2)
    assert given.equals(noise_curve(model, images, labels, scales=[1.0], layers=["units1"], draws=2))


def test_a_stage_that_works_in_place_sees_the_same_input_each_time():
    model = nn.Sequential(nn.LeakyReLU(0.5, inplace=True), nn.Linear(2, 2, bias=False))
    model[1].weight.data = torch.tensor([[1.0, 0], [0, 0.3]])
    images = torch.tensor([[-1.0, -2.0]])  # logits -0.5, -0.3; a second leaky pass would not turn them round
    images_before = images.clone()
    curve = noise_curve(model, images, torch.tensor([1]), scales=[0.0], draws=4)
    assert curve["accuracy"].tolist() == [1.0] * 4
    assert torch.equal(images, images_before)


def test_the_model_is_left_as_it_was():
    model, images, labels = network()
    model.train()
    noise_curve(model, images, labels, scales=[1.0], draws=1)
    assert model.training
    assert not any(m._forward_hooks for m in model.modules())


@pytest.mark.parametrize(
    ("changed", "error", "message"),
    [
        ({"scales": [0.1, -0.5]}, UnitError, "scale: -0.5 given"),
        ({"scales": [float("nan")]}, UnitError, "scale: nan given"),
        ({"scales": []}, UnitError, "scales: none given"),
        ({"scales": ["much"]}, UnitError, "scales: "),
        ({"scales": 0.5}, UnitError, "scales: 0.5 given"),
        ({"draws": 0}, UnitError, "draws: 0 given"),
        ({"layers": ["units7"]}, UnitError, "'units7': the model has no such module"),
        ({"layers": ["units2"], "std": {"units1": np.ones(12)}}, UnitError, "std: nothing for layer 'units2'"),
        ({"std": {"units1": np.ones(11)}}, UnitError, r"shape \(11,\); \(12,\) is needed"),
        ({"std": {"units1": -np.ones(12)}}, UnitError, "standard deviation of -1"),
        ({"images": torch.zeros(0, 1, 4, 4)}, ActivityError, "a sample is needed"),
    ],
)
def test_bad_input_is_refused_before_any_pass(changed, error, message):
    model, images, labels = network()
    model.register_forward_pre_hook(lambda *_: pytest.fail("a pass was made"))
    with pytest.raises(error, match=message):
        noise_curve(model, **({"images": images, "labels": labels, "scales": [0.1]} | changed))


def test_labels_beyond_the_logits():
    model, images, labels = network()
    with pytest.raises(ActivityError, match="labels: 3 given; 0 to 2"):
        noise_curve(model, images, labels + 1, scales=[0.1], draws=1)
