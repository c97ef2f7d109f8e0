"""Activity and projections for the tests of the off-axis bound."""

import torch

from benchmarks.off_axis import generated
from selectivity_core.rotation import fit_projections, random_projection

SHORT = {"steps": 60, "lr": 1e-2}


def projection(units, seed=0):
    return random_projection(units, torch.Generator().manual_seed(seed))


def layer(samples=300, units=12, seed=0):
    return generated(samples, units, seed)


def fits(activity, labels, **options):
    return fit_projections(activity, labels, **(SHORT | {"seed": 0} | options))


def one_class_a_unit(samples, units, seed):
    """Each unit is active for a class of its own, with a little noise: index about 0.9 (1.05 - 0.05 over their sum)."""
    source = torch.Generator().manual_seed(seed)
    labels = torch.arange(samples) % units
    noise = torch.rand(samples, units, generator=source, dtype=torch.float64)
    return torch.nn.functional.one_hot(labels, units) + 0.1 * noise, labels
