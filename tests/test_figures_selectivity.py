import numpy as np
import pandas as pd
import pytest
from made_up_study import UNITS, index_of, made_up_study
from matplotlib.colors import to_hex

from selectivity_core.figures.selectivity import index_by_alpha, index_by_layer, index_histogram, response_bars
from selectivity_core.figures.style import GREY, NULL, alpha_color, panels

ALPHAS = (-1.0, 0.0, 1.0)


@pytest.fixture
def axes():
    return panels(1)[1][0]


def labelled(axes):
    return {line.get_label(): line for line in axes.get_lines() if not line.get_label().startswith("_")}


def test_index_by_layer(axes):
    index_by_layer(axes, made_up_study(figure="fig4").table("layers", "resnet18"))
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


def test_index_by_layer_of_one_seed_has_no_bands(axes):
    index_by_layer(axes, made_up_study(seeds=1).table("layers", "resnet18"))
    assert len(axes.collections) == 0
    assert len(labelled(axes)) == 4


def test_an_interval_beyond_one_does_not_stretch_the_axis(axes):
    rows = [(0.0, s, d, si, 0.1) for s, si in enumerate((0.2, 0.99)) for d in range(2)]
    index_by_layer(axes, pd.DataFrame(rows, columns=["alpha", "seed", "depth", "si", "si_shuffled"]))
    assert axes.get_ylim() == (0, 1.02)


def test_index_by_alpha(axes):
    study = made_up_study()
    index_by_alpha(axes, study.runs("resnet18"), study.table("units", "resnet18"))
    singles = [line for line in axes.get_lines() if line.get_marker() == "o"]
    assert [line.get_ydata()[0] for line in singles] == pytest.approx([index_of(a) for a in ALPHAS])
    assert [line.get_color() for line in singles] == [alpha_color(a, ALPHAS) for a in ALPHAS]
    null = labelled(axes)["shuffled labels"]
    assert null.get_xdata().tolist() == [0, 1, 2]
    assert null.get_ydata() == pytest.approx([0.1] * 3)
    assert axes.get_xlabel() == "regulariser scale α"
    assert axes.get_ylabel() == "mean selectivity index"


def test_index_by_alpha_without_units_of_one_alpha(axes):
    """The ledger keeps unit tables of the first seeds only."""
    study = made_up_study()
    units = study.table("units", "resnet18")
    index_by_alpha(axes, study.runs("resnet18"), units[units["alpha"] != 0])
    assert labelled(axes)["shuffled labels"].get_xdata().tolist() == [0, 2]


def test_index_histogram_gives_shares(axes):
    units = pd.DataFrame({"si": [0.01, 0.012, 0.51, 0.99], "si_shuffled": [0.11] * 4})
    index_histogram(axes, units, color="#123456", top=0.6)
    shuffled, true = axes.containers
    assert [t.get_text() for t in axes.get_legend().get_texts()] == ["shuffled labels", "true labels"]
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
