"""The α slider: frames, words, the unit that is followed, and what the paper reports."""

import base64
import io
import re
from html import unescape

import numpy as np
import pytest
from made_up_study import LAYERS, UNITS, accuracy_of, index_of, made_up_study
from PIL import Image

from selectivity_core.book.figures import alpha_slider as module
from selectivity_core.book.figures.alpha_slider import alpha_explorer, explore
from selectivity_core.book.figures.shown import Nothing
from selectivity_core.book.paper.reported import reported_index

ALPHAS = (-1.0, 0.0)
BEST = UNITS - 1  # the unit with the highest index of every layer


def pages(stack):
    """(alternative text, bytes of the picture) of each frame."""
    found = [re.search(r'alt="([^"]*)".*base64,([^"]*)"', child.value) for child in stack.children]
    return [(unescape(m[1]), base64.b64decode(m[2])) for m in found]


def alts(explorer):
    """Choice -> the alternative text at each α."""
    choice, _, outer = explorer.children
    return {name: [alt for alt, _ in pages(s)] for name, s in zip(choice.options, outer.children, strict=True)}


def test_every_alpha_and_choice_has_a_frame_that_says_what_it_shows():
    choice, slider, outer = alpha_explorer(made_up_study(ALPHAS, seeds=2), "resnet18").children
    assert list(choice.options) == ["all layers", "layer 1 of 4", "layer 3 of 4", "layer 4 of 4"]
    assert list(slider.options) == ["−1", "0"]
    assert slider.index == 1  # α = 0
    every = set()
    for name, depth, stack in zip(choice.options, (1, 1, 3, 4), outer.children, strict=True):
        frames = pages(stack)
        assert len(frames) == len(ALPHAS)
        for alpha, (alt, picture) in zip(ALPHAS, frames, strict=True):
            accuracy = 100 * np.mean([accuracy_of(alpha, s) for s in range(2)])
            label, own = f"{alpha:g}".replace("-", "−"), index_of(alpha) + 0.05
            mean = (1 + own) / (1 - own)
            assert alt == (
                f"α = {label}, {name}: mean selectivity index {index_of(alpha):.3f} (shuffled labels 0.100); "
                f"test accuracy {accuracy:.1f} %, network mean {index_of(alpha):.3f}, 2 seeds. "
                f"The unit {BEST} of layer {depth}: index {own:.3f}; preferred class 5 with mean activity {mean:.3f}, "
                f"mean over classes {(mean + 9) / 10:.3f}."
            )
            assert Image.open(io.BytesIO(picture)).format == "PNG"
            every.add(picture)
    assert len(every) == 4 * len(ALPHAS)  # no frame stands for another


def test_one_layer_without_a_baseline_and_without_class_means():
    study = made_up_study(ALPHAS, seeds=1, missing=[(0.0, 0)])
    study.tables.units = study.tables.units[study.tables.units["layer"] == LAYERS[0]]
    study.tables.responses = study.tables.responses.iloc[:0]
    choice, slider, outer = alpha_explorer(study, "resnet18").children
    assert list(choice.options) == ["all layers", "layer 1 of 1"]
    assert (list(slider.options), slider.index) == (["−1"], 0)
    assert [len(stack.children) for stack in outer.children] == [1, 1]
    assert all(
        "preferred class" not in alt and alt.endswith(", 1 seed.") for (alt,) in alts(alpha_explorer(study)).values()
    )


def test_the_unit_is_one_of_the_first_seed_with_class_means():
    study = made_up_study(ALPHAS, seeds=2)
    spec = next(s for s in study.specs if (s.alpha, s.seed) == (-1.0, 0) and s.model == "resnet18")
    study.tables.responses = study.tables.responses[study.tables.responses["run"] != spec.id]
    below, baseline = alts(alpha_explorer(study))["all layers"]
    assert "preferred class" not in below  # seed 0 at α = −1 has none
    assert f"The unit {BEST} of layer 1: index {index_of(0.0) + 0.05:.3f}" in baseline


def test_the_papers_index_is_named_where_it_reports_one(monkeypatch):
    monkeypatch.setattr(module, "reported_index", lambda model, dataset: {-1.0: 0.07} if model == "resnet18" else {})
    study = made_up_study(ALPHAS, seeds=1)
    plain = alts(alpha_explorer(study, "resnet18"))
    assert "(shuffled labels 0.100), in the paper 0.07; test accuracy" in plain["all layers"][0]
    assert "paper" not in plain["all layers"][1] + plain["layer 1 of 4"][0]


def test_without_runs_there_is_nothing_to_move():
    found = alpha_explorer(made_up_study((-1.0, 0.0), 2, missing=[(a, s) for a in (-1.0, 0.0) for s in (0, 1)]))
    assert isinstance(found, Nothing)
    assert found.anchor == "figure-4-slider"
    assert "selectivity sweep" in " ".join(found.lacking)


@pytest.mark.parametrize(
    ("model", "dataset", "expected"),
    [
        ("resnet20", "cifar10", {-30.0: 0.003, -1.0: 0.07, 0.0: 0.22}),
        ("resnet18", "tiny-imagenet", {-3.5: 0.10, -3.0: 0.12, -1.0: 0.22, 0.0: 0.35}),
        ("resnet20", "digits", {}),
        ("mlp", "mnist", {}),
    ],
)
def test_what_the_paper_reports_is_for_its_own_data_alone(model, dataset, expected):
    assert reported_index(model, dataset) == expected


def test_the_first_pages_slider_is_that_of_figure_4s_runs(monkeypatch):
    monkeypatch.setattr(module, "gather", lambda figure, **ask: made_up_study(ALPHAS, seeds=1, figure=figure))
    assert alts(explore("digits")) == alts(alpha_explorer(made_up_study(ALPHAS, seeds=1, figure="fig4")))
