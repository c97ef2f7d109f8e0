"""The loss term −α·μ: one knob that lowers (α < 0) or raises (α > 0) class selectivity in every hidden unit."""

from __future__ import annotations

import math
import weakref
from collections.abc import Callable, Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from .errors import ActivityError, SpecError, UnitError
from .indices import EPS, class_means, class_statistics, discriminability_of, index_of_means
from .units import Units, never_negative, spatial_mean, unit_layers

INDICES = ("si", "dprime")
ESTIMATES = ("batch", "unbiased", "shuffled")


class SelectivityRegularizer:
    """Reads the units of a model in each forward pass and gives −α times their mean index on that batch.

    loss = cross-entropy + reg(labels), with reg(y) = −α · mean over layers of mean over units of the index
    (Leavitt & Morcos, Eqs. 2 and 3; with d′, Eqs. 5 and 6). The mean over units is taken within a layer first, so
    that wide layers do not dominate. The logits are never included.

    Args:
        model: any module. The project's own networks are read through their `Units`, others through forward hooks.
        alpha: α; negative lowers the index, positive raises it.
        index: "si" or "dprime".
        layers: "all" activation modules, "first3", "last3", or names of modules whose outputs are the units.
        warmup_steps: α grows linearly from 0 over this many training steps (evaluation steps do not count).
        shift: for activity that can be negative. "min" subtracts each unit's minimum over the batch (detached); a
            number is added (0.17 for GELU); None refuses negative activity, except for leaky-ReLU, where it is "min".
        estimate: "batch", the paper's; "unbiased": the preferred class is chosen on one half of the batch and the
            means are taken on the other; "shuffled": labels permuted anew in every batch, which keeps the pressure
            on variability and removes the classes.
        generator: draws the halves and permutations; torch's own by default.

    Raises:
        SpecError: α not finite, an unknown index or estimate, negative warm-up.
        UnitError: a layer that the model lacks, or no layer at all.
    """

    def __init__(
        self,
        model: nn.Module,
        alpha: float,
        *,
        index: Literal["si", "dprime"] = "si",
        layers: str | Sequence[str] = "all",
        warmup_steps: int = 0,
        shift: Literal["min"] | float | None = None,
        estimate: Literal["batch", "unbiased", "shuffled"] = "batch",
        generator: torch.Generator | None = None,
    ) -> None:
        if not math.isfinite(alpha):
            raise SpecError(f"alpha: {alpha!r} given; a finite number is needed")
        if index not in INDICES:
            raise SpecError(f"index: {index!r} given; one of {', '.join(INDICES)} is allowed")
        if estimate not in ESTIMATES:
            raise SpecError(f"estimate: {estimate!r} given; one of {', '.join(ESTIMATES)} is allowed")
        if warmup_steps < 0:
            raise SpecError(f"warmup_steps: {warmup_steps} given; 0 or more is needed")
        if not (shift is None or shift == "min" or (isinstance(shift, int | float) and math.isfinite(shift))):
            raise SpecError(f'shift: {shift!r} given; "min", a finite number or None is allowed')
        self.alpha, self.index, self.estimate = float(alpha), index, estimate
        self.warmup_steps, self.shift, self.generator = int(warmup_steps), shift, generator
        self.steps = 0  # training steps taken, for the warm-up
        self._model = model
        self._layers = unit_layers(model, layers)
        self._pass: list[tuple[str, Tensor, weakref.ref | None]] = []
        self._handles = [model.register_forward_pre_hook(self._begin)]
        self._taps: list[tuple[Units, Callable[[Tensor], None]]] = []
        for name, module in self._layers.items():
            if isinstance(module, Units):
                self._taps.append((module, self._tap(name)))
                module.taps.append(self._taps[-1][1])
            else:
                self._handles.append(module.register_forward_hook(self._hook(name)))
        if isinstance(layers, str):
            self._handles.append(model.register_forward_hook(self._drop_logits))

    def _begin(self, _module: nn.Module, _inputs: object) -> None:
        self._pass = []

    def _tap(self, name: str) -> Callable[[Tensor], None]:
        return lambda mean: self._pass.append((name, mean, None))

    def _hook(self, name: str) -> Callable[..., None]:
        def hook(_module: nn.Module, _inputs: object, output: Tensor) -> None:
            if not isinstance(output, Tensor):
                raise UnitError(f"layer {name!r}: its output is a {type(output).__name__}; a tensor is needed")
            self._pass.append((name, spatial_mean(output), weakref.ref(output)))

        return hook

    def _drop_logits(self, _module: nn.Module, _inputs: object, output: object) -> None:
        """An activation whose output is what the model returns stands on the logits: it is left out."""
        leaves = output if isinstance(output, tuple | list) else [output]
        bases = [b for leaf in leaves if isinstance(leaf, Tensor) for b in (leaf, leaf._base) if b is not None]
        self._pass = [p for p in self._pass if p[2] is None or all(p[2]() is not base for base in bases)]

    @property
    def layers(self) -> list[str]:
        """Names of the layers that are read."""
        return list(self._layers)

    @property
    def scale(self) -> float:
        """α at the coming step, less than its full size during the warm-up."""
        return self.alpha * min(1.0, self.steps / self.warmup_steps) if self.warmup_steps else self.alpha

    def measure(self, labels: Tensor) -> Tensor:
        """The index of the latest pass: mean over layers of mean over units, a scalar with gradients.

        Args:
            labels: (samples,) integers, the samples of that pass.

        Returns:
            a scalar tensor on the model's device, float32 or better.

        Raises:
            ActivityError: no pass yet, another number of samples, or negative activity that is not shifted.
            UnitError: the pass met no layer of units but the logits.
        """
        if not self._pass:
            raise UnitError(
                "regulariser: no units were seen; run the model first, with an activation module besides the logits"
            )
        means = [self._shifted(name, mean) for name, mean, _ in self._pass]
        sizes = {len(m) for m in means}
        if sizes != {len(labels)}:
            raise ActivityError(f"labels: {len(labels)} given; the latest pass had {sorted(sizes)} samples")
        weights = torch.cat([m.new_full((m.shape[1],), 1 / (len(means) * m.shape[1])) for m in means])
        with torch.autocast(means[0].device.type, enabled=False):
            values = self._indices(torch.cat(means, 1), labels.to(means[0].device).long())
            return values @ weights

    def __call__(self, labels: Tensor) -> Tensor:
        """−α times `measure(labels)`; counts a step of the warm-up when the model is in training mode.

        Args:
            labels: (samples,) integers, the samples of the latest pass.

        Returns:
            a scalar tensor with gradients, to be added to the loss.

        Raises:
            ActivityError, UnitError: as `measure` does.
        """
        loss = -self.scale * self.measure(labels)
        if self._model.training:
            self.steps += 1
        return loss

    def _shifted(self, name: str, mean: Tensor) -> Tensor:
        module, shift = self._layers[name], self.shift
        if shift is None and isinstance(module, Units | nn.LeakyReLU) and not never_negative(module):
            shift = "min"
        if shift == "min":
            return mean - mean.detach().amin(0)
        if shift is not None:
            mean = mean + shift
        if not never_negative(module) and (mean.detach() < 0).any():
            raise ActivityError(
                f"layer {name!r}: activity down to {float(mean.detach().min()):.4g} given; "
                'the index needs 0 or more: pass shift="min" or a number to add'
            )
        return mean

    def _indices(self, activity: Tensor, labels: Tensor) -> Tensor:
        """(units,) index of every unit of the pass, float32 or better."""
        if self.estimate == "shuffled":
            labels = labels[self._permutation(len(labels)).to(labels.device)]
        if self.estimate == "unbiased":
            return self._unbiased(activity, labels)
        if self.index == "dprime":
            return discriminability_of(class_statistics(activity, labels))
        return index_of_means(class_means(activity, labels)[2])

    def _permutation(self, samples: int) -> Tensor:
        return torch.randperm(samples, generator=self.generator)

    def _unbiased(self, activity: Tensor, labels: Tensor) -> Tensor:
        """SI with the preferred class chosen on one half of the batch and the means taken on the other."""
        if self.index != "si":
            raise SpecError('estimate: "unbiased" is defined for index "si" only')
        order = self._permutation(len(labels)).to(labels.device)
        halves = order[: len(order) // 2], order[len(order) // 2 :]
        if not len(halves[0]):
            return activity.sum(0) * 0
        (seen, _, choice), (held, _, means) = [class_means(activity[h], labels[h]) for h in halves]
        choice, means = choice[torch.isin(seen, held)], means[torch.isin(held, seen)]
        if len(means) < 2:
            return activity.sum(0) * 0
        top = means.gather(0, choice.detach().argmax(0)[None])[0]
        others = (means.sum(0) - top) / (len(means) - 1)
        return (top - others) / (top + others + EPS)

    def remove(self) -> None:
        """Takes every hook and tap away; the model is then as it was."""
        for handle in self._handles:
            handle.remove()
        for module, tap in self._taps:
            module.taps.remove(tap)
        self._handles, self._taps, self._pass = [], [], []
