"""Specs of runs that train in a blink."""

from selectivity_core import RunSpec
from selectivity_core.runs.profiles import Profile

TINY = RunSpec(model="mlp", width=8, epochs=2, milestones=(), train_size=50)
# Leaky units never die, so that steps this large end in an infinite loss (at step 4).
DIVERGING = TINY.replace(activation="leaky_relu:0.9", batch_norm=False, lr=100.0, batch_size=8, epochs=1)
# In the place of the profile `digits`: tiny runs have its schedule, so that a ledger keeps their units and weights.
TINY_DIGITS = Profile(
    "digits", (TINY, TINY.replace(model="resnet20", min_map=2)), (0.0,), 1, scaled_down=True, keep_weights=True
)
