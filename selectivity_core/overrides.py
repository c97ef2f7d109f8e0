"""Other values for fields of a grid's runs: which may be given."""

from __future__ import annotations

from typing import Any

from .errors import SpecError
from .spec import field_names

# What a grid sets itself; an override would be lost, or fight with it.
SET_BY_GRID = {"model": "the figure or --model", "alpha": "alphas", "seed": "seeds"}


def check_overrides(overrides: dict[str, Any]) -> dict[str, Any]:
    """Overrides as they were given; their values are checked by the spec.

    Raises:
        SpecError: a name that is no field of a run, or a field that the grid sets itself.
    """
    for name in overrides:
        if name in SET_BY_GRID:
            raise SpecError(f"overrides: {name} given; it is set by {SET_BY_GRID[name]}, not by an override")
        if name not in field_names():
            allowed = ", ".join(f for f in field_names() if f not in SET_BY_GRID)
            raise SpecError(f"overrides: {name!r} given, which is no field of a run; allowed: {allowed}")
    return overrides
