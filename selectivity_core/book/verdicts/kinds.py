"""The vocabulary of predicates: the kind that a claim names, and what works it out."""

from __future__ import annotations

from collections.abc import Callable

from . import alphas, distances, reliance, selectivity, settings, signs, unit_relations
from .findings import Finding

Predicate = Callable[..., list[Finding]]

KINDS: dict[str, Predicate] = {
    found.__name__: found
    for found in (
        alphas.effect_at, alphas.every, alphas.best, alphas.first_effect, alphas.trend, alphas.monotone,
        alphas.irregular, alphas.largest, alphas.level, alphas.levels, alphas.ratio_at, alphas.relative,
        alphas.rank_with_alpha, signs.signs_ranked, signs.signs_at, signs.signs_averaged,
        selectivity.cost_at_reduction, selectivity.follows, selectivity.more_regular, selectivity.beyond_only,
        selectivity.deficit_before, selectivity.busy_units,
        settings.against_at, settings.slopes_against, settings.early_less_late, settings.same_shape,
        settings.leaky_dead, settings.leaky_recovery,
        distances.distance_excess, distances.distance_equal, distances.distance_trend, distances.bound_trend,
        distances.bound_above_axis,
        reliance.area_by_corruption, reliance.zero_less_mean, reliance.with_less_without, reliance.best_less_worst,
        reliance.area_and_error, reliance.area_and_accuracy, reliance.area_and_loss, reliance.turning_point,
        reliance.loss_by_dropout, reliance.up_to_dropout, reliance.beyond_dropout, reliance.norm_less_dropout,
        unit_relations.units_agree, unit_relations.importance, unit_relations.rises_with_depth,
    )
}  # fmt: skip
