import re

import numpy as np
import pandas as pd
import pytest
from made_up_study import accuracy_of, index_of, made_up_study

from selectivity_core.figures.estimation import batch_lines, batches_figure, chance_lines, estimates_table
from selectivity_core.figures.shown import Nothing
from selectivity_core.figures.style import NULL, panels


@pytest.fixture
def axes():
    return panels(1)[1][0]


@pytest.fixture
def chance():
    rows = [(c, b, 1.0, e, c / b if e == "batch" else -0.001, 0.01) for c in (2, 4) for b in (8, 16) for e in HALVES]
    return pd.DataFrame(rows, columns=["classes", "batch_size", "spread", "estimate", "si", "standard_error"])


HALVES = ("batch", "unbiased")
MEANS = {("batch", "true"): 0.4, ("batch", "shuffled"): 0.3, ("unbiased", "true"): 0.2, ("unbiased", "shuffled"): -0.1}


@pytest.fixture
def batches():
    """Eleven batches of each size, evenly 0.05 below to 0.05 above the mean; larger batches read 0.01 less."""
    rows = [
        (size, estimate, labels, k, mean - 0.01 * (size == 32) + 0.01 * (k - 5))
        for size in (16, 32)
        for (estimate, labels), mean in MEANS.items()
        for k in range(11)
    ]
    return pd.DataFrame(rows, columns=["batch_size", "estimate", "labels", "batch", "si"])


def made_up(seeds=3, **more):
    """Runs with halves have 0.05 more selectivity and, but for the seed, 3 points more accuracy."""
    study = made_up_study((-1.0, 0.0, 1.0), seeds, figure="batches", **more)
    runs = study.tables.runs
    by_id = {spec.id: spec for spec in study.specs}
    for field in ("activation", "estimate"):
        runs[field] = [getattr(by_id[run], field) for run in runs["run"]]
    halves = runs["estimate"] == "unbiased"
    runs.loc[halves, "si_units"] += 0.05
    runs.loc[halves, "test_accuracy"] += 0.03 + 0.001 * runs["seed"]
    return study


def drawn(axes):
    return [line for line in axes.get_lines() if len(line.get_xdata()) and line.get_marker() == "."]


def test_chance_lines(axes, chance):
    chance_lines(axes, chance)
    lines = drawn(axes)
    assert [(line.get_linestyle(), line.get_ydata().tolist()) for line in lines] == [
        ("-", [2 / 8, 2 / 16]), ("--", [-0.001] * 2), ("-", [4 / 8, 4 / 16]), ("--", [-0.001] * 2)
    ]  # fmt: skip
    assert all(line.get_xdata().tolist() == [8, 16] for line in lines)
    assert lines[0].get_color().tolist() == lines[1].get_color().tolist() != lines[2].get_color().tolist()
    legend = [text.get_text() for text in axes.get_legend().get_texts()]
    assert legend == ["2 classes", "4 classes", "whole batch", "two halves"]
    assert axes.get_xscale() == "log"
    assert [text.get_text() for text in axes.get_xticklabels()] == ["8", "16"]


def test_batch_lines(axes, batches):
    batch_lines(axes, batches, trained_with=16)
    lines = drawn(axes)
    expected = [("black", "-", 0.4), ("black", "--", 0.2), (NULL, "-", 0.3), (NULL, "--", -0.1)]
    for line, (color, dashes, mean) in zip(lines, expected, strict=True):
        assert (line.get_color(), line.get_linestyle()) == (color, dashes)
        assert line.get_ydata() == pytest.approx([mean, mean - 0.01])
    band, _ = axes.collections  # of the true labels, whole batch and halves
    heights = band.get_paths()[0].vertices[:, 1]
    assert (heights.min(), heights.max()) == pytest.approx((0.4 - 0.01 - 0.04, 0.4 + 0.04))
    assert any(list(line.get_xdata()) == [16, 16] and line.get_linestyle() == ":" for line in axes.get_lines())


def letters(shown):
    return re.findall(r"<!-- ([a-f]) -->", re.sub(r"\s+", " ", shown.svg))


def test_batches_figure(chance, batches):
    shown = batches_figure(made_up(), chance, batches)
    assert shown.anchor == "figure-B4"
    assert shown.caption.startswith("Figure B4 (this book). (a) expected index")
    assert "n = 3" in shown.caption
    assert "(c, d) selectivity" in shown.caption
    assert letters(shown) == ["a", "b", "c", "d"]
    assert "4 classes, whole batch: 0.50 at 8, 0.25 at 16" in shown.alt
    assert "4 classes, two halves: 0.00 at 8, 0.00 at 16" in shown.alt  # no minus before a zero
    assert "shuffled labels, two halves: −0.10 at 16, −0.11 at 32" in shown.alt
    for alpha, label in ((-1.0, "−1"), (1.0, "1")):
        assert shown.alt.count(f"{label}: {index_of(alpha):.3f}") == 1
        assert shown.alt.count(f"{label}: {index_of(alpha) + 0.05:.3f}") == 1
    assert shown.alt.count(f"0: {index_of(0.0):.3f}") == 2  # both start from the same networks at α = 0


def test_without_the_weights_one_panel_is_left_out(chance):
    shown = batches_figure(made_up(), chance, None)
    assert letters(shown) == ["a", "b", "c"]
    assert "(b, c) selectivity" in shown.caption
    assert "its weights are not in the local store" in shown.caption
    assert "one network by batch size" not in shown.alt


def test_without_runs_nothing_is_drawn(chance, batches):
    every = [(a, s) for a in (-1.0, 0.0, 1.0) for s in range(3)]
    assert isinstance(batches_figure(made_up(diverged=every), chance, batches), Nothing)


def test_one_seed_has_no_intervals_and_no_test(chance, batches):
    study = made_up(seeds=1)
    assert "n = 1" in batches_figure(study, chance, batches).caption
    frame = estimates_table(study).frame
    assert len(frame) == 4
    assert frame[["95 %", "p, Holm"]].to_numpy().tolist() == [["–", "–"]] * 4


def test_estimates_table():
    frame = estimates_table(made_up()).frame
    assert frame["measure"].tolist() == ["mean selectivity index"] * 2 + ["test accuracy (%)"] * 2
    assert frame["α"].tolist() == ["−1", "1"] * 2
    assert frame["n"].tolist() == [3] * 4
    assert frame["difference"].tolist() == ["0.050", "0.050", "3.1", "3.1"]
    low = np.mean([accuracy_of(-1.0, s) for s in range(3)]) * 100
    assert (frame["whole batch"][2], frame["two halves"][2]) == (f"{low:.1f}", f"{low + 3.1:.1f}")
    # Differences 3.0, 3.1 and 3.2: SD 0.1, so 4.303 · 0.1 / sqrt(3) = 0.248 either way.
    assert frame["95 %"][2] == "2.9 to 3.3"


def test_seeds_without_a_partner_are_left_out():
    study = made_up()
    runs = study.tables.runs
    lost = (runs["estimate"] == "unbiased") & (runs["alpha"] == 1.0) & (runs["seed"] == 2)
    study.tables.runs = runs[~lost]
    assert estimates_table(study).frame["n"].tolist() == [3, 2, 3, 2]
    study.tables.runs = runs[runs["estimate"] == "batch"]
    assert estimates_table(study) is None
