"""The state in which a network is measured."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

from .arithmetic import arithmetic


@contextmanager
def evaluating(model: nn.Module, precision: str = "float32") -> Iterator[None]:
    """Evaluation mode without gradients, for the body of the `with`; every module's own mode is put back.

    Args:
        model: any module, parts of it frozen in either mode too.
        precision: of its arithmetic, "float32" or "bfloat16", whatever the caller's autocast.
    """
    modes = [(module, module.training) for module in model.modules()]
    device = next(model.parameters(), torch.zeros(())).device
    model.eval()
    try:
        with torch.inference_mode(), arithmetic(device, precision):
            yield
    finally:
        for module, training in modes:
            module.training = training
