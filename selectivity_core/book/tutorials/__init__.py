"""The regulariser on networks from elsewhere: what the tutorial pages run."""

from .comparing import Comparison, compare, fit, measure
from .networks import GELU_SHIFT, RowTransformer, calls, residual_network
from .samples import Samples, digits_as_images, digits_as_rows

__all__ = [
    "GELU_SHIFT",
    "Comparison",
    "RowTransformer",
    "Samples",
    "calls",
    "compare",
    "digits_as_images",
    "digits_as_rows",
    "fit",
    "measure",
    "residual_network",
]
