"""Named base specs, and the grids of runs that figures need."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from .errors import SpecError
from .spec import RunSpec

# The paper's α values (methods register, section 6): the negative side as printed for ResNet20, mirrored.
PAPER_ALPHAS = (
    -100.0, -30.0, -10.0, -5.0, -2.0, -1.0, -0.7, -0.4, -0.3, -0.2, -0.1, 0.0,
    0.1, 0.2, 0.3, 0.4, 0.7, 1.0, 2.0, 5.0, 10.0, 30.0, 100.0,
)  # fmt: skip


@dataclass(frozen=True)
class Profile:
    """A named scale at which figures can be made.

    Attributes:
        title: how pages name it.
        base: the spec of each network it covers; the first is the profile's own.
        alphas: the α values of its grids.
        seeds: how many seeds its grids have.
        scaled_down: whether its data, network or schedule are smaller than the paper's.
    """

    title: str
    base: tuple[RunSpec, ...]
    alphas: tuple[float, ...]
    seeds: int
    scaled_down: bool

    @property
    def models(self) -> tuple[str, ...]:
        """The networks that it covers."""
        return tuple(spec.model for spec in self.base)


def _digits() -> Profile:
    base = RunSpec()
    return Profile(
        "digits", (base, base.replace(model="resnet18")),
        (-30.0, -5.0, -2.0, -1.0, -0.4, 0.0, 0.4, 1.0, 2.0, 5.0, 30.0), 3, scaled_down=True,
    )  # fmt: skip


def _cifar10() -> Profile:
    resnet20 = RunSpec(
        model="resnet20", dataset="cifar10", epochs=200, batch_size=256, lr=0.1, milestones=(100, 150), width=16,
        train_size=45_000, augment=True, precision="bfloat16",
    )  # fmt: skip
    return Profile("CIFAR-10", (resnet20, resnet20.replace(model="vgg16", width=64, lr=0.01)), PAPER_ALPHAS, 20, False)


def _cifar10_short() -> Profile:
    """The paper's schedule shrunk 25-fold: drops at half and three quarters of 8 epochs."""
    base = tuple(spec.replace(milestones=()).replace(epochs=8, milestones=(4, 6)) for spec in _cifar10().base)
    return Profile(
        "CIFAR-10, 8 epochs", base, (0.0, -1.0, 1.0, -5.0, -0.4, 0.4, 5.0, -30.0, 0.1), 3, scaled_down=True
    )  # fmt: skip


def _tiny_imagenet() -> Profile:
    resnet18 = RunSpec(
        model="resnet18", dataset="tiny-imagenet", epochs=90, batch_size=4096, lr=0.1, milestones=(35, 50, 65, 80),
        width=64, train_size=90_000, augment=True, precision="bfloat16",
    )  # fmt: skip
    alphas = tuple(sorted({*PAPER_ALPHAS, -4.5, -4.0, -3.5, -3.0, -2.5, -1.5}))
    return Profile("Tiny ImageNet", (resnet18, resnet18.replace(model="resnet50", batch_size=1400)), alphas, 20, False)


PROFILES: dict[str, Profile] = {
    "digits": _digits(),
    "cifar10-short": _cifar10_short(),
    "cifar10": _cifar10(),
    "tiny-imagenet": _tiny_imagenet(),
}


def find_profile(name: str) -> Profile:
    """A profile by name.

    Raises:
        SpecError: no such profile.
    """
    if name not in PROFILES:
        raise SpecError(f"profile: {name!r} given; one of {', '.join(PROFILES)} is allowed")
    return PROFILES[name]


def profile(name: str, *, model: str | None = None, **overrides: Any) -> RunSpec:
    """The base spec of a profile.

    Args:
        name: the profile's.
        model: one of its networks; by default its first.
        overrides: other values for any field.

    Raises:
        SpecError: an unknown profile, network or field, or a value out of range.
    """
    found = find_profile(name)
    if model is not None and model not in found.models:
        raise SpecError(f"model: {model!r} given; profile {name} covers {', '.join(found.models)}")
    base = next(spec for spec in found.base if model in (None, spec.model))
    return base.replace(**overrides)


def expand(base: RunSpec, *, alphas: Iterable[float], seeds: Iterable[int]) -> list[RunSpec]:
    """One spec for every α and seed: all α of a seed before the next seed.

    At α = 0 nothing is regularised: settings that only the regulariser reads are then the plain ones, so that every
    grid shares its baseline.
    """
    plain = {"index": "si", "layers": "all", "warmup_epochs": 0.0, "estimate": "batch"}
    alphas = list(alphas)
    return [base.replace(alpha=a, seed=s, **({} if a else plain)) for s in seeds for a in alphas]


def seed_list(seeds: int | Sequence[int]) -> list[int]:
    """Seeds 0 to n−1 for a count n, or the seeds listed.

    Raises:
        SpecError: a count below 1, or no or doubled seeds.
    """
    if isinstance(seeds, int):
        if seeds < 1:
            raise SpecError(f"seeds: {seeds} given; a count of at least 1, or a list of seeds, is needed")
        return list(range(seeds))
    found = list(seeds)  # whether each is a whole number, the spec says
    if not found or len(set(found)) != len(found):
        raise SpecError(f"seeds: {found} given; at least one, each once, is needed")
    return found


def profile_of(spec: RunSpec) -> str:
    """The profile under which a run's results are kept in the ledger."""
    if spec.dataset == "cifar10":
        return "cifar10" if spec.epochs >= 100 else "cifar10-short"
    return spec.dataset
