import matplotlib as mpl
import numpy as np
import pytest

from selectivity_core.book.figures.style import (
    GREY,
    alpha_axis,
    alpha_color,
    keep_apart,
    layer_axis,
    panels,
    percent,
)
from selectivity_core.book.numbers import alpha_label

ALPHAS = [-30.0, -1.0, -0.4, 0.0, 0.4, 1.0, 30.0]


def rgb(alpha: float, alphas: list[float] = ALPHAS) -> tuple[float, float, float]:
    return mpl.colors.to_rgb(alpha_color(alpha, alphas))


def lightness(alpha: float) -> float:
    return sum(rgb(alpha))


@pytest.mark.parametrize(
    ("alpha", "label"), [(-1, "−1"), (-0.4, "−0.4"), (0.0, "0"), (0.1, "0.1"), (100.0, "100"), (-1e-5, "1e−05")]
)
def test_labels_have_a_true_minus(alpha, label):
    assert alpha_label(alpha) == ("−" + label if alpha == -1e-5 else label)


def test_colours_say_sign_and_size():
    assert alpha_color(0.0, ALPHAS) == alpha_color(-0.0, ALPHAS) == GREY
    for size in (0.4, 1.0, 30.0):
        red, _, blue = rgb(-size)
        assert blue > red
        red, _, blue = rgb(size)
        assert red > blue
    for sign in (-1, 1):
        assert lightness(sign * 0.4) > lightness(sign * 1.0) > lightness(sign * 30.0)


def test_the_darkest_colour_goes_to_the_largest_size_shown():
    assert rgb(-1.0, [-1.0, 0.0]) == rgb(-30.0)
    # Rank among sizes of both signs: the same |α| is as dark on both sides.
    assert rgb(1.0, [-30.0, 1.0]) != rgb(1.0, [1.0])
    assert alpha_color(5.0, ALPHAS) == alpha_color(30.0, ALPHAS)  # one that is not among those shown


def test_panels_are_lettered_and_spare_ones_removed():
    figure, axes = panels(3, columns=2, width=2.0, height=1.5)
    assert [a.get_title(loc="left") for a in axes] == ["a", "b", "c"]
    assert figure.axes == axes
    assert figure.get_size_inches().tolist() == [4.0, 3.0]
    figure, axes = panels(1)
    assert axes[0].get_title(loc="left") == ""


def test_alpha_axis_places_values_evenly():
    _, (axes,) = panels(1)
    assert alpha_axis(axes, [-30.0, 0.0, 0.4]) == {-30.0: 0, 0.0: 1, 0.4: 2}
    assert [t.get_text() for t in axes.get_xticklabels()] == ["−30", "0", "0.4"]
    assert axes.get_xlabel() == "regulariser scale α"
    assert axes.get_xlim() == (-0.6, 2.6)


def test_layers_are_counted_in_whole_numbers():
    _, (axes,) = panels(1)
    axes.plot([1, 2, 3], [0.1, 0.2, 0.3])
    layer_axis(axes)
    ticks = axes.get_xticks()
    assert np.array_equal(ticks, ticks.round())
    assert axes.get_xlabel() == "layer of units"


def test_percent():
    assert percent([0.5, 1.0]).tolist() == [50.0, 100.0]


def test_labels_stand_apart_or_not_at_all():
    _, (axes,) = panels(1)
    points = [(0, 0), (0.001, 0), (0, 0.001), (0.001, 0.001), (0.0005, 0), (1, 1)]  # five on one spot, one alone
    labels = [axes.annotate("−0.4", point, (5, 4), textcoords="offset points") for point in points]
    axes.plot(*zip(*points, strict=True), "o")
    keep_apart(axes, labels)
    kept = [label for label in labels if label in axes.texts]
    assert kept == [*labels[:4], labels[5]], "four places around one spot, no room for a fifth"
    boxes = [label.get_window_extent() for label in kept]
    assert not any(a.overlaps(b) for k, a in enumerate(boxes) for b in boxes[:k])
    assert labels[5].get_position() == (5, 4), "a label with room stays where labels are read first"


def test_a_label_is_nearer_to_its_own_point_than_to_another():
    axes = panels(1)[1][0]
    axes.set(xlim=(0, 10), ylim=(0, 10))
    spots = [(5, 5), (5.28, 5.3), (4.72, 5.3), (5.28, 4.7), (4.72, 4.7), (8, 8)]  # the first in the middle of four
    labels = [axes.annotate("0.4", spot, (5, 4), textcoords="offset points", fontsize=7.5) for spot in spots]
    keep_apart(axes, labels)
    kept = [label for label in labels if label in axes.texts]
    assert labels[0] not in kept
    assert labels[5] in kept
    places = axes.transData.transform(spots)
    for label in kept:
        box = label.get_window_extent()
        away = [np.hypot(*(box.min + box.size / 2 - place)) for place in places]
        assert np.argmin(away) == labels.index(label)


@pytest.mark.parametrize(("x", "place"), [(5, (5, 4)), (5.5, (-5, 4))])
def test_a_label_keeps_off_a_bar_where_there_is_other_room(x, place):
    axes = panels(1)[1][0]
    axes.set(xlim=(0, 10), ylim=(0, 10))
    axes.errorbar([x], [5], [[4], [4]], fmt="none")  # through the point, or to the right of it
    label = axes.annotate("0.4", (5, 5), (5, 4), textcoords="offset points", fontsize=7.5)
    keep_apart(axes, [label])
    assert label.get_position() == place
    assert label in axes.texts


def test_a_label_with_bars_on_every_side_stays():
    axes = panels(1)[1][0]
    axes.set(xlim=(0, 10), ylim=(0, 10))
    axes.errorbar([4.5, 5.5], [5, 5], [4, 4], fmt="none")
    label = axes.annotate("0.4", (5, 5), (5, 4), textcoords="offset points", fontsize=7.5)
    keep_apart(axes, [label])
    assert label in axes.texts


def test_bars_of_one_network_have_no_ends_and_are_in_no_way():
    axes = panels(1)[1][0]
    axes.errorbar([1, 2], [1, 2], [[np.nan, 1], [np.nan, 1]], fmt="o")
    label = axes.annotate("0.4", (1, 1), (5, 4), textcoords="offset points", fontsize=7.5)
    keep_apart(axes, [label])
    assert label.get_position() == (5, 4)
