"""The papers' figures and claims as data."""

from .entries import FigureEntry, Panel
from .figures import FIGURES, grid, models_for

__all__ = ["FIGURES", "FigureEntry", "Panel", "grid", "models_for"]
