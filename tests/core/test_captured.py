"""Captured training against `Trainer`, on the CPU: all of it but the capture itself."""

import pytest
import torch
from tiny_specs import DIVERGING, TINY

from selectivity_core import RunSpec
from selectivity_core.captured import CapturedTrainer, DeviceData, masked_index, shape_of
from selectivity_core.data import load
from selectivity_core.errors import SpecError
from selectivity_core.indices import class_means, class_statistics, discriminability_of, index_of_means
from selectivity_core.training import Diverged, Trainer, isolated

CPU = torch.device("cpu")
# A small rate, so that rounding is not amplified.
BASE = RunSpec(model="resnet20", min_map=2, train_size=300, epochs=2, lr=0.001, batch_size=128, milestones=())


def both(*specs):
    """Trainers that trained by themselves and by one `CapturedTrainer`, for each spec."""
    data, found = load("digits"), []
    captured = CapturedTrainer(shape_of(specs[0]), DeviceData.of(data, CPU))
    for spec in specs:
        with isolated(spec):
            plain, other = Trainer(spec, data, CPU), Trainer(spec, data, CPU)
            while not plain.finished:
                plain.run_epoch()
            captured.train(other)
            found.append((plain, other))
    return found


def assert_same(plain, other, tolerance=2e-5):
    (tensors, rest), (others, others_rest) = plain.state(), other.state()
    assert tensors.keys() == others.keys()
    for name, value in tensors.items():
        torch.testing.assert_close(others[name], value, rtol=tolerance, atol=tolerance, msg=name)
    assert [list(row) for row in others_rest["history"]] == [list(row) for row in rest["history"]]
    for row, mine in zip(rest["history"], others_rest["history"], strict=True):
        assert mine == pytest.approx(row, rel=tolerance, abs=tolerance)
    for name in ("best", "si_last"):
        assert others_rest[name] == pytest.approx(rest[name], rel=tolerance, abs=tolerance)
    assert (others_rest["epoch"], others_rest["step"]) == (rest["epoch"], rest["step"])


@pytest.mark.parametrize(
    "changes",
    [
        {"alpha": -1.0, "warmup_epochs": 0.5, "label_corruption": 0.3, "milestones": (1,)},
        {"alpha": 0.4, "index": "dprime", "schedule": "onecycle", "nesterov": True},
        {"alpha": -2.0, "estimate": "shuffled", "layers": "last3", "augment": True},
        {"alpha": 0.0, "precision": "bfloat16", "index": "dprime", "estimate": "shuffled"},
        {"alpha": 1.0, "window": (1, 1), "train_size": 257, "momentum": 0.0},  # the last image of an epoch is left out
        {"alpha": -1.0, "activation": "leaky_relu:0.1", "epochs": 1, "train_size": 128},  # a single step
    ],
    ids=lambda changes: " ".join(f"{k}={v}" for k, v in changes.items()),
)
def test_a_run_is_that_of_the_ordinary_trainer(changes):
    ((plain, other),) = both(BASE.replace(**changes))
    assert_same(plain, other)


def test_one_captures_runs_of_a_shape_one_after_the_other():
    specs = [TINY.replace(alpha=-1.0), TINY.replace(seed=3, augment=True, lr=0.05), TINY.replace(alpha=-1.0)]
    for plain, other in (found := both(*specs)):
        assert_same(plain, other)
    assert found[0][1].history == found[2][1].history
    assert torch.equal(found[0][1].model.fc.weight, found[2][1].model.fc.weight)


@pytest.mark.parametrize(("changes", "step"), [({}, 7), ({"train_size": 24}, 3)], ids=["loss", "weights"])
def test_divergence_is_found_where_a_gpu_finds_it(changes, step):
    spec = DIVERGING.replace(**changes)
    with isolated(spec):
        data = load("digits")
        trainer = Trainer(spec, data, CPU)
        with pytest.raises(Diverged, match=f"epoch 1, step {step}"):
            CapturedTrainer(shape_of(spec), DeviceData.of(data, CPU)).train(trainer)
    assert [row["epoch"] for row in trainer.history] == [0, 1][: 1 + (step == 3)]  # as `Trainer.run_epoch` leaves it


def test_what_after_epoch_raises_ends_the_training():
    data, trainer = load("digits"), Trainer(TINY, load("digits"), CPU)

    def stop(epoch):
        raise KeyboardInterrupt(epoch)

    with pytest.raises(KeyboardInterrupt, match="1"):
        CapturedTrainer(shape_of(TINY), DeviceData.of(data, CPU)).train(trainer, stop)
    assert not trainer.history


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"dropout": 0.2}, "dropout: 0.2 given"),
        ({"alpha": 1.0, "index": "offset"}, "index: 'offset' given"),
        ({"alpha": 1.0, "estimate": "unbiased"}, "estimate: 'unbiased' given"),
        ({"alpha": 1.0, "estimate": "shuffled", "window": (0, 0)}, r"window: \(0, 0\) given"),
        ({"alpha": 1.0, "index": "dprime", "window": (0, 0)}, r"window: \(0, 0\) given"),
    ],
)
def test_what_is_not_served_is_refused(changes, message):
    with pytest.raises(SpecError, match=message):
        shape_of(TINY.replace(**changes))


def test_the_shape_of_a_shape_is_itself():
    for spec in (TINY, TINY.replace(alpha=1.0, index="dprime"), TINY.replace(alpha=-2.0, window=(0, 0))):
        assert shape_of(shape_of(spec)) == shape_of(spec)


def test_another_shape_is_refused():
    captured = CapturedTrainer(shape_of(TINY), DeviceData.of(load("digits"), CPU))
    with pytest.raises(SpecError, match="it is not what was captured"):
        captured.train(Trainer(TINY.replace(batch_size=16), load("digits"), CPU))


@pytest.mark.parametrize("present", [[0, 1, 2, 3], [1, 3], [0, 2, 3], [2]])
@pytest.mark.parametrize("index", ["si", "dprime"])
def test_the_masked_index_is_the_librarys_with_classes_missing(present, index):
    draw = torch.Generator().manual_seed(0)
    labels = torch.tensor(present)[torch.randint(len(present), (40,), generator=draw)]
    activity = torch.rand(40, 6, generator=draw, dtype=torch.float64)
    activity[:, 0] = 0  # a dead unit
    results = []
    for masked in (False, True):
        x = activity.clone().requires_grad_()
        if masked:
            found = masked_index(x, labels, 4, index)
        elif index == "si":
            found = index_of_means(class_means(x, labels)[2])
        else:
            found = discriminability_of(class_statistics(x, labels))
        found.sum().backward()
        results.append((found.detach(), x.grad))
    torch.testing.assert_close(results[1], results[0], rtol=1e-12, atol=1e-12)
