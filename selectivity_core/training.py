"""The training loop of both papers: stochastic gradient descent on cross-entropy − α·μ_SI, and what it leaves."""

from __future__ import annotations

import math
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from .arithmetic import arithmetic, standard
from .data import Dataset, batch, split
from .errors import SpecError
from .evaluation import Score, score, test_set_pass
from .machine import choose_device
from .models import UnitNetwork, network_of
from .regularizer import SelectivityRegularizer, warmed_up
from .seeds import generator, seed_for
from .spec import RunSpec

if TYPE_CHECKING:
    from .evaluation import TestSetPass

# Raised by hand when a change makes the same spec give other numbers; runs of another version count as stale.
RESULT_VERSION = 1


class Diverged(Exception):
    """The loss stopped being finite."""

    def __init__(self, epoch: int, step: int) -> None:
        super().__init__(f"loss not finite at epoch {epoch}, step {step}")
        self.epoch, self.step = epoch, step


_TRAINING = threading.RLock()  # torch's random state and thread count belong to the process: one run at a time in it
_INITIALISING = threading.Lock()  # weights are drawn from torch's random state, also by trainers side by side


@contextmanager
def isolated(spec: RunSpec) -> Iterator[None]:
    """Threads, random state and arithmetic as the spec says for the body, and afterwards as they were.

    Runs in several threads of a process take turns; processes are what trains side by side. More threads than
    OMP_THREAD_LIMIT allows are a `SpecError`: torch would wait for them for ever.
    """
    limit = os.environ.get("OMP_THREAD_LIMIT", "")
    if limit.isdecimal() and int(limit) < spec.threads:
        raise SpecError(f"threads: {spec.threads} given; OMP_THREAD_LIMIT allows {limit}")
    with _TRAINING, torch.random.fork_rng(), standard():
        threads = torch.get_num_threads()
        torch.set_num_threads(spec.threads)
        try:
            yield
        finally:
            torch.set_num_threads(threads)


@dataclass
class Best:
    """The epoch chosen so far: highest validation accuracy, then lowest validation loss, then latest."""

    epoch: int = -1
    accuracy: float = -1.0
    loss: float = math.inf
    weights: dict[str, Tensor] = field(default_factory=dict)

    def offer(self, epoch: int, found: Score, model: UnitNetwork) -> None:
        """Takes the epoch's weights if it is at least as good."""
        if (found.accuracy, -found.loss) >= (self.accuracy, -self.loss):
            self.epoch, self.accuracy, self.loss = epoch, found.accuracy, found.loss
            self.weights = {k: v.detach().clone() for k, v in model.state_dict().items()}


class Checkpointing(Protocol):
    """Keeps a run's state between steps; see `runs.checkpoints.Checkpoints`."""

    def restore(self, trainer: Trainer) -> bool:
        """Takes up what was kept, if anything was."""

    def after_step(self, trainer: Trainer) -> None:
        """Called after every step."""


class Trainer:
    """One run in progress. Everything that a resumed run needs is in `state()`."""

    def __init__(self, spec: RunSpec, dataset: Dataset, device: torch.device | None = None) -> None:
        self.spec, self.device = spec, device or choose_device()
        self.dataset = dataset.to(self.device)
        parts = split(dataset, spec.seed, spec.train_size, spec.label_corruption)
        self.train_index, self.train_labels = parts.train.to(self.device), parts.train_labels.to(self.device)
        self.validation = parts.validation.to(self.device)
        with _INITIALISING:
            torch.manual_seed(seed_for(spec.seed, "init"))
            self.model = network_of(spec).with_channels_last(self.device)
        self.optimizer = torch.optim.SGD(
            self.model.parameters(), lr=spec.lr, momentum=spec.momentum, weight_decay=spec.weight_decay,
            nesterov=spec.nesterov, fused=True,
        )  # fmt: skip
        self.regularizer: SelectivityRegularizer | None = None  # that of the current epoch
        self.epoch, self.step = 0, 0  # epochs finished; steps taken in the current one
        self.history: list[dict[str, float]] = []
        self.best = Best()
        self.switches = torch.zeros(0, dtype=torch.int64)
        self.preferred = torch.zeros(0, dtype=torch.int64)
        self.si_last: dict[str, float] = {}
        self.sums = torch.zeros(3, dtype=torch.float64, device=self.device)  # loss, correct, batch index
        self.seconds = 0.0  # spent so far, over all the processes that worked on the run

    @property
    def steps_per_epoch(self) -> int:
        """Batches an epoch; a last batch of a single image is left out, since batch norm has no variance there."""
        full, rest = divmod(self.spec.train_size, self.spec.batch_size)
        return full + (rest > 1)

    @property
    def finished(self) -> bool:
        """Whether all epochs are done."""
        return self.epoch >= self.spec.epochs

    def learning_rate(self, epoch: int, step: int) -> float:
        """The learning rate of a step, epoch and step counted from 0."""
        spec = self.spec
        if spec.schedule == "steps":
            return spec.lr * 0.1 ** sum(epoch >= m for m in spec.milestones)
        total = spec.epochs * self.steps_per_epoch
        rise, done = max(1, total // 5), epoch * self.steps_per_epoch + step
        return spec.lr * ((done + 1) / rise if done < rise else (total - done) / (total - rise))

    def alpha_at(self, epoch: int, step: int) -> float:
        """α at a step, epoch and step counted from 0: less than its full size in the warm-up, 0 outside the window."""
        spec = self.spec
        first, last = spec.window or (0, spec.epochs - 1)
        if not first <= epoch <= last:
            return 0.0
        done = (epoch - first) * self.steps_per_epoch + step
        return warmed_up(spec.alpha, done, round(spec.warmup_epochs * self.steps_per_epoch))

    def _place_regularizer(self) -> None:
        """The regulariser of the current epoch: none at α = 0 or outside the window."""
        spec = self.spec
        first, last = spec.window or (0, spec.epochs - 1)
        acts = spec.alpha != 0 and first <= self.epoch <= last
        if self.regularizer is not None and not acts:
            self.regularizer.remove()
            self.regularizer = None
        elif self.regularizer is None and acts:
            self.regularizer = SelectivityRegularizer(
                self.model, spec.alpha, index=spec.index, layers=spec.layers, estimate=spec.estimate
            )

    def run_epoch(self, after_step: Callable[[Trainer], None] | None = None) -> None:
        """Trains to the end of the current epoch, from wherever in it the run stands, and measures it.

        Raises:
            Diverged: the loss was not finite.
        """
        if not self.history:
            self.note_epoch()
        draw = generator(self.spec.seed, "order", self.epoch)
        order = torch.randperm(self.spec.train_size, generator=draw).to(self.device)
        self._place_regularizer()
        self.model.train()
        size = self.spec.batch_size
        while self.step < self.steps_per_epoch:
            self._train_step(order[self.step * size : (self.step + 1) * size])
            self.step += 1
            if after_step is not None:
                after_step(self)
        self.end_epoch()

    def end_epoch(self, measured: tuple[Score, TestSetPass] | None = None) -> None:
        """Ends an epoch whose steps are all taken; `measured` is as of `note_epoch`.

        Raises:
            Diverged: the loss was not finite.
        """
        if not torch.isfinite(self.sums).all():  # on a GPU the loss is only looked at here
            raise Diverged(self.epoch + 1, self.step)
        self.epoch += 1
        self.note_epoch(measured)
        if not all(map(math.isfinite, self.history[-1].values())):  # the last step went wrong: no loss saw it
            raise Diverged(self.epoch, self.step)
        self.step = 0
        self.sums.zero_()

    def _train_step(self, chosen: Tensor) -> None:
        spec, moment = self.spec, (self.epoch, self.step)
        augment = generator(spec.seed, "augmentation", *moment) if spec.augment else None
        images, labels = batch(self.dataset, self.train_index[chosen], augment), self.train_labels[chosen]
        if spec.dropout:
            torch.manual_seed(seed_for(spec.seed, "dropout", *moment))
        regularizer, extra = self.regularizer, None
        if regularizer is None and self.step == self.steps_per_epoch - 1:
            # Where α does not act the batch's index is only looked at, once an epoch.
            regularizer = extra = SelectivityRegularizer(self.model, 0.0, layers=spec.layers)
        if regularizer is not None and spec.estimate != "batch":
            regularizer.generator = generator(spec.seed, "estimate", *moment)
        with arithmetic(self.device, spec.precision):
            logits = self.model(images)
            loss = F.cross_entropy(logits, labels)
        total, index = loss, None
        if regularizer is not None:
            index = regularizer.measure(labels)
            if extra is None:
                total = loss - self.alpha_at(*moment) * index
        self.optimizer.zero_grad(set_to_none=True)
        total.backward()
        for group in self.optimizer.param_groups:
            group["lr"] = self.learning_rate(*moment)
        self.optimizer.step()
        with torch.no_grad():
            self.sums[0] += loss.double() * len(labels)
            self.sums[1] += (logits.argmax(1) == labels).sum()
            if index is not None:
                self.sums[2] = index
        if extra is not None:
            extra.remove()
        if self.device.type == "cpu" and not math.isfinite(float(total.detach())):
            raise Diverged(self.epoch + 1, self.step + 1)

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Everything a resumed run needs: tensors, and what JSON can hold.

        Random state is not among it: every draw is derived from seed, purpose, epoch and step.
        """
        tensors = {f"model/{k}": v for k, v in self.model.state_dict().items()}
        tensors |= {f"best/{k}": v for k, v in self.best.weights.items()}
        for name, parameter in self.model.named_parameters():
            buffer = self.optimizer.state.get(parameter, {}).get("momentum_buffer")
            if buffer is not None:
                tensors[f"momentum/{name}"] = buffer
        tensors |= {"switches": self.switches, "preferred": self.preferred, "sums": self.sums}
        best = {"epoch": self.best.epoch, "accuracy": self.best.accuracy, "loss": self.best.loss}
        rest = {
            "epoch": self.epoch, "step": self.step, "history": self.history, "best": best, "si_last": self.si_last,
            "seconds": self.seconds,
        }  # fmt: skip
        return tensors, rest

    def load_state(self, tensors: dict[str, Tensor], rest: dict[str, Any]) -> None:
        """Takes up what `state` gave, in a trainer of the same spec and data."""

        def under(prefix: str) -> dict[str, Tensor]:
            return {k.removeprefix(prefix): v.to(self.device) for k, v in tensors.items() if k.startswith(prefix)}

        self.model.load_state_dict(under("model/"))
        momentum = under("momentum/")
        for name, parameter in self.model.named_parameters():
            if name in momentum:  # as the optimiser makes it, in the memory format of its parameter
                self.optimizer.state[parameter]["momentum_buffer"] = torch.empty_like(parameter).copy_(momentum[name])
        self.best = Best(weights=under("best/"), **rest["best"])
        self.switches, self.preferred = tensors["switches"], tensors["preferred"]
        self.sums = tensors["sums"].to(self.device)
        self.epoch, self.step, self.seconds = rest["epoch"], rest["step"], rest["seconds"]
        self.history, self.si_last = rest["history"], rest["si_last"]

    def validate(self) -> Score:
        """Accuracy and loss on the validation images, with their true labels."""
        images, labels = self.dataset.images[self.validation], self.dataset.labels[self.validation]
        return score(self.model, self.dataset, images, labels, self.spec.precision)

    def train_score(self) -> Score:
        """Accuracy and loss on (the first 10,000 of) the training images, unaugmented, with the labels trained on."""
        images, labels = self.dataset.images[self.train_index[:10_000]], self.train_labels[:10_000]
        return score(self.model, self.dataset, images, labels, self.spec.precision)

    def note_epoch(self, measured: tuple[Score, TestSetPass] | None = None) -> None:
        """Adds the row of the epoch that is finished to the history, the initialisation being epoch 0.

        Scores on the validation images and on the test set may have been `measured` beside it; whoever did that keeps
        the best weights too. Otherwise both are measured here.
        """
        epoch = self.epoch
        if measured is None:
            measured = self.validate(), test_set_pass(self.model, self.dataset, self.spec.precision)
            if epoch:
                self.best.offer(epoch, measured[0], self.model)
        validation, tested = measured
        seen = min(self.spec.train_size, self.steps_per_epoch * self.spec.batch_size)
        row: dict[str, Any] = {"epoch": epoch}
        if epoch:
            loss, correct, index = (float(v) for v in self.sums)
            row |= {"lr": self.learning_rate(epoch - 1, self.steps_per_epoch - 1), "train_loss": loss / seen}
            row |= {"train_accuracy": correct / seen, "batch_index": index}
        row |= {"validation_accuracy": validation.accuracy, "validation_loss": validation.loss}
        row |= {"test_accuracy": tested.score.accuracy, "test_loss": tested.score.loss}
        row |= {"si_units": tested.si_units(), "si_layers": tested.si_layers()}
        self.history.append(row)
        self._count_switches(tested)
        self.si_last = {name: float(values.mean()) for name, values in tested.si.items()}

    def _count_switches(self, tested: TestSetPass) -> None:
        """Changes of preferred class between consecutive epochs; dead units have none (A.16)."""
        if not len(self.preferred):
            self.switches = torch.zeros_like(tested.preferred)
        else:
            both = (self.preferred >= 0) & (tested.preferred >= 0)
            self.switches += (both & (self.preferred != tested.preferred)).long()
        self.preferred = tested.preferred
