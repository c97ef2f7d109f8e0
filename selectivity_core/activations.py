"""Activation modules: torch's classes, and by name those of timm and transformers, which are not imported for it."""

from __future__ import annotations

from torch import nn

# Softmax and its kin normalise over units, and gated linear units drop half of them: they are not here.
TORCH = (
    nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.PReLU, nn.RReLU, nn.ELU, nn.CELU, nn.SELU, nn.GELU, nn.SiLU, nn.Mish,
    nn.Hardswish, nn.Hardsigmoid, nn.Hardtanh, nn.Softplus, nn.Sigmoid, nn.Tanh, nn.Softsign, nn.Threshold,
    nn.LogSigmoid, nn.Hardshrink, nn.Softshrink, nn.Tanhshrink,
)  # fmt: skip
NEVER_NEGATIVE = (nn.ReLU, nn.ReLU6, nn.Softplus, nn.Sigmoid, nn.Hardsigmoid)
NAMED = {
    "timm": {
        "GELU", "GELUTanh", "GammaAct", "HardMish", "HardMishMe", "HardSigmoid", "HardSigmoidMe", "HardSwish",
        "HardSwishMe", "Mish", "MishMe", "QuickGELU", "Sigmoid", "SquaredReLU", "StarReLU", "Swish", "SwishMe", "Tanh",
    },
    "transformers": {
        "AccurateGELUActivation", "BloomGelu", "ClippedGELUActivation", "FastGELUActivation", "GELUActivation",
        "GELUTanh", "GeLU", "LaplaceActivation", "MishActivation", "NewGELUActivation", "PytorchGELUTanh",
        "QuickGELUActivation", "ReLUSquaredActivation", "SiLUActivation", "SqrtSoftplusActivation", "XIELUActivation",
    },
}  # fmt: skip


def is_activation(module: nn.Module) -> bool:
    """Whether a module is an activation of torch, timm or transformers, or a subclass of one."""
    if isinstance(module, TORCH):
        return True
    return any(kind.__name__ in NAMED.get(kind.__module__.split(".")[0], ()) for kind in type(module).__mro__)
