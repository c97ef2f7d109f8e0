"""Selectivity of single units and reliance on single directions: two papers, re-run.

Every public name is imported from here; modules are loaded when a name is first used.
"""

from importlib import import_module
from typing import Any

_HOME = {
    "ablate": "perturbation",
    "ablation_auc": "ablation",
    "corrupt": "corruptions",
    "cumulative_ablation": "ablation",
    "dimensionality": "robustness",
    "fgsm": "robustness",
    "max_off_axis_selectivity": "rotation",
    "noise_curve": "ablation",
    "pgd": "robustness",
    "unit_deviations": "perturbation",
    "unit_importance": "ablation",
    "unit_means": "perturbation",
    "unit_noise": "perturbation",
    "unit_table": "measuring",
    "SelectivityRegularizer": "regularizer",
    "RunSpec": "spec",
    "RunStore": "runs.store",
    "SelectivityError": "errors",
    "Tables": "tables",
    "build_model": "models",
    "class_discriminability": "indices",
    "class_share": "indices",
    "grid": "book.papers.figures",
    "ledger": "runs.archive",
    "mutual_information": "indices",
    "precision": "indices",
    "preferred_class": "indices",
    "pwcca_distance": "similarity",
    "profile": "runs.profiles",
    "record": "watching",
    "selectivity_index": "indices",
    "sweep": "runs.sweeping",
    "train": "run",
    "trained_network": "runs.trained",
    "unit_layers": "units",
}

__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f".{_HOME[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
