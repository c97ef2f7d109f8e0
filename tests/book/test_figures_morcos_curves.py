import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from made_up_reliance import made_up_reliance

from selectivity_core.book.figures import draw
from selectivity_core.book.figures.morcos_curves import (
    BAND_FROM,
    KINDS,
    NO_NOISE,
    Group,
    by_corruption,
    by_dropout,
    caption_of,
    corruption_color,
    draw_groups,
    groups_in_words,
    network_curves,
)
from selectivity_core.book.figures.style import panels
from selectivity_core.runs.analyses import SCALES


@pytest.fixture
def axes():
    return panels(1)[1][0]


def group(label="20 %", networks=3, start=1.0, drop=0.5, sd=0.1, counts=True):
    rows = [
        {"run": f"{label}{k}", "step": s, "fraction": s / 10, "accuracy": start - (drop + 0.1 * k) * s / 10, "sd": sd}
        for k in range(networks)
        for s in range(11)
    ]
    frame = pd.DataFrame(rows)
    return Group(label, "#123456", *((frame, frame.iloc[:0]) if counts else (frame.iloc[:0], frame)))


def lines(axes, label):
    return [line for line in axes.get_lines() if line.get_label() == label]


def test_a_line_is_the_mean_over_networks_with_a_band(axes):
    draw_groups(axes, [group()])
    (line,) = lines(axes, "20 %")
    assert line.get_xdata() == pytest.approx(np.arange(0, 101, 10))
    assert line.get_ydata() == pytest.approx([100 - 60 * s / 10 for s in range(11)])  # drops of 0.5, 0.6, 0.7
    band = next(c for c in axes.collections if isinstance(c, mpl.collections.FillBetweenPolyCollection))
    last = band.get_paths()[0].vertices
    at_end = sorted({y for x, y in last if x == 100})
    half = 4.302653 * 10 / np.sqrt(3)  # t over three networks with an SD of 10 points
    assert (at_end[0], at_end[-1]) == pytest.approx((40 - half, 40 + half), abs=1e-3)
    assert axes.get_xlabel() == "feature maps clamped (%)"


def test_bars_are_the_spread_over_orderings(axes):
    draw_groups(axes, [group(sd=0.1)])
    (bars,) = axes.containers
    for segment in bars[2][0].get_segments():
        assert np.ptp(segment[:, 1]) == pytest.approx(20)


def test_two_networks_have_no_band(axes):
    draw_groups(axes, [group(networks=BAND_FROM - 1)])
    assert not any(isinstance(c, mpl.collections.FillBetweenPolyCollection) for c in axes.collections)


def test_bands_end_at_the_axis(axes):
    draw_groups(axes, [group(drop=0.9)])  # drops of 0.9, 1.0, 1.1
    band = next(c for c in axes.collections if isinstance(c, mpl.collections.FillBetweenPolyCollection))
    ys = band.get_paths()[0].vertices[:, 1]
    assert ys.min() == 0
    assert ys.max() <= 100


def test_networks_that_have_not_memorised_are_dashed_and_in_no_mean(axes):
    both = group(networks=1)
    apart = group("20 %", networks=2, start=0.8, counts=False).apart
    draw_groups(axes, [Group(both.label, both.color, both.curves, apart)], bars=False)
    (mean,) = lines(axes, "20 %")
    assert mean.get_linestyle() == "-"
    assert mean.get_ydata()[0] == pytest.approx(100)
    dashed = [line for line in axes.get_lines() if line.get_linestyle() == "--"]
    assert len(dashed) == 2
    assert all(line.get_ydata()[0] == pytest.approx(80) and line.get_alpha() < 1 for line in dashed)


def test_a_group_that_has_not_memorised_is_in_the_legend_all_the_same(axes):
    draw_groups(axes, [group(counts=False)])
    (line,) = lines(axes, "20 %")
    assert line.get_linestyle() == "--"
    assert "none of which memorised" in groups_in_words([group(counts=False)])


def test_noise_is_drawn_on_a_log_axis_with_a_place_for_none(axes):
    draw_groups(axes, [group()], noise=True)
    assert axes.get_xscale() == "log"
    (line,) = lines(axes, "20 %")
    assert line.get_xdata()[0] == pytest.approx(NO_NOISE)
    assert SCALES[0] > NO_NOISE
    assert [t.get_text() for t in axes.get_xticklabels()] == ["0", "0.1", "1", "10"]


def test_words_say_the_accuracy_unperturbed_and_halfway():
    assert groups_in_words([group(), group("40 %", networks=1, start=0.9)]) == (
        "training accuracy unperturbed and with half of the units clamped: 20 %: 100.0 % and 70.0 % (3 networks); "
        "40 %: 90.0 % and 65.0 % (1 network)."
    )


def test_colours_of_corruption_go_from_dark_to_light():
    found = [sum(mpl.colors.to_rgb(corruption_color(share))) for share in (0, 0.2, 0.4, 0.6, 0.8, 1)]
    assert found == sorted(found)
    assert len(set(found)) == 6


def test_curves_carry_how_their_network_was_trained():
    study = made_up_reliance("morcos1", 2, not_fitted=(1,))
    found = network_curves(study.view(study.figure.panels[0]))
    assert set(found["label_corruption"]) == {0.0, 0.2, 0.4, 0.6, 0.8, 1.0}
    runs = found.drop_duplicates("run").set_index("run")
    specs = {spec.id: spec for spec in study.specs}
    assert {specs[run].model for run in runs.index} == {"mlp"}
    assert all(
        runs.loc[run, "counts"] == (specs[run].seed == 0 or not specs[run].label_corruption) for run in runs.index
    )
    assert [g.label for g in by_corruption(found)] == ["0 %", "20 %", "40 %", "60 %", "80 %", "100 %"]
    assert [g.apart["run"].nunique() for g in by_corruption(found)] == [0, 1, 1, 1, 1, 1]


def test_captions_name_what_has_not_memorised():
    study = made_up_reliance("morcos1", 3, not_fitted=(1, 2))
    words = " ".join(caption_of(study.view(study.figure.panels[1])))
    assert "11-layer convnet at 20 % corruption (seed 1: 0.500, seed 2: 0.500); at 40 % corruption" in words
    assert "Bars: SD over random orderings within a network" in words
    shown = draw(study)
    assert shown.caption.count("Not memorised (training accuracy below 0.95)") == 2  # once a network
    assert shown.caption.count("Bars: SD over random orderings") == 1
    assert "Not memorised" not in draw(made_up_reliance("morcos1", 2)).caption


def test_captions_say_which_bands_there_are():
    several = " ".join(caption_of(made_up_reliance("morcos2", 3).view(made_up_reliance("morcos2", 3).figure.panels[0])))
    assert "95 % t intervals over (three or more) networks as bands" in several
    assert "SD over draws of the noise" in several
    study = made_up_reliance("morcos2", 1)
    words = " ".join(caption_of(study.view(study.figure.panels[0])))
    assert "intervals" not in words
    assert "Lines: one network each." in words
    two = made_up_reliance("morcos2", 2)
    assert "Lines: means over at most two networks." in caption_of(two.view(two.figure.panels[0]))


@pytest.mark.parametrize("figure", ["morcos1", "morcos2", "morcosA1"])
def test_the_line_of_chance_does_not_go_through_the_legend(axes, figure):
    study = made_up_reliance(figure, 2)
    panel = study.figure.panels[0]
    KINDS[panel.kind](axes, study.view(panel))
    assert axes.get_legend().get_window_extent().y0 > axes.transData.transform((0, 10))[1]


def test_captions_speak_of_dropout_where_there_was_some():
    study = made_up_reliance("morcos5", 2)
    study.tables.runs = study.tables.runs[study.tables.runs["dropout"] == 0]
    words = caption_of(study.view(study.figure.panels[0]))
    assert "No network with dropout was run." in words
    assert not any("Vertical" in said for said in words)


def test_dropout_groups_mark_the_share_dropped(axes):
    study = made_up_reliance("morcos5", 2)
    view = study.view(study.figure.panels[0])
    groups = list(by_dropout(network_curves(view)))
    assert [g.label for g in groups[:2]] == ["true labels, dropout 0", "true labels, dropout 0.1"]
    assert [g.label for g in groups[-1:]] == ["random labels, dropout 0.3"]
    assert np.isnan(groups[0].mark)
    assert [g.mark for g in groups[1:4]] == [0.1, 0.2, 0.3]
    KINDS["dropout_curves"](axes, view)
    marks = sorted({line.get_xdata()[0] for line in axes.get_lines() if line.get_linestyle() == ":"} - {0})
    assert marks == pytest.approx([10, 20, 30])
    assert "Vertical dotted lines: the share dropped in training." in caption_of(view)


def test_zero_and_mean_are_two_lines(axes):
    study = made_up_reliance("morcosA1", 2)
    alt = KINDS["zero_mean"](axes, study.view(study.figure.panels[0]))
    # drops of 0.30 and 0.32 to zero, 0.1 more to the mean
    assert alt.endswith(
        "to zero: 100.0 % and 84.5 % (2 networks); to the unit's mean: 100.0 % and 79.5 % (2 networks)."
    )
    assert axes.get_xlabel() == "hidden units clamped (%)"
