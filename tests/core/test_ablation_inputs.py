"""What an ablation is asked: refused by name where it cannot be."""

import numpy as np
import pytest
import torch
from torch import nn

from selectivity_core import build_model
from selectivity_core.ablation import cumulative_ablation
from selectivity_core.ablation.curves import checked_orderings
from selectivity_core.errors import ActivityError, UnitError


def test_a_count_gives_the_same_orderings_each_time_and_the_first_of_more():
    two = checked_orderings(2, 50)
    assert checked_orderings(3, 50)[:2].equal(two)
    assert [sorted(row) for row in two.tolist()] == [list(range(50))] * 2
    assert not two[0].equal(two[1])


@pytest.mark.parametrize("given", [[[1, 0], [0, 1]], np.array([[1, 0], [0, 1]]), torch.tensor([[1, 0], [0, 1]])])
def test_orderings_are_taken_as_they_are(given):
    assert checked_orderings(given, 2).tolist() == [[1, 0], [0, 1]]


@pytest.mark.parametrize(
    ("changed", "error", "message"),
    [
        ({"layers": ["units9"]}, UnitError, "layer 'units9': the model has no such module"),
        ({"layers": ["units1", "units1"]}, UnitError, "'units1' is named twice"),
        ({"layers": []}, UnitError, "an empty list given"),
        ({"orderings": 0}, UnitError, "orderings: 0 given; a count of 1 or more"),
        ({"orderings": [[0, 1, 2], [0, 1]]}, UnitError, "row 1 has 2 units; every row needs each of the 3 once"),
        ({"orderings": [[0, 1]]}, UnitError, "row 0 has 2 units"),
        ({"orderings": [[0, 1, 3]]}, UnitError, "row 0 has unit 3; 0 to 2 is allowed"),
        ({"orderings": [[0, -1, 2]]}, UnitError, "row 0 has unit -1; 0 to 2"),
        ({"orderings": [[0, 1, 1]]}, UnitError, "row 0 has unit 1 2 times"),
        ({"orderings": [[0.0, 1.0, 2.0]]}, UnitError, "row 0 is not a list of whole numbers"),
        ({"orderings": np.arange(3)}, UnitError, r"shape \(3,\) given"),
        ({"orderings": []}, UnitError, "orderings: "),
        ({"orderings": True}, UnitError, "orderings: True given"),
        ({"value": "mean"}, UnitError, "value: 'mean' given"),
        ({"value": {"units1": [0.0, 1.0]}}, UnitError, r"layer 'units1' has shape \(2,\); \(3,\) is needed"),
        ({"value": {"units2": [0.0] * 3}}, UnitError, "nothing for layer 'units1'"),
        ({"images": torch.full((2, 1, 2, 2), float("nan"))}, ActivityError, r"images: not finite in 2 of 2 \(first: 0"),
        ({"images": torch.zeros(0, 1, 2, 2), "labels": torch.zeros(0).long()}, ActivityError, "a sample is needed"),
        ({"images": torch.zeros(2, 1, 2, 2, dtype=torch.uint8)}, ActivityError, "images: torch.uint8 given"),
        ({"labels": torch.tensor([0])}, ActivityError, r"labels: shape \(1,\) given for 2 images"),
        ({"labels": torch.tensor([0.0, 1.0])}, ActivityError, "labels: torch.float32 given"),
        ({"labels": torch.tensor([0, -1])}, ActivityError, "labels: -1 given"),
    ],
)
def test_bad_input_is_refused_before_any_pass(changed, error, message):
    model = build_model("mlp", channels=1, image_size=2, classes=2, width=3, batch_norm=False)
    model.register_forward_pre_hook(lambda *_: pytest.fail("a pass was made"))
    good = {"images": torch.zeros(2, 1, 2, 2), "labels": torch.tensor([0, 1]), "layers": ["units1"], "orderings": 1}
    with pytest.raises(error, match=message):
        cumulative_ablation(model, **(good | changed))


def test_bad_input_to_a_foreign_network():
    model = nn.Sequential(nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 2))
    images, labels = torch.zeros(4, 2), torch.zeros(4, dtype=torch.int64)
    with pytest.raises(UnitError, match="row 0 has unit 2; 0 to 1"):
        cumulative_ablation(model, images, labels, layers=["1"], orderings=[[0, 2]])
    with pytest.raises(UnitError, match="layer '1' has 3 numbers for its 2 units"):
        cumulative_ablation(model, images, labels, layers=["1"], orderings=1, value={"1": [0.0] * 3})
    model.add_module("unused", nn.ReLU())
    model.forward = lambda x: model[2](model[1](model[0](x)))
    with pytest.raises(UnitError, match="layer 'unused': the model does not use it"):
        cumulative_ablation(model, images, labels, layers=["unused"], orderings=1)
    with pytest.raises(ActivityError, match=r"output of shape \(4, 2, 1\)"):
        cumulative_ablation(
            nn.Sequential(*model[:3], nn.Unflatten(1, (2, 1))), images, labels, layers=["1"], orderings=1
        )
