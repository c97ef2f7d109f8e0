"""Named base specs, and the grids of runs that figures need."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any

from ..errors import SpecError, nearest, unknown
from ..spec import DatasetName, RunSpec, check_value, field_names

# The paper's α values (methods register, section 6): the negative side as printed for ResNet20, mirrored.
PAPER_ALPHAS = (
    -100.0, -30.0, -10.0, -5.0, -2.0, -1.0, -0.7, -0.4, -0.3, -0.2, -0.1, 0.0,
    0.1, 0.2, 0.3, 0.4, 0.7, 1.0, 2.0, 5.0, 10.0, 30.0, 100.0,
)  # fmt: skip


# What only the regulariser reads, as every run at α = 0 has it.
PLAIN = {
    "index": "si",
    "layers": "all",
    "warmup_epochs": 0.0,
    "estimate": "batch",
    "window": None,
    "rounding": "nearest",
}


@dataclass(frozen=True)
class Bound:
    """How much of a grid the off-axis bound is worked out for: it costs a fit for every layer of every network."""

    alphas: tuple[float, ...]
    seeds: int  # so many
    layers: int  # so many, evenly spread over the depth; 0 for all
    first: int = 0  # from which seed on; those before it only where a figure has none after


@dataclass(frozen=True)
class Profile:
    """A named scale at which figures can be made.

    Attributes:
        title: how pages name it.
        base: the spec of each network it covers; the first is the profile's own.
        alphas: the α values of its grids.
        seeds: how many seeds its grids have.
        scaled_down: whether its data, network or schedule are smaller than the paper's.
        grids: other α values for figures of a kind ("layers", "dprime", …) or for one network; with "_bound" behind a
            kind, those of which its figures want the off-axis bound.
        counts: other numbers of seeds for figures of a kind ("many", "instances", "settings", "schedules", "means"), or
            with "_bound" behind it for its bound; "by_unit" is of how many the ledger keeps tables of units, where that
            is fewer than of others.
        seeds_of: which seeds figures of a kind have, where they are not the first ones.
        seeds_at: network -> α -> how many seeds its plain grid has there, where that is more than elsewhere.
        bound: how many α values (the most negative side, 0 among them), seeds and layers the off-axis bound is worked
            out for; None for all that a figure has.
        by_unit: the networks of whose units the ledger keeps a table; all where empty.
        by_class: the networks whose class means the ledger keeps; the first network where empty.
        keep_weights: whether the ledger keeps the weights of its runs at their best epoch, in bf16.
        keep_epochs: of how many of its baseline runs, those of the highest seeds, a store keeps the weights of every
            epoch.
    """

    title: str
    base: tuple[RunSpec, ...]
    alphas: tuple[float, ...]
    seeds: int
    scaled_down: bool
    grids: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    counts: Mapping[str, int] = field(default_factory=dict)
    seeds_of: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    seeds_at: Mapping[str, Mapping[float, int]] = field(default_factory=dict)
    bound: Bound | None = None
    by_unit: tuple[str, ...] = ()
    by_class: tuple[str, ...] = ()
    keep_weights: bool = False
    keep_epochs: int = 0

    def seeds_for(self, kind: str) -> int | tuple[int, ...]:
        """How many seeds a figure's kind of grid has, or which."""
        return self.seeds_of.get(kind, self.counts.get(kind, self.seeds))

    def more_seeds(self, base: RunSpec, alphas: Iterable[float]) -> list[RunSpec]:
        """The runs of a network's plain grid at those of some α that have more seeds than others (`seeds_at`)."""
        most = {a: self.seeds_at.get(base.model, {}).get(a, 0) for a in alphas}
        return [spec for spec in expand(base, alphas=alphas, seeds=range(max(most.values(), default=0)))
                if spec.seed < most[spec.alpha]]  # fmt: skip

    def alphas_for(self, kind: str, model: str) -> tuple[float, ...]:
        """The α values of a figure's kind of grid for a network."""
        return self.grids.get(kind) or self.grids.get(model) or self.alphas

    @property
    def models(self) -> tuple[str, ...]:
        """The networks that it covers."""
        return tuple(spec.model for spec in self.base)


def _digits() -> Profile:
    """Live in seconds a run: a check of the instrument. No feature map below 2x2, and at least 600 steps."""
    base = RunSpec(min_map=2, train_size=500)
    others: tuple[RunSpec, ...] = (
        base.replace(model="resnet18"), base.replace(model="vgg16", lr=0.01),
        base.replace(model="resnet50", width=4, lr=0.05),
    )  # fmt: skip
    # Morcos et al. 2018: small enough sets, and enough epochs, that random labels are memorised.
    plain = {"milestones": (), "weight_decay": 0.0}
    others += (
        base.replace(**plain, model="mlp", min_map=1, batch_norm=False, width=256, train_size=300, epochs=120, lr=0.05),
        base.replace(**plain, model="convnet11", train_size=200, epochs=100, lr=0.02),
    )
    alphas = (-30.0, -10.0, -5.0, -2.0, -1.0, -0.4, 0.0, 0.4, 1.0, 2.0, 5.0, 30.0)
    few = (-5.0, -1.0, 0.0, 1.0, 5.0)
    return Profile(
        "digits", (base, *others), alphas, 8, scaled_down=True,
        grids={
            "layers": few, "dprime": (-1.0, -0.4, -0.1, 0.0, 0.1, 0.4, 1.0), "leaky": (0.0, 0.4, 1.0, 5.0),
            "warm_up": few, "estimates": few, "resnet50": few, "schedules": few, "windows": (-2.0, 0.0, 1.0),
            "vgg16": (-5.0, -1.0, -0.4, 0.0, 0.4, 1.0, 5.0),
            # Of an index reached by different means: the α that set the targets, and those that bracket them by each.
            "means_targets": (-0.4, 0.0, 0.4), "means_si": (-10.0, -5.0, -2.0, -1.0, -0.4, 0.0, 0.4, 1.0, 2.0),
            "means_dprime": (-1.0, -0.4, -0.1, 0.0, 0.1, 0.2, 0.4), "means_offset": (-100.0, -30.0, -10.0, -2.0, 0.0),
            "means_spread": (-0.4, -0.2, -0.1, 0.0), "means_bound": (-10.0, -2.0, -0.4, -0.1, 0.0),
        },
        counts={"many": 200, "settings": 2, "means_bound": 1}, seeds_at={"resnet18": dict.fromkeys(alphas, 20)},
        bound=Bound((0.0, -1.0, -10.0), seeds=8, layers=0),
        by_unit=("resnet20", "resnet18", "mlp", "convnet11"), by_class=("resnet20", "resnet18"),
    )  # fmt: skip


def _digits_1() -> Profile:
    """The book's first runs on the digits, 150 images and 200 steps: kept as data."""
    found = _digits()
    base = tuple(spec.replace(min_map=1, train_size=150) for spec in found.base if spec.model.startswith("resnet"))
    return Profile("digits, 150 images", base, found.alphas, 3, scaled_down=True, counts={"by_unit": 0})


def _cifar10() -> Profile:
    resnet20 = RunSpec(
        model="resnet20", dataset="cifar10", epochs=200, batch_size=256, lr=0.1, milestones=(100, 150), width=16,
        train_size=45_000, augment=True, precision="bfloat16",
    )  # fmt: skip
    return Profile("CIFAR-10", (resnet20, resnet20.replace(model="vgg16", width=64, lr=0.01)), PAPER_ALPHAS, 20, False)


def _cifar10_short() -> Profile:
    """The paper's schedule shrunk 25-fold: drops at half and three quarters of 8 epochs."""
    base = tuple(spec.replace(epochs=8, milestones=(4, 6)) for spec in _cifar10().base)
    # Morcos et al. 2018: a quarter of the width and 2,000 images, so that random labels are memorised.
    convnet11 = base[0].replace(
        model="convnet11", epochs=30, milestones=(), batch_size=64, lr=0.02, weight_decay=0.0, train_size=2_000,
        augment=False,
    )  # fmt: skip
    return Profile(
        "CIFAR-10, short", (*base, convnet11), (0.0, -1.0, 1.0, -5.0, -0.4, 0.4, 5.0, -30.0, 0.1), 3, scaled_down=True,
        grids={"estimates": (0.0, -1.0, 1.0), "vgg16": (0.0, -1.0, 1.0), "schedules": (0.0, -1.0, 1.0)},
        counts={"schedules": 1}, seeds_at={"resnet20": {0.0: 6}},
        # Of seeds 0 and 1 the ledger's networks were not kept.
        bound=Bound((0.0, -1.0, -5.0, -30.0), seeds=1, layers=4, first=2),
    )  # fmt: skip


def _cifar10_fast() -> Profile:
    """The paper's network on one cycle of the learning rate: near its accuracy at a tenth of its cost."""
    resnet20 = _cifar10().base[0]
    resnet20 = resnet20.replace(schedule="onecycle", milestones=(), epochs=36, lr=0.2, weight_decay=5e-4)
    resnet20 = resnet20.replace(nesterov=True, rounding="dithered")
    decisive = (-2.0, 0.0, 0.7)
    last = (3, 4, 5)  # whose weights at every epoch are kept at α = 0
    return Profile(
        "CIFAR-10, one cycle of 36 epochs", (resnet20,), (0.0, -1.0, -2.0, 0.1, 0.7, -5.0, -10.0, 0.4, 1.0, 2.0), 3,
        scaled_down=True,
        grids={
            "estimates": decisive, "layers": decisive, "leaky": (0.0, 0.7), "windows": decisive,
            "means_targets": decisive, "means_si": (-10.0, -5.0, -2.0, -1.0, 0.0, 0.7),
            "means_dprime": (0.0, 0.1, 0.3), "means_offset": (-1000.0, -300.0, 0.0),
            "means_spread": (-0.3, -0.1, 0.0), "means_bound": (-1000.0, -300.0, -2.0, -0.3, -0.1, 0.0),
        },
        counts={"means": 6}, seeds_at={"resnet20": dict.fromkeys((0.0, -1.0, -2.0, 0.1, 0.4, 0.7), 6)},
        keep_weights=True, keep_epochs=3, seeds_of={"windows": last, "estimates": last},
        bound=Bound((0.0, -1.0, -5.0, -10.0), seeds=1, layers=4),
    )  # fmt: skip


def _tiny_imagenet() -> Profile:
    resnet18 = RunSpec(
        model="resnet18", dataset="tiny-imagenet", epochs=90, batch_size=4096, lr=0.1, milestones=(35, 50, 65, 80),
        width=64, train_size=90_000, augment=True, precision="bfloat16",
    )  # fmt: skip
    alphas = tuple(sorted({*PAPER_ALPHAS, -4.5, -4.0, -3.5, -3.0, -2.5, -1.5}))
    return Profile("Tiny ImageNet", (resnet18, resnet18.replace(model="resnet50", batch_size=1400)), alphas, 20, False)


def _tiny_imagenet_short() -> Profile:
    """Twenty classes, half the width, drops at the paper's shares of 6 epochs: what a CPU can do on these images."""
    resnet18 = RunSpec(
        model="resnet18", dataset="tiny-imagenet-20", epochs=6, batch_size=128, lr=0.1, milestones=(2, 3, 4, 5),
        width=32, train_size=9_000, augment=True, precision="bfloat16",
    )  # fmt: skip
    base = (resnet18, resnet18.replace(model="resnet50", width=16))
    return Profile(
        "Tiny ImageNet, 20 classes, 6 epochs", base, (0.0, -1.0, 1.0), 1, scaled_down=True,
        seeds_at={"resnet18": dict.fromkeys((0.0, -1.0, 1.0), 3)},
        counts={"by_unit": 1},  # wide layers and many classes
        bound=Bound((0.0, -1.0), seeds=1, layers=4),
    )  # fmt: skip


def _tiny_imagenet_20() -> Profile:
    """Twenty classes and half the width, on one cycle that is long enough for the training to converge."""
    resnet18 = (
        _tiny_imagenet_short()
        .base[0]
        .replace(schedule="onecycle", milestones=(), epochs=30, weight_decay=5e-4, nesterov=True, rounding="dithered")
    )
    return Profile(
        "Tiny ImageNet, 20 classes, one cycle of 30 epochs", (resnet18,),
        (0.0, -1.0, 1.0, -2.0, -5.0, 0.4, 2.0, -0.4), 3,  # Figure 4 needs both signs
        scaled_down=True, seeds_at={"resnet18": dict.fromkeys((0.0, -1.0), 6)}, counts={"by_unit": 1},
    )  # fmt: skip


def _one_cycle() -> Profile:
    """Both networks of the paper's figures on one cycle, each on its own images."""
    fast, tiny = _cifar10_fast(), _tiny_imagenet_20()
    return replace(
        fast, title="CIFAR-10 and Tiny ImageNet (20 classes), one cycle", base=(*fast.base, *tiny.base),
        grids={**fast.grids, "resnet18": tiny.alphas}, seeds_at={**fast.seeds_at, **tiny.seeds_at},
    )  # fmt: skip


def _idx(dataset: DatasetName, title: str) -> Profile:
    """The perceptron of Morcos et al. 2018 on 28x28 images: few enough of them that random labels are memorised."""
    mlp = RunSpec(
        model="mlp", dataset=dataset, epochs=70, batch_size=64, lr=0.02, milestones=(), weight_decay=0.0,
        batch_norm=False, width=512, train_size=5_000,
    )  # fmt: skip
    return Profile(title, (mlp,), (-1.0, 0.0, 1.0), 3, scaled_down=True)


PROFILES: dict[str, Profile] = {
    "digits": _digits(),
    "digits-1": _digits_1(),
    "mnist": _idx("mnist", "MNIST"),
    "fashion-mnist": _idx("fashion-mnist", "Fashion-MNIST"),
    "cifar10-fast": _cifar10_fast(),
    "cifar10-short": _cifar10_short(),
    "cifar10": _cifar10(),
    "tiny-imagenet": _tiny_imagenet(),
    "tiny-imagenet-20": _tiny_imagenet_20(),
    "tiny-imagenet-short": _tiny_imagenet_short(),
    "one-cycle": _one_cycle(),
}


def find_profile(name: str) -> Profile:
    """A profile by name; SpecError where there is none."""
    if not isinstance(name, str) or name not in PROFILES:
        raise SpecError(unknown("profile", name, PROFILES))
    return PROFILES[name]


def profile(name: str, *, model: str | None = None, **overrides: Any) -> RunSpec:
    """The base spec of a profile.

    Args:
        name: the profile's.
        model: one of its networks; by default its first.
        overrides: other values for any field. The milestones follow the epochs and the schedule where they are not
            among them, as `with_epochs` says.

    Returns:
        a spec with α = 0 and seed 0.

    Raises:
        SpecError: an unknown profile, network or field, or a value out of range.
    """
    found = find_profile(name)
    if model is not None and model not in found.models:
        raise SpecError(f"model: {model!r} given; profile {name} covers {', '.join(found.models)}")
    base = next(spec for spec in found.base if model in (None, spec.model))
    if "milestones" in overrides or overrides.get("schedule") == "onecycle":
        base = base.replace(milestones=())
    elif "epochs" in overrides:
        base = with_epochs(base, check_value("epochs", overrides["epochs"]))
    return base.replace(**overrides)


def with_epochs(spec: RunSpec, epochs: int) -> RunSpec:
    """A spec with another number of epochs, its learning rate dropping at the same shares of them.

    Of drops that come to lie in one epoch one is left, and none at the start or the end: none at all of one epoch.
    """
    drops = {round(milestone * epochs / spec.epochs) for milestone in spec.milestones}
    return spec.replace(epochs=epochs, milestones=tuple(sorted(drop for drop in drops if 0 < drop < epochs)))


def expand(base: RunSpec, *, alphas: Iterable[float], seeds: Iterable[int]) -> list[RunSpec]:
    """One spec for every α and seed: all α of a seed before the next seed.

    At α = 0 nothing is regularised: settings that only the regulariser reads are then the plain ones, so that every
    grid shares its baseline.
    """
    alphas = list(alphas)
    return [base.replace(alpha=a, seed=s, **({} if a else PLAIN)) for s in seeds for a in alphas]


MOST_SEEDS = 1000  # the paper has 20; more than this is a slip of the hand


def seed_list(seeds: int | Sequence[int]) -> list[int]:
    """Seeds 0 to n−1 for a count n, or the seeds listed, each once and at most `MOST_SEEDS`."""
    numbers = seeds if isinstance(seeds, Iterable) else range(check_value("seed", seeds))
    found = [check_value("seed", number) for number in islice(numbers, MOST_SEEDS + 1)]
    repeated = len(set(found)) != len(found)
    if not 1 <= len(found) <= MOST_SEEDS or repeated:
        why = "a seed is repeated, and each is needed once" if repeated else f"1 to {MOST_SEEDS} seeds are needed"
        raise SpecError(f"seeds: {seeds!r:.40} given; {why}")
    return found


def profile_of(spec: RunSpec) -> str:
    """The profile under which a run's results are kept in the ledger."""
    if spec.dataset == "digits":
        return "digits" if spec.min_map > 1 or spec.model == "mlp" else "digits-1"
    if spec.dataset == "tiny-imagenet-20":
        return "tiny-imagenet-20" if spec.schedule == "onecycle" else "tiny-imagenet-short"
    if spec.dataset == "cifar10" and spec.schedule == "onecycle":
        return "cifar10-fast"
    if spec.dataset in ("cifar10", "tiny-imagenet"):
        whole = find_profile(spec.dataset).base[0].epochs
        return spec.dataset if spec.epochs >= whole // 2 else f"{spec.dataset}-short"
    return spec.dataset


def keeps_epochs(spec: RunSpec) -> bool:
    """Whether a store keeps the weights of every epoch of a run."""
    scale = find_profile(profile_of(spec))
    seeds = max(scale.seeds, scale.seeds_at.get(spec.model, {}).get(0.0, 0))
    own = spec == scale.base[0].replace(seed=spec.seed, **PLAIN)
    return own and seeds - scale.keep_epochs <= spec.seed < seeds


# What a grid sets itself; an override would be lost, or fight with it.
SET_BY_GRID = {"model": "the figure or --model", "alpha": "alphas", "seed": "seeds"}


def check_overrides(overrides: Mapping[str, Any]) -> dict[str, Any]:
    """Overrides in one canonical form, of fields that the grid does not set itself."""
    allowed = [f for f in field_names() if f not in SET_BY_GRID]
    for name in overrides:
        if name in SET_BY_GRID:
            raise SpecError(f"overrides: {name} given; it is set by {SET_BY_GRID[name]}, not by an override")
        if name not in allowed:
            no_field = f"overrides: {name!r} given, which is no field of a run"
            raise SpecError(f"{no_field}; allowed: {', '.join(allowed)}{nearest(name, allowed)}")
    try:
        return {name: check_value(name, value) for name, value in overrides.items()}
    except SpecError as error:
        raise SpecError(f"overrides: {error}") from None
