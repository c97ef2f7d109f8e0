"""Helpers for figures, and pictures of verdicts made by hand."""

import json
import re
from urllib.parse import unquote
from xml.etree import ElementTree

import matplotlib
import matplotlib.pyplot as plt
import pandas as pd
import pytest
from bs4 import BeautifulSoup
from matplotlib.colors import to_rgb

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
    assert plots.describe("T", frame, "alpha", "acc") == "T. Mean acc by α: −1: 1.5; 0: 4."
    assert plots.describe("T", frame, "alpha", "acc", "net") == "T. Mean acc by net and α: a −1: 1.5; b 0: 4."


def test_columns_and_networks_are_words_in_alternative_texts():
    frame = pd.DataFrame({"alpha": [0.0, 0.0], "si_units": [-0.5, 0.25], "model": ["convnet11", "first_last"]})
    assert plots.describe("T", frame, "alpha", "si_units", "model") == (
        "T. Mean index by network and α: 11-layer convnet 0: −0.5; first last 0: 0.25."
    )


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
    two = {"runs": runs, "more": runs}
    for tables in (two, {"runs": runs + 1}, two, {"runs": runs + 1}):
        plots.show(fig, "figA7", "a", "b", save=tmp_path / "out", tables=tables)
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == [
        "figure-A7-2-runs.csv", "figure-A7-2.pdf", "figure-A7-2.png", "figure-A7-more.csv", "figure-A7-runs.csv",
        "figure-A7.pdf", "figure-A7.png",
    ]  # fmt: skip
    with pytest.raises(BookError, match="both needed"):
        plots.show(fig, "fig1", "", "x")


def shown(fig, monkeypatch, **more):
    seen = []
    monkeypatch.setattr(plots, "display", seen.append)
    plots.show(fig, "figA7", "a caption", "words", **more)
    return BeautifulSoup(seen[0].data, "html.parser").img


def two(width=8.0, **more):
    plots.use_style()
    return plt.subplots(1, 2, figsize=(width, 3), **more)


def test_the_picture_on_the_page_is_the_figure(monkeypatch):
    fig, ax = plt.subplots(figsize=(4, 3))
    ax.set_title("100 % of #1 'a' & \"b\"")
    kind, drawn = shown(fig, monkeypatch)["src"].split(",", 1)
    assert kind == "data:image/svg+xml" and ElementTree.fromstring(unquote(drawn)).get("width") == "288pt"


def test_a_picture_may_be_shown_larger_than_it_is_drawn(monkeypatch):
    drawn, larger = (shown(plt.subplots(figsize=(4, 3))[0], monkeypatch, scale=scale) for scale in (1, 1.5))
    assert drawn["width"] == larger["width"] == "400"  # what a phone goes by
    assert "width: 400px; max-width: 100%" in drawn["style"] and "width: 600px; max-width: 100%" in larger["style"]


def test_verdicts_have_the_contrast_of_text_on_white():
    for _, colour in plots.VERDICT_LOOK.values():
        light = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(colour)]
        assert 1.05 / (0.2126 * light[0] + 0.7152 * light[1] + 0.0722 * light[2] + 0.05) >= 4.5, colour


def test_panels_side_by_side_are_halves_of_the_picture():
    fig, _ = two()
    plots._drawn(fig, "svg")
    (left, right), half = plots.panels(fig), [400, 300]
    assert left[:2] == pytest.approx([0, 0], abs=4) and left[2:] == pytest.approx(half, abs=8)
    assert right[:2] == pytest.approx([400, 0], abs=4) and right[2:] == pytest.approx(half, abs=8)


def test_a_colour_bar_belongs_to_its_panel_and_a_legend_of_the_figure_is_one():
    fig, (one, other) = two()
    fig.colorbar(one.scatter([1, 2], [1, 2], c=[1, 2]), ax=one)
    other.plot([1, 2], label="line")
    fig.legend(loc="outside lower left")
    plots._drawn(fig, "svg")
    (left, right, legend), bar = plots.panels(fig), fig.axes[2].get_position()
    assert left[0] < 800 * bar.x0 and 800 * bar.x1 < left[0] + left[2] <= right[0] + 5
    assert legend[1] >= right[1] + right[3] - 10 and legend[2] < 100


def test_panels_that_overlap_are_one_in_the_place_of_the_first():
    fig = plt.figure(figsize=(8, 3), layout="none")
    for left in (0.1, 0.7, 0.3):
        fig.add_axes((left, 0.2, 0.25, 0.6))
    assert [(x < 80, w > 300) for x, _, w, _ in plots.panels(fig)] == [(True, True), (False, False)]


def test_panels_have_their_own_numbers_and_are_named_on_the_page(monkeypatch):
    fig, axes = two(sharex=True, sharey=True)
    image = shown(fig, monkeypatch)
    assert len(json.loads(image["data-panels"])) == 2 and image["width"] == "800"
    assert all(ax.yaxis.get_tick_params()["labelleft"] for ax in axes)


def test_a_single_panel_or_a_narrow_picture_has_none(monkeypatch):
    one, two_of_a_phone = plt.subplots(figsize=(8, 3))[0], two(4)[0]
    assert not any(shown(fig, monkeypatch).has_attr("data-panels") for fig in (one, two_of_a_phone))


def test_a_colour_map_stays_as_drawn(monkeypatch):
    plain, mapped = plt.subplots()[0], plt.subplots()[0]
    mapped.axes[0].scatter([1, 2], [1, 2], c=[1, 2])
    kept = [shown(plain, monkeypatch), shown(mapped, monkeypatch), shown(plain, monkeypatch, as_drawn=True)]
    assert ["selectivity-as-drawn" in image.get("class", []) for image in kept] == [False, True, True]


NAN = float("nan")
ROW = {
    "claim": "L1", "statement": "It falls.", "profile": "digits", "network": "ResNet18", "where": "α = 1", "n": 3.0,
    "unit": "points", "quantity": "change (points)", "claimed": "below 0, size −5.5 to −4.5", "threshold": 0.0,
    "margin": 0.5, "status": "same sign, size differs", "verdict": "same sign, size differs", "estimate": -2.0,
    "low": -3.0, "high": -1.0, "paper_value": -5.0, "paper_low": -5.5, "paper_high": -4.5,
}  # fmt: skip
OTHER = ROW | dict.fromkeys(("paper_value", "paper_low", "paper_high"), NAN) | {
    "claim": "L2", "status": "opposite sign", "verdict": "opposite sign", "claimed": "below 0",
}  # fmt: skip


def test_the_forest_has_a_row_a_judged_claim_and_an_axis_a_quantity_with_points_on_one():
    factor = OTHER | {"claim": "L3", "unit": "", "quantity": "times lower", "threshold": 1.0, "margin": NAN}
    frame = pd.DataFrame([ROW, factor, ROW | {"status": "not run"}, OTHER, ROW | {"network": "VGG16"}])
    axes = plots.forest(frame).axes
    texts = [[text.get_text().replace("\u00a0", " ").strip().split("\n") for text in ax.texts] for ax in axes]
    assert texts[0] == [
        ["$\\bf{L1}$ It falls.", "claimed: change (points) is below 0, size −5.5 to −4.5"],
        ["same sign, size differs: ResNet18, digits, α = 1, n = 3"],
        ["same sign, size differs: VGG16, digits, α = 1, n = 3"],
        ["$\\bf{L2}$ It falls.", "claimed: change (points) is below 0"],
        ["opposite sign: ResNet18, digits, α = 1, n = 3"],
    ]
    assert [ax.get_xlabel() for ax in axes] == [plots.POINTS, "times lower"]
    assert plots.forest(frame.iloc[2:3]).texts


def test_the_forest_draws_threshold_margin_and_what_agrees_with_the_paper():
    (ax,) = plots.forest(pd.DataFrame([ROW | {"paper_high": float("inf")}])).axes
    threshold, paper, interval, mark = (line.get_xdata() for line in ax.lines)
    assert [list(threshold), list(paper), list(interval), list(mark)] == [[0, 0], [-5, -5], [-3, -1], [-2]]
    bands = [(box.x0, box.x1) for box in (band.get_paths()[0].get_extents() for band in ax.collections)]
    assert bands == [(-0.5, 0.5), (-5.5, ax.get_xlim()[1])]


def test_p_values_are_never_printed_as_zero():
    assert [plots.p_value(p) for p in (0.0004, 0.001, 0.25, float("nan"))] == ["<0.001", "0.001", "0.250", "–"]


def test_tables_have_minus_signs_and_no_negative_zeros():
    table = pd.DataFrame({"change": [-0.25, -0.001, 1.5, float("nan")], "name": ["a-b", "-c", "-1 to 2", "x"]})
    shown = plots.with_minus(table.style.hide().format(precision=1, na_rep="–"))
    cells = re.findall(r"<td[^>]*>([^<]*)</td>", shown)
    assert cells == ["−0.2", "a-b", "0.0", "-c", "1.5", "−1 to 2", "–", "x"]


def test_a_caption_counts_networks_not_rows():
    runs = pd.DataFrame({"alpha": [0.7, 0.0, 0.0, 0.0, -2.0], "run": ["a", "b", "b", "c", "d"]})
    assert plots.networks(runs) == "2 at α = 0; 1 at α = −2, 0.7"
    assert plots.networks(runs[:0]) == ""
