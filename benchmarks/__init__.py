"""Ratios measured within one run, against peers measured in the same run."""
