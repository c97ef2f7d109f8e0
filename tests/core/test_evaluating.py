import pytest
import torch
from torch import nn

from selectivity_core.arithmetic import evaluating


@pytest.mark.parametrize("training", [True, False])
def test_every_modules_own_mode_is_put_back(training):
    frozen = nn.BatchNorm1d(3)
    model = nn.Sequential(nn.Linear(2, 3), frozen, nn.Dropout(0.5)).train(training)
    frozen.train(not training)
    with pytest.raises(RuntimeError, match="boom"), evaluating(model):
        assert not any(module.training for module in model.modules())
        raise RuntimeError("boom")
    assert [module.training for module in model.modules()] == [training, training, not training, training]


def test_without_gradients_and_in_the_precision_asked_for():
    model = nn.Linear(2, 3)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        with evaluating(model):
            exact = model(torch.ones(1, 2))
        with evaluating(model, "bfloat16"):
            rough = model(torch.ones(1, 2))
        assert model(torch.ones(1, 2)).dtype == torch.bfloat16  # the caller's own autocast again
    assert (exact.dtype, rough.dtype) == (torch.float32, torch.bfloat16)
    assert not exact.requires_grad


def test_a_model_without_parameters():
    with evaluating(nn.ReLU()):
        assert torch.is_inference_mode_enabled()
    assert not torch.is_inference_mode_enabled()
