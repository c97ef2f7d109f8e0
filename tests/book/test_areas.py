"""Areas of many runs' curves at once, against trapezoids by hand."""

import pandas as pd
import pytest

from selectivity_core.book.areas import COLUMNS, areas


def curve(accuracies, run="r", analysis="a", kind="zero", ordering=0, fractions=None):
    steps = range(len(accuracies))
    last = len(accuracies) - 1
    return pd.DataFrame(
        {
            "run": run, "analysis": analysis, "kind": kind, "ordering": ordering, "step": list(steps),
            "fraction": fractions or [k / last for k in steps], "accuracy": accuracies,
        }
    )  # fmt: skip


def runs(**dataset):
    return pd.DataFrame({"run": list(dataset), "dataset": list(dataset.values())})


def test_by_hand():
    curves = pd.concat([curve([0.8, 0.4, 0.2]), curve([0.8, 0.8, 0.0], ordering=1)])
    (row,) = areas(curves, runs(r="digits")).to_dict("records")
    # Trapezoids of width 1/2: 0.45 and 0.6; of accuracy less a tenth, over 0.7: 0.35 and 0.5.
    assert row == {
        "run": "r", "analysis": "a", "kind": "zero", "none": pytest.approx((0.45 + 0.6) / 2),
        "initial": pytest.approx((0.45 + 0.6) / 2 / 0.8), "chance": pytest.approx((0.35 + 0.5) / 2 / 0.7),
    }  # fmt: skip


def test_chance_is_that_of_the_runs_data_set():
    curves = pd.concat([curve([0.15, 0.15], "ten"), curve([0.15, 0.15], "twenty")])
    found = areas(curves, runs(ten="cifar10", twenty="tiny-imagenet-20")).set_index("run")["chance"]
    assert pd.isna(found["ten"])  # under twice a tenth
    assert found["twenty"] == pytest.approx(1)


def test_scales_of_noise_are_evenly_spread():
    noisy = curve([1.0, 0.5, 0.5], kind="noise", fractions=[0.0, 0.03, 10.0])
    assert areas(noisy, runs(r="digits"))["none"].tolist() == [pytest.approx(0.375 + 0.25)]


def test_a_row_for_each_run_analysis_and_kind_in_their_order():
    parts = [curve([1, 1], "b", "x"), curve([1, 0], "a", "x"), curve([1, 0], "b", "y"), curve([1, 0], "b", "y", "mean")]
    found = areas(pd.concat(parts), runs(a="digits", b="digits"))
    assert list(found.columns) == list(COLUMNS)
    assert found[["run", "analysis", "kind"]].to_numpy().tolist() == [
        ["b", "x", "zero"], ["a", "x", "zero"], ["b", "y", "zero"], ["b", "y", "mean"],
    ]  # fmt: skip
    assert found["none"].tolist() == [1, 0.5, 0.5, 0.5]


def test_runs_that_are_not_known_are_left_out():
    assert not len(areas(curve([1, 0]), runs(other="digits")))
    assert list(areas(curve([1, 0]).iloc[:0], runs(r="digits")).columns) == list(COLUMNS)
