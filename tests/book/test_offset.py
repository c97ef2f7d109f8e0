import math

import pandas as pd
import pytest

from selectivity_core.book.units import decompose


def unit(run, alpha, means, sd, share):
    """One unit with the class means given."""
    others = (sum(means) - max(means)) / (len(means) - 1)
    si = (max(means) - others) / (max(means) + others)
    row = {"run": run, "alpha": alpha, "seed": 0, "layer": "a", "unit": 0, "si": si, "sd": sd, "class_share": share}
    return row, [{"run": run, "layer": "a", "unit": 0, "class": k, "mean": m} for k, m in enumerate(means)]


def tables(*made):
    return pd.DataFrame([row for row, _ in made]), pd.DataFrame([r for _, rows in made for r in rows])


def test_a_constant_added_to_a_unit_is_offset_and_nothing_else():
    before, after = unit("p", 0.0, [3.0, 1.0, 1.0], 1.2, 0.5), unit("q", -1.0, [7.0, 5.0, 5.0], 1.2, 0.5)
    for scale in ("total", "within"):
        found = decompose(*tables(before, after), scale=scale).iloc[0]
        assert found["change"] == pytest.approx(2 / 12 - 2 / 4)
        assert found["classes"] == pytest.approx(0, abs=1e-12)
        assert found["offset"] == pytest.approx(found["change"])


def test_rescaling_a_unit_changes_nothing():
    before, after = unit("p", 0.0, [3.0, 1.0], 1.0, 0.5), unit("q", -1.0, [30.0, 10.0], 10.0, 0.5)
    found = decompose(*tables(before, after)).iloc[0]
    assert found[["change", "classes", "offset"]].tolist() == pytest.approx([0, 0, 0], abs=1e-12)


def test_the_choice_of_spread_decides_what_counts_as_class_difference():
    """Classes come together and take the total spread down with them; the spread within classes stays."""
    within = 0.5
    before = unit("p", 0.0, [3.0, 1.0], math.sqrt(1 + within**2), 1 / (1 + within**2))
    after = unit("q", -1.0, [2.5, 1.5], math.sqrt(0.25 + within**2), 0.25 / (0.25 + within**2))
    total, inside = (decompose(*tables(before, after), scale=s).iloc[0] for s in ("total", "within"))
    assert inside["offset"] == pytest.approx(0, abs=1e-12)  # apart by half as many spreads within, mean unmoved
    assert total["offset"] < 0 and total["classes"] > inside["classes"]
    assert total["change"] == pytest.approx(inside["change"]) == pytest.approx(total["classes"] + total["offset"])


def test_a_silent_unit_has_no_parts():
    before, after = unit("p", 0.0, [3.0, 1.0], 1.0, 0.5), unit("q", -1.0, [2.0, 2.0], 1.0, 0.0)
    found = decompose(*tables(before, after)).iloc[0]
    assert found["rest"] == pytest.approx(found["change"]) and found["offset"] == 0
