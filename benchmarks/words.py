"""Numbers as the tables of benchmarks write them: a true minus sign, a dash where there is none."""

from __future__ import annotations

import math


def number(value: float, digits: int = 2, *, signed: bool = False, unit: str = "") -> str:
    """A number with so many decimals and its unit; never a minus before a zero."""
    if math.isnan(value):
        return "–"
    rounded = round(value, digits) + 0.0
    return f"{rounded:{'+' if signed and rounded else ''}.{digits}f}{unit}".replace("-", "−")
