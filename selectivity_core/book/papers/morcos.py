"""The claims of Morcos et al. 2018. What is recalled of the paper, or unknown, is context."""

from __future__ import annotations

from functools import partial

from .claims import ACCURACY, SPEARMAN, by, claim_of, same
from .figures import MORCOS

MLP, CONV, R50 = "mlp", "convnet11", "resnet50"
MOMENT = 0.1  # of the training's epochs: within it two moments count as the same, for want of a margin


claim = partial(claim_of, MORCOS)

CLAIMS = (
    claim("M001", "morcosA1", (MLP, CONV), "Ablating units to their mean is more damaging than ablating them to zero.",
          by("zero_less_mean", 1), says="mean more damaging"),
    claim("M002", "morcos1", MLP, "The more labels are corrupted, the less the MLP tolerates ablation of units.",
          by("area_by_corruption", -1, analysis="ablation"), says="less robust"),
    claim("M003", "morcos1", CONV, "The more labels are corrupted, the less the convnet withstands ablation of maps.",
          by("area_by_corruption", -1, analysis="ablation"), says="less robust"),
    claim("M004", "morcos1", R50, "The more labels are corrupted, the less ResNet-50 withstands ablation of maps.",
          by("area_by_corruption", -1, analysis="ablation"), says="less robust"),
    claim("M005", "morcos2", (MLP, CONV), "The more labels are corrupted, the less networks withstand noise on their "
          "units.", by("area_by_corruption", -1, analysis="noise"), says="less robust, not perfectly ordered"),
    claim("M008", "morcos3", CONV, "Networks that generalise best withstand ablation better than those that generalise "
          "worst.", by("best_less_worst", 1), says="best 5 of 200 above worst 5"),
    claim("M009", "morcos3", CONV, "Over networks, the area under the ablation curve goes down as generalisation error "
          "goes up.", by("area_and_error", -1), says="negative"),
    claim("M010", "morcos4", MLP, "In training, the area under the ablation curve turns down when the test loss turns "
          "up.", same("turning_point", MOMENT), says="same epoch"),
    claim("M011", "morcos4", CONV, "Through training, the area under the ablation curve goes down as test loss goes "
          "up.", by("area_and_loss", -1), says="negative"),
    claim("M013", "morcos4", CONV, "Over settings, the area under the ablation curve goes up with test accuracy.",
          by("area_and_accuracy", 1), says="strongly positive"),
    claim("M017", "morcos5", MLP, "The more dropout, the worse the training loss that is reached, on true and random "
          "labels.", by("loss_by_dropout", 1), says="more epochs, worse solutions"),
    claim("M018", "morcos5", MLP, "Ablating as many units as dropout took away leaves training accuracy as it is.",
          same("up_to_dropout", ACCURACY), says="minimal loss"),
    claim("M019", "morcos5", MLP, "Beyond the fraction that dropout took away, networks on random labels lose more "
          "than those on true ones.", by("beyond_dropout", -1), says="much faster"),
    claim("M021", "morcos5", CONV, "With batch norm the convnet withstands ablation better than without.",
          by("with_less_without", 1, setting="batch_norm", first=True, second=False, measure=""),
          says="consistently more robust"),
    claim("M022", "morcos6", CONV, "With batch norm units are less selective than without.",
          by("with_less_without", -1, setting="batch_norm", first=True, second=False, measure="si_units"),
          says="substantially lower"),
    claim("M023", "morcos6", CONV, "With batch norm units' mutual information with the class is higher than without.",
          by("with_less_without", 1, setting="batch_norm", first=True, second=False, measure="informed"),
          says="appears to increase"),
    claim("M024", "morcos7", (MLP, CONV), "Within layers, how selective a unit is hardly goes with "
          "the loss that ablating it costs: the rank correlation is within ±0.2.",
          same("importance", SPEARMAN, measure="si"), says="no useful relation"),
    claim("M025", "morcos7", CONV, "In the first three layers, ablating selective feature maps costs "
          "less loss.",
          by("importance", -1, measure="si", layers="first3"), says="negative"),
    claim("M026", "morcos7", CONV, "In the last three layers, the rank correlation of "
          "selectivity and the loss that ablation costs is within ±0.2.",
          same("importance", SPEARMAN, measure="si", layers="last3"), says="no relation"),
    claim("M028", "morcosA4", (MLP, CONV), "Units that tell more about the class cost no more loss when they "
          "are ablated: the rank correlation is below 0.2.",
          by("importance", -1, SPEARMAN, measure="informed"), says="none or negative"),
    claim("M029", "morcosA3", CONV, "Selective feature maps have no larger filters: the rank correlation with the L1 "
          "norm is below 0.2.", by("units_agree", -1, SPEARMAN, first="si", second="weight_l1"),
          says="none or negative"),
    claim("M030", "morcosA2", CONV, "Selectivity rises with depth (the paper shows it of ResNet-50).",
          by("rises_with_depth", 1, measure="si"), says="rises"),
    claim("M031", "morcos7", (MLP, CONV), "Selective units cost no more loss than others when they are ablated: the "
          "rank correlation is below 0.2.", by("importance", -1, SPEARMAN, measure="si"), says="no more important"),
    claim("M041", "morcos5", CONV, "Batch norm adds more to what the convnet withstands than dropout adds for the "
          "MLP.", by("norm_less_dropout", 1, other=MLP), says="dropout less effective"),
)  # fmt: skip

# Recalled, and never judged: rank correlation of area and test loss through training −0.728 (Figure 4), of area and
# test accuracy over settings 0.914; the area picks one of the best 1, 5 and 10 settings in 13, 83 and 98 % of cases;
# networks with dropout were trained for 5,000 epochs (Figure 5); four networks with and four without batch norm.
