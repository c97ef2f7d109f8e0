"""The contrasts that claims are judged by: one value a network, paired by seed where both sides have it.

A contrast takes the runs of a network and the settings of the claim. It gives a `Finding` for each thing that the claim
speaks of (every α of a range, say). Contrasts of accuracy take `measure`, so that the same one can be asked of training
accuracy.
"""

from collections.abc import Callable

from . import alpha, areas, compared, distances, of_units
from .finding import TEST_ACCURACY, Finding, label

Contrast = Callable[..., list[Finding]]
CONTRASTS: dict[str, Contrast] = {
    found.__name__: found
    for found in (
        alpha.effect_at, alpha.every, alpha.best, alpha.first_effect, alpha.largest, alpha.relative, alpha.level,
        alpha.levels, alpha.ratio_at, alpha.trend, alpha.monotone, alpha.irregular, alpha.rank_with_alpha,
        alpha.signs_at, alpha.signs_averaged, alpha.cost_at_reduction, alpha.follows, alpha.more_regular,
        compared.beyond_only, compared.deficit_before, compared.busy_units, compared.against_at,
        compared.slopes_against, compared.early_less_late, compared.same_shape, compared.leaky_dead,
        compared.leaky_recovery,
        distances.distance_excess, distances.distance_equal, distances.distance_trend, distances.bound_trend,
        distances.bound_above_axis,
        areas.area_by_corruption, areas.zero_less_mean, areas.with_less_without, areas.best_less_worst,
        areas.area_and_error, areas.area_and_accuracy, areas.area_and_loss, areas.turning_point,
        areas.loss_by_dropout, areas.up_to_dropout, areas.beyond_dropout, areas.norm_less_dropout,
        of_units.units_agree, of_units.importance, of_units.rises_with_depth,
    )
}  # fmt: skip

__all__ = ["CONTRASTS", "TEST_ACCURACY", "Contrast", "Finding", "label"]
