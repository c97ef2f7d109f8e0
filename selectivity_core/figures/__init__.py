"""Plots in one style. Each function draws one panel from a tidy table; `shown` puts panels on a page."""

from .accuracy import accuracy_against_selectivity, accuracy_by_alpha, accuracy_violins, signs_violins
from .explorer import alpha_explorer, unit_explorer
from .layers import layer_figure
from .selectivity import index_by_alpha, index_by_layer, index_histogram, response_bars
from .shown import Shown, effects_table, show, signs_table
from .style import alpha_color, alpha_label, panels
from .words import bands_in_words, effects_in_words, index_in_words, means_in_words, signs_in_words

__all__ = [
    "Shown",
    "accuracy_against_selectivity",
    "accuracy_by_alpha",
    "accuracy_violins",
    "alpha_color",
    "alpha_explorer",
    "alpha_label",
    "bands_in_words",
    "effects_in_words",
    "effects_table",
    "index_by_alpha",
    "index_by_layer",
    "index_histogram",
    "index_in_words",
    "layer_figure",
    "means_in_words",
    "panels",
    "response_bars",
    "show",
    "signs_in_words",
    "signs_table",
    "signs_violins",
    "unit_explorer",
]  # fmt: skip
