import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from selectivity_core.book.schedules import at_equal_alpha, at_equal_index, closing, over_seeds

NAMES = ["alpha", "epochs", "seed", "si_units", "test_accuracy"]
# One seed. After 4 epochs α = 1 costs 0.2 at an index of 0.6, after 16 0.1 at 0.8; α = 0.5 lies between.
ROWS = [
    (0.0, 4, 0, 0.2, 0.70), (0.5, 4, 0, 0.4, 0.65), (1.0, 4, 0, 0.6, 0.50),
    (0.0, 16, 0, 0.3, 0.90), (0.5, 16, 0, 0.5, 0.88), (1.0, 16, 0, 0.8, 0.80),
]  # fmt: skip
# The same for a second seed, a little lower everywhere; α = 1 after 16 epochs costs 0.04 more.
SECOND = [(a, e, 1, i - 0.05, acc - 0.02 - (0.04 if (a, e) == (1.0, 16) else 0)) for a, e, _, i, acc in ROWS]


def runs(rows):
    return pd.DataFrame(rows, columns=NAMES)


def of(frame, alpha, epochs):
    return frame[(frame["alpha"] == alpha) & (frame["epochs"] == epochs)].iloc[0]


def test_gaps_are_within_seed_and_schedule():
    found = at_equal_alpha(runs(ROWS + SECOND))
    assert found[["alpha", "epochs", "seed"]].values.tolist() == [
        [a, e, s] for a in (0.5, 1.0) for e in (4, 16) for s in (0, 1)
    ]
    assert found["gap"].tolist() == pytest.approx([-0.05, -0.05, -0.02, -0.02, -0.2, -0.2, -0.1, -0.14])
    assert of(found, 1.0, 16)["index"] == pytest.approx(0.8)


def test_a_network_without_its_baseline_has_no_gap():
    found = at_equal_alpha(runs([r for r in ROWS if r[:2] != (0.0, 4)]))
    assert set(found["epochs"]) == {16}
    assert at_equal_alpha(runs(ROWS[1:3])).empty


def test_an_equal_index_is_the_least_that_alpha_led_to():
    found = at_equal_index(runs(ROWS))
    # α = 1: index 0.6, reached after 4 epochs itself; after 16 a third of the way from 0.5 (0.88) to 0.8 (0.80).
    assert of(found, 1.0, 4)[["index", "gap"]].tolist() == pytest.approx([0.6, -0.2])
    assert of(found, 1.0, 16)[["index", "gap"]].tolist() == pytest.approx([0.6, 0.88 - 0.08 / 3 - 0.9])
    # α = 0.5: index 0.4; after 16 epochs half-way from 0.3 (0.90) to 0.5 (0.88). The network of α = 1 plays no part.
    assert of(found, 0.5, 4)[["index", "gap"]].tolist() == pytest.approx([0.4, -0.05])
    assert of(found, 0.5, 16)[["index", "gap"]].tolist() == pytest.approx([0.4, -0.01])


def test_lowered_selectivity_is_the_same_in_the_mirror():
    mirrored = [(-a, e, s, 1 - i, acc) for a, e, s, i, acc in ROWS]
    found = at_equal_index(runs(mirrored))
    assert of(found, -1.0, 16)[["index", "gap"]].tolist() == pytest.approx([0.4, 0.88 - 0.08 / 3 - 0.9])


def test_each_side_is_read_off_its_own_networks():
    both = [*ROWS, (-1.0, 4, 0, 0.45, 0.1), (-1.0, 16, 0, 0.05, 0.1)]  # one lies between those of α > 0
    found = at_equal_index(runs(both))
    assert of(found, 1.0, 16)["gap"] == pytest.approx(0.88 - 0.08 / 3 - 0.9)
    assert not (found["alpha"] == -1).any()  # after 4 epochs it raised the index: no common one


def test_no_index_in_common():
    # After 16 epochs the network at α = 0 is more selective than what α = 0.5 leads to after 4.
    apart = [(a, e, s, i + (0.15 if e == 16 else 0), acc) for a, e, s, i, acc in ROWS]
    found = at_equal_index(runs(apart))
    assert set(found["alpha"]) == {1.0}


def test_a_seed_without_all_schedules_is_compared_at_none():
    lacking = [r for r in SECOND if r[:2] != (1.0, 16)]
    found = at_equal_index(runs(ROWS + lacking))
    assert found.groupby("alpha")["seed"].unique().map(list).to_dict() == {0.5: [0, 1], 1.0: [0]}


def test_means_over_seeds():
    row = of(over_seeds(at_equal_alpha(runs(ROWS + SECOND))), 1.0, 16)
    half = stats.t.ppf(0.975, 1) * np.std([-0.1, -0.14], ddof=1) / math.sqrt(2)
    assert row[["n", "index", "gap", "low", "high"]].tolist() == pytest.approx(
        [2, 0.775, -0.12, -0.12 - half, -0.12 + half]
    )
    alone = of(over_seeds(at_equal_alpha(runs(ROWS))), 1.0, 16)
    assert alone["n"] == 1
    assert alone[["low", "high"]].isna().all()


def test_closing_is_paired_by_seed():
    found = closing(at_equal_alpha(runs(ROWS + SECOND))).set_index("alpha")
    row = found.loc[1.0]  # by 0.1 in one seed, by 0.06 in the other
    assert row[["shortest", "longest", "n", "change"]].tolist() == pytest.approx([4, 16, 2, 0.08])
    half = stats.t.ppf(0.975, 1) * np.std([0.1, 0.06], ddof=1) / math.sqrt(2)
    assert row[["low", "high"]].tolist() == pytest.approx([0.08 - half, 0.08 + half])
    assert row["p"] == row["p_holm"] == pytest.approx(stats.ttest_1samp([0.1, 0.06], 0).pvalue)
    assert found.loc[0.5, "change"] == pytest.approx(0.03)
    assert math.isnan(found.loc[0.5, "p"])  # both seeds agree to the last bit: no spread, no test


def test_closing_needs_two_schedules_of_one_seed():
    one = closing(at_equal_alpha(runs(ROWS)))
    assert one["n"].tolist() == [1, 1]
    assert one["change"].tolist() == pytest.approx([0.03, 0.1])
    assert one["p"].isna().all()
    assert closing(at_equal_alpha(runs(ROWS[:3]))).empty
    assert closing(at_equal_alpha(runs(ROWS[:3] + SECOND[3:]))).empty  # each seed has one
    assert closing(at_equal_index(runs([]))).empty
