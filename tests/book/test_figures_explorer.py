import base64
import re
from html import unescape

import ipywidgets
import numpy as np
import pytest
from made_up_study import LAYERS, UNITS, index_of, made_up_study

from selectivity_core.book.figures.explorer import distance_explorer, unit_explorer
from selectivity_core.book.figures.shown import Nothing

ALPHAS = (-1.0, 0.0)


def pages(stack):
    """(alternative text, bytes of the picture) of each frame."""
    found = [re.search(r'alt="([^"]*)".*base64,([^"]*)"', child.value) for child in stack.children]
    return [(unescape(m[1]), base64.b64decode(m[2])) for m in found]


@pytest.fixture(scope="module")
def study():
    return made_up_study(ALPHAS, seeds=2)


def test_unit_explorer_goes_from_the_least_to_the_most_selective(study):
    found = unit_explorer(study, "resnet18", tuple("abcdefghij"), steps=3)
    assert isinstance(found, ipywidgets.VBox)
    slider, stack = found.children
    count = len(LAYERS) * UNITS
    lowest, highest = index_of(-1) - 0.05, index_of(-1) + 0.05  # the first run's α is −1
    assert slider.options[0] == f"1 of {count} ({lowest:.2f})"
    assert slider.options[-1] == f"{count} of {count} ({highest:.2f})"
    assert slider.index == 2
    alts = [alt for alt, _ in pages(stack)]
    best = (1 + highest) / (1 - highest)
    assert re.fullmatch(
        rf"Unit 5 of layer \S+: mean activity {best:.3f} for its preferred class f, "
        rf"1\.000 for the mean of the others; index {highest:.3f}\.",
        alts[-1],
    )
    assert len(set(alts)) == 3


def test_unit_explorer_shows_no_unit_twice():
    study = made_up_study((0.0,), seeds=1)
    study.tables.units = study.tables.units[study.tables.units["layer"] == LAYERS[0]]
    slider, _ = unit_explorer(study, "resnet18", tuple("abcdefghij"), steps=1000).children
    assert len(slider.options) == UNITS


def test_distances_by_alpha():
    study = made_up_study((-2.0, -1.0, 0.0), figure="fig2")
    pairs = study.tables.pairs
    pairs.loc[pairs["form"].str.startswith("textbook"), "distance"] /= 2
    choice, slider, outer = distance_explorer(study).children
    assert list(choice.options) == ["paper's form", "textbook's form"]
    assert list(slider.options) == ["−2", "−1"]
    for factor, stack in zip((1, 0.5), outer.children, strict=True):
        for alpha, (alt, _) in zip((-2.0, -1.0), pages(stack), strict=True):
            between = factor * (0.3 + 0.1 * np.tanh(-alpha))
            assert f"mean distance within α {factor * 0.2:.3f}, to α = 0 {between:.3f}, within α = 0" in alt


def test_without_runs_there_is_nothing_to_move():
    study = made_up_study((-1.0, 0.0), 2, figure="fig2", missing=[(a, s) for a in (-1.0, 0.0) for s in (0, 1)])
    found = distance_explorer(study)
    assert isinstance(found, Nothing)
    assert found.anchor != study.figure.anchor  # the figure itself has that
    assert "selectivity sweep" in " ".join(found.lacking)


def test_one_seed_has_no_distances_to_move_through():
    found = distance_explorer(made_up_study((-1.0, 0.0), 1, figure="fig2"))
    assert "two seeds or more" in found.lacking[0]


def test_unit_explorer_without_a_network():
    study = made_up_study((0.0,), 1, figure="index", missing=[(0.0, 0)])
    assert isinstance(unit_explorer(study, "resnet20", tuple("abcdefghij")), Nothing)
