import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from selectivity_core import record, unit_layers
from selectivity_core import units as units_module
from selectivity_core.errors import ActivityError, SpecError, UnitError
from selectivity_core.models import build_model
from selectivity_core.units import Units, never_negative, parse_activation, spatial_mean


def drawn(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


def test_spatial_mean_of_each_form():
    maps = drawn(2, 3, 4, 5)
    expected = torch.tensor([[maps[n, u].mean() for u in range(3)] for n in range(2)])
    torch.testing.assert_close(spatial_mean(maps), expected)
    torch.testing.assert_close(spatial_mean(maps.contiguous(memory_format=torch.channels_last)), expected)
    tokens = maps.flatten(2).transpose(1, 2)  # (samples, tokens, units): the last dimension is the units'
    torch.testing.assert_close(spatial_mean(tokens, -1), expected)
    torch.testing.assert_close(spatial_mean(maps.permute(0, 2, 3, 1), 3), expected)
    torch.testing.assert_close(spatial_mean(maps.permute(0, 2, 1, 3), 2), expected)
    with pytest.raises(ActivityError, match="take the mean over positions"):
        spatial_mean(tokens)
    torch.testing.assert_close(spatial_mean(drawn(2, 3, 2, 2, 2)), drawn(2, 3, 2, 2, 2).mean((2, 3, 4)))
    assert spatial_mean(maps.bfloat16()).dtype == torch.float32
    assert spatial_mean(maps.double()).dtype == torch.float64


def test_spatial_mean_of_large_half_precision_maps_is_that_of_the_whole(monkeypatch):
    maps = drawn(7, 3, 4, 5).bfloat16().contiguous(memory_format=torch.channels_last)
    whole = maps.float().mean((2, 3))
    for room in (1, 60, 130, 10_000):  # one sample at a time, one, two, all
        monkeypatch.setattr(units_module, "WIDENED_AT_ONCE", room)
        assert torch.equal(spatial_mean(maps), spatial_mean(maps.float()))
        torch.testing.assert_close(spatial_mean(maps), whole)
        traced = maps.clone().requires_grad_()
        spatial_mean(traced).sum().backward()
        assert torch.equal(traced.grad, torch.full_like(maps, 1 / 20))


@pytest.mark.parametrize("shape", [(), (3,), (2, 3, 0), (2, 3, 0, 4)])
def test_spatial_mean_refuses(shape):
    if shape == (2, 3, 0):  # tokens without units: nothing to be wrong about
        shape = (2, 0, 3)
    with pytest.raises(ActivityError, match="activity: shape"):
        spatial_mean(torch.zeros(shape))


def test_activations_by_name():
    assert parse_activation("relu") == 0
    assert parse_activation("leaky_relu:0.25") == 0.25


@pytest.mark.parametrize("text", ["", "gelu", "relu:0.1", "leaky_relu", "leaky_relu:", "leaky_relu:1", "leaky_relu:0",
                                  "leaky_relu:nan", "leaky_relu:-0.1", "leaky_relu:x"])  # fmt: skip
def test_other_activations_are_refused(text):
    with pytest.raises(SpecError, match=r"activation: .* given"):
        parse_activation(text)


@pytest.mark.parametrize("activation", ["relu", "leaky_relu:0.3"])
@pytest.mark.parametrize("form", ["flat", "maps", "channels last"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
def test_a_tapped_pass_has_the_plain_values_and_gradients(activation, form, dtype):
    x = drawn(6, 5) if form == "flat" else drawn(6, 5, 3, 4)
    x = x.to(dtype)
    if form == "channels last":
        x = x.contiguous(memory_format=torch.channels_last)
    x[0, 0] = 0  # the kink, where both must agree too
    weight = drawn(*x.shape).to(dtype)
    units, seen = Units(activation), []

    def gradients(y, mean):
        return (y * weight).sum() + (mean.to(torch.float32).square() * 3).sum()

    plain = x.clone(memory_format=torch.preserve_format).requires_grad_()
    y = F.relu(plain) if activation == "relu" else F.leaky_relu(plain, 0.3)
    gradients(y, spatial_mean(y)).backward()
    tapped = x.clone(memory_format=torch.preserve_format).requires_grad_()
    units.taps.append(seen.append)
    z = units(tapped)
    gradients(z, seen[0]).backward()
    assert torch.equal(z, y)
    assert torch.equal(seen[0], spatial_mean(y))
    tolerance = {"rtol": 2e-2, "atol": 2e-2} if dtype == torch.bfloat16 else {}
    torch.testing.assert_close(tapped.grad, plain.grad, **tolerance)


def test_only_the_map_or_only_the_mean_may_be_used():
    units, seen = Units(), []
    units.taps.append(seen.append)
    x = drawn(4, 3, 2, 2).requires_grad_()
    units(x).sum().backward()
    assert torch.equal(x.grad, (x > 0).float())
    x.grad = None
    units(x)
    seen[1].sum().backward()
    assert torch.equal(x.grad, (x > 0) / 4)


def test_unit_layers_of_own_and_other_networks():
    own = build_model("resnet20", channels=1, image_size=8, classes=10, width=1)
    names = list(unit_layers(own))
    assert len(names) == 19
    assert list(unit_layers(own, "first3")) == names[:3] == ["units", "stage1.0.units1", "stage1.0.units2"]
    assert list(unit_layers(own, "last3")) == names[-3:]
    other = nn.Sequential(nn.Linear(4, 3), nn.GELU(), nn.Linear(3, 3), nn.ReLU(), nn.Softmax(1))
    assert list(unit_layers(other)) == ["1", "3"]
    assert list(unit_layers(other, ["2", "0"])) == ["2", "0"]


def test_unit_layers_refuses_by_name():
    model = nn.Sequential(nn.Linear(2, 2))
    with pytest.raises(UnitError, match="Sequential has no activation module"):
        unit_layers(model)
    with pytest.raises(UnitError, match="layer 'conv9': the model has no such module; it has '0'"):
        unit_layers(model, ["0", "conv9"])
    with pytest.raises(UnitError, match="an empty list"):
        unit_layers(model, [])
    with pytest.raises(UnitError, match="layers: 'some' given"):
        unit_layers(nn.ReLU(), "some")


def test_never_negative():
    modules = Units(), Units("leaky_relu:0.1"), nn.ReLU6(), nn.GELU(), nn.Conv2d(1, 1, 1)
    assert [never_negative(m) for m in modules] == [True, False, True, False, False]


def test_record_keeps_the_latest_pass_and_leaves_no_hooks():
    model = nn.Sequential(nn.Conv2d(1, 3, 1), nn.ReLU(), nn.Flatten(), nn.Linear(12, 2))
    x = drawn(5, 1, 2, 2)
    with record(model) as means, record(model, maps=True) as maps:
        model(drawn(7, 1, 2, 2))
        model(x)
    with pytest.raises(RuntimeError, match="boom"), record(model, ["0"]) as linear:
        model(x)
        raise RuntimeError("boom")
    expected = F.relu(model[0](x))
    assert torch.equal(maps["1"], expected)
    assert torch.equal(means["1"], expected.mean((2, 3)))
    assert not means["1"].requires_grad
    assert list(linear) == ["0"]
    assert not any(m._forward_hooks for m in model.modules())


LAYOUTS = {"channels last": torch.channels_last, "contiguous": torch.contiguous_format}


def gradients(rounding: str, memory_format: torch.memory_format, dtype: torch.dtype) -> tuple[Tensor, Tensor, Tensor]:
    """Of x in loss = Σ map · g + Σ mean · b: that by `Units`, g and b; every x is positive, b is a thousandth of g."""
    draw = torch.Generator().manual_seed(0)
    x = torch.rand(64, 8, 16, 16, generator=draw).add(0.1).to(dtype).to(memory_format=memory_format).requires_grad_()
    of_map = torch.randn(x.shape, generator=draw).to(dtype).to(memory_format=memory_format)
    of_mean = 256 * 1e-3 * torch.randn(64, 8, generator=draw)
    units, means = Units(), list[Tensor]()
    units.rounding = rounding
    units.taps.append(means.append)
    y = units(x)
    torch.autograd.backward([y, means[0]], [of_map, of_mean])
    return x.grad, of_map, of_mean / 256


def share_kept(found: Tensor, of_map: Tensor, each: Tensor) -> float:
    """The share of b that a mean over positions still has: 1 where nothing is lost."""
    left = (found.double() - of_map.double()).mean((2, 3))
    return float((left * each).sum() / each.double().square().sum())


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_dithered_sum_keeps_what_rounding_to_the_nearest_loses(layout):
    assert share_kept(*gradients("nearest", LAYOUTS[layout], torch.bfloat16)) < 0.8
    found, of_map, each = gradients("dithered", LAYOUTS[layout], torch.bfloat16)
    assert found.is_contiguous(memory_format=LAYOUTS[layout])
    assert share_kept(found, of_map, each) == pytest.approx(1, abs=0.02)
    exact = of_map.double() + each[:, :, None, None]
    step = 2.0 ** (exact.abs().log2().floor() - 7)  # from one bf16 number to the next
    assert ((found.double() - exact).abs() <= step).all()


def test_layouts_are_rounded_alike():
    one, other = (gradients("dithered", layout, torch.bfloat16)[0] for layout in LAYOUTS.values())
    assert torch.equal(one, other)


def test_a_gradient_of_the_map_alone_is_left_as_it_is():
    x = torch.tensor([1.0, -1.0, 3.0, 0.5]).bfloat16().view(1, 1, 2, 2).requires_grad_()
    units = Units()
    units.taps.append(lambda mean: None)
    given = torch.tensor([math.inf, 2.0, -1e-30, 0.1]).bfloat16().view(1, 1, 2, 2)
    units(x).backward(given)
    assert x.grad.flatten().tolist() == [math.inf, 0.0, given[0, 0, 1, 0].item(), given[0, 0, 1, 1].item()]


def test_float32_is_added_exactly_either_way():
    one, other = (gradients(how, torch.channels_last, torch.float32)[0] for how in ("nearest", "dithered"))
    assert torch.equal(one, other)
