"""Intervals, corrected tests, equivalence and power; the trained network is the replicate."""

from selectivity_core.book.statistics.association import mean_correlation, spearman
from selectivity_core.book.statistics.comparisons import (
    TestResult,
    paired,
    rank_sum,
    rank_sum_floor,
    student,
    welch,
)
from selectivity_core.book.statistics.contrasts import Contrast, dunnett_block
from selectivity_core.book.statistics.corrections import bonferroni, holm, stars
from selectivity_core.book.statistics.intervals import (
    Interval,
    bootstrap_interval,
    interval,
    prediction_interval,
    ratio_interval,
    t_interval,
)
from selectivity_core.book.statistics.power import Equivalence, detectable_effect, equivalent

__all__ = [
    "Contrast",
    "Equivalence",
    "Interval",
    "TestResult",
    "bonferroni",
    "bootstrap_interval",
    "detectable_effect",
    "dunnett_block",
    "equivalent",
    "holm",
    "interval",
    "mean_correlation",
    "paired",
    "prediction_interval",
    "rank_sum",
    "rank_sum_floor",
    "ratio_interval",
    "spearman",
    "stars",
    "student",
    "t_interval",
    "welch",
]
