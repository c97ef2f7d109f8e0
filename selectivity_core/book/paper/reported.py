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
