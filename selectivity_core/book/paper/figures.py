"""The register of figures, and which runs each needs at any profile."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from ...errors import SpecError, unknown
from ...runs.profiles import expand, find_profile, profile, seed_list, with_epochs
from ...spec import RunSpec
from . import beyond, leavitt_morcos, morcos
from .entries import FigureEntry, Side

FIGURES: dict[str, FigureEntry] = {e.id: e for e in (*leavitt_morcos.ENTRIES, *morcos.ENTRIES, *beyond.ENTRIES)}

WARM_UP_EPOCHS = 5
# Epochs of the papers' schedules: a warm-up keeps its share of a shorter one.
PAPER_EPOCHS = {"resnet18": 90, "resnet50": 90, "resnet20": 200, "vgg16": 200}


def find_figure(name: str) -> FigureEntry:
    """A figure by its id.

    Args:
        name: such as "fig4" or "figA1".

    Raises:
        SpecError: no such figure.
    """
    if name not in FIGURES:
        raise SpecError(unknown("figure", name, FIGURES))
    return FIGURES[name]


def models_for(figure: FigureEntry, profile_name: str) -> tuple[str, ...]:
    """The figure's networks that the profile covers; the profile's own network where it covers none.

    Args:
        figure: of the register.
        profile_name: a profile.

    Raises:
        SpecError: no such profile.
    """
    covered = find_profile(profile_name).models
    return tuple(m for m in figure.models if m in covered) or covered[:1]


def on_side(alphas: Iterable[float], side: Side) -> list[float]:
    """The α values of one side, ascending, with the baseline 0 among them.

    Raises:
        SpecError: a value that no run can have, on whichever side.
    """
    alphas = [RunSpec(alpha=a).alpha for a in alphas]
    keep = {"negative": lambda a: a < 0, "positive": lambda a: a > 0, "both": lambda a: True, "none": lambda a: False}
    return sorted({a for a in alphas if keep[side](a)} | {0.0})


def setting(entry: FigureEntry, base: RunSpec) -> dict[str, Any]:
    """The fields that a figure's regularised runs have beside those of a profile's base spec."""
    found = dict(entry.setting)
    if entry.warm_up:
        paper = PAPER_EPOCHS.get(base.model, base.epochs)
        found["warmup_epochs"] = WARM_UP_EPOCHS * min(1.0, base.epochs / paper)
    return found


def stretched(base: RunSpec, factor: float) -> RunSpec:
    """A spec with `factor` times the epochs and warm-up, its learning rate dropping at the same shares of them."""
    epochs = max(1, round(factor * base.epochs))
    return with_epochs(base, epochs).replace(warmup_epochs=factor * base.warmup_epochs)


def grid(
    profile_name: str,
    figure: str,
    *,
    alphas: Sequence[float] | None = None,
    seeds: int | Sequence[int] | None = None,
    models: Sequence[str] | None = None,
    **overrides: Any,
) -> list[RunSpec]:
    """The runs that a figure needs at a profile.

    Args:
        profile_name: a profile.
        figure: a figure's id.
        alphas: α values; by default the profile's. Those of the other sign are left out where a figure has one side.
        seeds: a count or a list; by default the profile's, with those that it has at α = 0 alone.
        models: networks; by default the figure's own as far as the profile covers them.
        overrides: other values for any field of the specs.

    Returns:
        specs, network by network, each once.

    Raises:
        SpecError: an unknown profile, figure, network or field, or a value out of range.
    """
    entry, scale = find_figure(figure), find_profile(profile_name)
    numbers = seed_list(scale.seeds_for(entry.grid) if seeds is None else seeds)
    specs: list[RunSpec] = []
    for model in models_for(entry, profile_name) if models is None else models:
        base = profile(profile_name, model=model, **overrides)
        chosen = on_side(scale.alphas_for(entry.grid, model) if alphas is None else alphas, entry.side)
        # A network that stands in for the figure's own has none of their variants.
        for variant in [v for v in entry.variants if v.get("model", model) == model] or [{}]:
            # An override wins over what the figure sets.
            given = {**setting(entry, base), **variant}
            own = {k: v for k, v in given.items() if k not in (*overrides, "model")}
            for stretch in entry.stretches:
                specs += expand(stretched(base.replace(**own), stretch), alphas=chosen, seeds=numbers)
        if seeds is None and entry.grid == "all":
            specs += expand(base, alphas=[0.0], seeds=scale.baseline_seeds(model))
    return list(dict.fromkeys(specs))


def baselines(entry: FigureEntry, specs: Sequence[RunSpec]) -> list[RunSpec]:
    """The networks of a figure whose weights its page needs, as `FigureEntry.loads` says."""
    return [spec for spec in specs if spec.alpha == 0][: entry.loads]
