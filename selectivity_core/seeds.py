"""Where randomness comes from: one generator for each purpose, derived from the run's seed.

Nothing is drawn from a generator that outlives its purpose, so a run can be resumed at any step from its seed alone,
and runs that share a process cannot disturb each other.
"""

from __future__ import annotations

import hashlib

import torch


def derive(seed: int, purpose: str, *place: int) -> int:
    """A 63-bit seed for a purpose ("init", "split", "order", …) and a place in the run (epoch, step)."""
    text = ":".join([str(seed), purpose, *map(str, place)])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def generator(seed: int, purpose: str, *place: int) -> torch.Generator:
    """A CPU generator for a purpose and a place; the same on every machine with one torch version."""
    return torch.Generator().manual_seed(derive(seed, purpose, *place))
