"""What one panel is drawn from."""

from dataclasses import replace

import pytest
from made_up_study import index_of, made_up_study


def test_a_view_has_the_panels_side_and_the_baseline():
    study = made_up_study((-5.0, -1.0, 0.0, 1.0), 2, figure="figA17")
    below, above = study.figure.panels[0], study.figure.panels[2]
    assert (below.side, above.side) == ("negative", "positive")
    assert study.view(below).runs()["alpha"].tolist() == [-5, -1, 0] * 2
    assert set(study.view(above).table("layers")["alpha"]) == {0, 1}
    assert set(study.view(above).runs()["model"]) == {"resnet18"}
    assert set(study.view(study.figure.panels[4]).runs()["model"]) == {"resnet20"}


def test_a_view_of_what_is_not_there():
    study = made_up_study((-1.0, 0.0), 1, figure="figA1", models=["resnet20"])
    assert study.view(study.figure.panels[0]) is None  # ResNet18 was not asked for
    assert study.view(study.figure.panels[2]).model == "resnet20"
    study = made_up_study((0.0,), 1, missing=[(0.0, 0)])
    assert study.view(study.figure.panels[0]) is None


def test_a_profiles_own_network_stands_in_where_none_is_covered():
    study = made_up_study((-1.0, 0.0), 1, figure="fig1", profile="cifar10-short")
    assert [study.view(panel).model for panel in study.figure.panels] == ["resnet20"] * 4


def test_a_view_chooses_by_where_but_keeps_the_baseline():
    study = made_up_study((0.0, 1.0), 1, figure="batches")
    panel = replace(study.figure.panels[0], where={"estimate": "unbiased"})
    found = study.view(panel).runs()
    assert found[["alpha", "estimate"]].to_numpy().tolist() == [[0.0, "batch"], [1.0, "unbiased"]]
    slope = replace(panel, where={"activation": "leaky_relu:0.1"})  # that is no setting of the regulariser
    assert study.view(slope) is None


def test_means_are_over_units_of_the_panels_layers():
    study = made_up_study((-1.0, 0.0), 1, figure="figA20")
    layers = study.tables.layers
    layers.loc[layers["depth"] == 3, "si"] = 0.9
    by_layer, first = study.figure.panels[:2]
    assert first.layers == "first3"
    assert study.view(first).means("si")["mean"].tolist() == pytest.approx([index_of(-1), index_of(0)])
    whole = study.view(by_layer).means("si")["mean"].tolist()
    assert whole == pytest.approx([(3 * index_of(a) + 0.9) / 4 for a in (-1, 0)])


def test_a_second_network_is_another_view():
    study = made_up_study((-1.0, 0.0), 1, figure="figA16")
    view = study.view(study.figure.panels[0])
    assert set(view.runs()["model"]) == {"vgg16"}
    assert set(view.other().runs()["model"]) == {"resnet20"}
