"""The loss term −α·μ_SI: one knob that lowers (α < 0) or raises (α > 0) class selectivity in every hidden unit."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Literal

import torch
from torch import Tensor, nn

from .errors import ActivityError, SpecError
from .indices import (
    IGNORED,
    ClassStatistics,
    checked_labels,
    class_means,
    class_statistics,
    discriminability_of,
    index_against,
    index_of_means,
)
from .passes import Pass, Passes
from .units import Units, never_negative
from .watching import UnitDim

INDICES = ("si", "dprime", "offset", "spread")
ESTIMATES = ("batch", "unbiased", "shuffled")


class SelectivityRegularizer:
    """Reads the units of a model in each forward pass and gives −α·μ_SI of that batch.

    loss = cross-entropy + reg(labels), with reg(y) = −α·μ_SI and μ_SI the mean over layers of the mean over units of
    the index (Leavitt & Morcos, Eqs. 2 and 3; with d′, Eqs. 5 and 6). The mean over units is taken within a layer
    first, so that wide layers do not dominate. A module that a pass uses k times counts as k layers. The logits are
    never included.

    The term belongs to the forward pass that the loss is made of. Said explicitly, that is the body of a `with`::

        with reg:
            logits = model(x)
        loss = cross_entropy(logits, y) + reg(y)

    which may call the model several times or in parts, and which gives a term of its own where a loss has several
    (`with reg as term: ...`, then `term(y)`). Without it a pass is a call of the model, in training mode and with
    gradients, and `reg(y)` takes the one whose output is still in use and whose term has not been given. Evaluation
    in between changes nothing. Two such passes, or layers that ran outside a call of the model, are an error. Under
    activation checkpointing use_reentrant=False is needed. Each replica of DistributedDataParallel takes the index of
    its own part of the batch; the mean of their gradients is that of the mean of their terms.

    In half precision the gradient of a map is its loss's plus the term's, which is small and the same everywhere.
    Rounded to the nearest number, that sum loses a part of the term's (27 % in a ResNet20 at α = −1): α is then in
    effect smaller than it says. The project's own networks round so that it is kept in bf16 (`Units.rounding`). In
    other networks autograd adds the two, and loses: train those in float32 where α is to be exact.

    Copies of the model, pickled ones too, are plain models without hooks. A copy of a regulariser belongs to a copy of
    its model.

    Args:
        model: any module. The project's own networks are read through their `Units`, others through forward hooks.
        alpha: α; negative lowers the index, positive raises it.
        index: "si" or "dprime"; "offset" is the index, changed by shifts of whole units alone, and "spread" is d′,
            changed by the spread within classes alone.
        layers: "all" activation modules, "first3", "last3", or names of modules whose outputs are the units.
        warmup_steps: α grows linearly from 0 over this many training steps (evaluation steps do not count).
        shift: for activity that can be negative. "min" subtracts each unit's minimum over the batch (detached); a
            number is added (0.17 for GELU); None refuses negative activity, except for leaky-ReLU, where it is "min".
        estimate: "batch", the paper's; "unbiased": the preferred class is chosen on one half of the batch and the
            means are taken on the other; "shuffled": labels permuted anew in every batch, which keeps the pressure
            on variability and removes the classes.
        generator: draws the halves and permutations; torch's own by default.
        unit_dim: as for `record`. Where it is given, or the network is the project's own, a compiled model stays
            compiled between its layers of units; where dimensions are followed it runs uncompiled.

    Attributes:
        skipped: activations that "all" left out, in words; known after the first pass, which warns of them.

    Raises:
        SpecError: α not finite, an unknown index or estimate, a warm-up that is no whole number of steps, another
            shift.
        UnitError: a layer that the model lacks, or no layer at all; a ScriptModule. In a pass: as for `record`, and
            replicas of `DataParallel`.
        ActivityError: in a pass, as for `record`. In a backward pass: units of the project's own networks that a later
            operation changed in place.
    """

    def __init__(
        self,
        model: nn.Module,
        alpha: float,
        *,
        index: Literal["si", "dprime", "offset", "spread"] = "si",
        layers: str | Sequence[str] = "all",
        warmup_steps: int = 0,
        shift: Literal["min"] | float | None = None,
        estimate: Literal["batch", "unbiased", "shuffled"] = "batch",
        generator: torch.Generator | None = None,
        unit_dim: UnitDim = None,
    ) -> None:
        if not _finite(alpha):
            raise SpecError(f"alpha: {alpha!r} given; a finite number is needed")
        if index not in INDICES:
            raise SpecError(f"index: {index!r} given; one of {', '.join(INDICES)} is allowed")
        if estimate not in ESTIMATES:
            raise SpecError(f"estimate: {estimate!r} given; one of {', '.join(ESTIMATES)} is allowed")
        if not (_finite(warmup_steps) and warmup_steps >= 0 and warmup_steps == int(warmup_steps)):
            raise SpecError(f"warmup_steps: {warmup_steps!r} given; a whole number of 0 or more is needed")
        if not (shift is None or (isinstance(shift, str) and shift == "min") or _finite(shift)):
            raise SpecError(f'shift: {shift!r} given; "min", a finite number or None is allowed')
        self.alpha, self.index, self.estimate = float(alpha), index, estimate
        self.warmup_steps, self.shift, self.generator = int(warmup_steps), shift, generator
        self.steps = 0  # training steps taken, for the warm-up
        self._model, self._layers, self._unit_dim = model, layers, unit_dim
        self._passes = Passes(model, layers, unit_dim)

    @property
    def layers(self) -> list[str]:
        """Names of the layers that are read."""
        return list(self._passes.layers)

    @property
    def skipped(self) -> list[str]:
        """Activations that "all" left out, in words."""
        return self._passes.skipped

    @property
    def scale(self) -> float:
        """α at the coming step, less than its full size during the warm-up."""
        return self.scale_at(self.steps)

    def scale_at(self, step: int) -> float:
        """α at a training step, counted from 0; for a loop that counts its own steps, as one that resumes does."""
        return warmed_up(self.alpha, step, self.warmup_steps)

    def measure(self, labels: Tensor) -> Tensor:
        """The index of the latest pass, in whatever mode: mean over layers of mean over units, with gradients.

        Args:
            labels: (samples,) integers, the samples of that pass; those of −100 are left out.

        Returns:
            a scalar tensor on the model's device, float32 or better.

        Raises:
            ActivityError: labels that do not fit, negative activity that is not shifted, activity on the meta device,
                or layers that ran outside a pass since.
            UnitError: no pass yet, or one that met no layer of units but the logits, or not each of those listed; a
                model whose modules were exchanged since the regulariser was made.
        """
        return self._mean_index(self._passes.newest(), labels)

    def __call__(self, labels: Tensor) -> Tensor:
        """−α·μ_SI of the pass that the loss is made of, once for each pass, to be added to the loss.

        Counts a step of the warm-up when the model is in training mode. Labels and result are those of `measure`.

        Raises:
            ActivityError: as `measure` does; which pass is meant cannot be told; its term was given already; it was
                made without gradients, as in a checkpoint with use_reentrant=True.
            UnitError: as `measure` does.
        """
        return self._term(self._passes.chosen(), labels)

    def __enter__(self) -> Callable[[Tensor], Tensor]:
        """What runs in the body is one pass; returns a function of the labels that gives its term."""
        return partial(self._term, self._passes.open())

    def __exit__(self, kind: type | None, *_: object) -> None:
        self._passes.close(failed=kind is not None)

    def _term(self, found: Pass, labels: Tensor) -> Tensor:
        if torch.is_grad_enabled() and not found.gradients:
            raise ActivityError("regulariser: this pass was made without gradients; its term has none to give")
        loss = -self.scale * self._mean_index(self._passes.ensure_unspent(found), labels)
        self._passes.spend(found)
        if self._model.training:
            self.steps += 1
        return loss

    def _mean_index(self, found: Pass, labels: Tensor) -> Tensor:
        entries = self._passes.ensure_complete(found).entries
        device, samples = entries[0].mean.device, len(entries[0].mean)
        if (other := next((e for e in entries if len(e.mean) != samples), None)) is not None:
            raise ActivityError(
                f"layer {other.layer!r}: activity of {len(other.mean)} samples, and of {samples} in layer "
                f"{entries[0].layer!r}; name layers that have every sample once"
            )
        if device.type == "meta":
            raise ActivityError("regulariser: the model is on the meta device, where activity has no values")
        targets = checked_labels(labels, samples, device, of=f"samples in layer {entries[0].layer!r}")
        kept = targets != IGNORED
        means = [entry.mean.to(device) for entry in entries]
        if not kept.all():
            means, targets = [mean[kept] for mean in means], targets[kept]
        means = [self._shifted(entry.module, mean) for entry, mean in zip(entries, means, strict=True)]
        weights = torch.cat([m.new_full((m.shape[1],), 1 / (len(means) * m.shape[1])) for m in means])
        with torch.autocast(device.type, enabled=False):
            activity = torch.cat(means, 1)
            if (activity.detach() < 0).any():  # whatever the modules: hooks and subclasses change what they give
                k = next(k for k, mean in enumerate(means) if (mean < 0).any())
                raise ActivityError(
                    f"layer {entries[k].layer!r}: activity down to {float(means[k].detach().min()):.4g} given; "
                    'the index needs 0 or more: pass shift="min" or a number to add'
                )
            return self._indices(activity, targets) @ weights

    def _shifted(self, module: nn.Module, mean: Tensor) -> Tensor:
        shift = self.shift
        if shift is None and isinstance(module, Units | nn.LeakyReLU) and not never_negative(module):
            shift = "min"
        if shift == "min":
            return mean - mean.detach().amin(0) if len(mean) else mean
        return mean if shift is None else mean + shift

    def _indices(self, activity: Tensor, labels: Tensor) -> Tensor:
        """(units,) index of every unit of the pass, float32 or better."""
        if not len(labels):
            return activity.sum(0) * 0
        if self.estimate == "shuffled":
            labels = labels[torch.randperm(len(labels), generator=self.generator).to(labels.device)]
        if self.estimate == "unbiased":
            return self._unbiased(activity, labels)
        if self.index in ("dprime", "spread"):
            return (spread_of if self.index == "spread" else discriminability_of)(class_statistics(activity, labels))
        return (offset_of_means if self.index == "offset" else index_of_means)(class_means(activity, labels)[2])

    def _unbiased(self, activity: Tensor, labels: Tensor) -> Tensor:
        """SI with the preferred class chosen on one half of the batch and the means taken on the other.

        `book.estimation.batch_indices` computes it of thousands of batches in one call, without gradients; a test
        holds both to the same values.
        """
        if self.index != "si":
            raise SpecError('estimate: "unbiased" is defined for index "si" only')
        order = torch.randperm(len(labels), generator=self.generator).to(labels.device)
        halves = order[: len(order) // 2], order[len(order) // 2 :]
        if not len(halves[0]):
            return activity.sum(0) * 0
        (seen, _, choice), (held, _, means) = [class_means(activity[h], labels[h]) for h in halves]
        choice, means = choice[torch.isin(seen, held)], means[torch.isin(held, seen)]
        if len(means) < 2:
            return activity.sum(0) * 0
        top = means.gather(0, choice.detach().argmax(0)[None])[0]
        return index_against(top, (means.sum(0) - top) / (len(means) - 1))

    def remove(self) -> None:
        """Takes every hook and tap away; the model is then as it was."""
        self._passes.forget()

    def __reduce__(self) -> tuple[Any, ...]:
        options = {"index": self.index, "layers": self._layers, "warmup_steps": self.warmup_steps, "shift": self.shift}
        options |= {"estimate": self.estimate, "generator": self.generator, "unit_dim": self._unit_dim}
        return _remade, (self._model, self.alpha, options, self.steps)


def warmed_up(alpha: float, step: int, warmup_steps: int) -> float:
    """α at a step, counted from 0, where it grows linearly from 0 over the first `warmup_steps`."""
    return alpha * min(1.0, step / warmup_steps) if warmup_steps else alpha


def offset_of_means(means: Tensor) -> Tensor:
    """`index_of_means` of (classes, units), whose gradient is the same for every class mean of a unit.

    It leaves the differences between class means as they are: only a shift of the whole unit changes it.
    """
    fixed = means.detach()
    return index_of_means(fixed + (means - fixed).mean(0))


def spread_of(stats: ClassStatistics) -> Tensor:
    """`discriminability_of` without a gradient into class means: only the variance within classes changes it."""
    if len(stats.means) < 2:
        return stats.means.sum(0) * 0
    return discriminability_of(replace(stats, means=stats.means.detach()))


def _finite(given: object) -> bool:
    try:
        return not isinstance(given, bool) and math.isfinite(given)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError, RuntimeError):
        return False


def _remade(model: nn.Module, alpha: float, options: dict[str, Any], steps: int) -> SelectivityRegularizer:
    found = SelectivityRegularizer(model, alpha, **options)
    found.steps = steps
    return found
