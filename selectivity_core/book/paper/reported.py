"""Single numbers that the papers report, looked up in the register of claims."""

from __future__ import annotations

from .claim_entries import DATASETS
from .claims import CLAIMS
from .entries import LEAVITT_MORCOS


def reported_index(model: str, dataset: str) -> dict[float, float]:
    """α -> the mean selectivity index that Leavitt & Morcos report for a network on its data; empty on other data."""
    if DATASETS[LEAVITT_MORCOS].get(model) != dataset:
        return {}
    found = {}
    for claim in CLAIMS.values():
        settings = claim.test.settings
        if claim.paper != LEAVITT_MORCOS or claim.models != (model,) or settings.get("measure") != "si_units":
            continue
        level = claim.test.kind == "level" or (claim.value is not None and claim.value.of == "level")
        if level and claim.value is not None and claim.test.kind in ("level", "effect_at"):
            found[settings["alpha"]] = claim.value.number
    return dict(sorted(found.items()))


def reported_accuracy_change(model: str, dataset: str) -> dict[float, float]:
    """α -> the difference in test accuracy from α = 0 that Leavitt & Morcos report for a network on its data."""
    if DATASETS[LEAVITT_MORCOS].get(model) != dataset:
        return {}
    levels: dict[float, float] = {}
    changes: dict[float, float] = {}
    for claim in CLAIMS.values():
        settings = dict(claim.test.settings)
        if claim.paper != LEAVITT_MORCOS or claim.models != (model,) or claim.value is None:
            continue
        if (claim.test.kind, settings) == ("level", {"alpha": 0.0, "measure": "test_accuracy"}):
            levels[0.0] = claim.value.number
        elif claim.test.kind == "effect_at" and set(settings) == {"alpha"}:
            (levels if claim.value.of == "level" else changes)[settings["alpha"]] = claim.value.number
    if 0.0 in levels:
        changes |= {alpha: level - levels[0.0] for alpha, level in levels.items() if alpha}
    return dict(sorted(changes.items()))
