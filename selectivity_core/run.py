"""One run from spec to tables: training, then everything that is measured of it."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from .data import Dataset, load
from .evaluation import layer_table, measured_units
from .machine import choose_device, provenance
from .progress import bar
from .spec import RunSpec
from .tables import COLUMNS, RUN_NUMBERS, Tables
from .training import RESULT_VERSION, Checkpointing, Diverged, Trainer, isolated

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd


class Result(Tables):
    """A finished run: its tables, the spec, and the digest of the data it was trained on.

    `weights` are "best/…" and "last/…" parameters and buffers, by name, on the CPU; empty where it diverged.
    """

    def __init__(self, spec: RunSpec, weights: dict[str, Tensor], digest: str, **frames: pd.DataFrame) -> None:
        super().__init__(**frames)
        self.spec, self.weights, self.digest = spec, weights, digest

    def __getstate__(self) -> dict[str, Any]:
        """Weights travel between processes by value; tensors would go as a shared file handle each."""
        return self.__dict__ | {"weights": {k: v.numpy() for k, v in self.weights.items()}}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__ |= state | {"weights": {k: torch.from_numpy(v) for k, v in state["weights"].items()}}


def train(
    spec: RunSpec,
    *,
    data: Dataset | str | Path | None = None,
    progress: bool = True,
    device: torch.device | None = None,
    checkpoints: Checkpointing | None = None,
) -> Result:
    """Trains one run and measures it. Nothing is stored.

    A loss that stops being finite ends the run with status "diverged": a result like any other.

    Args:
        spec: what to train.
        data: the data set itself, or the folder it lies in (see `data.data_root`).
        progress: show a bar over epochs.
        device: where; by default a GPU where there is one.
        checkpoints: where the run's state is kept between steps, and taken up again.

    Raises:
        DataError: data that are missing or not what they should be.
        SpecError: a spec that the data or network cannot serve.
        Stopped: `checkpoints` says so; the run's state is saved there.
    """
    with isolated(spec):
        dataset = data if isinstance(data, Dataset) else load(spec.dataset, data)
        trainer = Trainer(spec, dataset, device or choose_device())
        if checkpoints is not None:
            checkpoints.restore(trainer)
        return result_of(trainer, lambda: _run(trainer, progress, checkpoints))


def _run(trainer: Trainer, progress: bool, checkpoints: Checkpointing | None) -> None:
    spec, clock = trainer.spec, time.perf_counter() - trainer.seconds

    def after_step(trainer: Trainer) -> None:
        trainer.seconds = time.perf_counter() - clock
        if checkpoints is not None:
            checkpoints.after_step(trainer)

    title = f"{spec.model} on {spec.dataset}, α = {spec.alpha:g}, seed {spec.seed}"
    with bar(title, spec.epochs, "epoch", initial=trainer.epoch, disable=not progress) as shown:
        while not trainer.finished:
            trainer.run_epoch(after_step)
            last = trainer.history[-1]
            shown.set_postfix(
                validation=f"{last['validation_accuracy']:.3f}", SI=f"{last['si_units']:.3f}", refresh=False
            )
            shown.update()


def result_of(trainer: Trainer, run: Callable[[], None]) -> Result:
    """What comes of a trainer that `run` takes to its end, or until the loss is not finite (`Diverged`)."""
    spec, dataset = trainer.spec, trainer.dataset
    started, clock = datetime.now(UTC), time.perf_counter() - trainer.seconds
    diverged: Diverged | None = None
    try:
        run()
    except Diverged as error:
        diverged = error
    row = spec.as_dict()
    row |= {name: " ".join(map(str, getattr(spec, name) or ())) for name in ("milestones", "window")}
    row |= {"status": "complete", "diverged_epoch": math.nan, "diverged_step": math.nan}
    row |= dict.fromkeys(RUN_NUMBERS, math.nan)
    if diverged:
        row |= {"status": "diverged", "diverged_epoch": diverged.epoch, "diverged_step": diverged.step}
    else:
        row |= _numbers(trainer)
    frames, weights = ({}, {}) if diverged else _measure(trainer, row)
    row["seconds"] = time.perf_counter() - clock
    row["started"] = started.isoformat(timespec="seconds")
    made = provenance(str(trainer.device)) | {"result_version": str(RESULT_VERSION)}
    made |= {"data": dataset.source, "digest": dataset.digest}
    row |= {f"provenance_{key}": value for key, value in made.items()}
    history = _frame(trainer.history, "history", spec.id)
    return Result(spec, weights, dataset.digest, runs=_frame([row], "runs", spec.id), history=history, **frames)


def _numbers(trainer: Trainer) -> dict[str, Any]:
    best = next(r for r in trainer.history if r["epoch"] == trainer.best.epoch)
    last = trainer.history[-1]
    row: dict[str, Any] = {"best_epoch": best["epoch"]} | {k: best[k] for k in RUN_NUMBERS if k in best}
    row |= {f"{k}_last": last[k] for k in ("test_accuracy", "test_loss", "si_units", "si_layers")}
    row["t95"] = time_to_95(trainer.history, len(trainer.dataset.classes))
    row["parameters"] = sum(p.numel() for p in trainer.model.parameters())
    return row


def time_to_95(history: list[dict[str, float]], classes: int) -> float:
    """First epoch whose test accuracy reaches 95 % of the run's highest (A.2); NaN where that is under twice chance."""
    accuracies = [(row["epoch"], row["test_accuracy"]) for row in history if row["epoch"]]
    highest = max(accuracy for _, accuracy in accuracies)
    if highest < 2 / classes:
        return math.nan
    return float(next(epoch for epoch, accuracy in accuracies if accuracy >= 0.95 * highest))


def _measure(trainer: Trainer, row: dict[str, Any]) -> tuple[dict[str, pd.DataFrame], dict[str, Tensor]]:
    """Tables of the best epoch's units, and both epochs' weights; puts training accuracies into the run's row."""
    spec, model = trainer.spec, trainer.model
    weights = {f"last/{k}": v.detach().cpu().clone() for k, v in model.state_dict().items()}
    weights |= {f"best/{k}": v.cpu() for k, v in trainer.best.weights.items()}
    last = trainer.train_score()
    model.load_state_dict(trainer.best.weights)
    best = trainer.train_score()
    row |= {"train_accuracy": best.accuracy, "train_loss": best.loss}
    row |= {"train_accuracy_last": last.accuracy, "train_loss_last": last.loss}
    units, responses, _ = measured_units(model, trainer.dataset, spec.precision, spec.seed)
    units["switches"] = trainer.switches.numpy()
    frames = {
        "layers": _frame(layer_table(units, trainer.si_last), "layers", spec.id),
        "units": _frame(units, "units", spec.id),
        "responses": _frame(responses, "responses", spec.id),
    }
    return frames, weights


def _frame(content: pd.DataFrame | list[dict[str, Any]], name: str, run: str) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame(content).assign(run=run).reindex(columns=list(COLUMNS[name]))
