import pytest
import torch

from selectivity_core.evaluation import IMAGES_AT_ONCE, LayerActivity, active_share
from selectivity_core.indices import dead_units
from selectivity_core.units import Units, spatial_mean


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("layout", [torch.channels_last, torch.contiguous_format])
@pytest.mark.parametrize("size", [(1, 1), (7, 5), (8, 8), (19, 28), (200, 200)])
def test_shares_are_those_of_a_comparison_to_the_bit(dtype, layout, size):
    torch.manual_seed(0)
    maps = torch.randn(3, 4, *size).to(dtype)
    maps[0, 0] = 0.0
    maps[0, 1] = -0.0
    maps[1, 0] = 1.0
    maps[1, 1] = torch.finfo(dtype).tiny
    maps[1, 2] = -1.0
    maps = maps.contiguous(memory_format=layout)
    found = active_share(maps)
    assert torch.equal(found, spatial_mean((maps > 0).float()))
    assert found[0, :2].tolist() == [0, 0]
    assert found[1, :3].tolist() == [1, 1, 0]


def test_units_without_positions():
    assert active_share(torch.tensor([[0.0, 2.0, -1.0]])).tolist() == [[0.0, 1.0, 0.0]]


@pytest.mark.parametrize("activation", ["relu", "leaky_relu:0.1"])
def test_batches_give_what_all_samples_together_give(activation):
    torch.manual_seed(0)
    maps = torch.randn(IMAGES_AT_ONCE * 2 + 7, 3, 4, 4)
    maps[:, 1] = -maps[:, 1].abs()  # silent under ReLU, active under its leaky form
    maps[:, 2] = 0
    module, gathered = Units(activation), LayerActivity()
    module.register_forward_hook(gathered)
    outputs = torch.cat([module(some) for some in maps.split(100)])
    assert torch.equal(gathered.means(), spatial_mean(outputs))
    assert torch.equal(gathered.shares(), spatial_mean((outputs > 0).float()))
    assert dead_units(gathered.means()).tolist() == [False, activation == "relu", True]
