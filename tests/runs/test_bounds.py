import math
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from tiny_specs import TINY

from selectivity_core import selectivity_index
from selectivity_core.rotation import off_axis_scores
from selectivity_core.runs import analyses as bounds
from selectivity_core.runs.analyses import BOUND_KINDS, bound_analysis, bound_rows, bound_tasks, evenly
from selectivity_core.runs.profiles import Bound
from selectivity_core.runs.trained import TrainedRuns


@pytest.fixture
def few_steps(monkeypatch):
    monkeypatch.setattr(bounds, "off_axis_scores", partial(off_axis_scores, steps=5))


@pytest.mark.parametrize(
    ("count", "wanted", "places"),
    [
        (5, 0, [0, 1, 2, 3, 4]), (5, 5, [0, 1, 2, 3, 4]), (5, 9, [0, 1, 2, 3, 4]), (5, 1, [0]), (5, 2, [0, 4]),
        (5, 3, [0, 2, 4]), (19, 4, [0, 6, 12, 18]), (1, 4, [0]),
    ],
)  # fmt: skip
def test_evenly_has_both_ends(count, wanted, places):
    assert evenly(count, wanted) == places


def test_rows_of_a_real_run(finished, few_steps):
    store, specs = finished
    runs = TrainedRuns(store)
    rows = bound_rows(runs, specs[0])
    assert rows.columns.tolist() == ["layer", "depth", "kind", "value"]
    activity, labels = runs.activity(specs[0], "test"), runs.labels(specs[0], "test")
    names = list(activity)
    assert rows["layer"].tolist() == [name for name in names for _ in BOUND_KINDS]
    assert rows["depth"].tolist() == [k for k in range(len(names)) for _ in BOUND_KINDS]
    assert rows["kind"].tolist() == list(BOUND_KINDS) * len(names)
    layers = store.table(specs[0].id, "layers").set_index("layer")["si"]
    for name in names:
        found = rows[rows["layer"] == name].set_index("kind")["value"]
        assert found["axis"] == pytest.approx(layers[name], abs=1e-6)  # what the run's own table says
        lowest = activity[name].amin(0)
        assert found["axis_shifted"] == pytest.approx(
            float(selectivity_index(activity[name] - lowest, labels).mean()), abs=1e-6
        )
        assert 0 < found["bound"] < 1
        assert np.isfinite(found).all()


def test_only_some_layers_with_their_true_depth(few_steps):
    rows = bound_rows(FakeRuns(5), TINY, layers=3)
    assert rows.drop_duplicates("layer")[["layer", "depth"]].to_numpy().tolist() == [["l0", 0], ["l2", 2], ["l4", 4]]


class FakeRuns:
    """Five units that answer one class each, shifted by one; in every layer the same but for noise."""

    def __init__(self, layers):
        self.layers = layers

    def labels(self, spec, which):
        return torch.arange(60) % 5

    def activity(self, spec, which):
        draw = torch.Generator().manual_seed(7)
        clear = torch.eye(5)[self.labels(spec, which)]
        return {f"l{k}": 1 + clear + 0.01 * torch.rand(60, 5, generator=draw) for k in range(self.layers)}


def test_selective_axes_are_found_and_chance_is_told_apart(few_steps):
    found = bound_rows(FakeRuns(1), TINY).set_index("kind")["value"]
    assert found["axis"] == pytest.approx((2 - 1) / (2 + 1), abs=0.01)
    assert found["axis_shifted"] > 0.95
    assert found["bound"] >= found["axis_shifted"] - 0.01
    assert found["bound_shuffled"] < 0.5 < found["bound"]
    assert found["axis"] < found["random"] < found["bound"]


def test_the_seed_decides_the_rows(few_steps):
    one, again, other = (bound_rows(FakeRuns(1), TINY.replace(seed=s)) for s in (0, 0, 1))
    assert one.equals(again)
    assert not one.equals(other)


def test_the_label_names_the_number_of_layers():
    assert bound_analysis(4).label == "off-axis/1 layers=4"
    assert bound_analysis(0).label != bound_analysis(4).label
    assert bound_analysis(4).table == "bounds"


SPECS = [TINY.replace(alpha=a, seed=s) for s in (3, 1, 2) for a in (-5.0, -1.0, 0.0, 1.0)]
LIMIT = Bound(alphas=(0.0, -5.0), seeds=2, layers=4)


def chosen(tasks):
    return [(task.runs[0].seed, task.runs[0].alpha, dict(task.analysis.settings)["layers"]) for task in tasks]


def test_without_a_limit_every_run_has_every_layer():
    assert chosen(bound_tasks(SPECS, None)) == [(s.seed, s.alpha, 0) for s in SPECS]


def test_the_profiles_limit_takes_its_alphas_and_the_first_seeds():
    assert chosen(bound_tasks(SPECS, LIMIT)) == [(1, -5, 4), (1, 0, 4), (2, -5, 4), (2, 0, 4)]


@pytest.mark.parametrize(("first", "seeds"), [(2, [2, 3]), (3, [1, 3]), (9, [1, 2])])
def test_seeds_may_begin_later_where_there_are_any(first, seeds):
    found = chosen(bound_tasks(SPECS, replace(LIMIT, first=first)))
    assert sorted({seed for seed, _, _ in found}) == seeds


def test_no_runs_are_no_tasks():
    assert list(bound_tasks([], LIMIT)) == list(bound_tasks([], None)) == []


def test_activity_below_zero_has_no_index_of_its_own(few_steps):
    class Negative(FakeRuns):
        def activity(self, spec, which):
            return {name: values - 3 for name, values in super().activity(spec, which).items()}

    found = bound_rows(Negative(1), TINY).set_index("kind")["value"]
    assert math.isnan(found["axis"])
    assert found["axis_shifted"] > 0.95
