"""Areas by α, and what is said of them."""

import numpy as np
import pytest
from made_up_reliance import drop_of, made_up_reliance

from selectivity_core.book.figures import Nothing, reliance_figure, reliance_in_words, reliance_table
from selectivity_core.book.figures.morcos_reliance import effects, reliance

ALPHAS = (-5.0, 0.0, 5.0)


@pytest.fixture
def study():
    return made_up_reliance("reliance", 3, ALPHAS)


def test_areas_of_every_analysis(study):
    found = reliance(study, "resnet20")
    assert [len(rows) for rows in found.values()] == [9, 9, 9]
    spec = next(s for s in study.specs if s.model == "resnet20")
    for name, extra in (("ablation-test", 0.0), ("ablation-test-mean", 0.1)):
        for row in found[name].itertuples():
            drop = drop_of(spec.replace(seed=int(row.seed), alpha=row.alpha), 0) + extra
            assert row.none == pytest.approx(1 - drop / 2)
            assert row.chance == pytest.approx((0.9 - drop / 2) / 0.9)
    assert found["noise-test"]["none"].mean() == pytest.approx(found["ablation-test"]["none"].mean())


def test_effects_are_those_of_the_mean_clamp(study):
    found = effects(study, "resnet18").set_index("alpha")
    assert found["difference"].to_dict() == {
        -5.0: pytest.approx(-0.025 / 0.9), 0.0: pytest.approx(np.nan, nan_ok=True), 5.0: pytest.approx(0.025 / 0.9),
    }  # fmt: skip


def test_words_go_with_the_sign_and_name_intervals(study):
    curves = study.tables.curves
    draw = np.random.default_rng(0)
    noise = dict(zip(study.tables.runs["run"], draw.normal(0, 0.002, len(study.tables.runs)), strict=True))
    curves["accuracy"] = curves["accuracy"] + curves["run"].map(noise) * curves["step"] / 10
    said = reliance_in_words(study)
    assert "**ResNet20.** With units clamped to their mean, at α = −5 they rely more on single units (area −0.0" in said
    assert "at α = 5 they rely less on single units (area +0.0" in said
    assert said.count("95 % simultaneous interval") == 4


def test_no_difference_is_said_with_its_reach(study):
    curves = study.tables.curves
    draw = np.random.default_rng(0)
    noise = dict(zip(study.tables.runs["run"], draw.normal(0, 0.5, len(study.tables.runs)), strict=True))
    curves["accuracy"] = 0.9 + curves["run"].map(noise) * 0.1 * curves["step"] / 10
    assert (
        "At none of 2 values of α does the area with units clamped to their mean differ clearly"
        in reliance_in_words(study)
    )


def test_figure_and_table(study):
    shown = reliance_figure(study)
    assert shown.anchor == "figure-B8"
    assert shown.caption.startswith("Figure B8 (this book). Does α change the reliance on single units?")
    assert [len(runs) for _, runs in shown.used] == [9] * 4
    assert "ResNet20, mean area under the curve, above chance: clamped to their mean, −5: 0.7" in shown.alt
    frame = reliance_table(study).frame
    assert len(frame) == 2 * 3 * len(ALPHAS)
    assert frame["units"].unique().tolist() == ["clamped to their mean", "clamped to zero", "noise of their own SD"]
    assert set(frame["n"]) == {"3"}


def test_networks_at_chance_have_no_area(study):
    curves, runs = study.tables.curves, study.tables.runs
    collapsed = runs.loc[runs["alpha"] == 5, "run"]
    curves.loc[curves["run"].isin(collapsed), "accuracy"] = 0.1
    assert effects(study, "resnet20")["alpha"].tolist() == [-5, 0]
    frame = reliance_table(study).frame
    rows = frame[frame["α"] == "5"]
    assert set(rows["above chance"]) == set(rows["difference"]) == {"–"}
    assert set(rows["over initial accuracy"]) == {"1.000"}  # nothing to lose
    assert isinstance(reliance_figure(study).svg, str)


def test_a_single_seed_and_no_run():
    few = made_up_reliance("reliance", 1, ALPHAS)
    assert "Too few networks are there to compare α with 0." in reliance_in_words(few)
    none = made_up_reliance("reliance", 1, (0.0,), missing=[(0.0, 0)])
    assert isinstance(reliance_figure(none), Nothing)
    assert reliance_table(none).caption == "No network is finished"
