"""What a network makes of changed images: gradient-based attacks, and the dimensionality of a change of activity."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .arithmetic import evaluating
from .errors import ActivityError, ParameterError
from .perturbation import checked_pairs

BATCH = 100
EXPLAINED = 0.95


def fgsm(
    model: nn.Module,
    images: Tensor | np.ndarray,
    labels: Tensor | np.ndarray,
    eps: float,
    *,
    mean: Sequence[float] = (0.0,),
    std: Sequence[float] = (1.0,),
) -> Tensor:
    """The fast gradient sign method (Goodfellow et al. 2015): one step of size eps that raises the loss.

    The loss is the cross-entropy of the labels given. The model is in evaluation mode and in float32 meanwhile, its
    modes are put back, and no gradient reaches its parameters' `grad`.

    Args:
        model: any module that gives logits (samples, classes).
        images: (samples, channels, H, W) floating point in [0, 1].
        labels: (samples,) integers, the true ones.
        eps: the most that a value may change by, 0 or more.
        mean, std: (channels,) or (1,) what is subtracted from images and what the rest is divided by before the model.

    Returns:
        (samples, channels, H, W) in [0, 1], no value further than eps from that of `images`.

    Raises:
        ParameterError: eps is negative or not finite.
        ActivityError: images or labels that do not fit, or an output that is not (samples, classes).
    """
    return pgd(model, images, labels, eps, steps=1, step=eps, random_start=False, mean=mean, std=std)


def pgd(
    model: nn.Module,
    images: Tensor | np.ndarray,
    labels: Tensor | np.ndarray,
    eps: float,
    *,
    steps: int = 10,
    step: float | None = None,
    random_start: bool = True,
    generator: torch.Generator | None = None,
    mean: Sequence[float] = (0.0,),
    std: Sequence[float] = (1.0,),
) -> Tensor:
    """Projected gradient descent in the L∞ ball (Mądry et al. 2018): steps along the sign of the loss's gradient.

    Args:
        model, images, labels, eps, mean, std: as for `fgsm`.
        steps: how many, 1 or more.
        step: the size of each; 2.5 eps / steps by default, so that the border can be reached from any start.
        random_start: begin at a uniformly drawn point of the ball rather than at the image.
        generator: draws the start; torch's own by default.

    Returns:
        as `fgsm`.

    Raises:
        ParameterError: eps or step is negative or not finite, or fewer than one step.
        ActivityError: as `fgsm`.
    """
    for name, value in (("eps", eps), ("step", 0.0 if step is None else step)):
        if not (math.isfinite(value) and value >= 0):
            raise ParameterError(f"{name}: {value!r} given; a finite number of 0 or more is needed")
    if isinstance(steps, bool) or not isinstance(steps, int) or steps < 1:
        raise ParameterError(f"steps: {steps!r} given; a whole number of 1 or more is needed")
    with evaluating(model, gradients=True):
        pixels, targets = checked_pairs(model, images, labels, ignoring=False)
        clean = pixels.clone()  # made here, so that gradients may flow through it
        if clean.min() < 0 or clean.max() > 1:
            raise ActivityError(f"images: values from {clean.min():g} to {clean.max():g} given; [0, 1] is allowed")
        size, shape = 2.5 * eps / steps if step is None else step, (-1, *[1] * (clean.ndim - 2))
        centre, scale = (torch.tensor(list(v)).to(clean).view(shape) for v in (mean, std))
        low, high = (clean - eps).clamp_min(0), (clean + eps).clamp_max(1)
        found = clean.clone()
        if random_start:
            found += torch.empty(clean.shape).uniform_(-eps, eps, generator=generator).to(clean)
            found.clamp_(0, 1)
        for start in range(0, len(clean), BATCH):
            place = slice(start, start + BATCH)
            for _ in range(steps):
                now = found[place].clone().requires_grad_()
                logits = model((now - centre) / scale)
                if not isinstance(logits, Tensor) or logits.ndim != 2 or len(logits) != len(now):
                    raise ActivityError("model: its output is not (samples, classes)")
                (slope,) = torch.autograd.grad(F.cross_entropy(logits, targets[place], reduction="sum"), now)
                found[place] = torch.clamp(now.detach() + size * slope.sign(), low[place], high[place])
    return found


def dimensionality(activity: Tensor | np.ndarray, explained: float = EXPLAINED) -> int:
    """How many principal components explain a share of the variance of a layer's activity, or of its change.

    Args:
        activity: (samples, units), such as that of changed images less that of clean ones.
        explained: the share, above 0 and up to 1.

    Returns:
        the smallest number of components whose variances add up to the share of the total; 0 where nothing varies.

    Raises:
        ActivityError: another shape, fewer than two samples, or numbers that are not finite.
        ParameterError: another share.
    """
    values = torch.as_tensor(activity).detach().cpu().double()
    if values.ndim != 2 or len(values) < 2 or not torch.isfinite(values).all():
        shape = tuple(values.shape)
        raise ActivityError(f"activity: shape {shape} given; finite (samples, units), two or more, are needed")
    if not 0 < explained <= 1:
        raise ParameterError(f"explained: {explained!r} given; above 0 and up to 1 is allowed")
    centred = values - values.mean(0)
    # Of the units' products: a decomposition of all samples takes many times as long.
    variances = torch.linalg.eigvalsh(centred.T @ centred).flip(0).clamp_min(0)
    if variances.sum() <= 1e-24 * values.square().sum():  # rounding of the mean
        return 0
    shares = variances.cumsum(0) / variances.sum()
    return int((shares < explained - 1e-12).sum()) + 1
