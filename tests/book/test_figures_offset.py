import re

import numpy as np
import pandas as pd
import pytest
from measured_study import LAYERS, UNITS, measured_study

from selectivity_core.book.figures.offset import (
    LINES,
    PARTS,
    example_alpha,
    layers_figure,
    measure_lines,
    measures_by_layer,
    measures_figure,
    split_bars,
    split_figure,
    spread_by_alpha,
    spread_by_layer,
)
from selectivity_core.book.figures.offset_words import offset_in_words, shares_table, split_table
from selectivity_core.book.figures.shown import Nothing
from selectivity_core.book.figures.style import panels
from selectivity_core.book.offset import COMPARED, relative, split, spread

ALPHAS = (-5.0, -1.0, 0.0, 1.0)
SI = {-5.0: 0.1, -1.0: 0.25, 0.0: 0.5, 1.0: 0.6}


def index(spec):
    return SI[spec.alpha]


def offset_only(spec):
    """An SD in proportion to the class difference: whatever the index does, the classes lie one SD apart."""
    si = SI[spec.alpha]
    return (1 + si) / (1 - si) - 1


def made_up(seeds=3, *, sd=offset_only, **more):
    return measured_study("offset", ALPHAS, seeds, index=index, sd=sd, **more)


@pytest.fixture
def axes():
    return panels(1)[1][0]


def lines_of(axes):
    return {c.get_label(): c.lines[0] for c in axes.containers if hasattr(c, "lines")}


def letters(shown):
    return {k for k in re.findall(r"<!-- ([a-z]) -->", re.sub(r"\s+", " ", shown.svg)) if k in "abcdef"}


def test_measure_lines(axes):
    found = measure_lines(axes, relative(made_up().table("layers")))
    assert found["si"] == pytest.approx({a: SI[a] / 0.5 for a in ALPHAS})
    assert found["dprime"] == pytest.approx(dict.fromkeys(ALPHAS, 1.0))  # one SD apart at every α
    drawn = lines_of(axes)
    assert list(drawn) == [LINES[m][0] for m in COMPARED]
    assert drawn["index SI"].get_ydata() == pytest.approx([0.2, 0.5, 1.0, 1.2])
    assert axes.get_yscale() == "log"


def test_measures_by_layer(axes):
    found = measures_by_layer(axes, relative(made_up().table("layers"), by_layer=True), -5.0)
    assert found["si"].to_dict() == pytest.approx({0: 0.2, 1: 0.2, 2: 0.2})
    assert "α = −5" in axes.get_ylabel()


def test_the_example_is_the_alpha_nearest_to_minus_five():
    assert example_alpha([-30.0, -5.0, 0.0, 5.0]) == -5
    assert example_alpha([0.0, 0.4, 1.0]) == 0.4
    assert example_alpha([-6.0, -4.0, 0.0]) == -6  # a tie: the lower


def test_split_bars_stack_the_parts(axes):
    parts = split(made_up().table("units"), made_up().tables.responses)
    means = split_bars(axes, parts)
    assert means["change"].tolist() == pytest.approx([-0.4, -0.25, 0.1])
    assert means["offset"].tolist() == pytest.approx([-0.4, -0.25, 0.1])
    assert means["classes"].tolist() == pytest.approx([0, 0, 0], abs=1e-12)
    classes, offset, whole = axes.containers
    assert [bar.get_height() for bar in offset] == pytest.approx([-0.4, -0.25, 0.1])
    assert [bar.get_y() for bar in offset] == pytest.approx([0, 0, 0], abs=1e-12)
    assert whole.lines[0].get_ydata() == pytest.approx([-0.4, -0.25, 0.1])
    assert [t.get_text() for t in axes.get_legend().get_texts()] == [
        PARTS["classes"][0], PARTS["offset"][0], "whole change"
    ]  # fmt: skip
    assert len(classes) == 3


def test_parts_of_both_signs_do_not_overlap(axes):
    parts = pd.DataFrame({"alpha": [1.0], "change": [0.1], "classes": [-0.2], "offset": [0.4], "rest": [-0.1]})
    split_bars(axes, parts)
    classes, offset, rest, _ = axes.containers
    places = [value for c in (classes, offset, rest) for bar in c for value in (bar.get_y(), bar.get_height())]
    assert places == pytest.approx([0, -0.2, 0, 0.4, -0.2, -0.1])


def test_spread_has_a_dot_a_network(axes):
    means = spread_by_alpha(axes, spread(made_up().table("units")))
    top = (1 + 0.5) / (1 - 0.5)
    assert means[0.0] == pytest.approx((top + 9) / 10 / 2)
    dots = [line for line in axes.get_lines() if line.get_marker() == "o"]
    assert [len(line.get_xdata()) for line in dots] == [3] * 4


def test_spread_by_layer_has_a_line_an_alpha(axes):
    spread_by_layer(axes, spread(made_up().table("units"), by_layer=True))
    assert [line.get_label() for line in axes.get_lines()] == ["−5", "−1", "0", "1"]
    assert all(len(line.get_xdata()) == len(LAYERS) for line in axes.get_lines())


def test_figures_of_two_networks():
    study = made_up(2, models=("resnet20", "resnet18"))
    first, second, third = measures_figure(study), layers_figure(study), split_figure(study)
    assert [f.anchor for f in (first, second, third)] == ["figure-B2", "figure-B2-layers", "figure-B2-parts"]
    assert [letters(f) for f in (first, second, third)] == [set("ab"), set("abcd"), set("abcd")]
    assert "ResNet18, share of the value at α = 0 at some α. index SI: −5: 0.20, 1: 1.20" in first.alt
    assert "index SI 0.20 to 0.20" in second.alt
    assert "−1: 0.000 and −0.250 of −0.250" in third.alt
    assert "n = 2" in first.caption


def test_without_a_baseline_or_anything_else_nothing_is_drawn():
    for missing in (lambda s: s.alpha == 0, lambda s: s.alpha != 0, lambda s: True):
        study = made_up(missing=missing)
        for figure, part in ((measures_figure, ""), (layers_figure, "-layers"), (split_figure, "-parts")):
            found = figure(study)
            assert isinstance(found, Nothing)
            assert found.anchor == f"figure-B2{part}"
        assert len(shares_table(study).frame) == len(split_table(study).frame) == 0
        assert "there is nothing to compare" in offset_in_words(study)


def test_shares_table():
    frame = shares_table(made_up()).frame
    assert frame["α"].tolist() == ["−5", "−1", "1"]
    assert frame["SI, share of α = 0"].tolist() == ["0.20", "0.50", "1.20"]
    assert frame["shifted SI"].tolist() == ["1.00 (1.00 to 1.00)"] * 3
    assert frame["d′"].tolist() == ["0.00 (0.00 to 0.00)"] * 3


def test_split_table():
    frame = split_table(made_up()).frame
    assert frame["change of SI"].tolist() == ["−0.400", "−0.250", "+0.100"]
    assert frame["offset (% of change)"].tolist() == ["100 (100 to 100)"] * 3
    assert frame["the same, layers equal"].tolist() == ["100 (100 to 100)"] * 3
    raw = {a: SI[a] * 2 / (1 - SI[a]) for a in ALPHAS}
    expected = [np.log(raw[a] / raw[0.0]) / np.log(SI[a] / 0.5) for a in (-5.0, -1.0, 1.0)]
    assert frame["raw class differences (%)"].tolist() == [f"{100 * v:.0f}" for v in expected]
    assert UNITS > 1


def test_words_follow_the_numbers():
    words = offset_in_words(made_up())
    assert words.startswith("**ResNet20.** At α = −5 the index, less chance, is 0.20 of its value at α = 0.")
    assert "stand at 0.20 (shifted SI) to 1.00 (d′) of theirs; 4 of 5 are clearly below" in words
    assert "Of the fall of the mean index offset makes up 100 % (100 to 100) at α = −1 and 100 % (100 to 100)" in words
    assert "The fall itself is clear at 2 values of α: at 2 of them offset is clearly more than half of it" in words
    classes_only = offset_in_words(made_up(sd=lambda spec: 10 / (1 - SI[spec.alpha])))
    assert "offset makes up 0 % (0 to 0) at α = −1" in classes_only
    assert (
        "at 0 of them offset is clearly more than half of it, at 2 clearly less, and at 0 these seeds" in classes_only
    )


def test_words_of_one_seed_claim_no_interval():
    words = offset_in_words(made_up(1))
    assert "With one seed there is no interval: these are values, not effects." in words
    assert "clearly" not in words
    assert "(–)" not in words


def test_runs_without_responses_still_show_their_measures():
    study = made_up()
    study.tables.responses = study.tables.responses.iloc[:0]
    assert measures_figure(study).anchor == "figure-B2"
    assert isinstance(split_figure(study), Nothing)
    assert "offset makes up" not in offset_in_words(study)
