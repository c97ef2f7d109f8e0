import itertools
import re

import numpy as np
import pandas as pd
import pytest
from measured_study import measured_study

from selectivity_core.book.figures.forms import (
    NAMES,
    STYLES,
    by_alpha,
    by_layer,
    by_offset,
    disagreement_table,
    example_alpha,
    forms_figure,
    forms_in_words,
    forms_table,
    layers_in_both_forms,
    rotation_table,
)
from selectivity_core.book.figures.shown import Nothing
from selectivity_core.book.figures.style import panels
from selectivity_core.book.forms import layer_ratios, ratios_by_form
from selectivity_core.book.representations import FORMS, distances

ALPHAS = (-5.0, -1.0, 0.0)
# Distances of the paper's form within α, to α = 0, and within α = 0; the reversed order is 0.05 above.
PAPER = {-5.0: (0.4, 0.3, 0.4), -1.0: (0.2, 0.3, 0.2)}
TEXTBOOK = (0.4, 0.5, 0.4)


def made_up(seeds=3, **more):
    study = measured_study("pwcca", ALPHAS, seeds, index=lambda spec: 0.3, **more)
    runs, rows = study.runs(), []
    for first, second in itertools.permutations(runs.itertuples(), 2):
        within, to_zero = first.alpha == second.alpha, first.alpha != 0 and second.alpha == 0
        if not to_zero and not (within and first.seed < second.seed):
            continue
        place = 1 if to_zero else 2 if first.alpha == 0 else 0
        paper = PAPER[first.alpha if first.alpha else -1.0][place] if place != 2 else None
        for depth, (form, back) in itertools.product(range(3), itertools.product(("paper", "textbook"), (0, 1))):
            value = TEXTBOOK[place] if form == "textbook" else 0.3 if paper is None else paper
            name = f"{form}{', reversed' if back else ''}"
            rows.append((first.run, second.run, "pwcca/1", f"layer {depth}", depth, name, value + 0.05 * back))
            if not back:
                rows.append((*rows[-1][:5], f"{form}, shuffled", 0.9))
    columns = ["run", "other", "analysis", "layer", "depth", "form", "distance"]
    study.tables.pairs = pd.DataFrame(rows, columns=columns)
    return study


@pytest.fixture(scope="module")
def study():
    return made_up()


@pytest.fixture
def axes():
    return panels(1)[1][0]


@pytest.fixture
def moved():
    """The paper's form falls from 0.4 to 0.3, the textbook's stays at 0.5."""
    rows = [
        (f"layer {d}", d, shift, form, 0.4 - 0.01 * shift if form.startswith("paper") else 0.5)
        for d in range(2) for shift in (0.0, 10.0) for form in FORMS
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=["layer", "depth", "shift", "form", "distance"])


def table(study):
    return distances(study.tables.pairs, study.runs())


def lines_of(axes):
    return {line.get_label(): line for line in axes.get_lines() if not line.get_label().startswith("_")}


def letters(shown):
    return {k for k in re.findall(r"<!-- ([a-z]) -->", re.sub(r"\s+", " ", shown.svg)) if k in "abcd"}


@pytest.mark.parametrize("value", ["ratio", "excess"])
def test_by_alpha_has_a_line_a_form(axes, study, value):
    by_alpha(axes, ratios_by_form(table(study)), value)
    lines = lines_of(axes)
    assert list(lines) == [label for label, _, _ in STYLES.values()]
    expected = [0.3 / 0.4, 0.3 / 0.2] if value == "ratio" else [0.6 - 0.4 - 0.3, 0.6 - 0.2 - 0.3]
    assert lines["paper's"].get_ydata() == pytest.approx(expected)
    assert lines["paper's, reversed"].get_linestyle() == ":"


def test_by_layer(axes, study):
    by_layer(axes, layer_ratios(table(study), -5.0), -5.0)
    assert lines_of(axes)["paper's"].get_ydata() == pytest.approx([0.75] * 3)
    assert lines_of(axes)["textbook's, reversed"].get_ydata() == pytest.approx([0.55 / 0.45] * 3)
    assert axes.get_ylabel() == "ratio at α = −5"


def test_by_offset(axes, moved):
    means = by_offset(axes, moved)
    assert means["paper"].tolist() == pytest.approx([0.4, 0.3])
    assert lines_of(axes)["textbook's"].get_ydata() == pytest.approx([0.5, 0.5])
    assert axes.get_ylim()[0] == 0


def test_the_example_is_the_alpha_nearest_to_minus_two():
    assert example_alpha(pd.DataFrame({"alpha": [-30.0, -5.0, -1.0]})) == -1
    assert example_alpha(pd.DataFrame({"alpha": [-3.0, -1.0]})) == -3


def test_forms_figure(study, moved):
    shown = forms_figure(study, moved)
    assert shown.anchor == "figure-B5"
    assert letters(shown) == set("abcd")
    assert "ratio by α. paper's: −5: 0.750, −1: 1.500" in shown.alt
    assert "distance with 0 and with 10 SDs added: paper's 0.400 and 0.300" in shown.alt
    assert "at α = −1." in shown.caption


def test_without_weights_one_panel_is_left_out(study):
    shown = forms_figure(study, None)
    assert letters(shown) == set("abc")
    assert "The panel on offset is left out" in shown.caption
    assert "SDs added" not in shown.alt


def test_layers_in_both_forms(study):
    shown = layers_in_both_forms(study)
    assert shown.anchor == "figure-B5-layers"
    assert "paper's: mean over layers within α 0.200, to α = 0 0.300, within α = 0 0.300" in shown.alt
    assert "textbook's, both orders: mean over layers within α 0.425, to α = 0 0.525, within α = 0 0.425" in shown.alt


@pytest.mark.parametrize("seeds", [1, 3])
def test_without_pairs_nothing_is_drawn(seeds):
    study = made_up(seeds)
    if seeds > 1:  # nothing worked out yet: no table at all
        study.tables.pairs = pd.DataFrame()
    for found, part in ((forms_figure(study, None), ""), (layers_in_both_forms(study), "-layers")):
        assert isinstance(found, Nothing)
        assert found.anchor == f"figure-B5{part}"
    assert len(forms_table(study).frame) == len(disagreement_table(study).frame) == 0
    assert "there is nothing to compare" in forms_in_words(study, None)


def test_forms_table(study):
    frame = forms_table(study).frame
    assert len(frame) == len(NAMES) * 2
    row = frame[(frame["form"] == "textbook's, both orders") & (frame["α"] == "−5")].iloc[0]
    assert row[["ratio", "excess"]].tolist() == [f"{0.525 / 0.425:.3f}", "+0.2000"]


def test_disagreement_table(study):
    frame = disagreement_table(study).frame.set_index("α")
    assert frame.loc["−5"].tolist() == [3, 3, 3, "disagree", "disagree"]
    assert frame.loc["−1"].tolist() == [3, 0, 0, "agree", "agree"]


def test_words_follow_the_numbers(study, moved):
    words = forms_in_words(study, moved)
    textbook = f"{0.525 / 0.425:.3f}"
    assert "The mean ratio lies on different sides of 1 in the paper's form and in the textbook's at 1 of 2" in words
    assert f"α = −5 (0.750 against {textbook})" in words
    assert "α = −5 (−0.100 against 0.200)" in words
    assert "different sides of 1 in 3 of 6 cases, the excess on different sides of 0 in 3." in words
    # From 0.3/0.2 to 0.35/0.25 at α = −1, from 0.3/0.4 to 0.35/0.45 at α = −5.
    assert f"In the paper's form the order of the arguments alone moves the ratio by up to {1.5 - 1.4:.2f}." in words
    assert "from 0 to 10 SDs changes the mean distance of two networks at α = 0: paper's −25.0 %" in words
    assert "textbook's 0.0 %" in words
    assert "SDs" not in forms_in_words(study, None)
    assert "SDs" not in forms_in_words(study, moved[moved["shift"] == 0])


def test_words_of_agreement(study):
    agreeing = made_up()
    pairs = agreeing.tables.pairs
    gone = agreeing.runs().query("alpha == -5")["run"]
    agreeing.tables.pairs = pairs[~pairs["run"].isin(gone)]
    assert "The mean ratio lies on the same side of 1 in both forms at all α (1)." in forms_in_words(agreeing, None)


def test_rotation_table():
    rows = []
    for form in FORMS:
        for depth, change in enumerate((0.01, -0.03)):
            rows += [(f"layer {depth}", depth, "copy", form, 1e-8 * (1 + depth))]
            rows += [
                (f"layer {depth}", depth, "as is", form, 0.4),
                (f"layer {depth}", depth, "rotated", form, 0.4 + change),
            ]
    frame = rotation_table(pd.DataFrame(rows, columns=["layer", "depth", "pair", "form", "distance"])).frame
    assert frame["form"].tolist() == [NAMES[f] for f in FORMS]
    assert frame.iloc[0].tolist()[1:] == ["2e−08", "0.400", f"{0.4 + np.mean([0.01, -0.03]):.3f}", "0.030"]
