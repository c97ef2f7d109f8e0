import pytest
import torch
from torch import nn

from selectivity_core.errors import SpecError, UnitError
from selectivity_core.models import MODEL_NAMES, MODELS, build_model, register
from selectivity_core.models.network import Chain, rows
from selectivity_core.units import Units
from selectivity_core.watching import record

# name -> layers of units, counted from the papers; parameters are counted below
LAYERS = {"resnet20": 19, "vgg16": 14, "resnet18": 17, "resnet50": 49, "mlp": 2, "convnet11": 11}


def build(name, **options):
    return build_model(name, **({"channels": 3, "image_size": 8, "classes": 10, "width": 2} | options))


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("image_size", [8, 28, 32])
def test_logits_and_layers_of_units(name, image_size):
    model = build(name, image_size=image_size, classes=7, channels=1)
    with record(model) as seen:
        assert model(torch.zeros(3, 1, image_size, image_size)).shape == (3, 7)
    assert len(seen) == LAYERS[name]
    # registered, recorded and listed in the same order: that of the forward pass
    assert list(seen) == list(model.unit_filters) == [n for n, m in model.named_modules() if isinstance(m, Units)]


@pytest.mark.parametrize("name", LAYERS)
def test_no_other_non_linearity_and_each_filter_gives_its_units(name):
    model = build(name)
    assert not any(isinstance(m, nn.ReLU | nn.LeakyReLU) for m in model.modules())
    norms = model.filter_l1()
    modules = dict(model.named_modules())
    with record(model) as seen:
        model(torch.zeros(2, 3, 8, 8))
    for layer, activity in seen.items():
        weight = modules[model.unit_filters[layer]].weight
        assert len(weight) == activity.shape[1]
        assert norms[layer][0].item() == pytest.approx(weight[0].abs().sum().item(), rel=1e-5)


def resnet20_parameters(width, channels, classes):
    """Convolutions without bias, two numbers a channel for batch norm, no parameters in shortcuts."""
    widths = [width] * 7 + [2 * width] * 6 + [4 * width] * 6
    inputs = [channels, *widths[:-1]]
    convolutions = sum(9 * i * o for i, o in zip(inputs, widths, strict=True))
    return convolutions + 2 * sum(widths) + 4 * width * classes + classes


@pytest.mark.parametrize(("width", "channels"), [(16, 3), (8, 1)])
def test_parameters_of_resnet20(width, channels):
    model = build("resnet20", width=width, channels=channels)
    assert sum(p.numel() for p in model.parameters()) == resnet20_parameters(width, channels, 10)
    assert round(resnet20_parameters(16, 3, 10) / 1e6, 2) == 0.27


def test_parameters_of_resnet18_and_mlp():
    # torchvision's 11,689,512 with 1,000 classes, less 800 rows of the last layer
    model = build("resnet18", width=64, image_size=64, classes=200)
    assert sum(p.numel() for p in model.parameters()) == 11_689_512 - 800 * 513
    model = build("resnet50", width=64, image_size=64, classes=200)
    assert sum(p.numel() for p in model.parameters()) == 25_557_032 - 800 * 2049
    model = build("mlp", width=512, channels=1, image_size=28, batch_norm=False)
    assert sum(p.numel() for p in model.parameters()) == 785 * 512 + 513 * 512 + 513 * 10


def test_resnet18_keeps_the_map_that_a_max_pool_would_halve():
    model = build("resnet18", image_size=64, classes=200)
    with record(model, maps=True) as maps:
        model(torch.zeros(1, 3, 64, 64))
    sizes = [m.shape[-1] for m in maps.values()]
    assert sizes == [32] * 5 + [16] * 4 + [8] * 4 + [4] * 4


def test_parameter_free_shortcut_subsamples_and_pads_evenly():
    block = build("resnet20", width=4).stage2[0].eval()
    nn.init.zeros_(block.bn2.weight)
    x = torch.rand(2, 4, 6, 6)
    y = block(x)
    assert torch.equal(y[:, 2:6], x[:, :, ::2, ::2])
    assert not y[:, :2].any()
    assert not y[:, 6:].any()


@pytest.mark.parametrize("name", LAYERS)
def test_initialisation_comes_from_the_seed_alone(name):
    def drawn(seed):
        torch.manual_seed(seed)
        return build(name, activation="leaky_relu:0.1").state_dict()

    first, again, other = drawn(0), drawn(0), drawn(1)
    assert all(torch.equal(first[k], again[k]) for k in first)
    assert any(not torch.equal(first[k], other[k]) for k in first)
    assert all(not v.any() for k, v in first.items() if k.endswith("bias") and k != "fc.bias")
    assert first["fc.weight"].abs().max() <= first["fc.weight"].shape[1] ** -0.5  # torch's default, near chance


def test_he_initialisation():
    torch.manual_seed(0)
    weight = build("mlp", image_size=28, width=512).fc1.weight
    assert weight.std().item() == pytest.approx((2 / (3 * 28 * 28)) ** 0.5, rel=0.01)


def test_options_reach_every_layer():
    leaky = build("vgg16", activation="leaky_relu:0.1", batch_norm=False, dropout=0.5)
    assert all(m.slope == 0.1 for m in leaky.modules() if isinstance(m, Units))
    assert not any(isinstance(m, nn.BatchNorm2d) for m in leaky.modules())
    assert sum(isinstance(m, nn.Dropout) for m in leaky.modules()) == 1
    assert sum(isinstance(m, nn.Dropout) for m in build("convnet11", dropout=0.1).modules()) == 11
    assert sum(isinstance(m, nn.BatchNorm1d) for m in build("mlp", batch_norm=True).modules()) == 2


@pytest.mark.parametrize("name", ["resnet20", "resnet18", "resnet50"])
def test_options_that_neither_paper_has_are_refused(name):
    with pytest.raises(SpecError, match=f"batch_norm: False given; {name}"):
        build(name, batch_norm=False)
    with pytest.raises(SpecError, match=f"dropout: 0.1 given; {name}"):
        build(name, dropout=0.1)


def test_a_chain_knows_what_produces_its_units():
    stack = nn.Sequential()
    for name, part in {"conv": nn.Conv2d(1, 2, 3), "bn": nn.BatchNorm2d(2), "units": Units()}.items():
        stack.add_module(name, part)
    model = Chain({"stack": stack, "again": Units(), "rows": rows, "hidden": nn.LazyLinear(5), "last": Units()})
    assert model(torch.zeros(2, 1, 4, 4)).shape == (2, 5)
    assert model.unit_filters == {"stack.units": "stack.conv", "again": "stack.conv", "last": "hidden"}
    model.last = nn.Identity()  # a part that is replaced is what runs
    model.hidden = nn.Flatten()
    assert model(torch.zeros(2, 1, 4, 4)).shape == (2, 8)


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        ({"units": Units()}, "layer 'units': no convolution or linear layer before it"),
        ({"train": nn.Linear(1, 1)}, "part 'train': every network has an attribute of that name"),
    ],
)
def test_parts_that_make_no_chain_are_refused(parts, words):
    with pytest.raises(UnitError, match=words):
        Chain(parts)


def test_a_name_is_given_once():
    with pytest.raises(SpecError, match="model: 'mlp' is the name of another network already"):
        register("mlp", title="Another")(MODELS["mlp"])
    assert set(MODEL_NAMES) == set(MODELS)


def test_unknown_model_is_refused():
    with pytest.raises(SpecError, match="model: 'alexnet' given; one of 'convnet11', "):
        build("alexnet")
    assert set(MODELS) == set(LAYERS)
