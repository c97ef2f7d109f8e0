import math

import pytest
from made_up_study import made_up_study

from selectivity_core.book.figures import distance_table, plan_table, positions
from selectivity_core.book.figures.shown import Nothing, Shown
from selectivity_core.runs.planning import Cost, Plan, PlanLine


def test_positions_beside_the_images():
    shown = positions(made_up_study((-1.0, 0.0), 2, figure="figA10"))
    assert isinstance(shown, Shown)
    assert shown.anchor == "figure-A10-positions"
    lead = "Figure A10, positions (Leavitt & Morcos). The same units by the share of image positions"
    assert shown.caption.startswith(lead)
    for name in ("ResNet18", "ResNet20"):
        words = f"{name}, share of units active at half of the positions or fewer by α: −1: 0.0 %, 0: 0.0 %."
        assert words in shown.alt


def test_positions_without_units():
    study = made_up_study((0.0,), 1, figure="figA10", missing=[(0.0, 0)])
    found = positions(study)
    assert isinstance(found, Nothing)
    assert found.anchor == "figure-A10-positions"


def test_distances_of_every_network_and_form():
    both = [made_up_study((-2.0, -1.0, 0.0), 3, figure=f) for f in ("fig2", "figA3")]
    frame = distance_table(*both).frame
    assert frame["network"].tolist() == ["ResNet18"] * 6 + ["ResNet20"] * 6
    assert frame["form"].tolist()[:6:2] == ["paper's form", "paper's form, reversed", "textbook's form, both orders"]
    assert frame["α"].tolist() == ["−2", "−1"] * 6
    first = frame.iloc[0]
    assert (first["ratio"], first["excess"]) == ("1.982", "+0.3928")
    assert first["p, exchanging networks"] == "0.250"
    assert "three seeds give no less than 0.25" in distance_table(*both).caption


def test_a_fall_of_the_distance_has_a_true_minus():
    study = made_up_study((-1.0, 0.0), 3, figure="figA3")
    pairs = study.tables.pairs
    same = pairs["distance"] == 0.2
    pairs.loc[same, "distance"] = 0.5
    frame = distance_table(study).frame
    assert frame["excess"].str.startswith("−").all()


@pytest.mark.parametrize("seeds", [1, 3])
def test_no_pairs_are_said(seeds):
    missing = [(a, s) for a in (-1.0, 0.0) for s in range(3)] if seeds == 3 else []
    table = distance_table(made_up_study((-1.0, 0.0), seeds, figure="fig2", missing=missing))
    assert table.caption == "No pair of networks is finished"
    assert table.frame.empty


def test_a_plan_is_shown_with_where_each_cost_comes_from():
    lines = (
        PlanLine("measured here", 4, 1, 0, 0, 3, Cost(120.0, 5e8, True, "measured: 1 run on a processor")),
        PlanLine("never run", 2, 0, 0, 0, 2, Cost(math.nan, 1e9, False, "nothing measured yet")),
    )
    table = plan_table(Plan(lines, 8, math.nan, math.nan, 3.5e9))
    assert table.caption == "Runs, hours and disk; 8 workers"
    assert table.frame["minutes each"].tolist() == ["2.0", "–"]
    assert table.frame["GB"].tolist() == ["1.5", "2.0"]
    assert table.frame["cost"].tolist() == ["measured: 1 run on a processor", "nothing measured yet"]
