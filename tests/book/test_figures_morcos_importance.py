"""Panels of what clamping a unit costs, of depth, and of batch norm, from made-up units."""

import numpy as np
import pytest
from made_up_reliance import made_up_reliance
from made_up_study import LAYERS, UNITS

from selectivity_core.book.figures import draw
from selectivity_core.book.figures.morcos_importance import (
    by_depth,
    importance_table,
    importances,
    living,
    regressions,
)
from selectivity_core.book.figures.morcos_norm import contrast, network_means, norm_table
from selectivity_core.book.figures.style import panels


@pytest.fixture
def study():
    return made_up_reliance("morcos7", 3)


def view(study, kind):
    return study.view(next(panel for panel in study.figure.panels if panel.kind == kind))


def test_dead_units_and_chance_are_left_out(study):
    units = study.tables.units
    units.loc[units["unit"] == 0, "dead"] = True
    found = importances(view(study, "importance_si"))
    assert len(found) == 3 * len(LAYERS) * (UNITS - 1)
    assert found["lost"].tolist() == pytest.approx(found["unit"])
    assert found["informed"].tolist() == pytest.approx(0.9 - 0.05 * found["unit"] - 0.1 - 0.1 * (found["run"] != ""))


def test_a_line_a_layer(study):
    units = importances(view(study, "importance_layers"))
    slopes = regressions(panels(1)[1][0], units)
    # A point a unit, 0.02 of the index a unit.
    assert slopes == {depth: pytest.approx(50) for depth in range(len(LAYERS))}
    same = units.assign(si=0.5)
    assert regressions(panels(1)[1][0], same) == {}


def test_figure_7_in_words(study):
    shown = draw(study)
    count = 3 * len(LAYERS) * UNITS
    assert (
        f"clamping one of {count} living units costs 2.50 points of test accuracy on average, 5.0 at most" in shown.alt
    )
    assert "averaged over layers and 3 networks: 1.00 (1.00 to 1.00) for accuracy lost, 1.00" in shown.alt
    assert "by layer, averaged over networks: 1: 1.00, 2: 1.00, 3: 1.00, 4: 1.00." in shown.alt
    shown = draw(made_up_reliance("morcosA4", 2))
    assert "rank correlation with mutual information above chance" in shown.alt
    assert "2 networks: −1.00 (−1.00 to −1.00) for accuracy lost" in shown.alt


def test_depth():
    shown = made_up_reliance("morcosA2", 3)
    units = living(view(shown, "depth").table("units"))
    means = by_depth(panels(1)[1][0], units)
    assert means.shape == (3, len(LAYERS))
    assert np.diff(means.to_numpy()) == pytest.approx(np.tile([[0.02], [0.04], [0.06]], 3))
    assert "from the first layer to the last: 0.30, 0.34, 0.38, 0.42; rank correlation" in draw(shown).alt


def test_size_of_filters_in_words():
    shown = draw(made_up_reliance("morcosA3", 2))
    assert "averaged over layers and 2 networks: −1.00" in shown.alt
    assert "Under batch norm" in shown.caption


def test_importance_table(study):
    frame = importance_table(study).frame
    assert frame["layer"].tolist() == ["1", "2", "3", "4", "mean"] * 2
    assert frame["network"].unique().tolist() == ["MLP", "11-layer convnet"]
    assert set(frame["SI, accuracy"]) == {"1.00 (1.00 to 1.00)"}
    assert set(frame["MI, loss"]) == {"−1.00 (−1.00 to −1.00)"}
    assert frame["living units"].tolist()[:5] == ["6", "6", "6", "6", "24"]
    study.tables.importances = study.tables.importances.iloc[:0]
    assert importance_table(study).caption == "No network is finished"


def test_batch_norm_is_compared_within_seeds():
    study = made_up_reliance("morcos6", 4)
    shown = view(study, "si_by_norm")
    means = network_means(shown, "si")
    assert means.groupby("batch_norm")["mean"].mean().to_dict() == {True: pytest.approx(0.3), False: pytest.approx(0.4)}
    means.loc[means["batch_norm"], "mean"] += 0.01 * means["seed"]
    tested = contrast(means)
    assert tested.estimate == pytest.approx(-0.1 + 0.015)
    assert tested.n_a == 4
    assert draw(study).caption.count("Golden tick: the mean index with shuffled labels.") == 1
    words = draw(study).alt
    assert "batch norm 0.300 (0.300 to 0.300) in 4 networks, no batch norm 0.400" in words
    assert "difference −0.100" in words
    assert "mutual information above chance (bits) over living units: batch norm 0.675" in words
    frame = norm_table(study).frame
    assert frame["difference"].tolist() == ["−0.100", "+0.100", "0.0", "0.0"]
    assert set(frame["networks"]) == {"4 and 4"}


def test_one_side_alone_has_no_difference():
    study = made_up_reliance("morcos6", 2, batch_norm=True)
    assert "difference" not in draw(study).alt
    assert norm_table(study).frame["difference"].tolist() == ["–"] * 4
