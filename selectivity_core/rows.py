"""Specs back from the rows of the table `runs`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .spec import RunSpec, field_names


def fields_of(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row's spec fields as a spec takes them: lists are text in a table. Fields it lacks are left out."""
    found = {name: row[name] for name in field_names() if name in row}
    for name in ("milestones", "window"):
        if name in found:
            found[name] = [int(epoch) for epoch in str(found[name]).split()]
    if not found.get("window"):
        found["window"] = None
    return {name: value.item() if hasattr(value, "item") else value for name, value in found.items()}


def spec_of(row: Mapping[str, Any]) -> RunSpec:
    """The spec of a row.

    Raises:
        SpecError: fields missing, or values that are not allowed.
        ValueError: milestones that are no whole numbers.
    """
    return RunSpec.from_dict(fields_of(row))
