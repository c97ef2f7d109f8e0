"""Training on a GPU as CUDA graphs: the steps of `Trainer`, captured once and replayed.

A step of a small network keeps a GPU busy for less time than Python takes to launch its kernels. Here all that a step
draws at random is drawn beforehand, from the same generators as `Trainer`'s, and lies on the device; a step and an
epoch's measurement are then one graph each, which is replayed without a look at its results. Several networks can be
trained side by side, each by a `CapturedTrainer` in a thread of its own. On a CPU the same functions are called
directly.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from .arithmetic import arithmetic
from .data import Dataset, normalise
from .data.dataset import PADDING, draw_views, padded, pixel_scale, take_views
from .errors import SpecError
from .evaluation import Score, TestSetPass
from .indices import ClassMeans, ClassStatistics, discriminability_against, index_against, index_of_means
from .models import network_of
from .seeds import generator
from .spec import RunSpec
from .training import Best, Trainer
from .units import Units, unit_layers

IMAGES_AT_ONCE = 2500  # in one pass of a measurement
# Fields whose values lie in buffers that graphs read, each with a value for all; all others are baked into them.
# An α other than 0, so that the shape of a shape is itself.
IN_BUFFERS: dict[str, Any] = {
    "alpha": 1.0, "seed": 0, "lr": 0.1, "milestones": (), "schedule": "steps", "layers": "all", "warmup_epochs": 0.0,
    "window": None, "estimate": "batch", "augment": False, "label_corruption": 0.0,
}  # fmt: skip


def shape_of(spec: RunSpec) -> RunSpec:
    """What graphs for a run are captured for: runs of the same shape can be trained by the same `CapturedTrainer`.

    Raises:
        SpecError: a run that captured training does not serve; `train` does. It serves index "si" and "dprime",
            estimate "batch" and "shuffled", no dropout, and a window of α only with index "si" and estimate "batch"
            (outside the window those are what is logged). At α = 0 every index and estimate is served.
    """
    if spec.dropout:
        raise SpecError(f"dropout: {spec.dropout:g} given; captured training serves 0 only")
    if not spec.alpha:
        return spec.replace(**IN_BUFFERS, index="si")
    if spec.index not in ("si", "dprime"):
        raise SpecError(f'index: {spec.index!r} given; captured training serves "si" and "dprime"')
    if spec.estimate not in ("batch", "shuffled"):
        raise SpecError(f'estimate: {spec.estimate!r} given; captured training serves "batch" and "shuffled"')
    if spec.window is not None and (spec.index, spec.estimate) != ("si", "batch"):
        raise SpecError(
            f'window: {spec.window} given with index "{spec.index}" and estimate "{spec.estimate}"; captured training '
            'serves a window with "si" and "batch" only'
        )
    return spec.replace(**IN_BUFFERS)


def masked_index(activity: Tensor, labels: Tensor, classes: int, index: str) -> Tensor:
    """(units,) SI or d′ of a batch, as `index_of_means` and `discriminability_of` give it, in shapes that are fixed.

    Those work on the classes that occur, whose number only the host can know. Here all `classes` have a row, and the
    rows of those that do not occur count for nothing. Activity (samples, units) is not negative.
    """
    numbers = torch.arange(classes, device=labels.device)
    members = (numbers[:, None] == labels).to(activity.dtype)
    counts = members.sum(1)
    shares = members / counts.clamp_min(1)[:, None]
    means = shares @ activity
    top, best = torch.where(counts[:, None] > 0, means, -torch.inf).max(0)
    present = (counts > 0).sum()
    others = (means.sum(0) - top) / (present - 1).clamp_min(1)
    if index == "si":
        found = index_against(top, others)
    else:
        variances = shares @ (activity - means[labels]).square()
        found = discriminability_against(ClassStatistics(numbers, counts, means, variances), best, top, others)
    return found * (present > 1)


@dataclass(frozen=True, eq=False)
class DeviceData:
    """A data set on a device, with what graphs read of it; networks trained side by side share one.

    Attributes:
        padded: `dataset.images` with black pixels around them.
        members: (classes, test images) float64, 1 where an image is of a class.
        scale: as of `pixel_scale`.
    """

    dataset: Dataset
    padded: Tensor
    members: Tensor
    scale: tuple[Tensor, Tensor]

    @classmethod
    def of(cls, dataset: Dataset, device: torch.device) -> DeviceData:
        """Puts a data set there."""
        moved = dataset.to(device)
        numbers = torch.arange(len(moved.classes), device=device)
        members = (numbers[:, None] == moved.test_labels).double()
        return cls(moved, padded(moved.images), members, pixel_scale(moved, device))


class CapturedTrainer:
    """Trains networks of one shape, one after the other, as `Trainer` does up to rounding.

    Graphs are captured when it is made: no other thread may use the device meanwhile.
    """

    def __init__(self, shape: RunSpec, data: DeviceData) -> None:
        self.shape, self.data, self.device = shape_of(shape), data, data.padded.device
        self.stream = torch.cuda.Stream(self.device) if self.device.type == "cuda" else None
        self.model = network_of(shape).with_channels_last(self.device)
        self._parameters: list[Tensor] = list(self.model.parameters())
        self._state = self.model.state_dict()  # shares memory with the network
        self._seen: dict[str, Tensor] = {}  # layer -> spatial means of the latest pass
        for name, module in unit_layers(self.model).items():
            assert isinstance(module, Units)
            module.taps.append(partial(self._seen.__setitem__, name))
        self.model.eval()
        with torch.no_grad():
            self._pass(data.dataset.test_images[:2])
        self.model.train()
        self._widths = {name: mean.shape[1] for name, mean in self._seen.items()}
        units, classes, epochs = sum(self._widths.values()), len(data.dataset.classes), shape.epochs
        full, rest = divmod(shape.train_size, shape.batch_size)
        sizes = [shape.batch_size] * full + [rest] * (rest > 1)  # as of `Trainer.steps_per_epoch`
        self._sizes, samples = sizes, sum(sizes)

        def zeros(*size: int, dtype: torch.dtype = torch.float32) -> Tensor:
            return torch.zeros(*size, dtype=dtype, device=self.device)

        whole = partial(zeros, dtype=torch.int64)
        self._train_index, self._train_labels = whole(shape.train_size), whole(shape.train_size)
        self._validation = whole(data.dataset.validation)
        # Of every image that is fed, epoch after epoch: its position in the training set, its view, and the image of
        # its batch whose label it has in the index.
        self._order = zeros(epochs * samples, dtype=torch.int32)
        self._views = zeros(3, epochs * samples, dtype=torch.uint8)
        self._labelled = zeros(epochs * samples, dtype=torch.int32)
        self._lr, self._alpha = zeros(epochs * len(sizes)), zeros(epochs * len(sizes))
        self._weights = zeros(units)  # of the units in the index
        self._fed, self._step_number, self._epoch = whole(1), whole(1), whole(1)
        self._offsets = torch.arange(max(sizes), device=self.device)
        self._momentum = [torch.zeros_like(p) for p in self._parameters]
        self._sums = zeros(3, dtype=torch.float64)  # as `Trainer.sums`
        # By epoch: correct and summed loss on validation and test images, and the sums.
        self._history = zeros(epochs + 1, 7, dtype=torch.float64)
        self._class_sums = zeros(epochs + 1, classes, units, dtype=torch.float64)
        self._lowest = zeros(epochs + 1, units)
        self._best = {name: torch.zeros_like(v) for name, v in self._state.items()}
        self._best_of = zeros(3, dtype=torch.float64)  # correct, summed loss, epoch
        runs: dict[int, Callable[[], None]] = {n: partial(self._step, n) for n in sizes} | {0: self._measure}
        self._runs = {n: self._captured(run) for n, run in runs.items()} if self.stream is not None else runs

    def step(self, samples: int) -> None:
        """Takes the step that is due, on so many samples."""
        self._runs[samples]()

    def measure(self) -> None:
        """Measures the epoch that ended, and keeps the weights if they are the best."""
        self._runs[0]()

    def train(self, trainer: Trainer, after_epoch: Callable[[int], object] = lambda epoch: None) -> None:
        """Takes a new trainer of this shape and data to its end; it is then as if it had trained by itself.

        Args:
            trainer: on the same device.
            after_epoch: called with the number of epochs taken; on a GPU the last one may still be under way. What it
                raises ends the training, and leaves the trainer as it was.

        Raises:
            SpecError: a trainer of another shape.
            Diverged: the loss was not finite. Found at the end; the trainer has the history up to there.
        """
        if shape_of(trainer.spec) != self.shape or trainer.device != self.device:
            raise SpecError(f"spec: {trainer.spec.id} on {trainer.device} given; it is not what was captured")
        under_way = deque[torch.cuda.Event]()
        with self._on_stream():
            self.reset(trainer)
            self.measure()
            for epoch in range(trainer.spec.epochs):
                for samples in self._sizes:
                    self.step(samples)
                self.measure()
                if self.stream is not None:
                    under_way.append(torch.cuda.Event(blocking=True))
                    under_way[-1].record(self.stream)
                    if len(under_way) > 1:
                        under_way.popleft().synchronize()
                after_epoch(epoch + 1)
            self._hand_over(trainer)

    def reset(self, trainer: Trainer) -> None:
        """Puts a new trainer's run in place: weights, training images, and everything that it draws at random."""
        spec, sizes = trainer.spec, self._sizes
        moments = [(epoch, step) for epoch in range(spec.epochs) for step in range(len(sizes))]
        order, views, labelled = [], [], []
        for epoch, step in moments:
            samples = sizes[step]
            if step == 0:
                order.append(torch.randperm(spec.train_size, generator=generator(spec.seed, "order", epoch)))
            if spec.augment:
                views.append(draw_views(samples, generator(spec.seed, "augmentation", epoch, step)))
            if spec.estimate == "shuffled" and spec.alpha:
                labelled.append(torch.randperm(samples, generator=generator(spec.seed, "estimate", epoch, step)))
            else:
                labelled.append(torch.arange(samples))
        centre = torch.tensor([[PADDING], [PADDING], [0]])
        self._order.copy_(torch.cat([positions[: sum(sizes)] for positions in order]))
        self._views.copy_(torch.cat(views, 1) if views else centre.expand(self._views.shape))
        self._labelled.copy_(torch.cat(labelled))
        self._lr.copy_(torch.tensor([trainer.learning_rate(*moment) for moment in moments]))
        self._alpha.copy_(torch.tensor([trainer.alpha_at(*moment) for moment in moments]))
        chosen = unit_layers(self.model, spec.layers)
        weights = [torch.full((n,), (k in chosen) / (len(chosen) * n)) for k, n in self._widths.items()]
        self._weights.copy_(torch.cat(weights))
        self._train_index.copy_(trainer.train_index)
        self._train_labels.copy_(trainer.train_labels)
        self._validation.copy_(trainer.validation)
        for name, value in trainer.model.state_dict().items():
            self._state[name].copy_(value)
        for buffer in (*self._momentum, self._sums, self._history, self._class_sums, self._lowest):
            buffer.zero_()
        self._best_of.copy_(torch.tensor([-1.0, math.inf, -1.0]))
        self._rewind()

    def _rewind(self) -> None:
        for counter in (self._fed, self._step_number, self._epoch):
            counter.zero_()

    @contextmanager
    def _on_stream(self) -> Iterator[None]:
        if self.stream is None:
            yield
            return
        self.stream.wait_stream(torch.cuda.current_stream(self.device))
        try:
            with torch.cuda.stream(self.stream):
                yield
        finally:
            self.stream.synchronize()

    def _captured(self, run: Callable[[], None]) -> Callable[[], None]:
        """A function that replays what `run` does on the device."""
        before, torch.backends.cudnn.benchmark = torch.backends.cudnn.benchmark, True
        try:
            with self._on_stream():
                for _ in range(2):  # libraries choose their kernels and set themselves up
                    self._rewind()
                    run()
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph, stream=self.stream, capture_error_mode="thread_local"):
                run()
        finally:
            torch.backends.cudnn.benchmark = before
        return graph.replay

    def _pass(self, pixels: Tensor) -> Tensor:
        """Logits; the units' spatial means are then in `_seen`."""
        with arithmetic(self.device, self.shape.precision):
            logits: Tensor = self.model(normalise(pixels, self.data.dataset, self.data.scale))
        return logits

    def _step(self, samples: int) -> None:
        at = self._fed + self._offsets[:samples]
        picked = self._order[at].long()
        labels = self._train_labels[picked]
        logits = self._pass(take_views(self.data.padded, self._train_index[picked], self._views[:, at]))
        loss = F.cross_entropy(logits.float(), labels)
        activity = torch.cat(list(self._seen.values()), 1)
        if self.shape.activation != "relu":  # as the regulariser shifts it
            activity = activity - activity.detach().amin(0)
        labelled, classes = labels[self._labelled[at].long()], len(self.data.dataset.classes)
        index = masked_index(activity, labelled, classes, self.shape.index) @ self._weights
        total = loss - self._alpha[self._step_number][0] * index
        gradients = list(torch.autograd.grad(total, self._parameters))
        with torch.no_grad():
            self._descend(gradients)
            self._sums[0] += loss.double() * samples
            self._sums[1] += (logits.argmax(1) == labels).sum()
            self._sums[2] = index
            self._fed += samples
            self._step_number += 1

    def _descend(self, gradients: list[Tensor]) -> None:
        """`torch.optim.SGD`, with a learning rate that lies on the device."""
        shape = self.shape
        if shape.weight_decay:
            torch._foreach_add_(gradients, self._parameters, alpha=shape.weight_decay)
        torch._foreach_mul_(self._momentum, shape.momentum)
        torch._foreach_add_(self._momentum, gradients)
        if shape.nesterov:
            torch._foreach_add_(gradients, self._momentum, alpha=shape.momentum)
        else:
            torch._foreach_copy_(gradients, self._momentum)
        torch._foreach_mul_(gradients, self._lr[self._step_number][0])
        torch._foreach_sub_(self._parameters, gradients)

    @torch.no_grad()
    def _measure(self) -> None:
        data, low = self.data, list[Tensor]()
        sums = torch.zeros_like(self._class_sums[0])

        def gather(rows: slice) -> None:
            activity = torch.cat(list(self._seen.values()), 1)
            sums.add_(data.members[:, rows] @ activity.double())
            low.append(activity.amin(0))

        self.model.eval()
        images, labels = data.dataset.images[self._validation], data.dataset.labels[self._validation]
        correct, loss = self._score(images, labels, lambda rows: None)
        tested = self._score(data.dataset.test_images, data.dataset.test_labels, gather)
        self.model.train()
        row = torch.cat([torch.stack([correct, loss, *tested]), self._sums])
        self._history.index_copy_(0, self._epoch, row[None])
        self._class_sums.index_copy_(0, self._epoch, sums[None])
        self._lowest.index_copy_(0, self._epoch, torch.stack(low).amin(0)[None])
        # The rule of `Best`; the initialisation is not among its epochs.
        highest, lowest, _ = self._best_of
        better = (correct > highest) | ((correct == highest) & (loss <= lowest))
        better = better & (self._epoch[0] > 0)
        for name, value in self._state.items():
            self._best[name].copy_(torch.where(better, value, self._best[name]))
        self._best_of.copy_(torch.where(better, torch.stack([correct, loss, self._epoch[0].double()]), self._best_of))
        self._sums.zero_()
        self._epoch += 1

    def _score(self, images: Tensor, labels: Tensor, each: Callable[[slice], None]) -> tuple[Tensor, Tensor]:
        """Correct answers and summed cross-entropy, on the device; `each` is called as by `evaluation.score`."""
        correct = torch.zeros((), dtype=torch.float64, device=self.device)
        loss = torch.zeros_like(correct)
        for start in range(0, len(images), IMAGES_AT_ONCE):
            rows = slice(start, min(start + IMAGES_AT_ONCE, len(images)))
            logits = self._pass(images[rows]).float()
            correct += (logits.argmax(1) == labels[rows]).sum()
            loss += F.cross_entropy(logits, labels[rows], reduction="sum")
            each(rows)
        return correct, loss

    def _hand_over(self, trainer: Trainer) -> None:
        """Gives a trainer the history, epoch by epoch as it would have noted it, and the state at the end."""
        rows, lowest, class_sums = (t.cpu() for t in (self._history, self._lowest, self._class_sums))
        validation, tests = len(self._validation), len(self.data.dataset.test_labels)
        means = ClassMeans(len(self._weights), len(self.data.dataset.classes))
        means.counts = self.data.members.sum(1).cpu()
        for epoch in range(trainer.spec.epochs + 1):
            v_correct, v_loss, t_correct, t_loss = rows[epoch, :4].tolist()
            means.sums = class_sums[epoch]
            si = index_of_means(means.means() - lowest[epoch].clamp_max(0).double()).split(list(self._widths.values()))
            test = Score(t_correct / tests, t_loss / tests)
            tested = TestSetPass(test, dict(zip(self._widths, si, strict=True)), means.preferred_class())
            measured = Score(v_correct / validation, v_loss / validation), tested
            if epoch:
                trainer.step = trainer.steps_per_epoch
                trainer.sums.copy_(rows[epoch, 4:])
                trainer.end_epoch(measured)
            else:
                trainer.note_epoch(measured)
        correct, loss, chosen = self._best_of.tolist()
        trainer.best = Best(round(chosen), correct / validation, loss / validation, self._best)
        tensors, rest = trainer.state()
        tensors |= {f"model/{name}": value for name, value in self._state.items()}
        if trainer.spec.momentum:
            names = [name for name, _ in self.model.named_parameters()]
            tensors |= {f"momentum/{name}": v for name, v in zip(names, self._momentum, strict=True)}
        trainer.load_state({name: value.clone() for name, value in tensors.items()}, rest)
