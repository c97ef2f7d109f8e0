"""The ablation benchmark's peers compute what the fast ways compute, and its rows fail where they do not."""

import numpy as np
import pytest
import torch

from benchmarks import ablation


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setattr(ablation, "IMAGES", 60)
    return ablation.network("mlp", 8, 4, 1)


def test_a_row_compares_times_of_equal_curves(small):
    found = ablation.curves({"units1": 8, "units2": 8}, 2, *small)
    assert len(found.ratios) == 5
    assert found.scale == 3 / 34  # the peer did masks 0, 8 and 16 of 17, in one ordering of two


def test_a_row_fails_where_curves_differ(small, monkeypatch):
    monkeypatch.setattr(ablation, "plain_curve", lambda *_, **_options: np.full((1, 2), 0.5))
    with pytest.raises(AssertionError):
        ablation.curves({"units2": 8}, 1, *small)


def test_captum_measures_the_same_changes(small):
    pytest.importorskip("captum")
    assert len(ablation.importance("units2", 8, *small).ratios) == 5


def test_every_row_is_measured(monkeypatch):
    monkeypatch.setattr(ablation, "IMAGES", 20)
    monkeypatch.setattr(ablation, "MLP_UNITS", 4)
    monkeypatch.setattr(ablation, "CAPTUM_UNITS", 4)
    monkeypatch.setattr(ablation, "CONVNET_WIDTH", 1)
    monkeypatch.setattr(ablation, "ORDERINGS", 2)
    monkeypatch.setattr(ablation.importlib.util, "find_spec", lambda _: None)
    assert sorted(ablation.measure()) == ["ablation-convnet", "ablation-mlp"]


def test_plain_passes_by_hand():
    model = torch.nn.Sequential(torch.nn.ReLU(), torch.nn.Linear(2, 2, bias=False))
    model[1].weight.data = torch.eye(2)
    images, labels = torch.tensor([[1.0, 0], [0, 1], [2, 1], [1, 3]]), torch.tensor([0, 1, 0, 1])
    found = ablation.plain_curve(model, images, labels, {"0": 2}, np.array([[0, 1], [1, 0]]))
    assert found.tolist() == [[1, 0.75, 0.5], [1, 0.5, 0.5]]
