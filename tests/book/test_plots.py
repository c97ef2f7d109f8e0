"""Helpers for figures, and pictures of verdicts made by hand."""

import matplotlib
import matplotlib.pyplot as plt
import pandas as pd
import pytest

from selectivity_core.book import BookError, plots


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
