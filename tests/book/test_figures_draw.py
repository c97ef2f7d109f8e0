"""A figure from its register entry: what single panels say, and what becomes of panels without rows."""

import re
from dataclasses import replace

import numpy as np
import pytest
from bs4 import BeautifulSoup
from made_up_study import LAYERS, accuracy_of, index_of, made_up_study

from selectivity_core.book import figures
from selectivity_core.book.figures import KINDS, Nothing, draw, panels
from selectivity_core.book.figures.shown import Shown

ALPHAS = (-2.0, -1.0, 0.0, 1.0, 2.0)


def panel(study, letter):
    return next(p for p in study.figure.panels if p.letter == letter)


def said(study, letter):
    """The alternative text of one panel, and what it was drawn on."""
    chosen = panel(study, letter)
    _, (axes,) = panels(1)
    return KINDS[chosen.kind](axes, study.view(chosen)), axes


def test_a_tradeoff_over_three_layers_has_their_index():
    study = made_up_study((-1.0, 0.0), 2, figure="figA21")
    layers = study.tables.layers
    layers.loc[layers["layer"] == LAYERS[3], "si"] = 0.99
    words, axes = said(study, "b")
    assert words == f"mean selectivity index by α: −1: {index_of(-1):.3f}, 0: {index_of(0):.3f}."
    assert axes.get_xlabel() == "mean selectivity index of the layers chosen"
    words, axes = said(made_up_study((-1.0, 0.0), 2, figure="fig1"), "c")
    assert axes.get_xlabel() == "mean selectivity index"


def test_layers_from_the_first_to_the_last():
    study = made_up_study((-1.0, 0.0), 2, figure="figA8")
    layers = study.tables.layers
    layers.loc[layers["layer"] == LAYERS[0], "si_living"] = np.nan
    words, _ = said(study, "b")
    assert words.endswith(f"from the first to the last layer: 0: – to {index_of(0) + 0.05:.2f}.")


def test_slopes_are_lines_of_their_own():
    words, axes = said(made_up_study((0.0, 1.0), 2, figure="figA9"), "")
    names = ["ReLU", "slope 0.01", "slope 0.1", "slope 0.3"]
    assert [t.get_text() for t in axes.get_legend().get_texts()] == names
    mean = 100 * np.mean([accuracy_of(1.0, s) for s in (0, 1)])
    assert words.startswith("test accuracy (%) by α, ReLU: 0: ")
    assert words.count(f"1: {mean:.1f}") == 4


def test_two_networks_are_told_apart():
    study = made_up_study((-1.0, 0.0), 2, figure="figA16")
    small = [s.id for s in study.specs if s.model == "resnet20"]
    layers = study.tables.layers
    layers.loc[layers["run"].isin(small), "si"] = 0.05
    words, _ = said(study, "a")
    assert words == (
        f"mean selectivity index by α, VGG16: −1: {index_of(-1):.3f}, 0: {index_of(0):.3f}; "
        "ResNet20: −1: 0.050, 0: 0.050."
    )


def test_the_example_of_the_distances_is_the_alpha_nearest_to_minus_two():
    study = made_up_study((-5.0, -1.0, 0.0), figure="fig2")
    words, axes = said(study, "a")
    assert words.startswith("mean PWCCA distance at α = −1: within 0.200, to unregularised networks ")
    assert axes.get_title() == "α = −1"
    # where that lacks networks, the next that has them
    lost = made_up_study((-5.0, -1.0, 0.0), figure="fig2", missing=[(-1.0, 1), (-1.0, 2)])
    assert said(lost, "a")[0].startswith("mean PWCCA distance at α = −5")


def test_spread_of_one_network_is_said():
    assert said(made_up_study(seeds=1, figure="fig1"), "b")[0] == "one network at each α."


def test_signs_without_a_pair_are_not_drawn():
    shown = draw(made_up_study((-1.0, 0.0), 2))
    assert [letter for letter, _ in shown.used] == ["b"]
    assert "Not drawn: panel a (no size of α is finished with both signs)." in shown.lacking
    assert "a: " not in shown.alt
    lone = draw(made_up_study((-1.0, 0.0), 2, figure="figA32"))
    assert isinstance(lone, Nothing)
    assert "Nothing is drawn: its runs are not enough. ResNet20 on digits made up" in lone.caption
    assert lone.lacking[0] == "Not drawn: the panel (no size of α is finished with both signs)."


def test_distances_need_two_networks():
    shown = draw(made_up_study((-1.0, 0.0), 1, figure="fig2"))
    assert [letter for letter, _ in shown.used] == ["c"]
    assert shown.lacking[0].count("two seeds or more at α = 0 and at another α are needed") == 3
    assert isinstance(draw(made_up_study((-1.0, 0.0), 1, figure="figA3")), Nothing)
    # α = 0 lacks one
    lost = draw(made_up_study((-1.0, 0.0), 2, figure="fig2", missing=[(0.0, 1)]))
    assert [letter for letter, _ in lost.used] == ["c"]


def test_bounds_that_were_not_worked_out_are_not_drawn():
    study = made_up_study((-1.0, 0.0), 2, figure="fig2")
    study.tables.bounds = study.tables.bounds.iloc[:0]
    shown = draw(study)
    assert [letter for letter, _ in shown.used] == ["a", "b", "d"]
    assert shown.lacking == ("Not drawn: panel c (nothing finished to draw it from).",)


def test_panels_from_fewer_networks_say_so():
    study = made_up_study((-1.0, 0.0), 3, figure="figA4", models=["resnet18"])
    assert "From some of the networks only: a (2 of 6)." in draw(study).caption
    units = made_up_study((-1.0, 0.0), 3, figure="figA10")
    first = [s.id for s in units.specs if s.seed == 0]
    units.tables.units = units.tables.units[units.tables.units["run"].isin(first)]
    shown = draw(units)
    assert "From some of the networks only: a (2 of 6), b (2 of 6)." in shown.caption
    assert "only" not in draw(made_up_study((-1.0, 0.0), 3)).caption


def test_without_unit_tables_dots_are_not_drawn():
    study = made_up_study((-1.0, 0.0), 1, figure="figA10")
    study.tables.units = study.tables.units.iloc[:0]
    assert isinstance(draw(study), Nothing)


def test_one_network_of_a_figure_alone_has_no_name_in_its_panels():
    both, one = (draw(made_up_study((-1.0, 0.0), 1, figure="figA1", models=m)) for m in (None, ["resnet20"]))
    assert "a: selectivity by layer (ResNet18)" in both.caption
    assert "c: selectivity by layer; d:" in one.caption
    assert "(ResNet" not in one.caption.replace("(scaled down; the paper's is ResNet", "")
    assert "Not drawn: panel a (ResNet18 was not asked for), panel b (" in one.lacking[0]


def test_the_same_study_twice_is_the_same_bytes():
    assert draw(made_up_study((0.0,), 1, figure="figA10")) == draw(made_up_study((0.0,), 1, figure="figA10"))


def test_intervals_and_marks_are_explained_where_there_are_some():
    assert "Bars and bands: 95 % t intervals over seeds." in draw(made_up_study(figure="figA34")).caption
    assert "One seed: no intervals and no test." in draw(made_up_study(seeds=1, figure="figA34")).caption
    other = draw(made_up_study(figure="figA11")).caption
    assert "Marks" not in other
    assert other.count("Bars and bands: 95 % t intervals over seeds.") == 1
    assert "intervals" not in draw(made_up_study(seeds=1, figure="figA11")).caption


def test_networks_in_no_mean_are_shown_and_said():
    study = made_up_study((-1.0, 0.0), 3, figure="fig1", missing=[(-1.0, 2)])
    shown, without = draw(study), draw(made_up_study((-1.0, 0.0), 2, figure="fig1"))
    assert "Hollow: networks at α = 0 that are in no mean." in shown.caption
    assert "Hollow" not in without.caption + without.alt
    said = f" Hollow, further networks at α = 0: {100 * accuracy_of(0.0, 2):.1f} %."
    assert said in shown.alt
    means = re.compile(r"mean test accuracy by α: [^.]*\.[^.]*\.\d %\.")
    assert means.search(shown.alt)[0] == means.search(without.alt)[0]
    (further,) = study.further("resnet18")["run"]
    used = dict(shown.used)
    assert {p.letter for p in study.figure.panels if further in used[p.letter]} == {
        p.letter for p in study.figure.panels if p.kind in ("accuracy", "violins")
    }


def test_means_below_the_axis_are_explained_where_there_are_some():
    said = "Triangles at the foot: means that lie below the axis."
    assert said not in draw(made_up_study(figure="fig1")).caption
    fallen = made_up_study(figure="fig1", accuracy=lambda alpha, _: 0.2 if alpha == -1 else 0.9)
    assert draw(fallen).caption.count(said) == 1


def test_a_figure_of_own_drawings_is_not_drawn_from_the_register():
    assert isinstance(draw(made_up_study(figure="batches")), Nothing)


def test_titles_that_ask_end_with_their_mark():
    assert "). Do the units only turn away? c: " in draw(made_up_study((-1.0, 0.0), 1, figure="fig2")).caption


def page(study):
    return BeautifulSoup(figures.tested(study)._repr_html_(), "html.parser")


def test_tests_of_each_network_in_words_and_as_a_table():
    parsed = page(made_up_study(figure="figA21"))
    words = [p.get_text() for p in parsed.find_all("p")]
    assert [w.split(".")[0] for w in words] == ["ResNet18", "ResNet20"]
    assert all("Of 1 values of α" in w for w in words)  # its negative side
    assert len(parsed.find_all("table")) == 2
    rows = [[c.get_text() for c in row.find_all("td")] for row in parsed.table.find_all("tr")[1:]]
    assert [row[:3] for row in rows] == [[a, "3", f"{index_of(v):.3f}"] for a, v in (("−1", -1), ("0", 0))]


def test_tests_of_signs():
    parsed = page(made_up_study())
    (words,) = [p.get_text() for p in parsed.find_all("p")]
    assert words.startswith("Accuracy with α < 0 minus accuracy with α > 0: |α| = 1 (")
    assert [row.td.get_text() for row in parsed.find_all("tr")[1:]] == ["1"]


@pytest.mark.parametrize("study", [{"figure": "figA11"}, {"missing": [(a, s) for a in (-1, 0, 1) for s in range(3)]}])
def test_figures_without_accuracies_have_no_tests(study):
    assert figures.tested(made_up_study(**study))._repr_html_() == ""


def test_the_loss_is_not_tested_as_an_accuracy():
    assert [p.value for p in made_up_study(figure="fig1").figure.panels if p.kind == "accuracy"] == ["", "test_loss"]
    assert len(page(made_up_study(figure="fig1")).find_all("table")) == 1


def test_html_of_runs_and_panels_is_escaped():
    study = made_up_study(seeds=1)
    study.figure = replace(study.figure, title="1 < 2")
    shown = draw(study)
    assert isinstance(shown, Shown)
    assert re.search("1 &lt; 2", shown._repr_html_())
