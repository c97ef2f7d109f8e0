"""Distances between networks and off-axis bounds, by hand."""

import math

import numpy as np
import pandas as pd
import pytest
from verdict_studies import evidence, study

from selectivity_core.book.paper.claims import CLAIMS
from selectivity_core.book.representations import distances, in_form
from selectivity_core.book.verdicts import distances as predicates
from selectivity_core.book.verdicts import judge
from selectivity_core.errors import MissingRunsError

FIG = ("fig2", "resnet18")


def pairs(seeds, alphas=(-1.0, 0.0), shift=0.0):
    """Within 0.2, between 0.3 and more, as `made_up_study` has it; seed s moves its networks' distances by shift·s."""
    made = study("fig2", alphas=alphas, seeds=seeds)
    seed = made.tables.runs.set_index("run")["seed"]
    table = made.tables.pairs
    moved = table["run"].map(seed) + table["other"].map(seed)
    far = table["run"].map(made.tables.runs.set_index("run")["alpha"]) != 0
    table["distance"] = table["distance"] + shift * moved * far
    return made


def test_excess_and_ratio_are_those_of_the_definition():
    made = pairs(3)
    table = in_form(distances(made.tables.pairs, made.runs("resnet18")), "textbook, averaged")
    between = 0.3 + 0.1 * math.tanh(1)
    assert predicates.excess_of(table, -1.0) == pytest.approx(2 * (between - 0.2))
    assert predicates.ratio_of(table, -1.0) == pytest.approx(between / 0.2)
    assert math.isnan(predicates.excess_of(table, -7.0))


def test_three_seeds_cannot_reach_a_level_by_exchange():
    (found,) = predicates.distance_excess(evidence(pairs(3)), *FIG)
    assert (found.p(), found.reachable, found.n) == (0.25, False, 3)
    assert judge(CLAIMS["L031"], evidence(pairs(3))).status == "inconclusive"


def test_six_seeds_can():
    (found,) = predicates.distance_excess(evidence(pairs(6, shift=0.002)), *FIG)
    assert found.p() == pytest.approx(1 / 32)
    assert found.reachable
    assert found.bounds()[0] > 0
    assert "ratio" in found.where
    assert judge(CLAIMS["L031"], evidence(pairs(6, shift=0.002))).status == "direction holds"


def test_the_jackknife_of_a_mean_is_its_t_interval():
    # Within-seed pairs only: the measure is then a mean over seeds, whose jackknife is exact.
    values = np.array([0.1, 0.3, 0.2, 0.6])
    table = pd.DataFrame({"seed": range(4), "seed_other": range(4), "distance": values})
    found = predicates.jackknife(table, lambda rows: float(rows["distance"].mean()))
    assert found.estimate == pytest.approx(values.mean())
    assert found.se == pytest.approx(values.std(ddof=1) / 2)
    few = predicates.jackknife(table[table["seed"] < 2], lambda rows: float(rows["distance"].mean()))
    assert math.isnan(few.se)
    with pytest.raises(MissingRunsError, match="too few seeds"):
        predicates.jackknife(table, lambda rows: math.nan)


def test_distance_trend_and_equality():
    made = pairs(4, alphas=(-5.0, -1.0, 0.0))
    (slope,) = predicates.distance_trend(evidence(made), *FIG, low=-math.inf, high=0.0)
    assert slope.estimate == pytest.approx(0.2 * (math.tanh(5) - math.tanh(1)))
    assert slope.where == "a step of |α| from 1 to 5"
    (equal,) = predicates.distance_equal(evidence(made), *FIG, alpha=-1.0)
    assert equal.estimate == pytest.approx((0.3 + 0.1 * math.tanh(1)) / 0.2 - 1)
    with pytest.raises(MissingRunsError, match=r"α = −0\.1"):
        predicates.distance_equal(evidence(made), *FIG, alpha=-0.1)
    with pytest.raises(MissingRunsError, match="two values"):
        predicates.distance_trend(evidence(made), *FIG, low=-1.0, high=0.0)


def test_no_pairs_are_not_run():
    made = pairs(3)
    made.tables.pairs = made.tables.pairs.iloc[:0]
    with pytest.raises(MissingRunsError, match="no distance"):
        predicates.distance_excess(evidence(made), *FIG)
    with pytest.raises(MissingRunsError, match="no α with two seeds"):
        predicates.distance_excess(evidence(pairs(1)), *FIG)


def bounds(gaps):
    """Networks of several seeds: the bound is gaps[seed] above the axis, which is 0.3 + 0.1·α/(1 + |α|)."""
    made = study("fig2", alphas=(-5.0, -1.0, 0.0), seeds=len(gaps))
    rows = []
    for run in made.tables.runs.itertuples():
        axis = 0.3 + 0.1 * run.alpha / (1 + abs(run.alpha))
        for depth in range(4):
            place = {"run": run.run, "analysis": "made up", "layer": str(depth), "depth": depth}
            rows += [place | {"kind": "axis", "value": axis}, place | {"kind": "bound", "value": axis + gaps[run.seed]}]
            rows[-1]["value"] += 0.01 * depth
    made.tables.bounds = pd.DataFrame(rows)
    return made


def test_bounds_are_held_against_axes_network_by_network():
    parts = predicates.bound_above_axis(evidence(bounds([0.10, 0.12, 0.14])), *FIG)
    assert [f.where for f in parts] == ["α = −5", "α = −1", "α = 0"]
    assert [f.estimate for f in parts] == pytest.approx([0.12 + 0.015] * 3)
    assert parts[0].se == pytest.approx(0.02 / math.sqrt(3))
    (slope,) = predicates.bound_trend(evidence(bounds([0.1, 0.1])), *FIG)
    assert slope.estimate == pytest.approx((0.1 * 5 / 6) / 2)


def test_the_last_bounds_are_those_of_the_last_two_layers():
    found = evidence(bounds([0.1])).values(*FIG, "bound_last")
    at_zero = found.loc[found["alpha"] == 0, "value"]
    assert at_zero.tolist() == pytest.approx([0.3 + 0.1 + 0.025])
    assert judge(CLAIMS["L039"], evidence(bounds([0.1]))).status == "inconclusive"
