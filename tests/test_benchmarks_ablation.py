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
    row = ablation.curve_row("small", {"units1": 8, "units2": 8}, 1, 2, *small)
    assert row.startswith("small")
    assert "1 pairs" in row


def test_a_row_fails_where_curves_differ(small, monkeypatch):
    monkeypatch.setattr(ablation, "plain_curve", lambda *_: np.full((1, 9), 0.5))
    with pytest.raises(AssertionError):
        ablation.curve_row("small", {"units2": 8}, 1, 1, *small)


def test_without_captum_the_row_says_so(small, monkeypatch):
    monkeypatch.setattr(ablation.importlib.util, "find_spec", lambda _: None)
    assert "captum is not installed" in ablation.captum_row("small", "units2", 8, 1, *small)


def test_captum_measures_the_same_changes(small):
    pytest.importorskip("captum")
    assert "1 pairs" in ablation.captum_row("small", "units2", 8, 1, *small)


def test_plain_passes_by_hand():
    model = torch.nn.Sequential(torch.nn.ReLU(), torch.nn.Linear(2, 2, bias=False))
    model[1].weight.data = torch.eye(2)
    images, labels = torch.tensor([[1.0, 0], [0, 1], [2, 1], [1, 3]]), torch.tensor([0, 1, 0, 1])
    found = ablation.plain_curve(model, images, labels, {"0": 2}, np.array([[0, 1], [1, 0]]))
    assert found.tolist() == [[1, 0.75, 0.5], [1, 0.5, 0.5]]
