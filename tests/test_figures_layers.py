import re

import pytest
from made_up_study import DATA, index_of, made_up_study

from selectivity_core.figures.layers import layer_figure


def svg_of(shown):
    return re.sub(r"\s+", " ", shown.svg)


@pytest.mark.parametrize(("figure", "number"), [("figA1", "A1"), ("figA5", "A5")])
def test_layer_figure(figure, number):
    study = made_up_study((-1.0, 0.0, 1.0), figure=figure)
    shown = layer_figure(study)
    assert shown.anchor == f"figure-{number}"
    assert shown.caption.startswith(f"Figure {number} (Leavitt & Morcos). {study.figure.title}.")
    # Both of the paper's networks are there, each with its data, in place of whose data, and its n.
    for name, paper in (("ResNet18", "Tiny ImageNet"), ("ResNet20", "CIFAR-10")):
        assert f"{name} on {DATA} (scaled down; the paper's is {name} on {paper}), n = 3" in shown.caption
        assert f"{name}, mean selectivity index by α:" in shown.alt
    other = {"figA1": -1.0, "figA5": 1.0}[figure]
    label = {"figA1": "−1", "figA5": "1"}[figure]
    assert shown.alt.count(f"{label}: {index_of(other):.3f}") == 2
    assert shown.alt.count(f"0: {index_of(0.0):.3f}") == 2
    letters = re.findall(r"<!-- ([a-d]) -->", svg_of(shown))
    assert letters == ["a", "b", "c", "d"]


def test_a_network_without_runs_has_no_panels_and_n_0():
    study = made_up_study((-1.0, 0.0), seeds=1, figure="figA1")
    study.tables.runs = study.tables.runs[study.tables.runs["model"] == "resnet18"]
    shown = layer_figure(study)
    assert re.findall(r"<!-- ([a-d]) -->", svg_of(shown)) == ["a", "b"]
    assert "ResNet20, mean" not in shown.alt
    assert re.search(r"ResNet20 on digits \(.*\), n = 0", shown.caption)
