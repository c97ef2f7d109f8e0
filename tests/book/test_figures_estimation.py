import re

import pandas as pd
import pytest
from made_up_study import made_up_study

from selectivity_core.book.figures.estimation import batch_lines, batches_figure, chance_by_size, chance_lines
from selectivity_core.book.figures.shown import Nothing
from selectivity_core.book.figures.style import NULL, panels


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
    return made_up_study((-1.0, 0.0, 1.0), seeds, figure="batches", **more)


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
    assert letters(shown) == ["a", "b"]
    assert "4 classes, whole batch: 0.50 at 8, 0.25 at 16" in shown.alt
    assert "4 classes, two halves: 0.00 at 8, 0.00 at 16" in shown.alt  # no minus before a zero
    assert "shuffled labels, two halves: −0.10 at 16, −0.11 at 32" in shown.alt


def test_without_the_weights_one_panel_is_left_out(chance):
    shown = batches_figure(made_up(), chance, None)
    assert letters(shown) == []  # one panel has no letter
    assert "its weights are not in the local store" in shown.caption
    assert "one network by batch size" not in shown.alt


def test_without_runs_nothing_is_drawn(chance, batches):
    every = [(a, s) for a in (-1.0, 0.0, 1.0) for s in range(3)]
    assert isinstance(batches_figure(made_up(diverged=every), chance, batches), Nothing)


def test_chance_as_a_table(chance):
    table = chance_by_size(chance.sample(frac=1, random_state=0))
    assert table.frame.columns.tolist() == ["classes", "samples in a batch", "whole batch", "two halves"]
    assert table.frame.to_numpy().tolist() == [
        [2, 8, "0.250", "−0.001"], [2, 16, "0.125", "−0.001"], [4, 8, "0.500", "−0.001"], [4, 16, "0.250", "−0.001"]
    ]  # fmt: skip
