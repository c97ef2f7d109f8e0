import re
from html import unescape

import pandas as pd
import pytest
from made_up_reliance import made_up_reliance

from selectivity_core.book.figures.morcos_explorer import NOISE, SHARES, accuracy_at, perturbation_explorer
from selectivity_core.book.figures.shown import Nothing


def alts(stack):
    return [unescape(re.search(r'alt="([^"]*)"', page.value)[1]) for page in stack.children]


def test_accuracy_between_steps_is_a_straight_line():
    curves = pd.DataFrame(
        {"run": ["b", "b", "b", "a", "a", "a"], "fraction": [1.0, 0.0, 0.5] * 2, "accuracy": [0.1, 0.9, 0.7, 0, 1, 1]}
    )
    assert accuracy_at(curves, 0.25).to_dict() == pytest.approx({"b": 0.8, "a": 1.0})
    assert accuracy_at(curves, 1.0).to_dict() == pytest.approx({"b": 0.1, "a": 0.0})


def mlp_alone(figure, seeds, **options):
    """Pictures cost time: one network and three shares are enough."""
    study = made_up_reliance(figure, seeds, **options)
    specs = {spec.id: spec for spec in study.specs}
    keep = [specs[r].model == "mlp" and specs[r].label_corruption in (0.0, 0.4, 1.0) for r in study.tables.runs["run"]]
    study.tables.runs = study.tables.runs[keep].reset_index(drop=True)
    return study


def test_a_frame_for_every_share_and_corruption():
    found = perturbation_explorer(mlp_alone("morcos1", 2))
    choice, slider, outer = found.children
    assert list(choice.options) == [f"MLP, {share} of the labels random" for share in ("0 %", "40 %", "100 %")]
    assert list(slider.options) == [f"{100 * share:g} %" for share in SHARES]
    assert len(outer.children) == 3
    texts = [alts(stack) for stack in outer.children]
    assert {len(t) for t in texts} == {len(SHARES)}
    # drops of 0.30 + 0.02 seed + 0.03 place, half of the way: places 0, 2 and 5
    assert texts[1][SHARES.index(0.5)] == (
        "MLP, 40 % of the labels random, 50 % of hidden units clamped: training accuracy 81.5 %, mean of 2 networks; "
        "0 %: 84.5 %, 100 %: 77.0 %."
    )
    frames = {page.value for stack in outer.children for page in stack.children}
    assert len(frames) == 3 * len(SHARES)  # no picture stands for another


def test_noise_has_its_own_positions():
    _, slider, outer = perturbation_explorer(mlp_alone("morcos2", 1)).children
    assert list(slider.options) == ["none", "0.1 SD", "0.32 SD", "0.56 SD", "1 SD", "1.8 SD", "3.2 SD", "10 SD"]
    assert len(slider.options) == len(NOISE)
    # a scale of 1 is step 7 of the made-up curve's 10: 1 − 0.3 · 0.7
    assert "noise of 1 SD: training accuracy 79.0 %, mean of 1 network" in alts(outer.children[0])[4]
    assert "no noise: training accuracy 100.0 %" in alts(outer.children[0])[0]


def test_a_corruption_that_nobody_memorised_cannot_be_chosen():
    choice, _, _ = perturbation_explorer(mlp_alone("morcos1", 1, not_fitted=(0,))).children
    assert list(choice.options) == ["MLP, 0 % of the labels random"]


def test_nothing_stands_where_no_run_is_finished():
    assert isinstance(perturbation_explorer(made_up_reliance("morcos1", 1, missing=[(0.0, 0)])), Nothing)
