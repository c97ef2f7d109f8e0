import pandas as pd
import pytest
import torch

from selectivity_core import pwcca_distance
from selectivity_core.book.representations import FORMS, rotated, with_offset
from selectivity_core.errors import ActivityError, ParameterError


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
