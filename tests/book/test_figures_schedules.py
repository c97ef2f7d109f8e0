import re

import pytest
from measured_study import measured_study

from selectivity_core.book.figures.schedules import (
    gap_by_epochs,
    gap_by_index,
    schedules,
    schedules_in_words,
    schedules_table,
)
from selectivity_core.book.figures.shown import Nothing
from selectivity_core.book.figures.style import panels
from selectivity_core.book.schedules import at_equal_alpha, over_seeds

ALPHAS = (-1.0, 0.0, 1.0)


def index(spec):
    """α moves it further the longer it acts: by 0.1, 0.2 and 0.4 after 20, 40 and 80 epochs."""
    return 0.4 + 0.1 * spec.alpha * spec.epochs / 20 / (2 if spec.alpha < 0 else 1)


def accuracy(spec):
    """α = 1 costs 0.2, 0.1 and 0.05 after 20, 40 and 80 epochs, in odd seeds 0.01 more; α = −1 costs nothing."""
    cost = 4 / spec.epochs + 0.01 * (spec.seed % 2) * (spec.epochs != 20) if spec.alpha > 0 else 0
    return 0.9 - cost - 0.2 / spec.epochs + 0.001 * spec.seed


def made_up(seeds=3, **more):
    return measured_study("schedules", ALPHAS, seeds, index=index, accuracy=accuracy, **more)


def test_the_figure():
    shown = schedules(made_up())
    assert shown.anchor == "figure-B10"
    assert "n = 3" in shown.caption
    assert "Bars: 95 % t intervals over seeds." in shown.caption
    assert "Bars" not in schedules(made_up(seeds=1)).caption
    assert "bootstrap in (a) from 10 seeds on, t in (b)" in schedules(made_up(seeds=10)).caption
    assert "20 epochs: −1: 89.1, 0: 89.1, 1: 69.1" in shown.alt
    assert "α = 1, 20 epochs: −20.0 points at an index of 0.500" in shown.alt
    assert "α = 1, 80 epochs: −5.3 points at an index of 0.800" in shown.alt
    assert {"a", "b", "c"} <= set(re.findall(r"<!-- ([a-z]) -->", re.sub(r"\s+", " ", shown.svg)))


def test_a_schedule_of_one_epoch():
    tiny = made_up(epochs=2, milestones=())
    assert "α = 1, 1 epoch: " in schedules(tiny).alt
    assert "α = 1, 4 epochs: " in schedules(tiny).alt
    assert " points after 1 epoch (index " in schedules_in_words(tiny)


def test_one_schedule_or_no_baseline_is_nothing():
    for missing in (lambda s: s.epochs != 40, lambda s: s.alpha == 0, lambda s: s.alpha, lambda s: True):
        study = made_up(missing=missing)
        assert isinstance(schedules(study), Nothing)
        assert schedules_in_words(study).endswith("there is nothing to compare.")


def test_lines_of_gaps():
    axes = panels(1)[1][0]
    gap_by_epochs(axes, over_seeds(at_equal_alpha(made_up().runs())))
    names = [text.get_text() for text in axes.get_legend().get_texts()]
    assert names == ["α = −1", "α = 1"]
    line = axes.containers[1].lines[0]
    assert line.get_xdata() == pytest.approx([20, 40, 80], rel=0.02)  # beside each other
    assert line.get_ydata() == pytest.approx([-20, -10 - 1 / 3, -5 - 1 / 3])


def test_gaps_against_the_index_begin_at_zero():
    axes = panels(1)[1][0]
    runs = made_up().runs()
    gap_by_index(axes, {"short": runs[runs["epochs"] == 20], "long": runs[runs["epochs"] == 80]})
    means = {line.get_label(): line for line in axes.get_lines() if not line.get_label().startswith("_")}
    assert means["short"].get_xdata() == pytest.approx([0.35, 0.4, 0.5])
    assert means["short"].get_ydata() == pytest.approx([0, 0, -20])
    assert means["long"].get_xdata() == pytest.approx([0.2, 0.4, 0.8])


def test_words_and_table_agree():
    study = made_up()
    minus, plus = schedules_in_words(study).split("\n")
    assert "a change of 0.0 points, in each of 3 seeds alike." in minus
    assert minus.startswith("* **α = −1**: 0.0 points after 20 epochs (index 0.350), 0.0 points after 40")
    assert "−20.0 points after 20 epochs (index 0.500), −10.3 points after 40 epochs (index 0.600)" in plus
    assert "From 20 to 80 epochs that is a change of +14.7 points (95 %: +13.2 to +16.1; n = 3)" in plus
    # At an index of 0.5: half of the way to α = 1 after 40 epochs, a quarter after 80.
    assert (
        "At an index of 0.500, which each of these schedules reaches: −20.0 points after 20 epochs, −5.2 points" in plus
    )
    table = schedules_table(study).frame
    rows = table[(table["α"] == "1") & (table["compared at"] == "equal index")]
    assert [text.split(" ")[0] for text in rows["against α = 0, points"]] == ["−20.0", "−5.2", "−1.3"]
    assert rows["change since the shortest"].tolist()[:2] == ["", ""]
    assert rows["change since the shortest"].iloc[2].startswith("+18.7 (")


def test_one_seed_is_not_judged():
    text = schedules_in_words(made_up(seeds=1))
    assert "of one seed: whether it is more than chance cannot be told" in text
    assert set(schedules_table(made_up(seeds=1)).frame["p, Holm"]) == {"", "–"}


def test_a_change_that_seeds_cannot_tell_from_none_is_said_to_be_that():
    def scattered(spec):
        return 0.9 - (0.1 * spec.alpha + (0.05, -0.06, 0.02)[spec.seed] * (spec.epochs == 80)) * (spec.alpha > 0)

    study = measured_study("schedules", ALPHAS, 3, index=index, accuracy=scattered)
    assert "which these 3 seeds cannot tell from none" in schedules_in_words(study)


def test_seeds_that_lack_an_end_are_said_to():
    # α = 1 is there after 20 epochs of one seed and after 80 of the other.
    study = made_up(seeds=2, missing=lambda s: s.alpha > 0 and (s.epochs, s.seed) not in ((20, 0), (80, 1)))
    plus = schedules_in_words(study).split("\n")[1]
    assert "No seed has both the shortest and the longest, so that their difference is not known." in plus
    assert plus.endswith("No seed has networks of all these schedules that reach an index in common.")
    assert set(schedules_table(study).frame.query("α == '1'")["p, Holm"]) == {""}


def test_without_a_common_index_there_is_no_comparison_at_one():
    study = measured_study("schedules", ALPHAS, 2, index=lambda s: 0.2 + s.epochs / 200 + 0.01 * s.alpha)
    text = schedules_in_words(study)
    assert text.count("No seed has networks of all these schedules that reach an index in common.") == 2
    assert set(schedules_table(study).frame["compared at"]) == {"equal α"}
