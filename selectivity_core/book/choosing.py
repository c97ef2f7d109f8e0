"""How good a choice among settings is when it goes by a score alone (Morcos et al. 2018, 3.2)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats
from scipy.special import comb

from ..errors import ParameterError


def choose_by(score: ArrayLike, outcome: ArrayLike, subset: int, best: Sequence[int] = (1, 3, 5)) -> dict[str, float]:
    """Chooses the setting with the highest score from every subset of a size: the exact average, with no draw.

    A setting is chosen where it is in the subset and none with a higher score is; the others of the subset are then any
    of those with lower scores, so that the number among them with a better outcome is hypergeometric.

    Args:
        score: (settings,) what the choice goes by; of equal scores the earlier counts as the higher.
        outcome: (settings,) what it is held against, such as test accuracy; of equal outcomes none is the better.
        subset: how many settings each subset has.
        best: the k of "among the k best".

    Returns:
        "best 1", …: how often the chosen one is among the k best of its subset, 0 to 1; "behind": how far it stays
        behind the best of its subset, in the unit of the outcome; "behind, drawn": the same of a setting drawn at
        random, which is among the k best in k / subset of all cases.

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
    ranked = outcomes[np.argsort(-scores, kind="stable")]
    lower = n - 1 - np.arange(n)  # settings with lower scores
    chance = comb(lower, subset - 1) / comb(n, subset)  # of being the highest of a subset, by rank
    better = np.array([(ranked[k + 1 :] > own).sum() for k, own in enumerate(ranked)])
    kept = lower >= subset - 1
    others = stats.hypergeom(np.maximum(lower[kept], 1), better[kept], subset - 1)
    found = {f"best {k}": float(chance[kept] @ others.cdf(k - 1)) for k in best}
    highest = np.sort(outcomes)[::-1] @ chance
    return found | {"behind": float(highest - ranked @ chance), "behind, drawn": float(highest - outcomes.mean())}
