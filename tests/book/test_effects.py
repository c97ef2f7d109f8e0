import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from selectivity_core.book.effects import against_baseline, over_units, signs_compared


def runs(values: dict[float, list[float]]) -> pd.DataFrame:
    rows = [(a, s, v) for a, column in values.items() for s, v in enumerate(column)]
    return pd.DataFrame(rows, columns=["alpha", "seed", "test_accuracy"])


SEEDS = np.array([0.0, 0.01, -0.02, 0.015, -0.005])
NOISE = np.array([0.001, -0.001, 0.002, -0.002, 0.0])
FRAME = runs({0.0: list(0.9 + SEEDS + NOISE), 1.0: list(0.8 + SEEDS - NOISE), -1.0: list(0.9 + SEEDS + NOISE[::-1]),
              2.0: list(0.5 + SEEDS + NOISE[[2, 0, 1, 4, 3]])})  # fmt: skip


def test_means_and_differences_to_the_baseline():
    found = against_baseline(FRAME.sample(frac=1, random_state=0)).set_index("alpha")
    assert found.index.tolist() == [-1, 0, 1, 2]
    assert found["n"].tolist() == [5] * 4
    groups = FRAME.groupby("alpha")["test_accuracy"]
    np.testing.assert_allclose(found["mean"], groups.mean())
    half = stats.t.ppf(0.975, 4) * groups.std() / math.sqrt(5)
    np.testing.assert_allclose(found["high"] - found["mean"], half)
    np.testing.assert_allclose(found["mean"] - found["low"], half)
    np.testing.assert_allclose(found["difference"].drop(0), (groups.mean() - groups.mean()[0]).drop(0), atol=1e-9)
    for alpha in (-1, 1, 2):
        p = stats.ttest_ind(groups.get_group(alpha), groups.get_group(0), equal_var=False).pvalue
        assert found.loc[alpha, "p_welch"] == pytest.approx(p)
        assert found.loc[alpha, "p_welch_bonferroni"] == pytest.approx(min(1, 3 * p))


def test_marks_see_through_the_seeds():
    found = against_baseline(FRAME).set_index("alpha")
    # seeds differ by more than 0.01 and α = −1 by nothing; paired by seed, 1 and 2 stand out far
    assert found.loc[1, "p_holm"] < 0.001
    assert found.loc[2, "p_holm"] < 0.001
    assert found.loc[-1, "p_holm"] > 0.3
    assert found.loc[2, "mark"] not in ("", "n.s.", found.loc[-1, "mark"])
    assert (found["difference_low"].drop(0) < found["difference"].drop(0)).all()
    assert found.loc[1, "difference_high"] < 0
    assert found.loc[-1, "difference_low"] < 0 < found.loc[-1, "difference_high"]


def test_the_baseline_has_no_difference():
    baseline = against_baseline(FRAME).set_index("alpha").loc[0]
    assert baseline[["difference", "p_dunnett", "p_block", "p_welch", "p_holm"]].isna().all()


@pytest.mark.parametrize(
    "values",
    [{0.0: [0.9], 1.0: [0.8]}, {1.0: [0.8, 0.9], 2.0: [0.7, 0.75]}, {0.0: [0.9, 0.8]}],
    ids=["one seed", "no baseline", "baseline only"],
)
def test_what_cannot_be_tested_is_nan_and_unmarked(values):
    found = against_baseline(runs(values))
    assert found["alpha"].tolist() == sorted(values)
    np.testing.assert_allclose(found["mean"], [np.mean(values[a]) for a in sorted(values)])
    assert found[["difference", "p_dunnett", "p_block", "p_welch", "p_holm"]].isna().all(axis=None)
    marked = against_baseline(FRAME).set_index("alpha").loc[2, "mark"]
    assert marked not in found["mark"].tolist()


def test_another_column_can_be_compared():
    frame = FRAME.rename(columns={"test_accuracy": "si_layers"})
    assert against_baseline(frame, "si_layers")["mean"].tolist() == against_baseline(FRAME)["mean"].tolist()


def test_signs_are_compared_at_equal_size():
    frame = runs({-2.0: [0.9, 0.8, 0.7, 0.85], 2.0: [0.1, 0.2, 0.3], -1.0: [0.5], 5.0: [0.1], 0.0: [0.9, 0.9]})
    found = signs_compared(frame)
    assert found["size"].tolist() == [2]  # 1 and 5 have one sign only
    row = found.iloc[0]
    assert (row["n_negative"], row["n_positive"]) == (4, 3)
    assert row["difference"] == pytest.approx(0.8125 - 0.2)
    # all of one side above the other: the most extreme of 35 orders, on both sides
    assert row["p"] == pytest.approx(2 / 35)
    assert row["floor"] == pytest.approx(2 / 35)
    assert not row["reachable"]


def test_reach_counts_the_sizes_tested():
    def both(size, n):
        return {-size: list(0.9 + np.arange(n) / 100), size: list(0.1 + np.arange(n) / 100)}

    one, two = signs_compared(runs(both(1.0, 4))), signs_compared(runs({**both(1.0, 4), **both(2.0, 4)}))
    assert one["p"].tolist() == pytest.approx([2 / 70])
    assert one["reachable"].tolist() == [True]
    assert two["reachable"].tolist() == [False, False]  # 2 · 2/70 > 0.05
    assert two["p_holm"].tolist() == pytest.approx([4 / 70] * 2)
    assert two["p_bonferroni"].tolist() == pytest.approx([4 / 70] * 2)


def test_nothing_to_compare_has_its_columns():
    found = signs_compared(runs({0.0: [0.9], 1.0: [0.8]}))
    assert not len(found)
    assert {"size", "p_holm", "mark", "reachable"} <= set(found.columns)


def layers(**columns) -> pd.DataFrame:
    """Four layers of one network: 2, 4, 6 and 8 units."""
    frame = {"run": "r", "alpha": 1.0, "seed": 0, "depth": [0, 1, 2, 3], "units": [2, 4, 6, 8], "dead": 0.0}
    return pd.DataFrame(frame | {"si": [0.1, 0.2, 0.3, 0.4], "si_shuffled": [0.1, 0.1, 0.1, 0.2]} | columns)


@pytest.mark.parametrize(
    ("which", "mean", "shuffled"),
    [
        ("all", (0.2 + 0.8 + 1.8 + 3.2) / 20, (0.2 + 0.4 + 0.6 + 1.6) / 20),
        ("first3", (0.2 + 0.8 + 1.8) / 12, 0.1),
        ("last3", (0.8 + 1.8 + 3.2) / 18, (0.4 + 0.6 + 1.6) / 18),
    ],
)
def test_layers_count_by_their_units(which, mean, shuffled):
    found = over_units(layers().sample(frac=1, random_state=1), "si", which)
    assert found.columns.tolist() == ["run", "alpha", "seed", "mean", "shuffled"]
    (row,) = found.to_dict("records")
    assert (row["run"], row["alpha"], row["seed"]) == ("r", 1.0, 0)
    assert row["mean"] == pytest.approx(mean)
    assert row["shuffled"] == pytest.approx(shuffled)


def test_the_first_three_are_counted_in_each_network_by_itself():
    other = layers(run="s", depth=[5, 6, 7, 8], alpha=2.0)
    found = over_units(pd.concat([layers(), other]), "si", "first3").set_index("run")["mean"]
    assert found.to_dict() == pytest.approx({"r": 2.8 / 12, "s": 2.8 / 12})
    two = layers().iloc[:2]  # a network with fewer than three
    assert over_units(two, "si", "last3")["mean"].tolist() == pytest.approx([1.0 / 6])


def test_living_units_only():
    """Of 4 units half are dead: 2 live; of 8 all are: that layer has no index of living units."""
    frame = layers(si_living=[0.1, 0.4, 0.3, np.nan], dead=[0.0, 0.5, 0.0, 1.0], si_shuffled=[0.1, 0.05, 0.1, 0.0])
    (row,) = over_units(frame, "si_living").to_dict("records")
    assert row["mean"] == pytest.approx((2 * 0.1 + 2 * 0.4 + 6 * 0.3) / 10)
    assert row["shuffled"] == pytest.approx((2 * 0.1 + 4 * 0.05 + 6 * 0.1) / 10)  # dead units' null is 0
    nothing = over_units(layers(si_living=np.nan, dead=1.0), "si_living")
    assert nothing[["mean", "shuffled"]].isna().all(axis=None)


def test_a_measure_without_a_null_has_none():
    found = over_units(layers(), "dead")
    assert found["mean"].tolist() == [0.0]
    assert found["shuffled"].isna().all()


def test_networks_keep_their_order():
    frames = [layers(run=r, seed=s) for s, r in enumerate("zax")]
    assert over_units(pd.concat(frames), "si")["run"].tolist() == list("zax")
