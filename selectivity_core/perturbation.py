"""Single units ablated or made noisy, after their non-linearity; never by editing weights (Morcos et al. 2018, 2.2)."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from .arithmetic import evaluating
from .errors import ActivityError, UnitError
from .indices import IGNORED, checked_labels, for_torch
from .models import UnitNetwork
from .progress import bar
from .units import modules_of, split_name
from .watching import Call, UnitDim, Uses, for_call

BATCH = 500  # images in one forward pass
SAMPLES_AT_ONCE = 64  # samples whose activity is held in float64 at a time

PerUnit = Tensor | np.ndarray | Sequence[float]
Numbers = Tensor | np.ndarray | Sequence[int]
T = TypeVar("T")


@contextmanager
def ablate(
    model: nn.Module,
    units: Mapping[str, Numbers],
    value: str | Mapping[str, PerUnit] = "zero",
    *,
    unit_dim: UnitDim = None,
) -> Iterator[None]:
    """Sets units to a constant at every position, for the body of the `with`.

    Contexts nest; each removes exactly what it added, also when its body raises, and the model is bit-equal afterwards.

    Args:
        model: any module.
        units: layer name -> numbers of the units to ablate. Of a module that a pass uses several times "name" means
            all its uses and "name:1" the second, which goes before "name".
        value: "zero", or layer name -> (units,) one value for every unit of the layer (such as its mean).
        unit_dim: as for `record`.

    Raises:
        UnitError: before any pass: a layer that the model lacks, a number that is negative or (where the layer's size
            is known: networks of this package, or a `value` given) too large, another value than "zero", or values
            that are missing or of another length. In a pass: a number too large for any other network, units whose
            dimension cannot be told, a layer that the pass does not use.
        ActivityError: in a pass with gradients, a layer in an activation checkpoint, which would compute it once more
            without the change.
    """
    if not isinstance(units, Mapping):
        raise UnitError(f"units: a {type(units).__name__} given; layer name -> numbers of its units is needed")
    if not isinstance(value, Mapping) and not (isinstance(value, str) and value == "zero"):
        raise UnitError(f'value: {value!r:.80} given; "zero" or layer -> values for all its units is allowed')
    constants = None if isinstance(value, str) else per_unit(model, units, value, "value")
    numbers = {}
    for name, given in units.items():
        size = layer_size(model, name)
        if constants is not None and size is None and name in constants:
            size = len(constants[name])
        numbers[name] = _numbers(given, name, size)

    def ablated(call: Call, chosen: Tensor) -> Tensor:
        size = call.output.shape[call.dim]
        _check_numbers(chosen, call.layer, size)
        chosen = chosen.to(call.output.device)
        if constants is None:
            return call.output.index_fill(call.dim, chosen, 0)
        values = of_call(constants, call, "value").to(call.output.device, call.output.dtype)
        each = values.expand(call.output.shape).index_select(call.dim, chosen)
        return call.output.index_copy(call.dim, chosen, each)

    with changing(model, numbers, ablated, unit_dim):
        yield


@contextmanager
def unit_noise(
    model: nn.Module,
    scale: float,
    std: Mapping[str, PerUnit],
    generator: torch.Generator | None = None,
    *,
    unit_dim: UnitDim = None,
) -> Iterator[None]:
    """Adds Gaussian noise to units, for the body of the `with`; contexts nest and leave nothing behind.

    Every sample, unit and position gets a draw of its own, with `scale` times the unit's own standard deviation, after
    the non-linearity and not clipped.

    Args:
        model: any module.
        scale: of the noise, in units of `std`; 0 or more.
        std: layer name -> (units,) standard deviation of every unit over samples and positions; names as for `ablate`.
        generator: draws the noise; torch's own by default.
        unit_dim: as for `record`.

    Raises:
        UnitError: before any pass: a negative or non-finite scale or deviation, a layer that the model lacks, or
            deviations of another length than the layer (where its size is known). In a pass: as for `ablate`.
        ActivityError: as for `ablate`.
    """
    number = isinstance(scale, int | float | np.integer | np.floating)
    if not (number and math.isfinite(scale) and scale >= 0):
        raise UnitError(f"scale: {scale!r} given; a finite number of 0 or more is needed")
    if not isinstance(std, Mapping):
        raise UnitError(f"std: a {type(std).__name__} given; layer name -> one number for each of its units is needed")
    deviations = per_unit(model, std, std, "std")

    def noisy(call: Call, _given: PerUnit) -> Tensor:
        size = of_call(deviations, call, "std").to(call.output.device)
        device = generator.device if generator is not None else call.output.device
        drawn = torch.randn(call.output.shape, generator=generator, device=device).to(call.output.device)
        return call.output + (drawn * (scale * size)).to(call.output.dtype)

    with changing(model, std, noisy, unit_dim):
        yield


def changing(
    model: nn.Module, given: Mapping[str, T], change: Callable[[Call, T], Tensor], unit_dim: UnitDim
) -> AbstractContextManager[object]:
    """A context in which some layers' outputs are changed, each with what is given for it."""

    def changed(call: Call) -> Tensor:
        found = for_call(given, call.layer, call.number)
        assert found is not None
        return change(call, found)

    return Uses(model, list(given), unit_dim, changed, changes=True) if given else nullcontext()


def layer_size(model: nn.Module, layer: str) -> int | None:
    """How many units a layer has, where that is known without a pass."""
    if isinstance(model, UnitNetwork) and layer in model.unit_filters:
        return len(model.get_submodule(model.unit_filters[layer]).weight)  # type: ignore[arg-type]
    return None


def per_unit(model: nn.Module, layers: Iterable[str], given: Mapping[str, PerUnit], name: str) -> dict[str, Tensor]:
    """The values given for some layers, or for single uses of them, as float32: one finite number for each unit."""
    modules = modules_of(model)
    layer_of = {key: split_name(key, modules)[0] for key in given}
    found = {}
    for layer in layers:
        keys = [key for key in given if layer_of[key] == split_name(layer, modules)[0]]
        if not keys:
            raise UnitError(f"{name}: nothing for layer {layer!r}; one number for each of its units is needed")
        for key in keys:
            values, size = torch.as_tensor(for_torch(given[key])).detach().to(torch.float32), layer_size(model, key)
            if values.ndim != 1 or (size is not None and len(values) != size):
                needed = size if size is not None else "as many as it has units"
                raise UnitError(f"{name}: layer {key!r} has shape {tuple(values.shape)}; ({needed},) is needed")
            if not (finite := torch.isfinite(values)).all():
                raise UnitError(f"{name}: layer {key!r} is not finite in unit {int((~finite).nonzero()[0])}")
            if name == "std" and (values < 0).any():
                raise UnitError(f"std: layer {key!r} has a standard deviation of {float(values.min()):g}; 0 or more")
            found[key] = values
    return found


def of_call(values: Mapping[str, Tensor], call: Call, name: str) -> Tensor:
    """The values for one use of a layer, in the shape in which they are broadcast over its output."""
    found, size = for_call(values, call.layer, call.number), call.output.shape[call.dim]
    if found is None:
        raise UnitError(f"{name}: nothing for layer '{call.layer}:{call.number}'")
    if len(found) != size:
        raise UnitError(f"layer {call.layer!r}: {len(found)} values given for its {size} units")
    return found.view([-1 if d == call.dim else 1 for d in range(call.output.ndim)])


def _numbers(given: Numbers, layer: str, size: int | None) -> Tensor:
    try:
        numbers = torch.as_tensor(for_torch(given) if isinstance(given, Tensor | np.ndarray) else list(given))
    except (TypeError, ValueError, RuntimeError) as error:
        raise UnitError(f"layer {layer!r}: units {given!r:.80} given; a list of whole numbers is needed") from error
    if not numbers.numel():
        return torch.zeros(0, dtype=torch.int64)
    if numbers.is_floating_point() or numbers.dtype == torch.bool or numbers.ndim != 1:
        raise UnitError(f"layer {layer!r}: units {given!r} given; a list of whole numbers is needed")
    _check_numbers(numbers, layer, size)
    return numbers.long()


def _check_numbers(numbers: Tensor, layer: str, size: int | None) -> None:
    wrong = numbers[(numbers < 0) | (numbers >= size)] if size is not None else numbers[numbers < 0]
    if len(wrong):
        allowed = f"0 to {size - 1}" if size is not None else "0 and up"
        raise UnitError(f"layer {layer!r}: unit {int(wrong[0])} given; {allowed} is allowed")


def checked_images(model: nn.Module, images: Tensor | np.ndarray) -> Tensor:
    """Images (samples, ...) in the model's floating type, on its device; of a model with an embedding also its tokens.

    Raises:
        ActivityError: no samples, or numbers that are neither finite floating-point ones nor those of tokens.
    """
    if not isinstance(images, Tensor):
        images = torch.as_tensor(for_torch(np.asarray(images)))
    pixels, parameter = images.detach(), next(model.parameters(), None)
    texts = any(isinstance(module, nn.Embedding) for module in model.modules())
    whole = texts and pixels.dtype in (torch.int32, torch.int64)
    if not (pixels.is_floating_point() or whole):
        raise ActivityError(f"images: {pixels.dtype} given; floating-point numbers are needed")
    if pixels.ndim < 2 or not pixels.numel():
        raise ActivityError(f"images: shape {tuple(pixels.shape)} given; (samples, ...) with a sample is needed")
    bad = ~torch.isfinite(pixels).flatten(1).all(1)
    if bad.any():
        raise ActivityError(f"images: not finite in {int(bad.sum())} of {len(pixels)} (first: {int(bad.nonzero()[0])})")
    if parameter is None:
        return pixels
    dtype = parameter.dtype if parameter.is_floating_point() and not whole else pixels.dtype
    return pixels.to(parameter.device, dtype)


def checked_pairs(
    model: nn.Module, images: Tensor | np.ndarray, labels: Tensor | np.ndarray, *, ignoring: bool = True
) -> tuple[Tensor, Tensor]:
    """Images and labels (samples,) as int64, without the samples that are ignored, or an `ActivityError`.

    Where none may be ignored, their label is refused as any other negative one.
    """
    pixels = checked_images(model, images)
    targets = checked_labels(labels, len(pixels), pixels.device, of="images")
    kept = targets != IGNORED if ignoring else torch.ones_like(targets, dtype=torch.bool)
    if not kept.any():
        raise ActivityError(f"labels: all are {IGNORED}, which is left out")
    pixels, targets = (pixels, targets) if kept.all() else (pixels[kept], targets[kept])
    if targets.min() < 0:
        raise ActivityError(f"labels: {int(targets.min())} given; 0 and up is allowed")
    return pixels, targets


@dataclass
class _Moments:
    """Running mean and sum of squared deviations, (units,) float64, of `count` values for each unit."""

    count: int
    mean: Tensor
    squares: Tensor

    def add(self, activity: Tensor) -> None:
        """Merges activity (units, values), without ever subtracting large sums from each other (Chan et al. 1983)."""
        values = activity.double()
        count, mean = values.shape[1], values.mean(1)
        apart = mean - self.mean
        total = self.count + count
        self.squares += (values - mean[:, None]).square().sum(1) + apart.square() * (self.count * count / total)
        self.mean += apart * (count / total)
        self.count = total


def unit_means(
    model: nn.Module, images: Tensor | np.ndarray, layers: str | Sequence[str] = "all", *, unit_dim: UnitDim = None
) -> dict[str, Tensor]:
    """layer -> (units,) float64 mean activity over samples and positions: what `value` of an ablation takes.

    Args:
        model: any module; it is evaluated in evaluation mode and left as it was.
        images: (samples, ...) as the model takes them; the training set's, for the papers' use.
        layers: as for `unit_layers`.
        unit_dim: as for `record`.

    Returns:
        layer -> (units,) float64 CPU tensor; an entry for each use of a module that a pass uses several times, as
        `record` names them.

    Raises:
        UnitError: a layer that the model lacks, does not use in every batch, or whose units cannot be told.
        ActivityError: images that are not finite floating-point numbers, or numbers of tokens.
    """
    return {name: found.mean.cpu() for name, found in _moments(model, images, layers, unit_dim).items()}


def unit_deviations(
    model: nn.Module, images: Tensor | np.ndarray, layers: str | Sequence[str] = "all", *, unit_dim: UnitDim = None
) -> dict[str, Tensor]:
    """layer -> (units,) float64 standard deviation over samples and positions (population: no Bessel correction).

    Args, results and errors are those of `unit_means`.
    """
    moments = _moments(model, images, layers, unit_dim)
    return {name: (found.squares / found.count).sqrt().cpu() for name, found in moments.items()}


def _moments(
    model: nn.Module, images: Tensor | np.ndarray, layers: str | Sequence[str], unit_dim: UnitDim
) -> dict[str, _Moments]:
    batches = checked_images(model, images).split(BATCH)
    moments: dict[tuple[str, int], _Moments] = {}
    passes = Counter[tuple[str, int]]()

    def see(call: Call) -> None:
        use = call.layer, call.number
        passes[use] += 1
        for some in call.output.split(SAMPLES_AT_ONCE):
            activity = some.movedim(call.dim, 0).flatten(1)
            if use not in moments:
                zeros = torch.zeros(len(activity), dtype=torch.float64, device=activity.device)
                moments[use] = _Moments(0, zeros, zeros.clone())
            moments[use].add(activity)

    shown = bar("unit statistics", sum(map(len, batches)), "image", delay=2)
    with evaluating(model), Uses(model, layers, unit_dim, see) as uses, shown:
        for some in batches:
            model(some.clone())  # its first module may work in place
            shown.update(len(some))
    for (layer, number), count in passes.items():
        if count < len(batches):
            raise UnitError(f"layer '{layer}:{number}': the model uses it in {count} of {len(batches)} batches")
    return uses.named(moments, as_asked=True)
