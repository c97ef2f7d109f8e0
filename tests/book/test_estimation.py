"""The index of batches against closed forms, explicit loops and the regulariser itself."""

import math

import numpy as np
import pytest
import torch
from scipy.integrate import quad
from torch import nn

from selectivity_core import SelectivityRegularizer, selectivity_index
from selectivity_core.book.estimation import batch_indices, chance_table, index_on_batches
from selectivity_core.errors import ActivityError
from selectivity_core.seeds import generator


def made_up(batches=6, samples=9, units=4, classes=5, seed=0):
    draw = generator(seed, "made up")
    activity = torch.rand(batches, samples, units, generator=draw, dtype=torch.float64)
    return activity, torch.randint(classes, (batches, samples), generator=draw)


def test_a_batch_worked_out_by_hand():
    activity = torch.tensor([[[1.0], [3.0], [4.0], [8.0]]])
    # Class means 2 and 6, class 1 absent: (6 - 2) / (6 + 2).
    assert batch_indices(activity, torch.tensor([[0, 0, 2, 2]])).tolist() == [[pytest.approx(0.5)]]


def test_halves_worked_out_by_hand():
    labels = torch.tensor([[0, 1, 2, 2, 1, 0]])
    activity = torch.tensor([[[5.0], [1.0], [2.0], [3.0], [5.0], [1.0]]])
    # The first half prefers class 0, whose mean on the second is 1; the others have 5 and 3 there.
    assert batch_indices(activity, labels, "unbiased").tolist() == [[pytest.approx((1 - 4) / (1 + 4))]]


def test_classes_in_one_half_only_are_left_out():
    labels = torch.tensor([[3, 0, 1, 0, 1, 2]])
    activity = torch.tensor([[[9.0], [1.0], [2.0], [1.0], [3.0], [7.0]]])
    # Class 3 is highest in the first half and absent from the second; class 2 the other way round.
    assert batch_indices(activity, labels, "unbiased").tolist() == [[pytest.approx((3 - 1) / (3 + 1))]]


@pytest.mark.parametrize("estimate", ["batch", "unbiased"])
@pytest.mark.parametrize("labels", [[[2, 2, 2]], [[0]]])
def test_fewer_than_two_classes_give_0(estimate, labels):
    labels = torch.tensor(labels)
    assert batch_indices(torch.rand(1, labels.shape[1], 2), labels, estimate).tolist() == [[0, 0]]


def test_dead_units_have_0():
    activity, labels = torch.zeros(3, 8, 2), torch.tensor([[0, 1, 2, 3, 3, 2, 1, 0]] * 3)
    for estimate in ("batch", "unbiased"):
        assert (batch_indices(activity, labels, estimate) == 0).all()


def test_each_batch_has_the_index_of_its_samples():
    activity, labels = made_up()
    found = batch_indices(activity, labels)
    for k in range(len(labels)):
        torch.testing.assert_close(found[k], selectivity_index(activity[k], labels[k]))


def test_unbiased_is_what_the_regulariser_computes(monkeypatch):
    """With the permutation that keeps the order, the halves are the same."""
    activity, labels = made_up(samples=11, classes=4)
    model = nn.Sequential(nn.ReLU(), nn.Linear(4, 4).double())
    regularizer = SelectivityRegularizer(model, 1.0, estimate="unbiased")
    monkeypatch.setattr(torch, "randperm", lambda count, generator: torch.arange(count))
    for batch, targets, found in zip(activity, labels, batch_indices(activity, labels, "unbiased"), strict=True):
        model(batch)
        assert float(found.mean()) == pytest.approx(float(regularizer.measure(targets)), rel=1e-6)


def si_of(table, **where):
    for column, value in where.items():
        table = table[table[column] == value]
    (row,) = table.itertuples()
    return row.si, row.standard_error


def balanced(classes, size, draws=20_000):
    """Mean index of units that know nothing of equally large classes, and its standard error."""
    source = generator(0, "balanced", classes, size)
    activity = torch.empty(draws, size, 1).exponential_(generator=source)
    found = batch_indices(activity, torch.rand(draws, size, generator=source).argsort(1) % classes)[:, 0].double()
    return float(found.mean()), float(found.std()) / draws**0.5


def test_two_samples_of_two_classes_have_a_half():
    """The share of one of two exponentials in their sum is uniform, so the index |2U - 1| has mean 1/2."""
    value, error = balanced(2, 2)
    assert value == pytest.approx(0.5, abs=4 * error)
    assert error == pytest.approx(math.sqrt(1 / 12 / 20_000), rel=0.05)


@pytest.mark.parametrize("each", [3, 20])
def test_two_classes_in_closed_form(each):
    """With n samples a class the share follows a Beta(n, n); E|2B - 1| by quadrature."""
    scale = math.exp(math.lgamma(2 * each) - 2 * math.lgamma(each))
    expected = quad(lambda x: abs(2 * x - 1) * scale * (x * (1 - x)) ** (each - 1), 0, 1, points=[0.5])[0]
    value, error = balanced(2, 2 * each)
    assert value == pytest.approx(expected, abs=4 * error)


def test_one_sample_a_class_in_closed_form():
    """The largest of C shares of a broken stick: P(M <= x) is the sum over k of (-1)^k (C over k) (1 - kx)+^(C-1)."""
    classes = 6

    def below(x):
        return sum((-1) ** k * math.comb(classes, k) * max(0.0, 1 - k * x) ** (classes - 1) for k in range(classes + 1))

    def slope(m):  # derivative of SI = (Cm - 1) / ((C - 2)m + 1)
        return (2 * classes - 2) / ((classes - 2) * m + 1) ** 2

    expected = quad(lambda m: (1 - below(m)) * slope(m), 1 / classes, 1, limit=200)[0]
    value, error = balanced(classes, classes)
    assert value == pytest.approx(expected, abs=4 * error)


@pytest.mark.parametrize(("classes", "size", "expected"), [(10, 128, 0.22), (200, 256, 0.66)])
def test_the_papers_batches_by_explicit_loops(classes, size, expected):
    """What chance gives at the two papers' numbers of classes, beside a plain numpy simulation."""
    value, error = si_of(chance_table([classes], [size], draws=2000), estimate="batch")
    rng, loops = np.random.default_rng(5), []
    for _ in range(300):
        labels, activity = rng.integers(classes, size=size), rng.exponential(size=size)
        means = sorted(activity[labels == c].mean() for c in set(labels.tolist()))
        loops.append((means[-1] - np.mean(means[:-1])) / (means[-1] + np.mean(means[:-1])))
    assert value == pytest.approx(np.mean(loops), abs=4 * (error + np.std(loops) / math.sqrt(300)))
    assert round(value, 2) == expected


def test_two_halves_of_two_classes_have_no_bias():
    """Which of two alike classes is chosen is a toss-up, so that the index is symmetric around 0."""
    value, error = si_of(chance_table([2], [8], draws=20_000), estimate="unbiased")
    assert abs(value) < 4 * error


def test_halves_of_many_classes_are_biased_downward():
    """One noisy mean against the mean of many: the ratio's expectation is below 0."""
    value, error = si_of(chance_table([200], [256], draws=1000), estimate="unbiased")
    assert value < -10 * error


def test_rows_do_not_depend_on_which_others_are_asked_for():
    both = chance_table([3, 5], [8, 16], draws=50)
    assert both.columns.tolist() == ["classes", "batch_size", "estimate", "si", "standard_error"]
    assert len(both) == 8
    alone = chance_table([5], [16], draws=50)
    assert si_of(alone, estimate="batch") == si_of(both, classes=5, batch_size=16, estimate="batch")


@pytest.mark.parametrize("given", [{"classes": [1]}, {"batch_sizes": [0]}, {"draws": 1}])
def test_settings_that_are_refused(given):
    with pytest.raises(ActivityError, match="are needed"):
        chance_table(**{"classes": [2], "batch_sizes": [4], "draws": 10} | given)


def two_layers(samples=60):
    """A layer with one unit for each of three classes, and a layer of two units that know nothing."""
    draw, labels = generator(0, "layers"), torch.arange(samples) % 3
    knowing = nn.functional.one_hot(labels, 3).float() + 0.1 * torch.rand(samples, 3, generator=draw)
    return {"a": knowing, "b": torch.rand(samples, 2, generator=draw)}, labels


def test_the_whole_set_is_among_the_sizes():
    layers, labels = two_layers()
    found = index_on_batches(layers, labels, [6, 30, 60, 500], batches=40)
    sizes = found.groupby("batch_size")["batch"].nunique()
    assert sizes.to_dict() == {6: 40, 30: 40, 60: 20}
    whole = found.query("batch_size == 60 and estimate == 'batch' and labels == 'true'")["si"]
    expected = np.mean([float(selectivity_index(values, labels).mean()) for values in layers.values()])
    assert whole.to_numpy() == pytest.approx(np.full(20, expected))


def test_what_batches_do_to_the_index():
    layers, labels = two_layers(600)
    mean = index_on_batches({"b": layers["b"]}, labels, [6, 30], batches=300).groupby(
        ["estimate", "labels", "batch_size"]
    )["si"].mean()  # fmt: skip
    for kind in ("true", "shuffled"):  # units that know nothing: it makes no difference
        assert mean["batch", kind, 6] > mean["batch", kind, 30] > 0.05
        assert abs(mean["unbiased", kind, 30]) < 0.02
    knowing = index_on_batches({"a": layers["a"]}, labels, [30], batches=50).query("batch_size == 30")
    by = knowing.groupby(["estimate", "labels"])["si"].mean()
    assert by["unbiased", "true"] == pytest.approx(by["batch", "true"], abs=0.02)
    assert by["batch", "true"] > 0.8 > 0.4 > by["batch", "shuffled"]


def test_the_same_batches_are_drawn_again():
    layers, labels = two_layers()
    first, second = (index_on_batches(layers, labels, [10], batches=5) for _ in range(2))
    assert first.equals(second)


def test_portions_do_not_change_a_row(monkeypatch):
    """Fewer batches at a time: the same number of rows, and the same whole-set index."""
    layers, labels = two_layers()
    monkeypatch.setattr("selectivity_core.book.estimation.NUMBERS_AT_ONCE", 100)
    found = index_on_batches(layers, labels, [10], batches=7)
    assert found.groupby(["batch_size", "estimate", "labels"])["batch"].apply(list).map(len).unique().tolist() == [
        7,
        20,
    ]
    whole = found.query("batch_size == 60 and estimate == 'batch' and labels == 'true'")["si"]
    expected = np.mean([float(selectivity_index(values, labels).mean()) for values in layers.values()])
    assert whole.to_numpy() == pytest.approx(np.full(20, expected))


@pytest.mark.parametrize(
    ("layers", "labels", "more", "message"),
    [
        ({"a": torch.rand(2, 1)}, [0, 1], {"batch_sizes": [0]}, r"batch sizes \[0\]"),
        ({"a": torch.rand(2, 1)}, [0, 1, 1], {}, r"labels: shape \(3,\) given for 2 samples"),
        ({"a": -torch.rand(2, 1)}, [0, 1], {}, "layer 'a': activity down to -"),
        ({"a": torch.rand(2, 1)}, [0, -1], {}, "labels: -1 given"),
        ({"a": torch.tensor([[1.0], [math.nan]])}, [0, 1], {}, "not finite in 1 of 1 units"),
    ],
)
def test_activity_that_is_refused(layers, labels, more, message):
    with pytest.raises(ActivityError, match=message):
        index_on_batches(layers, torch.tensor(labels), **{"batch_sizes": [2]} | more)
