"""What is left of a network's accuracy as its units are ablated one after the other (Morcos et al. 2018, 2.2)."""

from .curves import ablation_auc, cumulative_ablation

__all__ = ["ablation_auc", "cumulative_ablation"]
