import numpy as np
import pandas as pd
import pytest
from scipy import stats

from selectivity_core.book.figures.style import alpha_color, panels
from selectivity_core.book.figures.units import active_share, by_setting, rank_agreement, settings_in_words


@pytest.fixture
def axes():
    return panels(1)[1][0]


def test_every_unit_is_a_dot_in_its_column(axes):
    shares = {-1.0: [0.0, 0.5, 0.9], 0.0: [1.0, 1.0, 0.6, 0.51]}
    units = pd.DataFrame([(a, v) for a, vs in shares.items() for v in vs], columns=["alpha", "active_samples"])
    sparse = active_share(axes, units)
    assert sparse.to_dict() == {-1.0: pytest.approx(2 / 3), 0.0: 0.0}  # at half of the images or fewer
    dots = [line for line in axes.get_lines() if line.get_marker() == "."]
    assert [sorted(line.get_ydata()) for line in dots] == [[0, 50, 90], pytest.approx([51, 60, 100, 100])]
    for place, line in enumerate(dots):
        assert (np.abs(line.get_xdata() - place) <= 0.3).all()
        assert line.get_color() == alpha_color(list(shares)[place], list(shares))
    assert [t.get_text() for t in axes.get_xticklabels()] == ["−1", "0"]


def test_whiskers_are_twice_the_quartiles_distance(axes):
    values = np.array([0.5, 0.55, 0.6, 0.65, 0.7, 0.9, 0.99])
    active_share(axes, pd.DataFrame({"alpha": 0.0, "active_samples": values}))
    low, high = np.quantile(values, [0.25, 0.75])
    furthest = max(v for v in values if v <= high + 2 * (high - low))
    ends = [max(line.get_ydata()) for line in axes.get_lines() if len(line.get_ydata()) == 2]
    assert 100 * furthest in [pytest.approx(end) for end in ends]


def test_another_share(axes):
    units = pd.DataFrame({"alpha": 0.0, "active_samples": 1.0, "active_positions": [0.2, 0.8]})
    assert active_share(axes, units, "active_positions").tolist() == [0.5]


def units_of(run, layer, si, dprime):
    return pd.DataFrame({"run": run, "layer": layer, "si": si, "dprime": dprime})


def test_rank_agreement_is_worked_out_network_by_network(axes):
    """Pooled, the units of these two networks would rank otherwise than those of either."""
    a = units_of("a", "l0", [1, 2, 3, 4], [1, 2, 4, 3]), units_of("a", "l1", [1, 2, 3, 4], [1, 2, 3, 4])
    b = units_of("b", "l0", [11, 12, 13, 14], [0, 2, 1, 3]), units_of("b", "l1", [1, 2, 3], [3, 2, 1])
    rho, n = rank_agreement(axes, pd.concat([*a, *b]))
    each = [np.mean([stats.spearmanr(g["si"], g["dprime"]).statistic for g in network]) for network in (a, b)]
    assert n == 2
    assert rho == pytest.approx(np.tanh(np.mean(np.arctanh(each))))
    means = next(line for line in axes.get_lines() if line.get_color() == "black")
    assert means.get_xdata().tolist() == [1, 2]
    assert means.get_ydata().tolist() == pytest.approx([0.8, 0.0])
    assert axes.get_ylim()[0] < -1


def test_layers_whose_units_are_all_alike_have_no_rank(axes):
    flat = units_of("a", "l1", [1.0, 1.0], [1.0, 2.0])
    rho, n = rank_agreement(axes, pd.concat([units_of("a", "l0", [1, 2, 3], [1, 3, 2]), flat]))
    assert (rho, n) == (pytest.approx(0.5), 1)


GROUPS = {
    "one": pd.DataFrame({"alpha": [0.0, 0.0, 1.0, 1.0], "v": [0.1, 0.3, 0.5, 0.5]}),
    "two": pd.DataFrame({"alpha": [1.0], "v": [0.4]}),
}


def test_settings_are_lines_over_the_alphas_of_all(axes):
    by_setting(axes, GROUPS, "v", "share (%)", scale=100)
    lines = {container.get_label(): container.lines[0] for container in axes.containers}
    assert lines["one"].get_ydata().tolist() == pytest.approx([20, 50])
    assert lines["two"].get_ydata().tolist() == pytest.approx([40])
    assert round(lines["two"].get_xdata()[0]) == 1  # its α has the place it has for the others
    assert lines["one"].get_color() != lines["two"].get_color()
    assert axes.get_ylabel() == "share (%)"
    assert [t.get_text() for t in axes.get_legend().get_texts()] == ["one", "two"]


def test_settings_in_words():
    assert settings_in_words(GROUPS, "v") == "one: 0: 0.200, 1: 0.500; two: 1: 0.400."
    assert settings_in_words(GROUPS, "v", digits=0, scale=100) == "one: 0: 20, 1: 50; two: 1: 40."
