"""Verdicts in words and numbers, as the command line and the scoreboard print them."""

from __future__ import annotations

import math

from .. import numbers
from ..numbers import NONE, number, percent
from .alphas import ONLY
from .findings import Finding
from .judging import Verdict


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


def alone(verdict: Verdict) -> str:
    """Of a claim on a range of α the one value that was run, where there is no other: ", α = −1, the only one run"."""
    where = "" if verdict.finding is None else verdict.finding.where
    return f", {where}" if ONLY in where else ""


def detectable(verdict: Verdict) -> str:
    """The effect that so many networks show with 80 % power."""
    found = verdict.finding
    if found is None or math.isnan(found.detectable):
        return NONE
    return f"{_scaled(found.detectable, found)}{' points' if found.points else ''}"


def p_value(verdict: Verdict) -> str:
    """The corrected p value against what the claim is held against."""
    found = verdict.finding
    return NONE if found is None else numbers.p_value(found.p_corrected(verdict.claim.test.null))


def _scaled(value: float, found: Finding) -> str:
    if found.points:
        return percent(value)
    # Three decimals, or two digits of what would read as zero.
    small = 0 < abs(value) < 0.01
    return number(value, 1 - math.floor(math.log10(abs(value))) if small else 3)
