import numpy as np
import pandas as pd
import pytest

from selectivity_core.book.robustness import around, by_network, compared, measured, memorised, trend
from selectivity_core.errors import ParameterError


def curve_rows(run, accuracies, analysis="ablation/1", kind="zero"):
    """One row for each ordering and step; accuracies (orderings, steps)."""
    last = len(accuracies[0]) - 1
    return [
        {
            "run": run, "analysis": analysis, "kind": kind, "ordering": k, "step": s, "fraction": s / last,
            "accuracy": value,
        }
        for k, line in enumerate(accuracies)
        for s, value in enumerate(line)
    ]  # fmt: skip


def test_only_corrupted_networks_need_to_have_memorised():
    runs = pd.DataFrame({"label_corruption": [0.0, 0.2, 0.2, 1.0], "train_accuracy_last": [0.5, 0.95, 0.949, 1.0]})
    assert memorised(runs).tolist() == [True, True, False, True]


def test_orderings_are_averaged_within_a_network():
    curves = pd.DataFrame([*curve_rows("a", [[1.0, 0.6, 0.2], [1.0, 0.8, 0.2]]), *curve_rows("b", [[0.9, 0.5, 0.1]])])
    found = by_network(curves)
    assert found["run"].tolist() == ["a"] * 3 + ["b"] * 3
    assert found["accuracy"].tolist() == pytest.approx([1.0, 0.7, 0.2, 0.9, 0.5, 0.1])
    assert found["fraction"].tolist() == [0, 0.5, 1] * 2
    assert found["sd"].tolist()[:3] == pytest.approx([0, 0.2 / np.sqrt(2), 0])
    assert found["sd"].isna().tolist() == [False] * 3 + [True] * 3  # one ordering has no spread


def test_two_clamps_of_a_network_stay_apart():
    curves = pd.DataFrame(
        [*curve_rows("a", [[1.0, 0.0]]), *curve_rows("a", [[1.0, 0.5]], analysis="ablation/1 mean", kind="mean")]
    )
    assert by_network(curves).groupby("kind")["accuracy"].last().to_dict() == {"zero": 0.0, "mean": 0.5}


def test_measured_joins_area_training_and_whether_a_network_counts():
    curves = pd.DataFrame([*curve_rows("a", [[1.0, 0.5, 0.0]]), *curve_rows("b", [[0.8, 0.4, 0.0]])])
    runs = pd.DataFrame(
        {"run": ["b", "a"], "seed": 0, "dataset": "digits", "label_corruption": 1.0, "train_accuracy_last": [0.8, 1.0]}
    )
    found = measured(curves, runs).set_index("run")
    assert found["initial"].to_dict() == pytest.approx({"a": 0.5, "b": 0.5})
    assert found["none"].to_dict() == pytest.approx({"a": 0.5, "b": 0.4})
    assert found["counts"].to_dict() == {"a": True, "b": False}


def networks(values):
    """(corruption, seed) -> area; those with a negative area do not count."""
    return pd.DataFrame(
        [
            {"label_corruption": share, "seed": seed, "initial": abs(value), "counts": value > 0}
            for (share, seed), value in values.items()
        ]
    )


def test_levels_are_compared_within_seeds():
    values = {(0.0, 0): 0.8, (0.0, 1): 0.6, (0.0, 2): 0.7, (1.0, 0): 0.5, (1.0, 1): 0.3, (1.0, 2): 0.43}
    found = compared(networks(values), "label_corruption", 0.0)
    assert found["label_corruption"].tolist() == [0, 1]
    assert found["n"].tolist() == found["all"].tolist() == [3, 3]
    assert found["mean"].tolist() == pytest.approx([0.7, 0.41])
    # one contrast: the paired t-test of −0.30, −0.30, −0.27
    assert found["difference"][1] == pytest.approx(-0.29)
    half = 4.302653 * np.std([-0.3, -0.3, -0.27], ddof=1) / np.sqrt(3)
    assert found["difference_low"][1] == pytest.approx(-0.29 - half, abs=1e-5)
    assert found["difference_high"][1] == pytest.approx(-0.29 + half, abs=1e-5)
    assert 0 < found["p_dunnett"][1] < 0.01
    assert np.isnan(found["difference"][0])


def test_networks_that_do_not_count_are_counted_and_left_out():
    values = {(0.0, 0): 0.8, (0.0, 1): 0.6, (1.0, 0): 0.5, (1.0, 1): 0.3, (1.0, 2): -0.9}
    found = compared(networks(values), "label_corruption", 0.0).set_index("label_corruption")
    assert found["all"].to_dict() == {0.0: 2, 1.0: 3}
    assert found["n"].to_dict() == {0.0: 2, 1.0: 2}
    assert found["mean"].to_dict() == pytest.approx({0.0: 0.7, 1.0: 0.4})


@pytest.mark.parametrize(
    "values",
    [
        {(0.0, 0): 0.8, (1.0, 0): 0.5},  # one seed
        {(0.0, 0): 0.8, (0.0, 1): 0.6},  # one level
        {(0.5, 0): 0.8, (0.5, 1): 0.6, (1.0, 0): 0.5, (1.0, 1): 0.3},  # no control
        {(0.0, 0): 0.8, (0.0, 1): 0.6, (1.0, 0): -0.5, (1.0, 1): -0.3},  # none that counts
    ],
)
def test_what_cannot_be_compared_has_means_only(values):
    found = compared(networks(values), "label_corruption", 0.0)
    assert found["difference"].isna().all()
    assert found["p_dunnett"].isna().all()
    assert found["all"].sum() == len(values)


def test_the_trend_is_one_correlation_a_seed():
    values = {
        (0.0, 0): 0.9, (0.5, 0): 0.7, (1.0, 0): 0.5,  # −1
        (0.0, 1): 0.9, (0.5, 1): 0.5, (1.0, 1): 0.7,  # −0.5
        (0.0, 2): 0.9, (0.5, 2): 0.7, (1.0, 2): -0.1,  # two that count: left out
    }  # fmt: skip
    found = trend(networks(values), "label_corruption")
    assert found.n == 2
    assert found.mean == pytest.approx(np.tanh((np.arctanh(-0.999) + np.arctanh(-0.5)) / 2))
    assert trend(networks({(0.0, 0): 0.9}), "label_corruption").n == 0


def test_around_a_share_of_units():
    # Steps at 0, 0.25, …, 1; up to 0.5 nothing is lost, then all in a straight line.
    curves = by_network(pd.DataFrame(curve_rows("a", [[0.8, 0.8, 0.8, 0.4, 0.0]])))
    at_half = around(curves, 0.5).iloc[0]
    assert (at_half["within"], at_half["beyond"]) == pytest.approx((1.0, 0.5))
    between = around(curves, 0.625).iloc[0]  # halfway between two steps: 0.75; then to 0.5 and to 0
    area = (0.75 + 0.5) / 2 * 0.125 + (0.5 + 0.0) / 2 * 0.25
    assert (between["within"], between["beyond"]) == pytest.approx((0.75, area / 0.375))
    whole = around(curves, 0.0).iloc[0]
    assert (whole["within"], whole["beyond"]) == pytest.approx((1.0, 0.75))


@pytest.mark.parametrize("share", [-0.1, 1.0, float("nan")])
def test_around_refuses_other_shares(share):
    with pytest.raises(ParameterError, match=r"^share: .* from 0 on and below 1"):
        around(by_network(pd.DataFrame(curve_rows("a", [[1.0, 0.0]]))), share)
