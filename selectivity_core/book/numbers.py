"""Numbers as tables and sentences write them: a true minus sign, a dash where there is none."""

from __future__ import annotations

import math

from .statistics import Interval

NONE = "–"


def number(value: float, digits: int = 2, *, signed: bool = False, unit: str = "") -> str:
    """A number with so many decimals and its unit; never a minus before a zero; a bound without end as ∞."""
    if math.isnan(value):
        return NONE
    if math.isinf(value):
        return f"{'∞' if value > 0 else '−∞'}{unit}"
    rounded = round(value, digits) + 0.0
    return f"{rounded:{'+' if signed and rounded else ''}.{digits}f}{unit}".replace("-", "−")


def alpha_label(alpha: float) -> str:
    """α, or any short number, as sentences, axes and sliders write it: with a true minus sign."""
    return f"{alpha:g}".replace("-", "−")


def capital(text: str) -> str:
    """Words as a sentence begins: the first letter a capital one, the rest as it was."""
    return text[:1].upper() + text[1:]


def percent(share: float, digits: int = 2) -> str:
    """A share as a percentage, without the mark."""
    return number(100 * share, digits)


def p_value(p: float) -> str:
    """A p value with four decimals; those below say so."""
    if math.isnan(p):
        return NONE
    return "<\u00a00.0001" if p < 1e-4 else number(p, 4)


def span(band: Interval, digits: int = 2, *, scale: float = 1.0, signed: bool = False) -> str:
    """The bounds of an interval ("0.1 to 0.3"); a dash where there are none."""
    if math.isnan(band.low) or math.isnan(band.high):
        return NONE
    digits = _digits(band, digits, scale)
    return f"{number(scale * band.low, digits, signed=signed)} to {number(scale * band.high, digits, signed=signed)}"


def with_span(band: Interval, digits: int = 2, *, scale: float = 1.0, signed: bool = False) -> str:
    """A mean with its interval in brackets ("0.2 (0.1 to 0.3)"); the mean alone where there is no interval."""
    bounds = span(band, digits, scale=scale, signed=signed)
    mean = number(scale * band.mean, _digits(band, digits, scale), signed=signed)
    return mean if NONE in (mean, bounds) else f"{mean} ({bounds})"


def _digits(band: Interval, digits: int, scale: float) -> int:
    """Decimals that say something: none where a bound has four digits before the point."""
    return 0 if any(1000 <= abs(scale * bound) < math.inf for bound in (band.low, band.high)) else digits
