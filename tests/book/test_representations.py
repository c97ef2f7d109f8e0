"""Distances between networks against tables worked out by hand, and what offsets and rotations do to them."""

import itertools
import math

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import stats
from tiny_specs import TINY

from selectivity_core import pwcca_distance
from selectivity_core.book.inference import flips
from selectivity_core.book.representations import (
    FORMS,
    by_layer,
    distances,
    in_form,
    pair_rows,
    pair_tasks,
    permutation_p,
    ratios,
    rotated,
    with_offset,
)
from selectivity_core.errors import ActivityError, ParameterError

RUNS = pd.DataFrame({"run": ["a0", "a1", "b0", "b1"], "alpha": [-1.0, -1.0, 0.0, 0.0], "seed": [0, 1, 0, 1]})
# In two layers: within α = -1, within 0, across seeds, and from one seed.
BY_HAND = {
    ("a0", "a1"): (0.2, 0.4), ("b0", "b1"): (0.3, 0.2), ("a0", "b1"): (0.5, 0.5), ("a1", "b0"): (0.7, 0.5),
    ("a0", "b0"): (0.4, 0.3), ("a1", "b1"): (0.1, 0.3),
}  # fmt: skip


def table(values=BY_HAND, runs=RUNS, form="paper"):
    rows = [
        {"run": a, "other": b, "layer": f"l{depth}", "depth": depth, "form": form, "distance": distance}
        for (a, b), found in values.items()
        for depth, distance in enumerate(found)
    ]
    return distances(pd.DataFrame(rows), runs)


def many(n, between):
    """n seeds of α = 2 and of 0: 0.2 within either, `between(s, t)` between α's seed s and 0's seed t."""
    runs = pd.DataFrame(
        [(f"a{s}", 2.0, s) for s in range(n)] + [(f"b{s}", 0.0, s) for s in range(n)], columns=["run", "alpha", "seed"]
    )
    values = {(f"{k}{s}", f"{k}{t}"): (0.2,) for k in "ab" for s, t in itertools.combinations(range(n), 2)}
    values |= {(f"a{s}", f"b{t}"): (between(s, t),) for s in range(n) for t in range(n)}
    return table(values, runs)


def test_every_pair_knows_its_comparison():
    found = table().query("depth == 0").set_index(["run", "other"])["group"]
    assert found["a0", "a1"] == found["b0", "b1"] == "within"
    assert found["a0", "b1"] == found["a1", "b0"] == "between"
    assert found["a0", "b0"] == found["a1", "b1"] == "same seed"
    assert {"alpha", "seed", "alpha_other", "seed_other"} <= set(table())
    assert len(distances(pd.DataFrame(columns=["run", "other", "depth", "form", "distance"]), RUNS)) == 0


def test_pairs_of_runs_that_are_not_given_are_left_out():
    assert len(table(runs=RUNS.iloc[:3])) == 2 * 3  # of six pairs the three without b1


def test_layers_by_hand():
    found = by_layer(table(), -1.0)
    assert found.index.tolist() == [0, 1]
    assert found["within"].tolist() == [0.2, 0.4]
    assert found["between"].tolist() == pytest.approx([0.6, 0.5])
    assert found["baseline"].tolist() == [0.3, 0.2]
    assert found["same_seed"].tolist() == pytest.approx([0.25, 0.3])


def test_ratio_and_excess_by_hand():
    (row,) = ratios(table()).to_dict("records")
    assert row["alpha"] == -1
    assert row["layers"] == 2
    assert row["ratio"] == pytest.approx((0.6 / 0.2 + 0.5 / 0.4) / 2)
    assert row["excess"] == pytest.approx(((1.2 - 0.2 - 0.3) + (1.0 - 0.4 - 0.2)) / 2)
    assert row["p_layers"] == pytest.approx(stats.ttest_rel([0.6, 0.5], [0.2, 0.4]).pvalue)


def test_two_seeds_exchanged_by_hand():
    """Exchanging seed 1: within becomes 0.5 and 0.6, between 0.275: an excess of −0.55 against one of 0.55."""
    assert permutation_p(table(), -1.0) == 0.5
    turned = BY_HAND | {("a0", "b1"): (0.1, 0.1), ("a1", "b0"): (0.1, 0.1)}  # now less than the exchange
    assert permutation_p(table(turned), -1.0) == 1.0


@pytest.mark.parametrize("n", [2, 3, 4])
def test_p_cannot_fall_below_one_over_the_number_of_exchanges(n):
    assert permutation_p(many(n, lambda s, t: 0.5), 2.0) == 1 / 2 ** (n - 1)


def test_nothing_to_tell_apart_has_p_1():
    assert permutation_p(many(3, lambda s, t: 0.2), 2.0) == 1.0


def test_three_seeds_against_every_exchange_done_by_hand():
    found = many(3, lambda s, t: 0.2 + 0.1 * (s == 0) - 0.05 * (t == 2))
    distance = {}
    for row in found.itertuples():
        distance[frozenset(((row.alpha, row.seed), (row.alpha_other, row.seed_other)))] = row.distance

    def excess(called):  # called[s]: which α stands for the regularised network of seed s
        other = [2.0 - a for a in called]
        pairs = list(itertools.combinations(range(3), 2))

        def mean(left, right):
            return np.mean([distance[frozenset(((left[s], s), (right[t], t)))] for s, t in pairs])

        return mean(called, other) + mean(other, called) - mean(called, called) - mean(other, other)

    values = [excess(called) for called in itertools.product((2.0, 0.0), repeat=3)]
    assert permutation_p(found, 2.0) == pytest.approx(np.mean([v >= values[0] - 1e-9 for v in values]))


def test_exchanges_are_drawn_where_there_are_too_many(monkeypatch):
    found = many(6, lambda s, t: 0.5)
    assert permutation_p(found, 2.0) == 1 / 32
    monkeypatch.setattr("selectivity_core.book.inference.MOST_FLIPS", 8)
    flips.cache_clear()
    drawn = permutation_p(found, 2.0)
    flips.cache_clear()
    assert drawn == permutation_p(found, 2.0)  # the same ones each time
    assert drawn >= 1 / 8
    flips.cache_clear()


def test_networks_of_one_seed_count_for_nothing():
    closer = BY_HAND | {("a0", "b0"): (0.0, 0.0), ("a1", "b1"): (0.9, 0.9)}
    assert ratios(table(closer)).equals(ratios(table()))
    assert by_layer(table(closer), -1.0)["same_seed"].tolist() == pytest.approx([0.45, 0.45])


def test_a_layer_without_a_distance_is_left_out():
    lost = {pair: (first, math.nan) for pair, (first, _) in BY_HAND.items()}
    (row,) = ratios(table(lost)).to_dict("records")
    assert (row["layers"], row["ratio"]) == (1, pytest.approx(3.0))
    assert math.isnan(row["p_layers"])
    assert row["p_networks"] == 0.5
    nothing = table(dict.fromkeys(BY_HAND, (math.nan, math.nan)))
    assert len(ratios(nothing)) == 0
    assert math.isnan(permutation_p(nothing, -1.0))  # and not 0


def test_one_seed_has_no_ratio():
    one = table({("a0", "b0"): (0.4, 0.3)})
    assert len(ratios(one)) == 0
    assert "ratio" in ratios(one)
    assert math.isnan(permutation_p(one, -1.0))


def test_seeds_without_a_partner_are_not_exchanged():
    kept = {pair: found for pair, found in BY_HAND.items() if "a1" not in pair}
    assert math.isnan(permutation_p(table(kept, RUNS[RUNS["run"] != "a1"]), -1.0))


def test_forms_and_their_average():
    both = pd.concat([table(), table({k: (v[0] + 0.2, v[1]) for k, v in BY_HAND.items()}, form="paper, reversed")])
    both = pd.concat([both, table(form="textbook"), table(form="paper, shuffled")], ignore_index=True)
    assert in_form(both, "paper")["distance"].tolist() == table()["distance"].tolist()
    assert len(in_form(both, "paper, shuffled")) == len(table())
    averaged = in_form(both, "paper, averaged").query("run == 'a0' and other == 'a1'")
    assert averaged["distance"].tolist() == pytest.approx([0.3, 0.4])
    assert len(in_form(both, "paper, averaged")) == len(table())
    assert ratios(in_form(both, "textbook")).equals(ratios(table()))


@pytest.mark.parametrize("form", ["", "mean", "paper, both", "text book"])
def test_another_form_is_refused(form):
    with pytest.raises(ActivityError, match=f"form: '{form}' given; paper or textbook"):
        in_form(table(), form)


def test_tasks_are_all_pairs_of_an_alpha_and_with_zero():
    specs = [TINY.replace(alpha=a, seed=s) for s in (0, 1) for a in (-1.0, 0.0, 2.0)]
    found = [tuple((s.alpha, s.seed) for s in task.runs) for task in pair_tasks(specs)]
    assert len(found) == len(set(found)) == 3 + 2 * 4
    assert {(a, b) for (a, _), (b, _) in found} == {(-1, -1), (0, 0), (2, 2), (-1, 0), (2, 0)}
    assert ((-1.0, 0), (0.0, 0)) in found  # of one seed too: they are shown, apart
    without = [s for s in specs if s.alpha]
    assert {tuple(s.alpha for s in task.runs) for task in pair_tasks(without)} == {(-1, -1), (2, 2)}
    assert list(pair_tasks(specs[:1])) == []


class Activity:
    """Stands for trained runs: activity of a wide and of a narrow layer, and one in which no unit varies."""

    def activity(self, spec, which):
        assert which == "test"
        draw = torch.Generator().manual_seed(spec.seed)
        wide = torch.rand(200, 6, generator=draw)
        return {"wide": wide, "narrow": wide[:, :3] @ torch.rand(3, 3, generator=draw), "dead": torch.zeros(200, 4)}


@pytest.fixture
def rows():
    return pair_rows(Activity(), TINY.replace(alpha=-1.0), TINY.replace(seed=1))


def test_rows_of_a_pair_are_the_distances_in_both_orders(rows):
    assert rows.columns.tolist() == ["layer", "depth", "form", "distance"]
    assert rows["form"].unique().tolist() == [*FORMS, "paper, shuffled", "textbook, shuffled"]
    assert FORMS == ("paper", "paper, reversed", "textbook", "textbook, reversed")
    ours, theirs = (Activity().activity(TINY.replace(seed=s), "test") for s in (0, 1))
    for depth, layer in enumerate(("wide", "narrow")):
        mine = rows[rows["layer"] == layer].set_index("form")["distance"]
        assert rows.loc[rows["layer"] == layer, "depth"].unique().tolist() == [depth]
        for weighting in ("paper", "textbook"):
            a, b = ours[layer], theirs[layer]
            assert mine[weighting] == pytest.approx(pwcca_distance(a, b, weighting=weighting), abs=1e-9)
            assert mine[f"{weighting}, reversed"] == pytest.approx(pwcca_distance(b, a, weighting=weighting), abs=1e-9)


def test_shuffled_rows_are_a_ceiling_that_is_the_same_each_time(rows):
    wide = rows[rows["layer"] == "wide"].set_index("form")["distance"]
    copies = pair_rows(Activity(), TINY, TINY.replace(alpha=1.0)).set_index(["layer", "form"])["distance"]
    assert copies["wide", "textbook"] == pytest.approx(0, abs=1e-6)  # one seed: the same activity here
    assert copies["wide", "textbook, shuffled"] > 0.7
    assert wide["paper, shuffled"] > 0.5
    again = pair_rows(Activity(), TINY.replace(alpha=-1.0), TINY.replace(seed=1))
    pd.testing.assert_frame_equal(again, rows)


def test_a_layer_in_which_nothing_varies_has_no_distance(rows):
    dead = rows[rows["layer"] == "dead"]
    assert len(dead) == 6
    assert dead["distance"].isna().all()
    assert dead["depth"].unique().tolist() == [2]


def activity(seed, units=6, samples=300):
    drawn = torch.Generator().manual_seed(seed)
    common = torch.randn(samples, 3, generator=torch.Generator().manual_seed(99))
    values = common @ torch.randn(3, units, generator=drawn) + torch.randn(samples, units, generator=drawn)
    return values.relu()


@pytest.fixture(scope="module")
def pair():
    return [{"one": activity(s), "two": activity(s + 10, 4)} for s in (0, 1)]


def test_an_offset_moves_the_papers_form_only(pair):
    found = with_offset(*pair, [0.0, 10.0])
    assert len(found) == 2 * 2 * len(FORMS)
    values = found.set_index(["layer", "form", "shift"])["distance"].unstack("shift")
    for layer in ("one", "two"):
        assert values.loc[(layer, "paper"), 10.0] < values.loc[(layer, "paper"), 0.0] - 0.01
        assert values.loc[(layer, "textbook"), 10.0] == pytest.approx(values.loc[(layer, "textbook"), 0.0], abs=1e-6)
        a, b = pair[0][layer], pair[1][layer]
        assert values.loc[(layer, "paper"), 0.0] == pytest.approx(pwcca_distance(a, b))
        raised = [v.double() + 10 * v.double().std(0, correction=0) for v in (b, a)]
        assert values.loc[(layer, "paper, reversed"), 10.0] == pytest.approx(pwcca_distance(*raised))


def test_rotations(pair):
    found = rotated(*pair).set_index(["pair", "layer", "form"])["distance"]
    assert found["copy"].abs().max() < 1e-6
    for layer in ("one", "two"):
        assert found["as is", layer, "textbook"] == pytest.approx(
            pwcca_distance(pair[0][layer], pair[1][layer], weighting="textbook")
        )
        # The other network lends the weights and is not rotated: only its correlations enter, and they stay.
        assert found["rotated", layer, "textbook, reversed"] == pytest.approx(
            found["as is", layer, "textbook, reversed"], abs=1e-6
        )
        assert abs(found["rotated", layer, "textbook"] - found["as is", layer, "textbook"]) > 1e-4


def test_rotations_are_the_same_for_one_seed(pair):
    pd.testing.assert_frame_equal(rotated(*pair), rotated(*pair))


def test_layers_in_which_nothing_varies_are_left_out(pair):
    silent = {**pair[1], "one": torch.zeros(300, 6)}
    found = with_offset(pair[0], silent, [0.0])
    assert found["layer"].unique().tolist() == ["two"]
    assert found["depth"].unique().tolist() == [1]


@pytest.mark.parametrize("shifts", [[], [0.0, float("nan")], [float("inf")]])
def test_bad_shifts_are_refused(pair, shifts):
    with pytest.raises(ParameterError, match=r"^shifts: "):
        with_offset(*pair, shifts)


def test_other_samples_are_refused(pair):
    with pytest.raises(ActivityError, match="300 and 299 samples"):
        with_offset(pair[0], {k: v[1:] for k, v in pair[1].items()}, [0.0])
