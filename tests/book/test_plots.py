"""Helpers for figures, and pictures of verdicts made by hand."""

import matplotlib
import matplotlib.pyplot as plt
import pandas as pd
import pytest
from bs4 import BeautifulSoup

from selectivity_core.book import BookError, plots
from selectivity_core.book.plots import scoreboard


@pytest.fixture(autouse=True)
def headless():
    matplotlib.use("Agg")
    yield
    plt.close("all")


def test_the_palette_is_blue_below_zero_and_red_above():
    found = plots.alpha_palette([-1, 0, 1, -30])
    red = {a: matplotlib.colors.to_rgb(c) for a, c in found.items()}
    assert found[0.0] == plots.GREY
    assert red[-30.0][2] > red[-30.0][0] and red[1.0][0] > red[1.0][2]
    assert sum(red[-30.0]) < sum(red[-1.0])  # larger |α| is darker


def test_alpha_has_evenly_spaced_places():
    ax = plt.subplots()[1]
    assert plots.alpha_axis(ax, [1, -30, 0]) == {-30.0: 0, 0.0: 1, 1.0: 2}
    assert [t.get_text() for t in ax.get_xticklabels()] == ["−30", "0", "1"]


def test_an_interval_that_is_not_known_is_left_out():
    ax = plt.subplots()[1]
    frame = pd.DataFrame({"m": [1.0, 2.0], "lo": [0.5, float("nan")], "hi": [2.0, float("nan")]})
    plots.interval(ax, [0, 1], frame, "m", "lo", "hi")
    segments = ax.containers[0][2][0].get_segments()
    assert [s[:, 1].tolist() for s in segments] == [[0.5, 2.0], [2.0, 2.0]]


def test_stars():
    assert [plots.stars(p) for p in (0.2, 0.049, 0.009, 0.0009, float("nan"))] == ["", "*", "**", "***", ""]


def test_alternative_text_states_the_numbers():
    frame = pd.DataFrame({"alpha": [-1.0, -1.0, 0.0], "acc": [1.0, 2.0, 4.0], "net": ["a", "a", "b"]})
    assert plots.describe("T", frame, "alpha", "acc") == "T. Mean acc by alpha: −1: 1.5; 0: 4."
    assert plots.describe("T", frame, "alpha", "acc", "net") == "T. Mean acc by net and alpha: a −1: 1.5; b 0: 4."


def test_a_figure_is_shown_with_anchor_caption_and_text_and_saved(tmp_path, monkeypatch):
    fig, _ = plt.subplots()
    shown = []
    monkeypatch.setattr(plots, "display", shown.append)
    runs = pd.DataFrame({"a": [1]})
    plots.show(fig, "figA7", "a <caption>", 'says "0.5"', save=tmp_path / "out", tables={"runs": runs})
    html = shown[0].data
    assert 'id="figure-A7"' in html and "<b>Figure A7</b> (Leavitt &amp; Morcos). a &lt;caption&gt;" in html
    assert 'alt="says &quot;0.5&quot;"' in html
    names = sorted(p.name for p in (tmp_path / "out").iterdir())
    assert names == ["figure-A7-runs.csv", "figure-A7.pdf", "figure-A7.png"]
    assert isinstance(fig, plt.Figure)
    with pytest.raises(BookError, match="both needed"):
        plots.show(fig, "fig1", "", "x")


def test_the_forest_has_a_row_a_judged_claim_and_points_share_an_axis():
    row = {
        "claim": "L1",
        "statement": "It falls.",
        "profile": "digits",
        "network": "ResNet18",
        "where": "α = 1",
        "n": 3.0,
        "unit": "points",
    }
    row |= {"status": "same sign, size differs", "estimate": -2.0, "low": -3.0, "high": -1.0, "paper_value": -5.0}
    other = {"claim": "L2", "status": "opposite sign", "paper_value": float("nan")}
    ratio = other | {"claim": "L3", "unit": "", "status": "inconclusive"}
    frame = pd.DataFrame([row, row | {"status": "not run"}, row | other, row | ratio])
    axes = plots.forest(frame).axes
    assert [[text.get_text() for text in ax.texts] for ax in axes] == [
        ["same sign, size differs", "opposite sign"], ["inconclusive"],
    ]  # fmt: skip
    names = [name.get_text() for name in axes[0].get_yticklabels()]
    assert names == [f"{claim}  It falls.\nResNet18, digits, α = 1, n = 3" for claim in ("L1", "L2")]
    assert len(axes[0].lines) == 2 + 2 + 1 + 1  # intervals, markers, the paper's bar where it gives a number, zero
    assert plots.forest(frame.iloc[1:2]).axes[0].texts


def test_p_values_are_never_printed_as_zero():
    assert [plots.p_value(p) for p in (0.0004, 0.001, 0.25, float("nan"))] == ["<0.001", "0.001", "0.250", "–"]


ROW = {"claim": "M009", "figure": "morcos3", "statement": "a < b", "paper_says": "negative", "profile": "digits",
       "network": "11-layer convnet",
       "where": "over 19 networks", "status": "same sign", "estimate": -0.44, "low": -0.75, "high": -0.04, "n": 19,
       "training": float("nan"), "paper_value": float("nan")}  # fmt: skip
NOTHING = {"profile": "mnist", "status": "inconclusive", "n": 1} | dict.fromkeys(
    ("estimate", "low", "high"), float("nan")
)


def test_a_claim_has_a_line_and_a_mark_for_each_scale_with_a_value():
    html = scoreboard(pd.DataFrame([ROW, ROW | NOTHING, ROW | {"claim": "M010", "status": "not run"}])).data
    board = BeautifulSoup(html, "html.parser")
    (claim,) = board.select(".selectivity-claim")
    assert claim.p.get_text().startswith("M009 a < b") and "Morcos et al. 2018, Figure 3" in claim.p.get_text()
    lines = [line.get_text(" ", strip=True) for line in claim.select("li")]
    assert lines[0] == "same sign 11-layer convnet, digits, over 19 networks: −0.44 (−0.75 to −0.04), n = 19"
    assert lines[1] == "inconclusive 11-layer convnet, mnist, over 19 networks: – (– to –), n = 1"
    assert len(claim.svg.select("path")) == 1 and "nan" not in html
    assert [[o.get_text() for o in s.select("option")] for s in board.select("select")] == [
        ["all", "digits", "mnist"], ["all", "same sign", "inconclusive"],
    ]  # fmt: skip
