"""What decides a run's result: `RunSpec`, and the identity that follows from it."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, Literal

from .errors import SpecError

SCHEMA = 1  # raised when a field changes meaning; a field that is added goes into LATER instead

DatasetName = Literal["digits", "mnist", "fashion-mnist", "cifar10", "tiny-imagenet", "tiny-imagenet-20"]

# field -> (lowest, highest, lowest included, highest included)
RANGES: dict[str, tuple[float, float, bool, bool]] = {
    "alpha": (-1e6, 1e6, True, True),
    "seed": (0, 2**31 - 1, True, True),
    "epochs": (1, 100_000, True, True),
    "batch_size": (2, 1_000_000, True, True),
    "lr": (0, 100, False, True),
    "momentum": (0, 1, True, False),
    "weight_decay": (0, 1, True, True),
    "warmup_epochs": (0, 100_000, True, True),
    "dropout": (0, 1, True, False),
    "label_corruption": (0, 1, True, True),
    "width": (1, 65_536, True, True),
    "train_size": (2, 100_000_000, True, True),  # a batch of one has no variance
    "threads": (1, 1024, True, True),
    "min_map": (1, 1024, True, True),
}

# Fields that came after schema 1's 24, each with the value that all earlier runs have. A run with that value is hashed
# without the field, so that no finished run changes its id; the values here never change.
LATER: dict[str, Any] = {"schedule": "steps", "window": None, "nesterov": False, "min_map": 1, "rounding": "nearest"}


@dataclass(frozen=True)
class RunSpec:
    """One training run. Every field is part of the identity; none is hidden by being a default.

    Attributes:
        model, dataset: names known to `selectivity_core.models` and `selectivity_core.data`.
        alpha: the regulariser's scale; negative lowers the index, positive raises it.
        index: "si" or "dprime", or "offset" or "spread", which reach them by one means alone; see
            `SelectivityRegularizer`.
        seed: decides initialisation, split, order and augmentation; shared across α so that runs can be paired.
        epochs, batch_size, lr, momentum, weight_decay: stochastic gradient descent.
        milestones: epochs (counted from 0) at whose start the learning rate falls to a tenth.
        layers: which layers the regulariser reads.
        warmup_epochs: epochs over which α grows linearly from 0, step by step.
        activation: "relu" or "leaky_relu:b".
        batch_norm, dropout: the network's options.
        label_corruption: share of training images relabelled at random.
        width: channels of the first stage (MLP: units a layer).
        train_size: training images; validation images come on top.
        augment: random flips and crops.
        estimate: how the index is estimated on a batch; see `SelectivityRegularizer`.
        precision: of the network's arithmetic (not the index `precision`); indices are computed in float32 either way.
        threads: CPU threads of the run (another number can round differently).
        schedule: "steps" drops the rate at the milestones; "onecycle" raises it linearly from 0 to `lr` over the first
            fifth of the steps and lowers it linearly to 0 over the rest.
        window: first and last epoch, counted from 0 and both included, in which α acts; None for all of them. Warm-up
            counts from the window's start.
        nesterov: Nesterov's momentum.
        min_map: smallest side that a feature map may have: strides and pools that would go below it are left out.
        rounding: in bfloat16, how the gradients of the loss and of the regulariser are added: "nearest" loses a part of
            the regulariser's, "dithered" keeps it; see `Units`.

    Raises:
        SpecError: a value of the wrong type or out of range, naming the field.
    """

    model: str = "resnet20"
    dataset: DatasetName = "digits"
    alpha: float = 0.0
    index: Literal["si", "dprime", "offset", "spread"] = "si"
    seed: int = 0
    epochs: int = 40
    batch_size: int = 32
    lr: float = 0.1
    milestones: tuple[int, ...] = (20, 30)
    momentum: float = 0.9
    weight_decay: float = 1e-4
    layers: Literal["all", "first3", "last3"] = "all"
    warmup_epochs: float = 0.0
    activation: str = "relu"
    batch_norm: bool = True
    dropout: float = 0.0
    label_corruption: float = 0.0
    width: int = 8
    train_size: int = 150
    augment: bool = False
    estimate: Literal["batch", "unbiased", "shuffled"] = "batch"
    precision: Literal["float32", "bfloat16"] = "float32"
    threads: int = 1
    schedule: Literal["steps", "onecycle"] = "steps"
    window: tuple[int, int] | None = None
    nesterov: bool = False
    min_map: int = 1
    rounding: Literal["nearest", "dithered"] = "nearest"

    def __post_init__(self) -> None:
        for name in field_names():
            object.__setattr__(self, name, check_value(name, getattr(self, name)))
        if list(self.milestones) != sorted({epoch for epoch in self.milestones if 0 < epoch < self.epochs}):
            last = self.epochs - 1
            allowed = f"ascending epochs between 1 and {last} are" if last else "none of a single epoch is"
            raise SpecError(f"milestones: {self.milestones} given; {allowed} allowed")
        if self.schedule == "onecycle" and self.milestones:
            raise SpecError(f'milestones: {self.milestones} given with schedule "onecycle", which has none; pass ()')
        if self.window is not None and not (
            len(self.window) == 2 and 0 <= self.window[0] <= self.window[1] < self.epochs
        ):
            raise SpecError(
                f"window: {self.window} given; a first and a last epoch between 0 and {self.epochs - 1} are needed"
            )
        if self.nesterov and not self.momentum:
            raise SpecError("nesterov: True given with momentum 0; Nesterov's momentum needs one above 0")
        # Here, so that reading this module does not load torch.
        from .models import find_model
        from .units import parse_activation

        find_model(self.model)
        if slope := parse_activation(self.activation):
            object.__setattr__(self, "activation", f"leaky_relu:{slope!r}")  # 0.1, 0.10 and 1e-1 are one run
        if self.estimate == "unbiased" and self.index != "si":
            raise SpecError(f'estimate: "unbiased" given with index "{self.index}"; it is defined for "si" only')

    @cached_property
    def id(self) -> str:
        """The hash of the content and the schema version, 16 hexadecimal digits; see `LATER` for what is left out."""
        fields = {k: v for k, v in self.as_dict().items() if k not in LATER or v != LATER[k]}
        content = {"schema": SCHEMA, **fields}
        text = json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def as_dict(self) -> dict[str, Any]:
        """The fields as JSON can hold them (tuples as lists)."""
        return {
            name: list(value) if isinstance(value := getattr(self, name), tuple) else value for name in field_names()
        }

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> RunSpec:
        """A spec from `as_dict`'s content; every field must be there and no other, but for those of `LATER`."""
        expected = set(field_names())
        if set(content) | set(LATER) != expected:
            odd = sorted((set(content) | set(LATER)) ^ expected)
            raise SpecError(f"spec: fields missing or unknown: {', '.join(odd)}")
        return cls(**content)

    def replace(self, **changes: Any) -> RunSpec:
        """A copy with other values."""
        unknown = sorted(set(changes) - set(field_names()))
        if unknown:
            raise SpecError(f"{unknown[0]}: no such field of a run; fields are {', '.join(field_names())}")
        return dataclasses.replace(self, **changes)


@lru_cache(maxsize=1)
def field_names() -> tuple[str, ...]:
    """The fields of a spec, in order."""
    return tuple(f.name for f in dataclasses.fields(RunSpec))


@lru_cache(maxsize=1)
def _kinds() -> dict[str, Any]:
    return typing.get_type_hints(RunSpec, include_extras=False)


def check_value(name: str, given: Any) -> Any:
    """A field's value in its one canonical form (1 -> 1.0 for floats, -0.0 -> 0.0), whatever the others are."""
    kind = _kinds()[name]
    if typing.get_origin(kind) is Literal:
        allowed = typing.get_args(kind)
        if given not in allowed:
            raise SpecError(f"{name}: {given!r} given; one of {', '.join(map(repr, allowed))} is allowed")
        return str(given)
    if kind in (str, bool):
        if not isinstance(given, kind):
            needed = "a string" if kind is str else "true or false"
            raise SpecError(f"{name}: {given!r} ({type(given).__name__}) given; {needed} is needed")
        return given
    if kind in (int, float):
        return _number(name, kind, given)
    if given is None and type(None) in typing.get_args(kind):
        return None
    if not isinstance(given, list | tuple):
        raise SpecError(f"{name}: {given!r} ({type(given).__name__}) given; a list of whole numbers is needed")
    return tuple(_number(name, int, item) for item in given)


def _number(name: str, kind: type, given: Any) -> float | int:
    is_number = isinstance(given, int | float) and not isinstance(given, bool)
    if not is_number and hasattr(given, "item") and getattr(given, "ndim", 1) == 0:  # numpy's scalars
        return _number(name, kind, given.item())
    try:
        finite = is_number and math.isfinite(given)
    except OverflowError:  # a whole number beyond all floats
        finite = False
    if not is_number or (kind is int and finite and given != int(given)):
        needed = "a whole number" if kind is int else "a number"
        raise SpecError(f"{name}: {given!r:.60} ({type(given).__name__}) given; {needed} is needed")
    if not finite:
        raise SpecError(f"{name}: {given!r:.40} given; a finite number is needed")
    value = kind(given) + 0  # -0.0 + 0 is 0.0
    if name in RANGES:
        low, high, with_low, with_high = RANGES[name]
        inside = (value >= low if with_low else value > low) and (value <= high if with_high else value < high)
        if not inside:
            left, right = "[" if with_low else "(", "]" if with_high else ")"
            raise SpecError(f"{name}: {given!r} given; {left}{low:g}, {high:g}{right} is allowed")
    return value


def spec_of(row: Mapping[str, Any]) -> RunSpec:
    """The spec of a row of `runs`, where lists are text; fields of `LATER` may be missing."""
    found = {name: row[name] for name in field_names() if name in row}
    for name in ("milestones", "window"):
        if name in found:
            found[name] = [int(epoch) for epoch in str(found[name] or "").split()]
    found["window"] = found.get("window") or None
    return RunSpec.from_dict({name: value.item() if hasattr(value, "item") else value for name, value in found.items()})
