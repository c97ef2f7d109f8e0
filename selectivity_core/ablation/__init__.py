"""What is left of a network's accuracy as its units are ablated or made noisy (Morcos et al. 2018, 2.2)."""

from .curves import ablation_auc, cumulative_ablation, noise_curve, unit_importance

__all__ = ["ablation_auc", "cumulative_ablation", "noise_curve", "unit_importance"]
