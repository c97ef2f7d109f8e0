import numpy as np
import pandas as pd
import pytest
from made_up_study import accuracy_of, made_up_study

from selectivity_core.book.figures.accuracy import (
    accuracy_against_selectivity,
    accuracy_by_alpha,
    accuracy_violins,
    signs_violins,
)
from selectivity_core.book.figures.style import GREY, alpha_color, panels

ALPHAS = (-1.0, 0.0, 1.0)


def collapsing(alpha, seed):
    return 0.1 if abs(alpha) == 30 else accuracy_of(alpha, seed)


def drawn(function, study, *arguments, **options):
    _, (axes,) = panels(1)
    return axes, function(axes, study.runs("resnet18"), *arguments, **options)


def texts(axes):
    return [t.get_text() for t in axes.texts]


def points(axes, marker):
    """(x, y, colour) of every single point drawn with this marker."""
    lines = [line for line in axes.get_lines() if line.get_marker() == marker and len(line.get_xdata()) == 1]
    return [(float(line.get_xdata()[0]), float(line.get_ydata()[0]), line.get_color()) for line in lines]


def test_means_stand_at_their_place_in_their_colour():
    axes, effects = drawn(accuracy_by_alpha, made_up_study())
    means = [100 * np.mean([accuracy_of(a, s) for s in range(3)]) for a in ALPHAS]
    assert effects["alpha"].tolist() == list(ALPHAS)
    found = points(axes, "o")
    assert [x for x, _, _ in found] == [0, 1, 2]
    assert [y for _, y, _ in found] == pytest.approx(means)
    assert [c for _, _, c in found] == [alpha_color(a, ALPHAS) for a in ALPHAS]
    assert axes.get_ylabel() == "test accuracy (%)"
    assert axes.get_xlabel() == "regulariser scale α"
    assert [t.get_text() for t in axes.get_xticklabels()] == ["−1", "0", "1"]
    dashed = [line for line in axes.get_lines() if line.get_linestyle() == "--"]
    assert [line.get_ydata()[0] for line in dashed] == pytest.approx([means[1]])


def with_further(function, accuracy=accuracy_of, alphas=ALPHAS):
    """Drawn with a third seed at α = 0 alone; and the hollow dots."""
    study = made_up_study(alphas, missing=[(a, 2) for a in alphas if a], accuracy=accuracy)
    axes, _ = drawn(function, study, further=study.further("resnet18"))
    (hollow,) = [line for line in axes.get_lines() if line.get_markerfacecolor() == "none"]
    return axes, hollow


@pytest.mark.parametrize("function", [accuracy_by_alpha, accuracy_violins])
def test_further_networks_are_hollow_beside_alpha_0_and_move_no_mean(function):
    axes, hollow = with_further(function)
    without, _ = drawn(function, made_up_study(seeds=2))
    assert hollow.get_ydata() == pytest.approx([100 * accuracy_of(0.0, 2)])
    assert hollow.get_markeredgecolor() == GREY
    assert 1 < hollow.get_xdata()[0] < 1.5
    others = [list(line.get_ydata()) for line in axes.get_lines() if line is not hollow]
    assert others == [list(line.get_ydata()) for line in without.get_lines()]


@pytest.mark.parametrize("function", [accuracy_by_alpha, accuracy_violins])
@pytest.mark.parametrize("extra", [0.99, 0.5])
def test_further_networks_are_inside_the_axes_where_others_collapse(function, extra):
    def accuracy(alpha, seed):
        return extra if (alpha, seed) == (0, 2) else collapsing(alpha, seed)

    axes, hollow = with_further(function, accuracy, (-30.0, -1.0, 0.0))
    bottom, top = axes.get_ylim()
    assert hollow.get_ydata() == pytest.approx([100 * extra])
    assert bottom + 1 < 100 * extra < top
    assert texts(axes)[-1].startswith("10 %")


def test_a_mark_stands_where_the_effect_says_so_and_nowhere_else():
    def one_effect(alpha, seed):
        return 0.9 + 0.004 * seed - (0.1 if alpha == 1 else 0) + 0.001 * ((seed * 5 + int(alpha)) % 3)

    axes, effects = drawn(accuracy_by_alpha, made_up_study(seeds=4, accuracy=one_effect))
    marked = effects.loc[effects["mark"] != "", "alpha"].tolist()
    assert marked == [1.0]
    assert effects["p_holm"].iloc[2] < 0.05 < effects["p_holm"].iloc[0]
    (mark,) = axes.texts
    assert mark.get_text() == effects["mark"].iloc[2]
    place, height = mark.xy
    assert place == 2
    assert height == pytest.approx(100 * effects["high"].iloc[2])


def test_other_columns_keep_their_unit():
    axes, _ = drawn(accuracy_by_alpha, made_up_study(), "test_loss")
    assert axes.get_ylabel() == "test cross-entropy (nats)"
    assert [y for _, y, _ in points(axes, "o")] == pytest.approx(
        [1 - np.mean([accuracy_of(a, s) for s in range(3)]) for a in ALPHAS]
    )


def test_one_seed_has_no_interval_and_no_mark():
    axes, effects = drawn(accuracy_by_alpha, made_up_study(seeds=1))
    assert effects["low"].isna().all()
    assert effects["p_holm"].isna().all()
    assert texts(axes) == []
    assert all(not len(s) or np.isnan(s).any() for bars in axes.collections for s in bars.get_segments())


@pytest.mark.parametrize("function", [accuracy_by_alpha, accuracy_violins])
def test_a_collapsed_network_is_marked_at_the_foot_with_its_value(function):
    alphas = (-30.0, -1.0, 0.0, 1.0, 30.0)
    axes, effects = drawn(function, made_up_study(alphas, accuracy=collapsing))
    bottom, top = axes.get_ylim()
    everything = [100 * accuracy_of(a, s) for a in ALPHAS for s in range(3)]
    assert 80 < bottom < min(everything)
    assert max(everything) < top < 100
    assert points(axes, "v") == [(place, bottom, alpha_color(a, alphas)) for place, a in ((0, -30.0), (4, 30.0))]
    marks = effects["mark"].tolist() if function is accuracy_by_alpha else [""] * 5
    assert bool(marks[0]) == bool(marks[4]) == (function is accuracy_by_alpha)
    assert [text for text in texts(axes) if text.startswith("10")] == [f"10 % {marks[k]}".strip() for k in (0, 4)]


def test_no_collapse_leaves_the_axis_alone():
    axes, _ = drawn(accuracy_violins, made_up_study())
    assert points(axes, "v") == []
    assert texts(axes) == []


@pytest.mark.parametrize("function", [accuracy_by_alpha, accuracy_violins, accuracy_against_selectivity, signs_violins])
def test_collapsed_networks_cut_off_nothing_that_is_drawn(function):
    """Whichever α comes first, the axis holds everything that is not at its foot."""
    axes, _ = drawn(function, made_up_study((-30.0, -1.0, 0.0, 1.0), accuracy=collapsing))
    bottom, top = axes.get_ylim()
    values = [100 * accuracy_of(a, s) for a in (-1, 1) for s in range(3)]
    assert 80 < bottom < min(values)
    assert max(values) < top < 100


@pytest.mark.parametrize("seeds", [4, 5])
def test_every_seed_is_a_dot_and_a_violin_needs_five(seeds):
    axes, _ = drawn(accuracy_violins, made_up_study(seeds=seeds))
    dots = [line for line in axes.get_lines() if line.get_marker() == "o"]
    assert [line.get_xdata().tolist() for line in dots] == [[place] * seeds for place in range(3)]
    for line, alpha in zip(dots, ALPHAS, strict=True):
        assert line.get_ydata().tolist() == pytest.approx([100 * accuracy_of(alpha, s) for s in range(seeds)])
    assert len(axes.collections) == (6 if seeds == 5 else 0)  # a body and its quartiles at each α


def test_equal_seeds_draw_no_violin():
    axes, _ = drawn(accuracy_violins, made_up_study(seeds=5, accuracy=lambda alpha, seed: 0.9))
    assert len(axes.collections) == 0


def test_accuracy_against_selectivity_tells_the_signs_apart():
    axes, _ = drawn(accuracy_against_selectivity, made_up_study())
    found = {marker: points(axes, marker) for marker in "vs^"}
    assert [len(found[m]) for m in "vs^"] == [1, 1, 1]
    x, y, _ = found["v"][0]
    assert x == pytest.approx(0.3 + 0.2 * np.tanh(-1))
    assert y == pytest.approx(100 * np.mean([accuracy_of(-1, s) for s in range(3)]))
    assert found["s"][0][2] == GREY
    assert texts(axes) == ["−1", "0", "1"]
    assert axes.get_xlabel() == "mean selectivity index"
    assert axes.get_ylabel() == "test accuracy (%)"


@pytest.mark.parametrize("alpha", [-1.0, 30.0])
def test_the_ring_is_where_the_point_is_even_at_the_foot(alpha):
    study = made_up_study((-1.0, 0.0, 30.0), accuracy=collapsing)
    axes, _ = drawn(accuracy_against_selectivity, study, ring=alpha)
    (ring,) = [line for line in axes.get_lines() if line.get_markersize() == 13]
    place = {-1.0: 100 * np.mean([accuracy_of(-1, s) for s in range(3)]), 30.0: axes.get_ylim()[0]}
    assert ring.get_ydata()[0] == pytest.approx(place[alpha])
    assert ring.get_xdata()[0] == pytest.approx(0.3 + 0.2 * np.tanh(alpha))


def test_signs_stand_side_by_side():
    axes, compared = drawn(signs_violins, made_up_study((-5.0, -1.0, 0.0, 1.0, 5.0)))
    assert compared["size"].tolist() == [1.0, 5.0]
    dots = [line for line in axes.get_lines() if line.get_marker() == "o"]
    assert [line.get_xdata()[0] for line in dots] == pytest.approx([-0.2, 0.2, 0.8, 1.2])
    sizes = (-5.0, -1.0, 1.0, 5.0)
    assert [line.get_color() for line in dots] == [alpha_color(a, sizes) for a in (-1.0, 1.0, -5.0, 5.0)]
    assert [t.get_text() for t in axes.get_xticklabels()] == ["1", "5"]
    assert axes.get_xlabel() == "size of the regulariser scale |α|"
    assert [t.get_text() for t in axes.get_legend().get_texts()] == ["α < 0", "α > 0"]
    assert texts(axes) == []  # three against three cannot be told apart


def test_signs_that_differ_get_their_mark_above_the_higher_one():
    axes, compared = drawn(signs_violins, made_up_study(seeds=6))
    assert compared["mark"].tolist() == ["**"]  # 6 against 6, fully apart: p = 2/924
    (mark,) = axes.texts
    assert mark.get_text() == "**"
    assert mark.xy == (0, pytest.approx(100 * max(accuracy_of(-1, s) for s in range(6))))


def test_sizes_with_one_sign_only_are_not_compared():
    axes, compared = drawn(signs_violins, made_up_study((-5.0, -1.0, 0.0, 1.0)))
    assert compared["size"].tolist() == [1.0]
    axes, compared = drawn(signs_violins, made_up_study((-5.0, 0.0)))
    assert len(compared) == 0
    assert axes.get_ylabel() == "test accuracy (%)"


def test_shuffled_labels_stand_at_the_foot_where_they_are_given():
    study = made_up_study()
    null = pd.Series({-1.0: 0.1, 0.0: 0.12, 1.0: 0.11})
    axes, _ = drawn(accuracy_against_selectivity, study, null=null)
    (ticks,) = [line for line in axes.get_lines() if line.get_label() == "shuffled labels"]
    np.testing.assert_allclose(ticks.get_xdata(), [0.1, 0.12, 0.11])
    assert axes.get_legend().get_window_extent().y0 >= axes.bbox.y1  # above the panel, where no point is
    plain, _ = drawn(accuracy_against_selectivity, study)
    assert plain.get_legend() is None


def test_with_a_ring_only_its_alpha_and_the_outermost_are_named():
    runs = made_up_study((-5.0, -1.0, 0.0, 1.0), seeds=2).runs("resnet18")
    for ring, named in ((None, ["−5", "−1", "0", "1"]), (-1.0, ["−5", "−1", "1"])):
        _, (axes,) = panels(1)
        accuracy_against_selectivity(axes, runs, ring=ring)
        assert [text.get_text() for text in axes.texts] == named


def test_signs_that_both_collapse_keep_their_mark():
    """Both sides at the foot: the mark stands over their values."""
    alphas = (-30.0, 0.0, 30.0)
    study = made_up_study(alphas, 6, accuracy=lambda a, s: 0.1 + 0.001 * s + 0.1 * (a > 0) if a else accuracy_of(a, s))
    axes, compared = drawn(signs_violins, study)
    assert compared["mark"].tolist() == ["**"]
    assert sorted(texts(axes)) == ["**", "10 %", "20 %"]
