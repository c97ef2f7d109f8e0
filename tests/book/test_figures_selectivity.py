import numpy as np
import pandas as pd
import pytest
from made_up_study import UNITS, index_of, made_up_study
from matplotlib.colors import to_hex

from selectivity_core.book.effects import over_units
from selectivity_core.book.figures.selectivity import (
    by_alpha,
    by_layer,
    index_histogram,
    measure_in_words,
    response_bars,
)
from selectivity_core.book.figures.style import GREY, NULL, alpha_color, panels

ALPHAS = (-1.0, 0.0, 1.0)


@pytest.fixture
def axes():
    return panels(1)[1][0]


def labelled(axes):
    return {line.get_label(): line for line in axes.get_lines() if not line.get_label().startswith("_")}


def test_by_layer(axes):
    by_layer(axes, made_up_study(figure="fig4").table("layers", "resnet18"))
    lines = labelled(axes)
    assert list(lines) == ["−1", "0", "1", "shuffled"]
    for label, alpha in zip(("−1", "0", "1"), ALPHAS, strict=True):
        assert lines[label].get_xdata().tolist() == [1, 2, 3, 4]
        assert lines[label].get_ydata() == pytest.approx([index_of(alpha)] * 4)
        assert lines[label].get_color() == alpha_color(alpha, ALPHAS)
    assert lines["shuffled"].get_ydata() == pytest.approx([0.1] * 4)
    assert (lines["shuffled"].get_color(), lines["shuffled"].get_linestyle()) == (NULL, ":")
    assert axes.get_xlabel() == "layer of units"
    assert axes.get_ylabel() == "mean selectivity index"
    assert axes.get_ylim()[0] == 0
    assert len(axes.collections) == 3  # a band an α
    assert axes.get_legend().get_title().get_text() == "α"


def test_by_layer_of_one_seed_has_no_bands(axes):
    by_layer(axes, made_up_study(seeds=1).table("layers", "resnet18"))
    assert len(axes.collections) == 0
    assert len(labelled(axes)) == 4


def test_an_interval_beyond_one_does_not_stretch_the_axis(axes):
    rows = [(0.0, s, d, si, 0.1) for s, si in enumerate((0.2, 0.99)) for d in range(2)]
    by_layer(axes, pd.DataFrame(rows, columns=["alpha", "seed", "depth", "si", "si_shuffled"]))
    assert axes.get_ylim() == (0, 1.02)


def test_by_alpha(axes):
    by_alpha(axes, means_of(made_up_study(), "si"))
    singles = [line for line in axes.get_lines() if line.get_marker() == "o"]
    assert [line.get_ydata()[0] for line in singles] == pytest.approx([index_of(a) for a in ALPHAS])
    assert [line.get_color() for line in singles] == [alpha_color(a, ALPHAS) for a in ALPHAS]
    null = labelled(axes)["shuffled labels"]
    assert null.get_xdata().tolist() == [0, 1, 2]
    assert null.get_ydata() == pytest.approx([0.1] * 3)
    assert axes.get_xlabel() == "regulariser scale α"
    assert axes.get_ylabel() == "mean selectivity index"


def means_of(study, value):
    return over_units(study.table("layers", "resnet18"), value)


@pytest.mark.parametrize(
    ("value", "label", "heights"),
    [
        ("dead", "dead units (%)", [0, 0, 25]), ("switched", "units that switch at least once (%)", [50, 50, 25]),
        ("switches", "mean number of switches", [2, 2, 1]),
        ("precision", "mean precision", [index_of(a) + 0.04 for a in ALPHAS]),
        ("dprime", "mean d′", [index_of(a) + 0.02 for a in ALPHAS]),
        ("mutual_information", "mean mutual information (bits)", [index_of(a) + 0.05 for a in ALPHAS]),
    ],
)  # fmt: skip
def test_every_measure_has_its_unit(axes, value, label, heights):
    means = means_of(made_up_study(), value)
    by_alpha(axes, means, value)
    singles = [line for line in axes.get_lines() if line.get_marker() == "o"]
    assert [line.get_ydata()[0] for line in singles] == pytest.approx(heights)
    assert axes.get_ylabel() == label
    assert axes.get_ylim()[0] == 0
    words = measure_in_words(means, value)
    percent = label.endswith("(%)")
    listed = [f"{h:.1f} %" if percent else f"{h:.3f}" for h in heights]
    assert words.startswith(f"{label} by α: −1: {listed[0]}, 0: {listed[1]}, 1: {listed[2]}.")
    shuffled = "shuffled labels" in labelled(axes)
    assert shuffled == ("With shuffled labels 0.100" in words) == (value not in ("dead", "switched", "switches"))


def test_layers_without_living_units_leave_a_gap(axes):
    study = made_up_study(figure="figA8")
    layers = study.tables.layers
    layers.loc[layers["layer"] == "stage2.0", ["si_living", "si_shuffled", "dead"]] = [np.nan, 0.0, 1.0]
    by_layer(axes, study.table("layers", "resnet20"), "si_living")
    found = labelled(axes)["0"].get_ydata()
    assert np.isnan(found).tolist() == [False, False, True, False]
    null = labelled(axes)["shuffled"].get_ydata()
    assert np.isnan(null).tolist() == [False, False, True, False]


def test_the_null_of_living_units_is_theirs_alone(axes):
    """A fifth of the units is dead and has 0 under any labels: the others have 0.1 / 0.8."""
    rows = [(0.0, s, d, 0.4, 0.1, 0.2) for s in range(2) for d in range(2)]
    columns = ["alpha", "seed", "depth", "si_living", "si_shuffled", "dead"]
    by_layer(axes, pd.DataFrame(rows, columns=columns), "si_living")
    assert labelled(axes)["shuffled"].get_ydata() == pytest.approx([0.125] * 2)


def test_what_is_not_known_is_a_dash_in_words():
    means = pd.DataFrame({"alpha": [0.0, 1.0], "mean": [0.5, np.nan], "shuffled": np.nan})
    assert measure_in_words(means, "si_living") == "mean selectivity index, living units by α: 0: 0.500, 1: –."


def test_index_histogram_gives_shares(axes):
    units = pd.DataFrame({"si": [0.01, 0.012, 0.51, 0.99], "si_shuffled": [0.11] * 4})
    index_histogram(axes, units, color="#123456", top=0.6)
    shuffled, true = axes.containers
    assert [t.get_text() for t in axes.get_legend().get_texts()] == ["shuffled labels", "true labels", "mean"]
    assert sum(bar.get_height() for bar in true) == pytest.approx(1)
    assert true[0].get_height() == pytest.approx(0.5)
    assert max(bar.get_height() for bar in shuffled) == pytest.approx(1)
    assert to_hex(true[0].get_facecolor()) == "#123456"
    (mean,) = axes.get_lines()
    assert mean.get_xdata()[0] == pytest.approx(np.mean([0.01, 0.012, 0.51, 0.99]))
    assert axes.get_xlim() == (0, 1)
    assert axes.get_ylim() == (0, 0.6)
    assert axes.get_xlabel() == "selectivity index of a unit"
    assert axes.get_ylabel() == "share of units"


def test_response_bars_show_the_preferred_class_and_the_mean_of_the_others(axes):
    rows = pd.DataFrame({"class": [2, 0, 1], "mean": [3.0, 1.0, 2.0]})
    response_bars(axes, rows, ("ant", "bee", "cat"))
    assert [bar.get_height() for bar in axes.patches] == [1, 2, 3]
    assert [to_hex(bar.get_facecolor()) for bar in axes.patches] == [GREY, GREY, "#000000"]
    (others,) = axes.get_lines()
    assert others.get_ydata()[0] == 1.5
    assert [t.get_text() for t in axes.get_xticklabels()] == ["ant", "bee", "cat"]
    assert axes.get_ylabel() == "mean activity"


def test_response_bars_of_a_real_unit_give_its_index(axes):
    """Made-up units answer class `unit` with (1 + SI) / (1 - SI) and all others with 1."""
    study = made_up_study(seeds=1)
    unit = study.table("units").iloc[UNITS - 1]
    rows = study.table("responses").query("run == @unit.run and layer == @unit.layer and unit == @unit.unit")
    response_bars(axes, rows, tuple("0123456789"))
    highest, others = max(bar.get_height() for bar in axes.patches), axes.get_lines()[0].get_ydata()[0]
    assert (highest - others) / (highest + others) == pytest.approx(unit.si)
