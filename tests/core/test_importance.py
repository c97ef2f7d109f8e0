"""Importance by hand and against one plain pass for each unit."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from selectivity_core import ablate, build_model
from selectivity_core.ablation import unit_importance
from selectivity_core.errors import ActivityError, UnitError
from selectivity_core.perturbation import unit_means


def test_two_units_by_hand():
    model = nn.Sequential(nn.ReLU(), nn.Linear(2, 2, bias=False))
    model[1].weight.data = torch.eye(2)
    images, labels = torch.tensor([[1.0, 0], [0, 1], [2, 1], [1, 3]]), torch.tensor([0, 1, 0, 1])
    found = unit_importance(model, images, labels, layers=["0"])
    assert list(found.columns) == ["layer", "unit", "accuracy", "loss", "accuracy_change", "loss_change"]
    assert found["layer"].tolist() == ["0", "0"]
    assert found["unit"].tolist() == [0, 1]
    assert found["accuracy"].tolist() == [0.75, 0.5]
    assert found["accuracy_change"].tolist() == [-0.25, -0.5]
    # Losses are log(1 + e^-margin); margins are 1, 1, 1, 2 intact; 0, 1, -1, 3 without unit 0; 1, 0, 2, -1 without 1.
    intact = np.log1p(np.exp([-1.0, -1, -1, -2])).mean()
    loss = [np.log1p(np.exp([0.0, -1, 1, -3])).mean(), np.log1p(np.exp([-1.0, 0, -2, 1])).mean()]
    np.testing.assert_allclose(found["loss"], loss, rtol=1e-6)
    np.testing.assert_allclose(found["loss_change"], np.array(loss) - intact, rtol=1e-5)


@pytest.mark.parametrize("clamp", ["zero", "mean"])
@pytest.mark.parametrize(
    ("name", "layers", "options"),
    [
        ("mlp", ["units2", "units1"], {"width": 20, "batch_norm": False}),
        ("convnet11", ["layers.units10", "layers.units11"], {"width": 2, "batch_norm": True}),
        ("resnet20", ["stage3.2.units1"], {"width": 2, "batch_norm": True}),
        ("resnet20", ["stage2.0.units2", "units", "stage3.2.units1", "stage2.0.units1"], {"width": 2}),
    ],
)
def test_equal_to_one_plain_pass_for_each_unit(name, layers, options, clamp):
    torch.manual_seed(2)
    model = build_model(name, channels=1, image_size=8, classes=4, **options)
    images, labels = torch.randn(530, 1, 8, 8), torch.randint(4, (530,))
    with torch.no_grad():
        for _ in range(5):
            model(images)  # for batch norm
        model.fc.bias -= model.eval()(images).mean(0)
    value = unit_means(model, images, layers) if clamp == "mean" else "zero"
    found = unit_importance(model, images, labels, layers=layers, value=value)

    def plain(units):
        with torch.inference_mode(), ablate(model, units, value):
            logits = torch.cat([model(some) for some in images.split(500)])
        return float((logits.argmax(1) == labels).double().mean()), float(F.cross_entropy(logits.double(), labels))

    intact = plain({layer: [] for layer in layers})
    for row in found.itertuples():
        accuracy, loss = plain({layer: [row.unit] if layer == row.layer else [] for layer in layers})
        assert row.accuracy == accuracy
        assert row.accuracy_change == pytest.approx(accuracy - intact[0], abs=1e-12)
        assert row.loss == pytest.approx(loss, abs=1e-5)
        assert row.loss_change == pytest.approx(loss - intact[1], abs=2e-5)
    assert found["accuracy"].nunique() > 1


def test_a_dead_unit_changes_nothing():
    model = nn.Sequential(nn.ReLU(), nn.Linear(2, 3))
    images = torch.tensor([[1.0, -1.0], [2.0, -3.0]])
    found = unit_importance(model, images, torch.tensor([0, 1]), layers="all")
    assert found["accuracy_change"][1] == 0
    assert found["loss_change"][1] == pytest.approx(0, abs=1e-7)
    assert found["loss_change"][0] != 0


def test_bad_input():
    model = nn.Sequential(nn.ReLU(), nn.Linear(2, 3))
    with pytest.raises(UnitError, match="'5': the model has no such module"):
        unit_importance(model, torch.zeros(1, 2), torch.tensor([0]), layers=["5"])
    with pytest.raises(ActivityError, match="labels: 3 given; 0 to 2"):
        unit_importance(model, torch.zeros(1, 2), torch.tensor([3]), layers=["0"])
