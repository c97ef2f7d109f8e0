"""Panels of best and worst networks, of training and of choices, from made-up curves."""

import numpy as np
import pandas as pd
import pytest
from made_up_reliance import EPOCHS, drop_of, error_of, made_up_reliance

from selectivity_core.book.figures import draw
from selectivity_core.book.figures.morcos_selection import USED, choice_table, choices, ends, fitted, with_areas
from selectivity_core.book.figures.morcos_training import through_training


@pytest.fixture(scope="module")
def many():
    return made_up_reliance("morcos3", 9, not_fitted=(4,))


@pytest.fixture(scope="module")
def settings():
    return made_up_reliance("morcos4", 2)


def view(study, kind):
    return study.view(next(panel for panel in study.figure.panels if panel.kind == kind))


def test_areas_and_errors_of_networks_that_fit(many):
    shown = view(many, "auc_generalisation")
    found = with_areas(shown, fitted(shown))
    assert found["seed"].tolist() == [0, 1, 2, 3, 5, 6, 7, 8]
    assert found["error"].tolist() == pytest.approx([error_of(s, 0) for s in found["seed"]])
    spec = many.specs[0]
    assert found["initial"].tolist() == pytest.approx(
        [1 - drop_of(spec.replace(seed=int(s)), 0) / 2 for s in found["seed"]]
    )


def test_ends_are_a_quarter_of_the_networks_at_most(many):
    found = fitted(view(many, "best_worst"))
    assert {name: rows["seed"].tolist() for name, rows in ends(found).items()} == {"best": [0, 1], "worst": [7, 8]}
    assert [len(rows) for rows in ends(pd.concat([found] * 4)).values()] == [5, 5]
    assert [len(rows) for rows in ends(found.head(2)).values()] == [1, 1]
    assert list(ends(found.head(1))) == ["best"]


def test_one_network_is_neither_the_best_nor_the_worst():
    assert USED["best_worst"](view(made_up_reliance("morcos3", 1), "best_worst")) == ()
    assert len(USED["best_worst"](view(made_up_reliance("morcos3", 2), "best_worst"))) == 2


def test_figure_3_in_words(many):
    shown = draw(many)
    assert "the 2 that generalise best (generalisation error 5.0 to 6.0 points): mean area 0.845" in shown.alt
    assert "the 2 that generalise worst (generalisation error 12.0 to 13.0 points): mean area 0.775" in shown.alt
    assert "rank correlation of generalisation error and area over 8 networks: −1.00 (−1.00 to −1.00)" in shown.alt
    assert "Left out, with a training accuracy below 0.95: seed 4: 0.500." in shown.caption
    assert [len(runs) for _, runs in shown.used] == [4, 8]


def test_through_training_joins_losses_and_areas(settings):
    for kind in ("auc_training", "auc_loss"):
        found = through_training(view(settings, kind))
        assert found["seed"].tolist() == [0] * EPOCHS + [1] * EPOCHS
        assert found["epoch"].tolist() == [1, 2, 3, 4] * 2
        assert found["test_loss"].tolist() == [1.0, 0.5, 0.3, 0.4] * 2
        first = found[found["seed"] == 0]
        # lines from 0.5, 0.8, 1 and 1, down by 0.3 and at the end by 0.4
        assert first["none"].tolist() == pytest.approx([0.35, 0.65, 0.85, 0.8])
        assert first["initial"].tolist() == pytest.approx([0.7, 0.8125, 0.85, 0.8])


def test_figure_4_in_words(settings):
    shown = draw(settings)
    assert "network 0: test loss lowest at epoch 3 (0.300; at the end 0.400)" in shown.alt
    assert "over initial accuracy at epoch 3, of accuracy at epoch 3, above chance at epoch 3" in shown.alt
    # Losses 1, 0.5, 0.3, 0.4: ranks 4, 3, 1, 2. Areas of accuracy rank 1, 2, 4, 3; over initial accuracy 1, 3, 4, 2:
    # 1 - 6 * 18 / 60.
    assert "over initial accuracy −0.80" in shown.alt
    assert "of accuracy −1.00" in shown.alt
    count = len({(s.lr, s.batch_size) for s in settings.specs if s.model == "convnet11"})
    assert f"over {count} settings, averaged over 2 networks of each: 1.00" in shown.alt
    assert "best 1: 100 %, best 3: 100 %, best 5: 100 %; 0.00 points behind the best on average" in shown.alt
    assert [len(runs) for _, runs in shown.used] == [2, 2, 2 * count]


def test_choices_are_made_within_seeds(settings):
    shown = view(settings, "auc_choice")
    found = with_areas(shown, fitted(shown))
    assert [c.settings for c in choices(found, "initial")] == [len(found) // 2] * 2
    assert choices(found.head(3), "initial") == []
    assert choices(found.assign(worst=-found["initial"]), "worst")[0].gap > 0


def test_choice_table(settings):
    frame = choice_table(settings).frame
    assert frame["chosen by"].tolist() == [
        "area over initial accuracy", "area of accuracy", "area above chance", "accuracy on validation images",
        "a draw",
    ]  # fmt: skip
    assert set(frame.loc[:2, "among the best 1"]) == {"100 %"}
    assert frame["points behind the best"].iloc[0] == "0.00"
    half = len({(s.lr, s.batch_size) for s in settings.specs if s.model == "convnet11"}) // 2
    assert frame["among the best 1"].iloc[-1] == f"{100 / half:.0f} %"
    assert float(frame["points behind the best"].iloc[-1]) > 0


def test_without_networks_there_is_no_choice():
    study = made_up_reliance("morcos4", 1, missing=[(0.0, 0)])
    assert choice_table(study).caption == "No four settings are finished"


def test_networks_that_are_not_analysed_are_not_drawn(many):
    study = made_up_reliance("morcos3", 5)
    kept = study.specs[0].id
    study.tables.curves = study.tables.curves[study.tables.curves["run"] != kept]
    shown = draw(study)
    assert all(kept not in runs for _, runs in shown.used)
    assert np.isfinite(fitted(view(study, "best_worst"))["error"]).all()


def test_one_setting_is_no_choice_and_an_area_may_be_unknown():
    study = made_up_reliance("morcos4", 1, lr=0.01, batch_size=32)
    curves = study.tables.curves
    looked_at = curves["kind"].str.startswith("epoch")
    curves.loc[looked_at, "accuracy"] = 0.1  # at chance throughout
    words = draw(study).alt
    assert "above chance nowhere known" in words
    assert "nan" not in words
    assert "over 1 settings" in words
