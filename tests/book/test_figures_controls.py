import re

import numpy as np
import pytest
from measured_study import measured_study

from selectivity_core.book.figures.controls import accuracy_at_selectivity, control_in_words, control_table, estimates
from selectivity_core.book.figures.shown import Nothing
from selectivity_core.book.figures.style import panels
from selectivity_core.errors import ParameterError

ALPHAS = (-1.0, 0.0, 1.0)
WIGGLE = (0.0, 0.004, -0.004)


def index(spec):
    """Permuted labels go half of the way; seeds differ by what no difference within a seed shows, and a little more."""
    strength = 0.1 if spec.estimate == "batch" else 0.05
    return 0.4 + strength * spec.alpha + 0.02 * spec.seed + (WIGGLE[spec.seed] if spec.estimate == "batch" else 0)


def accuracy(spec):
    return 0.9 - (0.05 * spec.alpha if spec.estimate == "batch" and spec.alpha > 0 else 0) + 0.001 * spec.seed


def made_up(seeds=3, figure="classes", **more):
    return measured_study(figure, ALPHAS, seeds, index=index, accuracy=accuracy, **more)


def letters(shown):
    return re.findall(r"<!-- ([a-z]) -->", re.sub(r"\s+", " ", shown.svg))


def test_estimates():
    shown = estimates(made_up())
    assert shown.anchor == "figure-B3"
    assert [k for k in letters(shown) if k in "abcdef"][:1] == ["a"]
    assert {"a", "b", "c", "d", "e", "f"} <= set(letters(shown))
    assert "(true labels)" in shown.caption
    assert "permuted anew in every batch" in shown.caption
    assert "n = 3" in shown.caption
    assert "true labels: −1: 0.320, 0: 0.420, 1: 0.520" in shown.alt
    assert "permuted labels: −1: 0.370, 0: 0.420, 1: 0.470" in shown.alt
    assert "true labels: −1: 90.1, 0: 90.1, 1: 85.1" in shown.alt


def test_the_other_estimate_has_its_own_names_and_part():
    shown = estimates(made_up(figure="batches"), part="-training")
    assert shown.anchor == "figure-B4-training"
    assert "whole batch: −1: 0.320" in shown.alt
    assert "two halves: −1: 0.370" in shown.alt


def test_without_one_side_nothing_is_drawn():
    for missing in (lambda s: s.estimate == "shuffled", lambda s: s.alpha and s.estimate == "batch", lambda s: True):
        study = made_up(missing=missing)
        assert isinstance(estimates(study), Nothing)
        assert len(control_table(study).frame) == 0
        assert control_in_words(study) == "No pair of runs is finished: there is nothing to compare."


def test_a_figure_without_a_control_is_refused():
    with pytest.raises(ParameterError, match="one control is needed"):
        estimates(measured_study("offset", ALPHAS, 1, index=index))


def test_accuracy_against_selectivity_has_a_dot_a_network():
    axes = panels(1)[1][0]
    study = made_up()
    from selectivity_core.book.controls import by_run

    rows = by_run(study.runs(), study.table("layers"), study.table("units"))
    groups = {"black ones": rows[rows["estimate"] == "batch"], "grey ones": rows[rows["estimate"] == "shuffled"]}
    accuracy_at_selectivity(axes, groups)
    dots, means, *_ = axes.get_lines()
    assert len(dots.get_xdata()) == 9
    assert means.get_label() == "black ones"
    assert means.get_xdata() == pytest.approx([0.32, 0.42, 0.52])
    assert means.get_ydata() == pytest.approx([90.1, 90.1, 85.1])
    assert [t.get_text() for t in axes.texts] == ["−1", "0", "1", "−1", "1"]


def test_control_table():
    frame = control_table(made_up()).frame
    assert len(frame) == 8 * 2
    row = frame[(frame["measure"] == "index SI") & (frame["α"] == "−1")].iloc[0]
    assert row[["n", "at α = 0", "change, true labels", "change, permuted labels", "beyond"]].tolist() == [
        3, "0.420", "−0.100", "−0.050", "−0.050"
    ]  # fmt: skip
    assert row["permuted labels, % of change"] == "50"
    # Differences −0.05, −0.046 and −0.054: SD 0.004, so 4.303 · 0.004 / sqrt(3) = 0.0099 either way.
    assert (row["from"], row["to (95 %)"]) == ("−0.060", "−0.040")
    accuracies = frame[(frame["measure"] == "test accuracy (%)") & (frame["α"] == "1")].iloc[0]
    assert (accuracies["beyond"], accuracies["p, Holm"]) == ("−5.0", "–")  # no spread at all: no test


def test_control_in_words():
    lines = control_in_words(made_up()).splitlines()
    assert len(lines) == 5
    si = next(line for line in lines if line.startswith("* **index SI**"))
    assert "at α = −1 it changes with true labels by −0.100, with permuted labels by −0.050" in si
    assert "permuted labels bring 50 % (40 to 60) at α = −1" in si
    assert "They differ clearly at α = −1 (−0.050), α = 1 (+0.050) (Holm, 0.05; 2 tested)." in si


def test_words_of_one_seed_and_of_no_difference():
    assert "With fewer than two seeds there is no test" in control_in_words(made_up(1))
    noise = np.random.default_rng(0).normal(scale=0.01, size=(3, 3, 2))
    study = measured_study(
        "classes", ALPHAS, 3, index=lambda s: 0.4 + noise[s.seed, int(s.alpha), int(s.estimate == "batch")]
    )
    assert "These seeds can tell the two apart at no α (Holm, 0.05; 2 tested)." in control_in_words(study)
