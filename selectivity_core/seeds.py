"""Where randomness comes from: one generator for each purpose, derived from the run's seed.

Nothing is drawn from a generator that outlives its purpose, so a run can be resumed at any step from its seed alone,
and runs that share a process cannot disturb each other.
"""

from __future__ import annotations

import hashlib

import torch


def seed_for(seed: int, purpose: str, *indices: int) -> int:
    """A 63-bit seed for a purpose ("init", "split", "order", …) and a moment of it (epoch, step)."""
    text = ":".join([str(seed), purpose, *map(str, indices)])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def generator(seed: int, purpose: str, *indices: int) -> torch.Generator:
    """A CPU generator for a purpose and a moment of it; the same on every machine with one torch version."""
    return torch.Generator().manual_seed(seed_for(seed, purpose, *indices))
