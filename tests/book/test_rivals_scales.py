import pytest
import torch
from torch import nn

from selectivity_core import SelectivityRegularizer
from selectivity_core.book.rivals import flipped_term, scale_as_written, scale_by_pattern


def test_a_flipped_sign_raises_what_it_should_lower():
    """Two samples of two classes, activity 3 and 1: SI = 2/4; α = -2 adds +1 to the loss, the flipped term -1."""
    model = nn.Sequential(nn.ReLU(), nn.Linear(1, 2))
    regularizer = SelectivityRegularizer(model, -2.0)
    images, labels = torch.tensor([[3.0], [1.0]], requires_grad=True), torch.tensor([0, 1])
    model(images)
    flipped = flipped_term(regularizer, labels)
    assert float(regularizer(labels).detach()) == pytest.approx(1)
    assert float(flipped.detach()) == pytest.approx(-1)
    (slope,) = torch.autograd.grad(flipped, images)
    # Going down the flipped term raises the activity of the preferred class and lowers the other's.
    assert slope[0] < 0 < slope[1]


def test_a_flipped_sign_follows_the_warm_up():
    model = nn.Sequential(nn.ReLU(), nn.Linear(1, 2))
    regularizer = SelectivityRegularizer(model, -2.0, warmup_steps=4)
    model(torch.tensor([[3.0], [1.0]]))
    regularizer.steps = 1
    assert float(flipped_term(regularizer, torch.tensor([0, 1])).detach()) == pytest.approx(-0.25)


@pytest.mark.parametrize(
    ("text", "pattern", "written"),
    [("-0.5*10", 5, -5), ("0.5*10", 5, 5), ("-2", 2, -2), ("-2 * -3", 6, 6), (" 0.1 ", 0.1, 0.1), ("1e-2", 2, 0.01)],
)
def test_reading_a_scale(text, pattern, written):
    assert scale_by_pattern(text) == pytest.approx(pattern)
    assert scale_as_written(text) == pytest.approx(written)
