import pytest
import torch

from selectivity_core.evaluation import IMAGES_AT_ONCE, LayerActivity
from selectivity_core.indices import dead_units
from selectivity_core.units import Units, spatial_mean


@pytest.mark.parametrize("activation", ["relu", "leaky_relu:0.1"])
def test_batches_give_what_all_samples_together_give(activation):
    torch.manual_seed(0)
    maps = torch.randn(IMAGES_AT_ONCE * 2 + 7, 3, 4, 4)
    maps[:, 1] = -maps[:, 1].abs()  # silent under ReLU, active under its leaky form
    maps[:, 2] = 0
    module, gathered = Units(activation), LayerActivity()
    module.register_forward_hook(gathered)
    outputs = torch.cat([module(some) for some in maps.split(100)])
    assert torch.equal(torch.cat(gathered.means), spatial_mean(outputs))
    assert torch.equal(torch.cat(gathered.shares), spatial_mean((outputs > 0).float()))
    assert dead_units(torch.cat(gathered.means)).tolist() == [False, activation == "relu", True]
