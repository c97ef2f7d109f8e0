"""Figures A1, A5 and their like: selectivity by layer and by α, a row of panels for each network."""

from __future__ import annotations

from ..study import MODEL_NAMES, Study
from .selectivity import index_by_alpha, index_by_layer
from .shown import Shown, show
from .style import panels
from .words import index_in_words


def layer_figure(study: Study) -> Shown:
    """The mean index by layer and over all units for each of the study's networks."""
    models = [m for m in study.models if len(study.runs(m))]
    figure, axes = panels(2 * len(models), columns=2, width=4.2, height=3.0)
    alts = []
    for k, model in enumerate(models):
        left, right = axes[2 * k : 2 * k + 2]
        index_by_layer(left, study.table("layers", model))
        index_by_alpha(right, study.runs(model), study.table("units", model))
        for panel in (left, right):
            panel.set_title(MODEL_NAMES[model])
        alts.append(f"{MODEL_NAMES[model]}, {index_in_words(study.runs(model))}")
    caption = (
        f"{study.figure.title}. Left: mean selectivity index of each layer, one line an α, with 95 % intervals "
        "over seeds; right: mean over all units of the network. Dotted: the same units with shuffled labels."
    )
    return show(figure, study, caption=caption, alt=" ".join(alts))
