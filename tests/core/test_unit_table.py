"""`unit_table`: every index over a loader is what the functions of activity and labels give for everything at once."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, IterableDataset, TensorDataset

from selectivity_core import (
    class_discriminability,
    class_share,
    mutual_information,
    precision,
    preferred_class,
    selectivity_index,
    unit_table,
)
from selectivity_core import measuring as on_disk
from selectivity_core.errors import ActivityError, SelectivityError, UnitError
from selectivity_core.measuring import Columns

COLUMNS = [
    "layer", "unit", "mean", "sd", "si", "si_shifted", "dprime", "class_share", "precision", "mutual_information",
    "preferred_class", "dead",
]  # fmt: skip


def network(activation=nn.ReLU):
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(3, 6, 3), activation(), nn.Flatten(), nn.Linear(96, 9), activation(), nn.Dropout(), nn.Linear(9, 4)
    )
    nn.init.constant_(model[3].bias[2:3], -100)  # a dead unit, where the activation is a ReLU
    return model.train()


def data(samples=150, labels=(7, 3, 12, 4)):
    draw = torch.Generator().manual_seed(1)
    return TensorDataset(
        torch.randn(samples, 3, 6, 6, generator=draw),
        torch.tensor(labels)[torch.randint(len(labels), (samples,), generator=draw)],
    )


def activities(model, images):
    """By hand: the model's own parts, run on everything at once."""
    model.eval()
    with torch.no_grad():
        first = model[:2](images)
        second = model[2:5](first)
    model.train()
    return {"1": first.mean((2, 3)), "4": second}


@pytest.fixture(params=[2**26, 1000], ids=["in memory", "on disk"])
def memory(request, monkeypatch):
    monkeypatch.setattr(on_disk, "MEMORY", request.param)
    monkeypatch.setattr("selectivity_core.measuring.MEMORY", request.param)  # on disk: one unit at a time


@pytest.mark.parametrize("activation", [nn.ReLU, nn.GELU])
def test_equal_to_the_plain_functions_on_everything_at_once(memory, activation):
    model, samples = network(activation), data()
    table = unit_table(model, DataLoader(samples, batch_size=32))
    assert list(table) == COLUMNS
    assert model.training and model[5].training
    images, labels = samples.tensors
    expected = activities(model, images)
    assert table["layer"].tolist() == ["1"] * 6 + ["4"] * 9
    for name, activity in expected.items():
        rows = table[table["layer"] == name]
        assert rows["unit"].tolist() == list(range(activity.shape[1]))
        plain = {
            "mean": activity.mean(0), "sd": activity.std(0, correction=0),
            "dprime": class_discriminability(activity, labels),
            "si_shifted": selectivity_index(activity, labels, shift=True), "class_share": class_share(activity, labels),
            "precision": precision(activity, labels), "mutual_information": mutual_information(activity, labels),
        }  # fmt: skip
        for column, values in plain.items():
            np.testing.assert_allclose(rows[column], values, rtol=1e-4, atol=1e-5, err_msg=column)
        assert rows["preferred_class"].tolist() == preferred_class(activity, labels).tolist()
        assert rows["dead"].tolist() == (activity == 0).all(0).tolist()
        if activation is nn.ReLU:
            np.testing.assert_allclose(rows["si"], selectivity_index(activity, labels), rtol=1e-4, atol=1e-6)
        else:  # where the index refuses negative activity, it has no number
            assert rows["si"].isna().tolist() == (activity < 0).any(0).tolist()
    if activation is nn.ReLU:
        assert table.index[table["dead"]].tolist() == [8]
        assert table.loc[8, COLUMNS[2:8]].tolist() == [0] * 6
        assert table.loc[8, "preferred_class"] == -1


def test_by_hand():
    # One unit: class 0 has 1 and 3, class 5 has 0 and 0. SI = (2 − 0) / (2 + 0), η² = 1 / 1.5, d′ = 2 / sqrt(1 / 2);
    # its two most active samples are both of class 0; two bins of one value and zero: 1 bit.
    pairs = [(torch.tensor([[1.0], [0.0]]), [0, 5]), (np.array([[3.0], [0.0]], np.float32), np.array([0, 5]))]
    table = unit_table(nn.Sequential(nn.ReLU()), pairs)
    assert table["layer"].tolist() == ["0"]
    found = table.loc[0, COLUMNS[2:]].tolist()
    assert found == pytest.approx([1, 1.5**0.5, 1, 1, 8**0.5, 2 / 3, 1, 1, 0, 0], abs=1e-6)


@pytest.mark.parametrize("level", [0.1, 1000.3, -0.7])
def test_a_constant_unit_tells_no_class_apart(level):
    """Class means of as many samples as here differ in their last digits, though every sample is the same."""
    samples = 997
    labels = torch.arange(samples) % 10 + 4
    activity = torch.full((samples, 1), level)
    for found in (class_share(activity, labels), class_discriminability(activity, labels)):
        assert found.tolist() == [0]
    assert preferred_class(activity, labels).tolist() == [4]
    table = unit_table(nn.Sequential(nn.Identity()), [(activity.double(), labels)], layers=["0"])
    assert table.loc[0, ["dprime", "class_share", "preferred_class", "si_shifted"]].tolist() == [0, 0, 4, 0]
    assert table.loc[0, "mean"] == pytest.approx(level) and not table.loc[0, "dead"]


def test_batches_of_any_size_and_order_give_the_same():
    model, samples = network(), data(97)
    whole = unit_table(model, [samples.tensors])
    shuffled = unit_table(model, DataLoader(samples, batch_size=10, shuffle=True), layers="all", device="cpu")
    np.testing.assert_allclose(whole[COLUMNS[2:10]], shuffled[COLUMNS[2:10]], rtol=1e-4, atol=1e-5)


def test_a_loader_without_a_length_and_a_generator():
    class Endless(IterableDataset):
        def __iter__(self):
            return iter(data(20))

    model = network()
    table = unit_table(model, DataLoader(Endless(), batch_size=7))
    of_generator = unit_table(model, (batch for batch in DataLoader(data(20), batch_size=7)))
    assert table.equals(of_generator)


def test_samples_without_a_label_are_left_out():
    model, (images, labels) = network(), data().tensors
    labels[::3] = -100
    without = unit_table(model, [(images[labels >= 0], labels[labels >= 0])])
    batches = [(images[:1], labels[:1]), (images[1:80], labels[1:80]), (images[80:], labels[80:])]
    np.testing.assert_allclose(unit_table(model, batches)[COLUMNS[2:10]], without[COLUMNS[2:10]], rtol=1e-4, atol=1e-5)


def test_layers_by_name_and_inputs_by_name():
    class Two(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = nn.Linear(3, 5), nn.Linear(5, 2)

        def forward(self, x, mask):
            return self.b(torch.relu(self.a(x)) * mask)

    model, x = Two(), torch.rand(8, 3)
    table = unit_table(model, [({"x": x, "mask": torch.ones(5)}, torch.arange(8) % 2)], layers=["a"])
    assert table["layer"].tolist() == ["a"] * 5
    np.testing.assert_allclose(table["mean"], model.a(x).detach().mean(0), rtol=1e-5)


def test_memory_does_not_grow_with_the_samples(monkeypatch):
    """What is held of activity, and read of it at once, in bytes; the rest are labels."""
    monkeypatch.setattr(on_disk, "MEMORY", 10_000)

    held, read = [], []
    append, columns_read = Columns.append, Columns.read

    def watched_append(self, rows):
        append(self, rows)
        held.append(0 if self._file._rolled else self._file.tell())

    def watched_read(self, start, stop):
        found = columns_read(self, start, stop)
        read.append(found.shape[1])
        return found

    monkeypatch.setattr(Columns, "append", watched_append)
    monkeypatch.setattr(Columns, "read", watched_read)
    unit_table(network(), DataLoader(data(2000), batch_size=50))
    assert max(held) <= 10_000
    assert len(held) == 40
    assert set(read) == {1}


@pytest.mark.parametrize(
    ("batches", "words"),
    [
        ([], "batches: no samples given"),
        (iter(()), "batches: no samples given"),
        ([(torch.rand(2, 3, 6, 6), torch.tensor([-100, -100]))], "batches: no samples given"),
        ([torch.rand(2, 3, 6, 6)], r"batches: a Tensor given; pairs \(inputs, labels\)"),
        ([{"x": 1, "labels": 2}], "batches: a dict given; pairs"),
        ([(torch.rand(2, 3, 6, 6), torch.tensor([0.0, 1.0]))], "labels: torch.float32 given; integers"),
        ([(torch.rand(2, 3, 6, 6), torch.tensor([[0], [1]]))], r"labels: shape \(2, 1\) given for 2 samples"),
        ([(torch.full((2, 3, 6, 6), torch.nan), torch.tensor([0, 1]))], "layer '1': activity: not finite in 6 of 6"),
    ],
)
def test_what_cannot_be_measured_is_refused(batches, words):
    model = network()
    with pytest.raises(ActivityError, match=words):
        unit_table(model, batches)
    assert model.training
    assert not model[1]._forward_hooks


def test_layers_must_be_the_same_in_every_batch():
    class Changing(nn.Sequential):
        def forward(self, x):
            return super().forward(x[:, : 2 + len(x)])

    with pytest.raises(UnitError, match=r"one batch has units \{'0': 3\}, another \{'0': 4\}"):
        unit_table(Changing(nn.ReLU()), [(torch.rand(n, 9), torch.zeros(n, dtype=torch.long)) for n in (1, 2)])
    model = network()
    model.spare = nn.ReLU()
    model.forward = lambda x: model[0](x)
    batch = (torch.rand(2, 3, 6, 6), torch.tensor([0, 1]))
    for layers in (["0", "spare"], "all"):
        with pytest.raises(UnitError, match=r"layer '(spare|all)': the model does not use it in a pass"):
            unit_table(model, [batch], layers=layers)
    with pytest.raises(UnitError, match="no such module"):
        unit_table(network(), [], layers=["nothing"])


def test_passes_that_use_layers_in_another_order_are_put_together():
    class Either(nn.Module):
        def __init__(self):
            super().__init__()
            self.wide, self.narrow = nn.ReLU(), nn.ReLU()

        def forward(self, x):
            if x[0, 0] > 0:
                return self.wide(x) + self.narrow(x - 1)
            return self.narrow(x - 1) + self.wide(x)

    x = torch.rand(8, 3)
    x[4:] -= 1
    table = unit_table(Either(), [(x[:4], torch.arange(4)), (x[4:], torch.arange(4))])
    means = {"wide": x.relu().mean(0), "narrow": (x - 1).relu().mean(0)}
    for name, rows in table.groupby("layer"):
        np.testing.assert_allclose(rows["mean"], means[name].numpy(), rtol=1e-6)


def test_batches_of_two_types_are_refused():
    x = torch.rand(4, 3)
    with pytest.raises(ActivityError, match="activity: float32 given after float64"):
        unit_table(nn.Sequential(nn.ReLU()), [(x.double(), torch.arange(4)), (x, torch.arange(4))], layers=["0"])


def test_what_a_model_keeps_of_a_pass_can_be_trained_with():
    class Keeping(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer, self.act, self.angles = nn.Linear(3, 2), nn.ReLU(), None

        def forward(self, x):
            self.angles = torch.arange(3.0).cos() if self.angles is None else self.angles
            return self.act(self.layer(x * self.angles))

    model, x = Keeping(), torch.rand(4, 3)
    unit_table(model, [(x, torch.arange(4))], layers=["act"])
    model(x).sum().backward()
    assert model.layer.weight.grad is not None


def test_columns_are_those_of_all_rows():
    rows = np.random.default_rng(0).random((50, 7), np.float32)
    for memory in (1, 300, 10_000):
        with Columns(memory) as columns:
            for start in range(0, 50, 8):
                columns.append(rows[start : start + 8])
                np.testing.assert_array_equal(columns.read(2, 5), rows[: start + 8, 2:5])


def test_a_full_disk_is_named(monkeypatch):
    def full(**_options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(on_disk.tempfile, "TemporaryFile", full)
    with (
        Columns(1) as columns,
        pytest.raises(SelectivityError, match=r"activity: 2 samples of 3 units do not fit into .*No space.*TMPDIR"),
    ):
        columns.append(np.zeros((2, 3)))
