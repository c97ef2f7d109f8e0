"""The register of claims: whose each is, what it says, and how it is tested."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from .figures import LEAVITT_MORCOS, MORCOS

# Margins named beforehand: within them a difference counts as none, and a value as the paper's.
ACCURACY = 0.005
INDEX = 0.10  # of its value at α = 0
RATIO = 0.05  # of CCA distances
SPEARMAN = 0.2

# The data on which each paper trained its networks, as specs name them; no spec can have ImageNet.
PAPER_DATA: dict[str, dict[str, str]] = {
    LEAVITT_MORCOS: {
        "resnet18": "tiny-imagenet", "resnet50": "tiny-imagenet", "resnet20": "cifar10", "vgg16": "cifar10",
    },
    MORCOS: {"mlp": "mnist", "convnet11": "cifar10", "resnet50": "imagenet"},
}  # fmt: skip

# Test accuracy of the papers' baseline networks where it is known: Leavitt & Morcos give ResNet18's; of ResNet20 they
# give none, and the other source is about the same network and data.
PAPER_ACCURACY: dict[tuple[str, str], float] = {("resnet18", "tiny-imagenet"): 0.5157, ("resnet20", "cifar10"): 0.9125}
OTHER_SOURCE = {("resnet20", "cifar10"): "He et al. 2016"}
COMPARABLE = 0.03  # a baseline this close to the paper's counts as trained to comparable accuracy

# about: ours within the margin of the paper's value; beyond: or past it as claimed; within: or short of it.
Limit = Literal["about", "beyond", "within"]


@dataclass(frozen=True)
class Criterion:
    """What decides a claim.

    Attributes:
        kind: the contrast, a key of `contrasts.CONTRASTS`.
        sign: 1 where the claim says that the estimate lies above `null`, −1 below; 0 where it says that there is no
            difference (the 90 % interval must lie within `margin` of `null`); None where it only gives a value.
        settings: the contrast's parameters.
        null: what the estimate is held against.
        margin: of a claim of no difference.
    """

    kind: str
    sign: Literal[1, -1, 0] | None
    settings: Mapping[str, Any] = field(default_factory=dict)
    null: float = 0.0
    margin: float = 0.0


def by(kind: str, sign: Any, null: float = 0.0, **settings: Any) -> Criterion:
    """A criterion of a direction, or of a value alone."""
    return Criterion(kind, sign, settings, null)


def same(kind: str, margin: float, null: float = 0.0, **settings: Any) -> Criterion:
    """A criterion of no difference."""
    return Criterion(kind, 0, settings, null, margin)


@dataclass(frozen=True)
class Value:
    """A number that the paper gives, in the unit of the estimate.

    Attributes:
        margin: how far ours may be from it.
        half: half the width of the paper's interval, taken for 95 %; 0 where it gives none.
        limit: which distances count.
        of: whether it is the effect, or the level of the measure there.
    """

    number: float
    margin: float
    half: float = 0.0
    limit: Limit = "about"
    of: Literal["effect", "level"] = "effect"


@dataclass(frozen=True)
class Claim:
    """A finding of a paper.

    Attributes:
        id: L… of Leavitt & Morcos, M… of Morcos et al. 2018.
        figure: id of the figure in the register that its runs are of and that shows them.
        models: networks that it is about; it must hold for each.
        statement: what is judged, in this project's words.
        says: the paper's value in words; empty where it gives none.
        value: the paper's value as a number, where it gives one.
        figures: the figure of a network that has another.
        schedule: whether it is about the course of training itself, so that only the paper's own schedule can tell.
    """

    id: str
    paper: str
    figure: str
    models: tuple[str, ...]
    statement: str
    criterion: Criterion
    says: str = ""
    value: Value | None = None
    figures: Mapping[str, str] = field(default_factory=dict)
    schedule: bool = False

    def figure_of(self, model: str) -> str:
        """The figure with a network's runs."""
        return self.figures.get(model, self.figure)


def claim_of(
    paper: str, name: str, figure: str, models: str | tuple[str, ...], statement: str, criterion: Criterion, **more: Any
) -> Claim:
    """A claim of a paper, about one network or several."""
    several = (models,) if isinstance(models, str) else models
    return Claim(name, paper, figure, several, statement, criterion, **more)


def all_claims() -> dict[str, Claim]:
    """Every claim that is judged, by id."""
    from . import leavitt_morcos, morcos

    return {claim.id: claim for claim in (*leavitt_morcos.CLAIMS, *morcos.CLAIMS)}


def claims_of(figures: Sequence[str]) -> list[Claim]:
    """The claims whose runs are those of some figures, in the order of the register; none of figures without claims."""
    return [c for c in all_claims().values() if {c.figure, *c.figures.values()} & set(figures)]


def reported(model: str, dataset: str, measure: str) -> dict[float, float]:
    """α -> the value of a measure that Leavitt & Morcos report for a network on its data; empty on other data."""
    return {a: v.number for a, v in _values(model, dataset, measure) if v.of == "level"}


def reported_change(model: str, dataset: str) -> dict[float, float]:
    """α -> the difference in test accuracy from α = 0 that Leavitt & Morcos report for a network on its data."""
    levels = reported(model, dataset, "test_accuracy")
    found = {a: level - levels[0.0] for a, level in levels.items() if a and 0.0 in levels}
    found |= {a: v.number for a, v in _values(model, dataset, "test_accuracy") if v.of == "effect" and a}
    return dict(sorted(found.items()))


def _values(model: str, dataset: str, measure: str) -> list[tuple[float, Value]]:
    """α and value of the claims that give a measure at one α, levels at α = 0 as such."""
    if PAPER_DATA[LEAVITT_MORCOS].get(model) != dataset:
        return []
    found = []
    for claim in all_claims().values():
        kind, settings, value = claim.criterion.kind, claim.criterion.settings, claim.value
        if claim.paper != LEAVITT_MORCOS or claim.models != (model,) or value is None:
            continue
        if settings.get("measure", "test_accuracy") == measure and kind in ("level", "effect_at"):
            found.append((float(settings["alpha"]), replace(value, of="level") if kind == "level" else value))
    return sorted(found, key=lambda pair: pair[0])
