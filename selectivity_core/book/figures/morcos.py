"""Panels of Morcos et al. 2018 other than curves by how networks were trained: kinds, captions, runs behind them."""

from __future__ import annotations

from . import morcos_importance, morcos_norm, morcos_selection, morcos_training

KINDS = morcos_selection.KINDS | morcos_training.KINDS | morcos_norm.KINDS | morcos_importance.KINDS
# What a caption says of a panel, beside its title.
CAPTIONS = morcos_selection.CAPTIONS | morcos_training.CAPTIONS | morcos_norm.CAPTIONS | morcos_importance.CAPTIONS
# The runs that a panel is drawn from, where they are not all of the figure's.
USED = morcos_selection.USED | morcos_training.USED | morcos_importance.USED
