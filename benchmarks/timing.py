"""Pieces of work timed in turn, so that a machine whose speed drifts treats all of them alike."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

PAIRS = 5
LONG = 60.0  # seconds; a round of work that takes longer runs twice


@dataclass(frozen=True)
class Paired:
    """Times of one piece of work and of its peer, round by round.

    Attributes:
        seconds, peer_seconds: wall times, as many of each; of the same rounds.
        scale: what a ratio of times is multiplied by, where the two did different amounts of work.
    """

    seconds: tuple[float, ...]
    peer_seconds: tuple[float, ...]
    scale: float = 1.0

    @property
    def ratios(self) -> list[float]:
        """seconds / peer_seconds · scale, round by round."""
        return [self.scale * a / b for a, b in zip(self.seconds, self.peer_seconds, strict=True)]

    @property
    def median(self) -> float:
        """Of the ratios."""
        return statistics.median(self.ratios)

    @property
    def half_iqr(self) -> float:
        """Half the interquartile range of the ratios."""
        low, high = np.quantile(self.ratios, (0.25, 0.75))
        return float(high - low) / 2


def in_turn(works: Sequence[Callable[[], object]], rounds: int = PAIRS) -> list[tuple[float, ...]]:
    """Times several pieces of work in turn.

    The first round warms up and is not counted, unless it takes over a minute: then it is the first of two.

    Returns:
        a tuple of wall seconds for each piece of work, round by round.
    """
    times = [_round(works)]
    if sum(times[0]) > LONG:
        rounds = 2
    else:
        times.clear()
    while len(times) < rounds:
        times.append(_round(works))
    return list(zip(*times, strict=True))


def compare(work: Callable[[], object], peer: Callable[[], object], pairs: int = PAIRS) -> Paired:
    """Times `work` and `peer` in turn."""
    return Paired(*in_turn((work, peer), pairs))


def _round(works: Sequence[Callable[[], object]]) -> list[float]:
    return [timed(work) for work in works]


def timed(work: Callable[[], object]) -> float:
    """Wall seconds of one call."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start
