import ast

import pandas as pd
import pytest

from selectivity_core.book.figures.style import panels
from selectivity_core.book.figures.tutorials import (
    accuracy_dots,
    calls_table,
    layers_by_alpha,
    networks_table,
    source_of,
    tutorial_figure,
)
from selectivity_core.book.tutorials import Comparison, fit


@pytest.fixture
def compared():
    """Two α, two seeds, two layers, with numbers that can be averaged by head."""
    networks = [(-1.0, 0, 0.8, 0.1), (0.0, 0, 0.9, 0.3), (-1.0, 1, 0.9, 0.2), (0.0, 1, 0.7, 0.5)]
    layers = [
        (alpha, seed, depth, f"blocks.{depth}.act", 4, si * depth / 1.5, 0.05)
        for alpha, seed, _, si in networks
        for depth in (1, 2)
    ]
    return Comparison(
        pd.DataFrame(networks, columns=["alpha", "seed", "accuracy", "si"]),
        pd.DataFrame(layers, columns=["alpha", "seed", "depth", "layer", "units", "si", "si_shuffled"]),
    )


def test_layers_by_alpha(compared):
    axes = panels(1)[1][0]
    layers_by_alpha(axes, compared.layers)
    lines = {line.get_label(): line.get_ydata().tolist() for line in axes.get_lines() if "α" in line.get_label()}
    assert lines["α = −1"] == pytest.approx([0.1, 0.2])
    assert lines["α = 0"] == pytest.approx([0.4 / 1.5, 0.8 / 1.5])
    dotted = [
        line.get_ydata().tolist() for line in axes.get_lines() if line.get_linestyle() == ":" and len(line.get_xdata())
    ]
    assert dotted == [[0.05, 0.05]] * 2
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["blocks.1\nact", "blocks.2\nact"]


def test_accuracy_dots(compared):
    axes = panels(1)[1][0]
    accuracy_dots(axes, compared.networks)
    assert [line.get_ydata().tolist() for line in axes.get_lines()] == [[80, 90], [90, 70]]
    assert axes.get_ylim() == pytest.approx((69, 91))
    means = [segments.get_segments()[0][0][1] for segments in axes.collections]
    assert means == pytest.approx([85, 80])


def test_a_point_of_accuracy_does_not_fill_the_panel(compared):
    axes = panels(1)[1][0]
    accuracy_dots(axes, compared.networks.assign(accuracy=[0.9, 0.91, 0.9, 0.91]))
    assert axes.get_ylim() == pytest.approx((85.5, 95.5))


def test_the_figure_says_its_numbers_in_words(compared):
    shown = tutorial_figure(compared, name="tutorial-x", what="A network.")
    assert shown.anchor == "figure-tutorial-x"
    assert shown.caption.startswith("A network. (a)")
    assert shown.caption.endswith("Scaled down: a small network on scikit-learn's 8×8 digits. n = 2 at each α.")
    assert shown.alt == (
        "α = −1: SI by layer 0.10, 0.20; accuracy 85.0 %. α = 0: SI by layer 0.27, 0.53; accuracy 80.0 %."
    )
    assert shown.svg.lstrip().startswith("<?xml")
    assert 'id="legend_1"' in shown.svg


def test_networks_table(compared):
    frame = networks_table(compared).frame
    assert frame["α"].tolist() == ["−1", "0"]
    assert frame["n"].tolist() == [2, 2]
    assert frame["SI, mean over layers"].tolist() == ["0.150", "0.400"]
    assert frame["SI, shuffled labels"].tolist() == ["0.050", "0.050"]
    assert frame["accuracy (%)"].tolist() == ["85.0", "80.0"]


def test_calls_table():
    calls = pd.DataFrame({"layer": ["a", "b"], "kind": ["ReLU"] * 2, "calls": [1, 2], "units": ["4", "4, 4"]})
    table = calls_table(calls)
    assert table.caption == "2 modules, 3 layers in a pass"
    assert table.frame.columns.tolist() == ["module", "kind", "calls in a pass", "units of each call"]


def test_the_source_is_python_in_a_fence():
    lines = source_of(fit).splitlines()
    assert (lines[0], lines[-1]) == ("```python", "```")
    (function,) = ast.parse("\n".join(lines[1:-1])).body
    assert function.name == "fit"
