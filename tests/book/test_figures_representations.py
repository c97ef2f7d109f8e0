import numpy as np
import pandas as pd
import pytest
from made_up_study import ABOVE_AXIS, index_of, made_up_study

from selectivity_core.book.figures.representations import (
    BOUND_STYLES,
    NAMES,
    SHOWN_FORMS,
    bound_by_alpha,
    bound_by_layer,
    cca_by_alpha,
    cca_layers,
    forms_in_words,
)
from selectivity_core.book.figures.style import NULL, alpha_color, panels
from selectivity_core.book.representations import distances

ALPHAS = (-2.0, -1.0, 0.0)
BETWEEN = {a: 0.3 + 0.1 * np.tanh(-a) for a in (-2.0, -1.0)}


@pytest.fixture
def axes():
    return panels(1)[1][0]


@pytest.fixture
def study():
    return made_up_study(ALPHAS, 3, figure="fig2")


@pytest.fixture
def table(study):
    """The paper's form as made up; its reverse 0.01 more, the textbook's 0.1 less."""
    pairs = study.tables.pairs
    shifts = {"paper, reversed": 0.01, "textbook": -0.1, "textbook, reversed": -0.1}
    pairs["distance"] += pairs["form"].map(shifts).fillna(0)
    return distances(pairs, study.runs())


def labelled(axes):
    return {line.get_label(): line for line in axes.get_lines() if not line.get_label().startswith("_")}


def test_distances_layer_by_layer(axes, table):
    means = cca_layers(axes, table, -2.0)
    lines = labelled(axes)
    assert list(lines) == [*NAMES.values(), "rows shuffled"]
    heights = {"within α": 0.2, "α against 0": BETWEEN[-2], "within α = 0": 0.2, "rows shuffled": 0.8}
    heights["α against 0, same start"] = BETWEEN[-2] - 0.05
    for name, height in heights.items():
        assert lines[name].get_xdata().tolist() == [1, 2, 3, 4]
        assert lines[name].get_ydata() == pytest.approx([height] * 4)
    assert lines["rows shuffled"].get_color() == NULL
    assert means["between"].tolist() == pytest.approx([BETWEEN[-2]] * 4)
    assert axes.get_ylim()[0] == 0
    assert len(axes.collections) == 2  # bands within α and against 0


def test_another_form_of_the_distances(axes, table):
    means = cca_layers(axes, table, -1.0, "textbook, averaged")
    assert means["within"].tolist() == pytest.approx([0.1] * 4)
    assert labelled(axes)["rows shuffled"].get_ydata() == pytest.approx([0.8] * 4)


def test_two_networks_have_one_pair_within_and_no_band_for_it(axes):
    study = made_up_study(ALPHAS, 2, figure="fig2")
    cca_layers(axes, distances(study.tables.pairs, study.runs()), -2.0)
    assert len(axes.collections) == 1


@pytest.mark.parametrize("value", ["ratio", "excess"])
def test_every_form_by_alpha(axes, table, value):
    found = cca_by_alpha(axes, table, value)
    shift = {"paper": 0.0, "paper, reversed": 0.01, "textbook, averaged": -0.1}
    for form, (label, _, color) in SHOWN_FORMS.items():
        within, between = 0.2 + shift[form], {a: d + shift[form] for a, d in BETWEEN.items()}
        by_hand = [d / within if value == "ratio" else 2 * (d - within) for d in between.values()]
        line = labelled(axes)[label]
        assert line.get_ydata() == pytest.approx(by_hand)
        assert line.get_color() == color
        assert found[form]["alpha"].tolist() == [-2, -1]
    (level,) = [line for line in axes.get_lines() if line.get_linestyle() == "--"]
    assert level.get_ydata()[0] == (1 if value == "ratio" else 0)
    assert [t.get_text() for t in axes.get_xticklabels()] == ["−2", "−1"]
    words = forms_in_words(found, value)
    assert words.startswith(f"{value} by α: paper's form, −2: ")
    assert words.count("−1: ") == 3


def test_an_excess_below_zero_has_a_true_minus():
    found = {"paper": pd.DataFrame({"alpha": [-1.0], "excess": [-0.25]})}
    assert forms_in_words(found, "excess") == "excess by α: paper's form, −1: −0.250."


def test_bounds_by_alpha(axes, study):
    bounds = study.tables.bounds.merge(study.runs()[["run", "alpha", "seed"]], on="run")
    means = bound_by_alpha(axes, bounds)
    assert means.index.tolist() == list(ALPHAS)
    for kind, above in ABOVE_AXIS.items():
        assert means[kind].tolist() == pytest.approx([index_of(a) + above for a in ALPHAS])
    diamonds, circles = axes.collections
    assert diamonds.get_offsets()[:, 1].tolist() == pytest.approx(means["bound"].tolist())
    assert circles.get_offsets()[:, 1].tolist() == pytest.approx(means["axis"].tolist())
    lines = labelled(axes)
    assert list(lines) == [label for label, _, _ in BOUND_STYLES.values()]
    assert lines["unit axes, shifted"].get_ydata() == pytest.approx(means["axis_shifted"].tolist())
    assert axes.get_ylim()[0] == 0


def test_networks_count_alike_whatever_their_layers(axes):
    rows = [(0.0, 0, d, "bound", 0.1) for d in range(9)] + [(0.0, 1, 0, "bound", 0.5)]
    frame = pd.DataFrame(rows, columns=["alpha", "seed", "depth", "kind", "value"])
    frame = pd.concat([frame.assign(kind=kind) for kind in ABOVE_AXIS])
    assert bound_by_alpha(axes, frame).loc[0.0, "bound"] == pytest.approx(0.3)


def test_bounds_by_layer(axes, study):
    bounds = study.tables.bounds.merge(study.runs()[["run", "alpha", "seed"]], on="run")
    bounds.loc[bounds["depth"] == 2, "value"] += 0.1
    means = bound_by_layer(axes, bounds)
    lines = labelled(axes)
    assert list(lines) == ["−2", "−1", "0", "axes, shifted"]
    for label, alpha in zip(("−2", "−1", "0"), ALPHAS, strict=True):
        own = index_of(alpha) + 0.05
        assert lines[label].get_ydata() == pytest.approx([own, own, own + 0.1, own])
        assert lines[label].get_color() == alpha_color(alpha, ALPHAS)
    dashed = [line for line in axes.get_lines() if line.get_linestyle() == "--" and len(line.get_xdata())]
    assert [line.get_ydata()[0] for line in dashed] == pytest.approx([index_of(a) + 0.02 for a in ALPHAS])
    assert means.loc[(0.0, 2), "bound"] == pytest.approx(index_of(0) + 0.15)


def test_some_layers_stand_at_their_depth(axes, study):
    bounds = study.tables.bounds.merge(study.runs()[["run", "alpha", "seed"]], on="run")
    bound_by_layer(axes, bounds[bounds["depth"].isin((0, 3))])
    assert labelled(axes)["0"].get_xdata().tolist() == [1, 4]
