"""What related public code computes in place of the papers' definitions, and how far that moves the numbers.

Nothing else in this package uses these functions: they exist to be compared. Each states what it does differently.
"""

from .differences import measure_differences
from .indices import (
    discriminability_without_root,
    index_against_all_other_samples,
    index_of_class_sums,
    index_of_positions,
    index_with_absent_classes_as_zero,
)
from .networks import fresh_sample_curve, keep_last_call, layers_found, share_activations, zero_weights
from .scales import flipped_term, scale_as_written, scale_by_pattern

__all__ = [
    "discriminability_without_root",
    "flipped_term",
    "fresh_sample_curve",
    "index_against_all_other_samples",
    "index_of_class_sums",
    "index_of_positions",
    "index_with_absent_classes_as_zero",
    "keep_last_call",
    "layers_found",
    "measure_differences",
    "scale_as_written",
    "scale_by_pattern",
    "share_activations",
    "zero_weights",
]
