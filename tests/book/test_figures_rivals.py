import re

import pandas as pd
import pytest
from made_up_study import made_up_study

from selectivity_core.book.figures.rivals import differences_figure, differences_table, ratio_dots
from selectivity_core.book.figures.shown import Nothing
from selectivity_core.book.figures.style import panels


@pytest.fixture
def table():
    rows = [
        ("sums", "sums in place of means", "SI on batches", 0.2, 0.5),
        ("dropped", "layers dropped", "SI over layers", 0.4, 0.1),
        ("nothing", "does nothing", "accuracy", 0.0, 0.3),
    ]
    return pd.DataFrame(rows, columns=["name", "differs", "measure", "paper", "other"])


def made_up():
    study = made_up_study((0.0,), 1, figure="others")
    runs = study.tables.runs
    for field in ("activation", "estimate"):
        runs[field] = [getattr(study.specs[0], field)] * len(runs)
    return study


def test_ratio_dots(table):
    axes = panels(1)[1][0]
    ratio_dots(axes, table)
    (dots,) = [line for line in axes.get_lines() if line.get_marker() == "o"]
    assert dots.get_ydata().tolist() == [2, 1, 0]  # the first on top
    assert dots.get_xdata()[:2].tolist() == pytest.approx([2.5, 0.25])
    assert [text.get_text() for text in axes.texts] == ["2.50", "0.25"]  # a value of 0 has no multiple
    assert next(t.get_text() for t in axes.get_yticklabels()) == "sums\nSI on batches"
    low, high = axes.get_xlim()
    assert low < 0.25 < 2.5 < high


def test_ratio_dots_without_any_ratio(table):
    axes = panels(1)[1][0]
    ratio_dots(axes, table.iloc[2:])
    low, high = axes.get_xlim()
    assert low < 1 < high
    assert len(axes.texts) == 0


def test_differences_figure(table):
    shown = differences_figure(made_up(), table)
    assert shown.anchor == "figure-B6"
    assert shown.caption.startswith("Figure B6 (this book). How far the numbers of one trained network move")
    assert "n = 1" in shown.caption
    assert "sums: 0.200 becomes 0.500; dropped: 0.400 becomes 0.100; nothing: 0.000 becomes 0.300." in shown.alt
    svg = re.sub(r"\s+", " ", shown.svg)
    assert all(f"<!-- {text} -->" in svg for text in ("sums", "2.50", "times the papers' value"))


def test_without_weights_the_place_says_which_run_it_lacks():
    study = made_up()
    shown = differences_figure(study, None)
    assert isinstance(shown, Nothing)
    html = shown._repr_html_()
    assert 'id="figure-B6"' in html
    assert "Nothing is drawn: weights are missing" in html
    assert f"resnet20 on digits, α = 0, seed 0 ({study.specs[0].id})" in html
    assert differences_table(None) is None


def test_differences_table(table):
    frame = differences_table(table.assign(other=[0.5, -0.1, 0.3])).frame
    assert frame["difference"].tolist() == ["sums", "dropped", "nothing"]
    assert frame["the papers' way"].tolist() == ["0.200", "0.400", "0.000"]
    assert frame["the other way"].tolist() == ["0.500", "−0.100", "0.300"]
