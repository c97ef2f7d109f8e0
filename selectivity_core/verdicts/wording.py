"""Verdicts in words and numbers, as the command line and the scoreboard print them."""

from __future__ import annotations

import math

from .findings import Finding
from .judging import Verdict

NONE = "–"


def number(value: float, digits: int = 3) -> str:
    """A number with a true minus sign; a dash where there is none; a bound without end in words."""
    if math.isnan(value):
        return NONE
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    return f"{round(value, digits) + 0.0:.{digits}f}".replace("-", "−")


def estimate(verdict: Verdict) -> str:
    """The estimate with its interval: 90 % for a claim of no difference, else 95 %."""
    found = verdict.finding
    if found is None:
        return NONE
    coverage = 0.90 if verdict.claim.test.side == 0 else 0.95
    low, high = (_scaled(bound, found) for bound in found.bounds(coverage))
    unit = " points" if found.points else ""
    mean = f"{_scaled(found.estimate, found)}{unit}"
    return mean if NONE in (low, high) else f"{mean} ({low} to {high}; {coverage:.0%})".replace("%", " %")


def detectable(verdict: Verdict) -> str:
    """The effect that so many networks show with 80 % power."""
    found = verdict.finding
    if found is None or math.isnan(found.detectable):
        return NONE
    return f"{_scaled(found.detectable, found)}{' points' if found.points else ''}"


def p_value(verdict: Verdict) -> str:
    """The corrected p value against what the claim is held against."""
    found = verdict.finding
    p = math.nan if found is None else found.p_corrected(verdict.claim.test.null)
    if math.isnan(p):
        return NONE
    return "< 0.0001" if p < 1e-4 else f"{p:.4f}"


def _scaled(value: float, found: Finding) -> str:
    return number(100 * value, 2) if found.points else number(value)
