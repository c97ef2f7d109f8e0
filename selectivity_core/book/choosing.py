"""How good a choice among settings is when it goes by a score alone (Morcos et al. 2018, 3.2)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats
from scipy.special import comb

from ..errors import ParameterError

BEST = (1, 3, 5)


@dataclass(frozen=True)
class Choice:
    """What choosing the highest score gives on average over all subsets of one size.

    Attributes:
        among: k -> how often the chosen one is among the k best of its subset, 0 to 1.
        gap: how far the chosen one stays behind the best of its subset, in the unit of the outcome.
        drawn_gap: the same where the choice is a draw.
        settings: how many there are.
        subset: how many are chosen from.
    """

    among: dict[int, float]
    gap: float
    drawn_gap: float
    settings: int
    subset: int


def choose_by(score: ArrayLike, outcome: ArrayLike, subset: int, best: Sequence[int] = BEST) -> Choice:
    """Chooses the setting with the highest score from every subset of a size: the exact average, with no draw.

    A setting is chosen where it is in the subset and none with a higher score is; the others of the subset are then any
    of those with lower scores, so that the number among them with a better outcome is hypergeometric.

    Args:
        score: (settings,) what the choice goes by; of equal scores the earlier counts as the higher.
        outcome: (settings,) what it is held against, such as test accuracy; of equal outcomes none is the better.
        subset: how many settings each subset has.
        best: the k of "among the k best".

    Raises:
        ParameterError: sides of different length, values that are not finite, or a subset size that cannot be.
    """
    scores, outcomes = np.asarray(score, np.float64), np.asarray(outcome, np.float64)
    n = scores.size
    if scores.shape != outcomes.shape or scores.ndim != 1:
        raise ParameterError(f"score, outcome: {scores.shape} and {outcomes.shape} given; one of each for a setting")
    if not (np.isfinite(scores).all() and np.isfinite(outcomes).all()):
        raise ParameterError("score, outcome: a value that is not finite; every setting needs both")
    if not 1 <= subset <= n:
        raise ParameterError(f"subset: {subset} given; 1 to {n} is allowed for {n} settings")
    order = np.argsort(-scores, kind="stable")
    ranked = outcomes[order]
    among = dict.fromkeys(best, 0.0)
    mean = 0.0
    for place, own in enumerate(ranked):
        lower = ranked[place + 1 :]
        if len(lower) < subset - 1:
            break
        chance = comb(len(lower), subset - 1) / comb(n, subset)
        mean += chance * own
        better = stats.hypergeom(len(lower), int((lower > own).sum()), subset - 1)
        for k in among:
            among[k] += float(chance * (better.cdf(k - 1) if len(lower) else 1))
    highest = _highest(outcomes, subset)
    return Choice(among, float(highest - mean), float(highest - outcomes.mean()), n, subset)


def _highest(outcomes: np.ndarray, subset: int) -> float:
    """The mean over all subsets of their highest outcome."""
    ascending = np.sort(outcomes)
    places = np.arange(len(ascending))
    return float((ascending * comb(places, subset - 1)).sum() / comb(len(ascending), subset))
