"""Two pieces of work timed in turn, so that a machine whose speed drifts treats both alike."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Ratio:
    """Paired ratios of one piece of work to another.

    Attributes:
        name: what was compared.
        low, median, high: of the ratios, pair by pair.
        seconds, peer_seconds: median times.
        pairs: how many.
    """

    name: str
    low: float
    median: float
    high: float
    seconds: float
    peer_seconds: float
    pairs: int

    def row(self) -> str:
        """One line of the printed table."""
        return (
            f"{self.name:<58} {self.median:6.2f} ({self.low:.2f} to {self.high:.2f})  "
            f"{self.seconds * 1e3:8.1f} ms against {self.peer_seconds * 1e3:8.1f} ms, {self.pairs} pairs"
        )


def compare(name: str, work: Callable[[], object], peer: Callable[[], object], pairs: int = 7) -> Ratio:
    """Times `work` and `peer` in turn, after one warm-up of each."""
    work(), peer()
    times: list[tuple[float, float]] = []
    for _ in range(pairs):
        times.append((_time(work), _time(peer)))
    ratios = sorted(a / b for a, b in times)
    return Ratio(
        name, ratios[0], statistics.median(ratios), ratios[-1],
        statistics.median(a for a, _ in times), statistics.median(b for _, b in times), pairs,
    )  # fmt: skip


def _time(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start
