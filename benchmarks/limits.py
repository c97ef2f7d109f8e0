"""Which ratios are measured, what each must reach, and the verdict on what was measured."""

from __future__ import annotations

import math
from dataclasses import dataclass

from .timing import Paired

SLACK = 0.05  # a limit is not missed by less than this share of it, however wide the ratios spread


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Attributes:
        work, against: what is measured and what it is divided by.
        must, hoped: limits of the median ratio; None where the row is for information.
        at_least: whether the limits are lower ones.
    """

    work: str
    against: str
    must: float | None = None
    hoped: float | None = None
    at_least: bool = False

    def verdict(self, found: Paired) -> str:
        """ "as hoped", "met", "missed within the spread", "missed", or "no limit".

        A limit is missed within the spread by at most half the interquartile range of the ratios, and at most 5 %.
        """
        if self.must is None or self.hoped is None:
            return "no limit"
        sign = -1 if self.at_least else 1
        value = sign * found.median
        if value <= sign * self.hoped:
            return "as hoped"
        if value <= sign * self.must:
            return "met"
        allowed = min(found.half_iqr, SLACK * self.must)
        return "missed within the spread" if value <= sign * self.must + allowed or math.isclose(
            value, sign * self.must + allowed
        ) else "missed"  # fmt: skip


STEP = "a ResNet20 training step with the regulariser (batch 256, 32x32, bf16)"
EPOCH = "an epoch of ResNet20 on images as CIFAR-10's, loading and augmentation included"
FAST = "core time of the profile cifar10-fast (ResNet20, α = 0, validation and test included) to"
RECIPE = (
    "the paper's recipe on the same code, extrapolated: its measured time an epoch, and the first epoch after its "
    "learning rate drops (101 of 200)"
)
TRAINER = (
    "the same cycle by a conventional float32 trainer, extrapolated: its measured time an epoch, without validation "
    "and test, and as many epochs"
)
ROWS: dict[str, Row] = {
    "accuracy-85": Row(f"{FAST} 85 % test accuracy", RECIPE),
    "accuracy-85-trainer": Row(f"{FAST} 85 % test accuracy", TRAINER),
    "accuracy-end": Row(f"{FAST} the test accuracy that it ends with", RECIPE),
    "accuracy-end-trainer": Row(f"{FAST} the test accuracy that it ends with", TRAINER),
    "step": Row(STEP, "the same step without it", 1.18, 1.03),
    "step-hooks": Row(STEP, "a hook on each layer, class means layer by layer", 0.75, 0.6),
    "epoch": Row(
        EPOCH, "a conventional float32 trainer: DataLoader workers, torchvision's transforms, hooks", 0.40, 0.3
    ),
    "peak": Row("that epoch's arithmetic a second", "the machine's bf16 matrix product", 0.35, 0.60, at_least=True),
    "sweep": Row("a sweep of 40 digits runs (4 epochs)", "the same runs one after another, two threads", 0.6, 0.5),
    "ablation-mlp": Row("cumulative ablation, 512 units of the MLP, 10 orderings", "one pass for each mask", 0.35, 0.1),
    "ablation-convnet": Row("the same, last three layers of the convnet", "one pass for each mask", 0.2, 0.05),
    "pwcca": Row("PWCCA, 256 x 256 units, 10,000 samples", "numpy: covariances and matrix square roots", 0.5, 0.2),
    "unit-tables": Row("unit tables of a whole test set, shuffles apart", "a plain evaluation pass", 1.5, 1.1),
    "import": Row("`import selectivity_core`", "`import torch`", 1.3, 1.05),
    "book": Row("`make book` after touching one notebook", "the last full one", 0.2, 0.1),
    "import-all": Row("importing every public name", "`import torch`"),
    "importance": Row("importance of each of the MLP's second 128 units", "captum's layer ablation"),
    "off-axis-64": Row("25 steps of the off-axis search, 64 units", "torch's orthogonal parametrisation"),
    "off-axis-256": Row("3 steps of the off-axis search, 256 units", "torch's orthogonal parametrisation"),
}
