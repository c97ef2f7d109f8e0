"""Networks of torchvision, timm and transformers, in small configurations: the term and its gradient by plain hooks."""

import pytest
import torch
import torch.nn.functional as F

from selectivity_core import SelectivityRegularizer, ablate, selectivity_index, unit_means
from selectivity_core.data.sources import torchvision

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")]
IMAGES, LABELS = torch.randn(6, 3, 32, 32, generator=torch.Generator().manual_seed(0)), torch.arange(6) % 3
TOKENS = torch.randint(1, 50, (6, 7), generator=torch.Generator().manual_seed(0))
CHANNELS_FIRST = ("Conv1d", "Conv2d", "Conv3d", "ScaledStdConv2d", "BatchNorm2d", "LayerNorm2d", "GroupNorm")
CHANNELS_LAST = ("Linear", "LayerNorm", "Conv1D")  # the last is that of GPT-2


def of_torchvision(make):
    return lambda: (make(torchvision().models), IMAGES)


def of_timm(make):
    def made():
        torchvision()  # where its compiled part is missing, timm cannot be imported before
        return make(pytest.importorskip("timm").models), IMAGES

    return made


def of_transformers(name, **options):
    def made():
        torchvision()
        transformers = pytest.importorskip("transformers")
        config = getattr(transformers, f"{name}Config")(vocab_size=50, num_labels=3, pad_token_id=0, **options)
        return getattr(transformers, f"{name}ForSequenceClassification")(config), TOKENS

    return made


def nfnet(models):
    config = models.nfnet.NfCfg(
        depths=(1, 1), channels=(16, 32), stem_type="deep_quad", stem_chs=16, group_size=8, extra_conv=True,
        bottle_ratio=0.5, num_features=64, act_layer="gelu", attn_layer="se", attn_kwargs={}, gamma_in_act=True,
    )  # fmt: skip
    return models.nfnet.NormFreeNet(config, num_classes=3)


def convnext(models):
    blocks = [models.convnext.CNBlockConfig(8, 16, 1), models.convnext.CNBlockConfig(16, None, 1)]
    return models.ConvNeXt(blocks, num_classes=3)


# A network, how many activations it has in a pass, and the shift that they need.
MODELS = {
    "resnet18": (of_torchvision(lambda tv: tv.ResNet(tv.resnet.BasicBlock, [1, 1, 1, 1], num_classes=3)), 9, None),
    "resnet50": (of_torchvision(lambda tv: tv.ResNet(tv.resnet.Bottleneck, [1, 1, 1, 1], num_classes=3)), 13, None),
    "mobilenet_v3": (of_torchvision(lambda tv: tv.mobilenet_v3_small(num_classes=3, dropout=0)), 42, "min"),
    "convnext": (of_torchvision(convnext), 2, "min"),
    "swin": (of_torchvision(lambda tv: tv.SwinTransformer([4, 4], 8, [2, 2], [2, 2], [4, 4], num_classes=3)), 4, "min"),
    "vit": (of_torchvision(lambda tv: tv.VisionTransformer(32, 16, 2, 2, 16, 32, num_classes=3)), 2, "min"),
    "timm nfnet": (of_timm(nfnet), 16, "min"),
    "timm convnext": (of_timm(lambda timm: timm.ConvNeXt(depths=[1] * 4, dims=[8] * 4, num_classes=3)), 4, "min"),
    "bert": (
        of_transformers("Bert", hidden_size=16, num_hidden_layers=3, num_attention_heads=2, intermediate_size=24),
        4, "min",
    ),
    "gpt2": (
        of_transformers("GPT2", n_embd=16, n_layer=2, n_head=2, n_positions=16),
        2, "min",
    ),
}  # fmt: skip


def plain_index(model, run, layers, shift):
    """The mean index of some layers, their units where the module that ran last before them puts them."""
    modules, seen, last = dict(model.named_modules()), [], [False]

    def producer(module, _inputs, _output):
        kind = type(module).__name__
        last[0] = last[0] if kind not in CHANNELS_FIRST + CHANNELS_LAST else kind in CHANNELS_LAST

    def see(_module, _inputs, output):
        output = output.clone()
        flat = (
            output.flatten(1, -2).mT
            if last[0] and output.ndim > 2
            else output.flatten(2)
            if output.ndim > 2
            else output
        )
        seen.append(flat.mean(2) if flat.ndim == 3 else flat)

    hooks = [module.register_forward_hook(producer) for module in modules.values()]
    hooks += [modules[name].register_forward_hook(see) for name in layers]
    logits = run()
    for hook in hooks:
        hook.remove()
    return (
        logits,
        torch.stack([selectivity_index(s, LABELS, shift=shift == "min").mean() for s in seen]).mean(),
        len(seen),
    )


@pytest.mark.parametrize("name", MODELS)
def test_term_and_gradient_are_those_of_plain_hooks(name):
    make, count, shift = MODELS[name]
    torch.manual_seed(0)
    model, given = make()
    parameters = [p for p in model.parameters() if p.requires_grad]

    def run():
        torch.manual_seed(1)  # for what is random in training
        output = model(given)
        return output if isinstance(output, torch.Tensor) else output.logits

    def gradients(loss):
        return torch.autograd.grad(loss, parameters, allow_unused=True)

    model.train()
    reg = SelectivityRegularizer(model, -0.8, shift=shift)
    logits = run()
    term = reg(LABELS)
    found = gradients(F.cross_entropy(logits, LABELS) + term)
    layers = reg.layers
    reg.remove()
    logits, mean, seen = plain_index(model, run, layers, shift)
    assert seen == count
    assert term.item() == pytest.approx(0.8 * mean.item(), rel=1e-4)
    expected = gradients(F.cross_entropy(logits, LABELS) + 0.8 * mean)
    largest = max(g.abs().max() for g in expected if g is not None)
    for a, b in zip(found, expected, strict=True):
        assert (a is None) == (b is None)
        if a is not None:
            torch.testing.assert_close(a / largest, b / largest, rtol=0, atol=1e-4)

    model.eval()
    means = unit_means(model, given, [layers[-1]])
    use, outputs = list(means)[-1], []
    with torch.no_grad(), ablate(model, {use: range(len(means[use]))}):
        handle = model.get_submodule(layers[-1]).register_forward_hook(lambda _m, _i, output: outputs.append(output))
        run()
    handle.remove()
    assert not outputs[-1].any()
    assert not any(m._forward_hooks for m in model.modules())
