"""What a page's title says it found: a phrase for each outcome of the claim that the page is about."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Title:
    """A title's second half, chosen by a verdict that is computed when the page is made.

    Attributes:
        claim: id of the page's main claim.
        holds: where it is reproduced, or holds in its direction.
        fails: where the runs contradict it.
        undecided: where they cannot tell.
    """

    claim: str
    holds: str
    fails: str
    undecided: str

    def phrase(self, status: str) -> str:
        """The half that goes with a verdict's status; empty where the claim was not run."""
        if status in ("reproduced", "direction holds"):
            return self.holds
        if status in ("not reproduced", "does not carry over"):
            return self.fails
        return self.undecided if status == "inconclusive" else ""


# Notebook -> its title's second half. Pages whose claims are not judged at a short schedule keep a plain title.
TITLES = {
    "02_figure_1": Title(
        "L001", "lowering selectivity can raise accuracy", "lowering selectivity raises no accuracy",
        "whether lowering selectivity raises accuracy is open",
    ),
    "03_figure_2": Title(
        "L037", "selectivity falls off the axes too", "selectivity stays, off the axes",
        "whether selectivity only turns away is open",
    ),
    "04_figure_3": Title(
        "L005", "raising selectivity costs accuracy", "raising selectivity does not cost accuracy",
        "the cost of raising selectivity is open",
    ),
    "05_figure_4": Title(
        "L048", "lowering selectivity beats raising it", "raising selectivity beats lowering it",
        "which direction is better is open",
    ),
    "06_selectivity_by_layer": Title(
        "L006", "α lowers selectivity step by step", "α does not lower selectivity at every step",
        "whether α lowers selectivity at every step is open",
    ),
    "07_resnet20": Title(
        "L017", "lowering selectivity does not help ResNet20", "lowering selectivity does not harm ResNet20",
        "the effect of lowering ResNet20's selectivity is open",
    ),
    "08_dead_units": Title(
        "L063", "leaky units do not rescue accuracy", "leaky units change what selectivity costs",
        "whether leaky units rescue accuracy is open",
    ),
    "09_active_units": Title(
        "L044", "accuracy falls before units fall silent", "accuracy does not fall before units fall silent",
        "which falls first, accuracy or activity, is open",
    ),
    "10_other_measures": Title(
        "L073", "mutual information moves with the index", "mutual information does not move with the index",
        "whether mutual information moves with the index is open",
    ),
    "11_dprime": Title(
        "L078", "raising d′ costs accuracy", "raising d′ does not cost accuracy", "the cost of raising d′ is open",
    ),
    "12_first_layers": Title(
        "L080", "in the first layers, lowering selectivity can raise accuracy",
        "in the first layers, lowering selectivity raises no accuracy",
        "the effect of lowering selectivity in the first layers is open",
    ),
    "13_last_layers": Title(
        "L086", "in the last layers, raising selectivity costs accuracy",
        "in the last layers, raising selectivity does not always cost accuracy",
        "the cost of raising selectivity in the last layers is open",
    ),
    "14_vgg16": Title(
        "L027", "VGG16 is more selective than ResNet20", "VGG16 is no more selective than ResNet20",
        "whether VGG16 is more selective than ResNet20 is open",
    ),
    "17_resnet50": Title(
        "L053", "raising selectivity costs ResNet50 accuracy", "raising selectivity does not cost ResNet50 accuracy",
        "the cost of raising selectivity in ResNet50 is open",
    ),
    "23_ablation": Title(
        "M003", "networks that memorise rely more on single units",
        "networks that memorise rely no more on single units",
        "whether memorising rests on single units is open",
    ),
    "24_noise": Title(
        "M005", "networks that memorise withstand less noise", "networks that memorise withstand no less noise",
        "whether memorising costs noise tolerance is open",
    ),
    "25_generalisation": Title(
        "M009", "networks that generalise better rely less on single units",
        "networks that generalise better rely no less on single units",
        "whether generalising goes with relying less on single units is open",
    ),
    "26_model_selection": Title(
        "M011", "reliance follows test loss through training", "reliance does not follow test loss through training",
        "whether reliance tells when to stop is open",
    ),
    "27_dropout_batch_norm": Title(
        "M021", "with batch norm networks rely less on single units",
        "with batch norm networks rely no less on single units", "whether batch norm spreads the load is open",
    ),
    "28_batch_norm_selectivity": Title(
        "M022", "batch norm makes units less selective", "batch norm does not make units less selective",
        "whether batch norm makes units less selective is open",
    ),
    "29_importance": Title(
        "M031", "selective units are no more important", "selective units are more important",
        "whether selective units are more important is open",
    ),
}  # fmt: skip
