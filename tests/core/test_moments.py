"""Means and deviations of units against numpy on everything at once."""

import numpy as np
import pytest
import torch
from torch import nn

from selectivity_core import build_model, record
from selectivity_core.errors import ActivityError, UnitError
from selectivity_core.perturbation import unit_deviations, unit_means


def test_by_hand():
    model = nn.Sequential(nn.ReLU(), nn.Linear(2, 2))
    images = torch.tensor([[1.0, -1.0], [3.0, 2.0]])
    assert unit_means(model, images)["0"].tolist() == [2.0, 1.0]
    assert unit_deviations(model, images)["0"].tolist() == [1.0, 1.0]
    assert unit_means(model, images)["0"].dtype == torch.float64


def test_maps_over_several_batches():
    torch.manual_seed(0)
    model = build_model("convnet11", channels=1, image_size=8, classes=3, width=2).train()
    images = torch.randn(1100, 1, 8, 8)
    names = ["layers.units1", "layers.units9"]
    means, deviations = unit_means(model, images, names), unit_deviations(model, images, names)
    assert model.training
    model.eval()
    with torch.inference_mode(), record(model, names, maps=True) as seen:
        model(images)
    for name in names:
        values = np.moveaxis(seen[name].double().numpy(), 1, 0).reshape(seen[name].shape[1], -1)
        np.testing.assert_allclose(means[name], values.mean(1), rtol=1e-5, atol=1e-7)
        np.testing.assert_allclose(deviations[name], values.std(1), rtol=1e-5, atol=1e-7)
    assert list(means) == names
    assert not any(m._forward_hooks for m in model.modules())


def test_a_large_mean_does_not_swamp_a_small_deviation():
    model = nn.Sequential(nn.ReLU(), nn.Linear(1, 1))
    images = torch.cat([torch.full((700, 1), 2.0**20), torch.full((700, 1), 2.0**20 + 1)])
    assert unit_deviations(model, images)["0"].item() == pytest.approx(0.5, rel=1e-9)


def test_tokens_have_their_units_last():
    model = nn.Sequential(nn.ReLU(), nn.Linear(3, 1))
    tokens = torch.rand(4, 5, 3, generator=torch.Generator().manual_seed(0))
    with pytest.raises(UnitError, match="cannot be told; pass unit_dim"):
        unit_means(model, tokens)
    torch.testing.assert_close(unit_means(model, tokens, unit_dim=-1)["0"], tokens.double().mean((0, 1)))


def test_one_sample_and_a_dead_unit_have_no_deviation():
    model = nn.Sequential(nn.ReLU(), nn.Linear(2, 2))
    assert unit_deviations(model, torch.tensor([[3.0, -1.0]]))["0"].tolist() == [0.0, 0.0]


def test_bad_input():
    model = nn.Sequential(nn.ReLU(), nn.Linear(2, 2))
    with pytest.raises(UnitError, match="'9': the model has no such module"):
        unit_means(model, torch.zeros(1, 2), ["9"])
    with pytest.raises(ActivityError, match="images: not finite in 1 of 1"):
        unit_deviations(model, torch.tensor([[0.0, float("inf")]]))
    with pytest.raises(ActivityError, match="images: shape"):
        unit_deviations(model, torch.zeros(0, 2))
