"""Sentences with their numbers: what captions, alternative texts and pages say of an effect is computed here."""

from __future__ import annotations

import pandas as pd

from ..numbers import alpha_label
from ..statistics.intervals import BOOTSTRAP_FROM


def means_in_words(effects: pd.DataFrame, value: str = "test_accuracy") -> str:
    """Every α with its mean, for alternative texts."""
    if value.endswith("accuracy"):
        parts = [f"{alpha_label(row.alpha)}: {row.mean * 100:.1f} %" for row in effects.itertuples()]
        return f"mean {value.replace('_', ' ')} by α: " + ", ".join(parts) + "."
    parts = [f"{alpha_label(row.alpha)}: {row.mean:.3f}" for row in effects.itertuples()]
    return "mean test cross-entropy by α: " + ", ".join(parts) + "."


def further_values_in_words(runs: pd.DataFrame, value: str = "test_accuracy") -> str:
    """The networks at α = 0 that are in no mean, with their values, behind an alternative text."""
    if not len(runs):
        return ""
    each = (f"{v * 100:.1f} %" if value.endswith("accuracy") else f"{v:.3f}" for v in runs[value])
    return f" Hollow, further networks at α = 0: {', '.join(each)}."


def effects_in_words(effects: pd.DataFrame) -> str:
    """How many α values raise and lower accuracy, which does best, and what the data cannot tell."""
    others = effects[effects["alpha"] != 0]
    tested = others.dropna(subset=["p_holm"])
    if not len(others):
        return "Only α = 0 was run: there is nothing to compare."
    if not (effects["alpha"] == 0).any():
        return "No network with α = 0 is there to compare with: the figure shows values, not effects."
    if effects["n"].max() < 2:
        return "With one seed there is no spread to test against: the figure shows values, not effects."
    if not len(tested):
        return "These networks have no spread to test against: the figure shows values, not effects."
    clear = tested[tested["p_holm"] < 0.05]
    up, down = int((clear["difference"] > 0).sum()), int((clear["difference"] < 0).sum())
    open_ones = len(tested) - up - down
    rest = (
        f"; for the other {open_ones if open_ones > 1 else 'one'} these seeds cannot tell"
        if open_ones and up + down
        else ""
    )
    rest = "; these seeds cannot tell any from α = 0" if not up + down else rest
    single = [
        f"α = {alpha_label(r.alpha)} ({r.mean * 100:.1f} %)" for r in others[others["p_holm"].isna()].itertuples()
    ]
    untested = f" Without a test, since no spread between networks is known: {', '.join(single)}." if single else ""
    best = tested.loc[tested["mean"].idxmax()]
    worst = tested.loc[tested["mean"].idxmin()]
    return (
        f"Of {len(tested)} values of α, {up} raise test accuracy and {down} lower it (Holm-corrected level 0.05)"
        f"{rest}. {_extreme('Highest', best)} "
        f"{_extreme('Lowest', worst)}{untested}"
    )


def _extreme(which: str, row: pd.Series) -> str:
    difference = f"{row['difference'] * 100:+.1f}".replace("-", "−")
    low, high = (f"{row[c] * 100:+.1f}".replace("-", "−") for c in ("difference_low", "difference_high"))
    return (
        f"{which} mean: {row['mean'] * 100:.1f} % at α = {alpha_label(row['alpha'])}, {difference} points "
        f"against α = 0 within seeds (95 % simultaneous interval {low} to {high})."
    )


def signs_in_words(compared: pd.DataFrame) -> str:
    """At which sizes of α the signs differ, and where so few seeds could not show it."""
    if not len(compared):
        return "No size of α was run with both signs: there is nothing to compare."
    clear = compared[compared["p_holm"] < 0.05]
    listed = ", ".join(
        f"|α| = {row.size:g} ({row.difference * 100:+.1f} points)".replace("-", "−") for row in compared.itertuples()
    )
    sentence = f"Accuracy with α < 0 minus accuracy with α > 0: {listed}. "
    if not compared["reachable"].any():
        floor = compared["floor"].min()
        return sentence + (
            f"A rank-sum test on so few seeds cannot fall below p = {floor:.2g} before correction, "
            "so no mark could appear here whatever the data."
        )
    return sentence + f"The difference is significant (rank sum, Holm, 0.05) at {len(clear)} of {len(compared)} sizes."


def index_in_words(runs: pd.DataFrame, index: str = "si_units") -> str:
    """Mean selectivity at every α, for alternative texts."""
    means = runs.groupby("alpha")[index].mean()
    return "mean selectivity index by α: " + ", ".join(f"{alpha_label(a)}: {v:.3f}" for a, v in means.items()) + "."


def bands_in_words(runs: pd.DataFrame) -> str:
    """What the error bars and marks of `accuracy_by_alpha` are, given how many seeds there are at each α."""
    n = runs.groupby("alpha").size()
    if n.max() < 2:
        return "One seed: no intervals and no test."
    return f"{intervals_in_words(runs)} Marks against α = 0: block model over seeds, Holm-corrected; dashed: α = 0."


def intervals_in_words(runs: pd.DataFrame) -> str:
    """What bars and bands over seeds are, given how many there are at each α; nothing where there are none."""
    n = runs.groupby("alpha").size()
    if n.max() < 2:
        return ""
    kind = "bootstrap" if n.min() >= BOOTSTRAP_FROM else "t" if n.max() < BOOTSTRAP_FROM else "t or bootstrap"
    return f"Bars and bands: 95 % {kind} intervals over seeds."


def index_span_in_words(runs: pd.DataFrame) -> str:
    """How far α moved the index: its mean at α = 0 and at the most extreme α."""
    means = runs.groupby("alpha")["si_units"].mean()
    far = max(means.index, key=abs)
    if far == 0:
        return f"Mean selectivity index {means[0.0]:.3f} at α = 0."
    at_zero = f"{means[0.0]:.3f} at α = 0" if 0.0 in means.index else "unknown at α = 0"
    return f"Mean selectivity index: {at_zero}, {means[far]:.3f} at α = {alpha_label(far)}."
