"""Plots in one style. Each function draws one panel from a tidy table; `shown` puts panels on a page."""

from ..numbers import alpha_label
from .accuracy import accuracy_against_selectivity, accuracy_by_alpha, accuracy_violins, signs_violins
from .alpha_slider import alpha_explorer, explore
from .claims_table import claims_table, headlines
from .contents import figure_index
from .draw import KINDS, draw
from .elsewhere import elsewhere, told_elsewhere
from .explorer import distance_explorer, unit_explorer
from .morcos_importance import importance_table
from .morcos_norm import norm_table
from .morcos_reliance import reliance_figure, reliance_in_words, reliance_table
from .morcos_selection import choice_table
from .pages import distance_table, index_by_hand, index_on_batches, plan_table, positions, units_figure
from .selectivity import by_alpha, by_layer, index_histogram, measure_in_words, response_bars
from .shown import Nothing, Shown, Table, effects_table, show, signs_table
from .style import alpha_color, panels
from .tested import tested
from .units import active_share, by_setting, rank_agreement, settings_in_words
from .words import bands_in_words, effects_in_words, index_in_words, means_in_words, signs_in_words

__all__ = [
    "KINDS",
    "Nothing",
    "Shown",
    "Table",
    "accuracy_against_selectivity",
    "accuracy_by_alpha",
    "accuracy_violins",
    "active_share",
    "alpha_color",
    "alpha_explorer",
    "alpha_label",
    "bands_in_words",
    "by_alpha",
    "by_layer",
    "by_setting",
    "choice_table",
    "claims_table",
    "distance_explorer",
    "distance_table",
    "draw",
    "effects_in_words",
    "effects_table",
    "elsewhere",
    "explore",
    "figure_index",
    "headlines",
    "importance_table",
    "index_by_hand",
    "index_histogram",
    "index_in_words",
    "index_on_batches",
    "means_in_words",
    "measure_in_words",
    "norm_table",
    "panels",
    "plan_table",
    "positions",
    "rank_agreement",
    "reliance_figure",
    "reliance_in_words",
    "reliance_table",
    "response_bars",
    "settings_in_words",
    "show",
    "signs_in_words",
    "signs_table",
    "signs_violins",
    "tested",
    "told_elsewhere",
    "unit_explorer",
    "units_figure",
]  # fmt: skip
