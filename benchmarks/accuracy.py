"""Core time to an accuracy: the profile `cifar10-fast`, the paper's recipe on the same code, a conventional trainer.

An epoch of each is timed on one core, on a part of its images; the epochs that ours needs are those of archived runs.
"""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import torch

from selectivity_core import build_model, ledger, profile
from selectivity_core.data import DATASETS, split
from selectivity_core.runs.profiles import PLAIN
from selectivity_core.spec import RunSpec
from selectivity_core.training import Trainer, isolated

from .book import NotMeasured
from .conventional import ConventionalTrainer
from .images import generated
from .timing import Paired, in_turn

STEPS, ROUNDS = 12, 15  # a round takes half a minute: beyond a minute `in_turn` would take two only
GOAL = 0.85
SEEDS = 100  # that archived runs may have


def mean_curve(history: pd.DataFrame, spec: RunSpec) -> pd.Series:
    """Epoch -> mean test accuracy of the runs that differ from a spec in the seed alone.

    Raises:
        NotMeasured: there are none.
    """
    own = history[history["run"].isin({spec.replace(seed=seed).id for seed in range(SEEDS)})]
    if not len(own):
        raise NotMeasured(f"no run like {spec.id} is archived: the epochs that it needs are not known")
    return own.groupby("epoch")["test_accuracy"].mean()


def first_epoch(curve: pd.Series, goal: float) -> int:
    """The first epoch with at least that accuracy; NotMeasured where none has it."""
    if curve.max() < goal:
        raise NotMeasured(f"archived runs reach a mean test accuracy of {curve.max():.3f}, not {goal:g}")
    return int((curve >= goal).idxmax())


def epochs_in_turn(
    fast: RunSpec, paper: RunSpec, steps: int = STEPS, rounds: int = ROUNDS, size: int = 32
) -> tuple[tuple[float, ...], ...]:
    """Seconds of a whole epoch by our trainer in both recipes, validation and test included, and by a conventional one.

    So many steps are timed, with as many fewer images to validate and test on.
    """
    shape, images = DATASETS[fast.dataset], steps * fast.batch_size
    share = fast.train_size / images
    data = generated(images, *(max(1, round(count / share)) for count in (shape.validation, shape.test)), size)
    small, other = (s.replace(train_size=images, lr=0.01) for s in (fast, paper))  # time does not hang on the rate
    with isolated(fast):
        ours, recipe = (Trainer(spec, data, torch.device("cpu")) for spec in (small, other))
        network = build_model(fast.model, channels=3, image_size=size, classes=10, width=fast.width)
        index = split(data, fast.seed, images).train
        plain = ConventionalTrainer(network, small, data, index, workers=0)  # workers would take other cores
        times = in_turn([ours.run_epoch, recipe.run_epoch, plain.run_epoch], rounds)
    return tuple(tuple(share * seconds for seconds in each) for each in times)


def rows(curve: pd.Series, dropped: int, times: Sequence[tuple[float, ...]]) -> dict[str, Paired]:
    """Core seconds to each accuracy against those of both peers.

    Args:
        curve: of `mean_curve`.
        dropped: epochs that the paper's recipe takes, to either accuracy.
        times: of `epochs_in_turn`.
    """
    found = {}
    for name, goal in (("85", GOAL), ("end", float(curve.iloc[-1]))):
        needed = first_epoch(curve, goal)
        ours, recipe, plain = (
            tuple(n * seconds for seconds in each) for n, each in zip((needed, dropped, needed), times, strict=True)
        )
        found |= {f"accuracy-{name}": Paired(ours, recipe), f"accuracy-{name}-trainer": Paired(ours, plain)}
    return found


def measure() -> dict[str, Paired]:
    """Every row; NotMeasured where no run of the profile is archived."""
    fast, paper = profile("cifar10-fast", **PLAIN), profile("cifar10")
    curve = mean_curve(ledger("cifar10-fast").history, fast)
    return rows(curve, paper.milestones[0] + 1, epochs_in_turn(fast, paper))
