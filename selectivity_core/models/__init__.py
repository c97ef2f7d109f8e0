"""The papers' networks, each with `width` (channels of its first stage) and named layers of units.

Every network is a `UnitNetwork`: `forward` gives logits (samples, classes), `unit_filters` says which module's
weights produce each layer of units. Small images (under 32 pixels) adapt the stem and leave out pools that would
shrink a map below 1x1. Every file of this folder is read, so that a network in a new one is known at once.
"""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules

from .network import MODEL_NAMES, MODELS, UnitNetwork, build_model, find_model, network_of, register

for _file in iter_modules(__path__):
    import_module(f"{__name__}.{_file.name}")

__all__ = ["MODELS", "MODEL_NAMES", "UnitNetwork", "build_model", "find_model", "network_of", "register"]
