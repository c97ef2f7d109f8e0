import numpy as np
import pandas as pd
import pytest
import torch

from selectivity_core import pwcca_distance
from selectivity_core.book.forms import disagreements, layer_ratios, ratios_by_form, rotated, with_offset
from selectivity_core.book.representations import FORMS, distances, ratios
from selectivity_core.errors import ActivityError, ParameterError

SEEDS = (0, 1, 2)
# Mean distance within α, to α = 0, within α = 0; layer by layer, in the paper's form and in the textbook's.
PAPER = {"one": (0.2, 0.3, 0.2), "two": (0.4, 0.3, 0.4)}
TEXTBOOK = {"one": (0.5, 0.6, 0.5), "two": (0.5, 0.6, 0.5)}


def table(alpha=-2.0, paper=PAPER, textbook=TEXTBOOK):
    """Every pair of three networks at α and three at 0; the reversed order is 0.1 above the other."""
    names = {(a, s): f"{a}:{s}" for a in (0.0, alpha) for s in SEEDS}
    pairs = []
    for (a, s), run in names.items():
        for (b, t), other in names.items():
            if not ((a == b and s < t) or (a == alpha and b == 0.0)):
                continue
            place = 1 if a != b else 0 if a == alpha else 2
            for depth, layer in enumerate(paper):
                for form, values in (("paper", paper), ("textbook", textbook)):
                    for order, more in (("", 0.0), (", reversed", 0.1)):
                        pairs.append((run, other, layer, depth, f"{form}{order}", values[layer][place] + more))
    runs = pd.DataFrame([(run, a, s) for (a, s), run in names.items()], columns=["run", "alpha", "seed"])
    frame = pd.DataFrame(pairs, columns=["run", "other", "layer", "depth", "form", "distance"])
    return distances(frame, runs)


def test_ratios_in_every_form():
    found = ratios_by_form(table()).set_index("form")
    assert set(found.index) == {*FORMS, "paper, averaged", "textbook, averaged"}
    assert found.loc["paper", "ratio"] == pytest.approx((0.3 / 0.2 + 0.3 / 0.4) / 2)
    assert found.loc["paper, reversed", "ratio"] == pytest.approx((0.4 / 0.3 + 0.4 / 0.5) / 2)
    assert found.loc["textbook, averaged", "ratio"] == pytest.approx(0.65 / 0.55)
    assert found.loc["paper", "excess"] == pytest.approx((0.2 - 0.2) / 2, abs=1e-12)
    assert found.loc["textbook", "excess"] == pytest.approx(0.2)


def test_ratios_of_each_layer():
    found = layer_ratios(table(), -2.0)
    assert list(found.columns) == list(FORMS)
    assert found["paper"].tolist() == pytest.approx([1.5, 0.75])
    assert found["textbook, reversed"].tolist() == pytest.approx([0.7 / 0.6] * 2)
    assert found.mean()["paper"] == pytest.approx(ratios(table()[table()["form"] == "paper"])["ratio"][0])


def test_disagreements_are_counted_layer_by_layer_and_for_the_mean():
    row = disagreements(table()).iloc[0]
    # Layer one: both above. Layer two: the paper's ratio and excess below, the textbook's above.
    assert row[["alpha", "layers", "layers_ratio", "layers_excess"]].tolist() == [-2.0, 2, 1, 1]
    assert not row["ratio"]  # 1.125 and 1.18: both above 1
    low = {"one": (0.4, 0.3, 0.4), "two": (0.4, 0.3, 0.4)}
    row = disagreements(table(paper=low)).iloc[0]
    assert row[["layers_ratio", "layers_excess", "ratio", "excess"]].tolist() == [2, 2, True, True]
    row = disagreements(table(paper=TEXTBOOK)).iloc[0]
    assert row[["layers_ratio", "layers_excess", "ratio", "excess"]].tolist() == [0, 0, False, False]


def test_layers_without_a_distance_do_not_count():
    gaps = {"one": (0.2, 0.3, 0.2), "two": (np.nan, 0.3, 0.4)}
    assert disagreements(table(paper=gaps))["layers"].tolist() == [1]
    nothing = {"one": (np.nan,) * 3}
    assert len(disagreements(table(paper=nothing, textbook=nothing))) == 0


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
    assert not rotated(*pair).equals(rotated(*pair, seed=1))


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
