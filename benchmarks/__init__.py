"""Ratios measured within one run, against peers measured in the same run."""

import os

# Threads that wait give their core away (read when torch is loaded): ratios then hang less on what else runs.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
