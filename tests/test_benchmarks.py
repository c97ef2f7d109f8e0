"""The benchmark's peer computes what the fast path computes."""

from __future__ import annotations

import pytest
import torch

from benchmarks.pwcca import generated, plain_pwcca
from benchmarks.regulariser_step import PlainRegularizer, step
from benchmarks.timing import compare
from selectivity_core import SelectivityRegularizer, build_model, pwcca_distance


def test_plain_regulariser_gives_the_same_loss_and_gradients():
    torch.manual_seed(0)
    model = build_model("resnet20", channels=3, image_size=16, classes=10, width=4)
    images, labels = torch.randn(40, 3, 16, 16), torch.arange(40) % 10
    found = []
    for kind in (SelectivityRegularizer, PlainRegularizer):
        regularizer = kind(model, -2.0)
        model.zero_grad()
        model(images)
        loss = regularizer(labels)
        loss.backward()
        found.append((loss.item(), [p.grad.clone() for n, p in model.named_parameters() if not n.startswith("fc")]))
        if kind is SelectivityRegularizer:
            regularizer.remove()
    assert found[0][0] == pytest.approx(found[1][0], rel=1e-5)
    for fast, plain in zip(found[0][1], found[1][1], strict=True):
        torch.testing.assert_close(fast, plain, rtol=1e-3, atol=1e-6)


def test_plain_pwcca_gives_the_same_distance():
    a, b = generated(600, 12)
    assert plain_pwcca(a, b) == pytest.approx(pwcca_distance(a, b), abs=1e-9)


def test_ratio_of_paired_times():
    ratio = compare("twice", lambda: sum(range(20_000)), lambda: sum(range(10_000)), pairs=5)
    assert ratio.low <= ratio.median <= ratio.high
    assert ratio.pairs == 5
    assert "twice" in ratio.row()


@pytest.mark.slow
def test_steps_run():
    assert torch.isfinite(step("ours")())
