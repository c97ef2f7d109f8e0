"""The papers' figures (and later claims) as data."""

from .figures import FIGURES, FigureEntry, grid, models_for

__all__ = ["FIGURES", "FigureEntry", "grid", "models_for"]
