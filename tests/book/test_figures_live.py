import numpy as np
from made_up_study import accuracy_of, made_up_study

from selectivity_core.book.figures.live import live, live_in_words, live_table
from selectivity_core.book.figures.shown import Nothing, Shown

ALPHAS = (-1.0, 0.0, 1.0)
SEEDS = [0, 1, 2]


def studies(new=(7, 8), **more):
    kept = made_up_study(ALPHAS, 3, figure="live")
    return kept, made_up_study(ALPHAS, list(new), figure="live", **more)


def expected(alpha):
    """mean ± t(2) s √(4/3) of the kept seeds' accuracies."""
    values = [accuracy_of(alpha, seed) for seed in SEEDS]
    half = 4.302653 * np.std(values, ddof=1) * np.sqrt(4 / 3)
    return np.mean(values) - half, np.mean(values) + half


def test_new_networks_stand_beside_the_kept_ones():
    shown = live(*studies())
    assert isinstance(shown, Shown)
    assert shown.anchor == "figure-B9"
    assert "seeds that the ledger does not have" in shown.caption
    low, high = expected(0.0)
    here = ", ".join(f"{100 * accuracy_of(0.0, s):.1f}" for s in (7, 8))
    assert f"α = 0: {here} here, {100 * low:.1f} to {100 * high:.1f} expected" in shown.alt


def test_the_table_counts_what_fell_inside():
    frame = live_table(*studies()).frame
    accuracy = frame[frame["measure"] == "test accuracy (%)"].set_index("α")
    for name, alpha in zip(("−1", "0", "1"), ALPHAS, strict=True):
        low, high = expected(alpha)
        inside = sum(low <= accuracy_of(alpha, s) <= high for s in (7, 8))
        assert accuracy.loc[name, "inside"] == f"{inside} of 2"
        assert accuracy.loc[name, "kept"] == 3
    index = frame[frame["measure"] == "mean selectivity index"]
    assert set(index["inside"]) == {"2 of 2"}  # made-up networks differ in nothing but accuracy


def test_the_count_in_words():
    kept, fresh = studies()
    inside = sum(low <= accuracy_of(a, s) <= high for a in ALPHAS for s in (7, 8) for low, high in [expected(a)])
    text = live_in_words(kept, fresh)
    assert text.startswith("6 networks with seeds 7, 8 were trained on this machine, in 60 seconds")
    assert f"Of their 12 values, {inside + 6} lie in the range" in text


def test_without_new_or_kept_networks_nothing_is_drawn():
    kept, fresh = studies(missing=[(a, s) for a in ALPHAS for s in (7, 8)])
    assert isinstance(live(kept, fresh), Nothing)
    assert live_in_words(kept, fresh) == "No network has been trained here: there is nothing to compare."
    alone = made_up_study(ALPHAS, 1, figure="live", missing=[(a, 0) for a in ALPHAS])
    assert isinstance(live(alone, studies()[1]), Nothing)


def test_one_kept_network_promises_nothing():
    kept, fresh = made_up_study(ALPHAS, 1, figure="live"), studies()[1]
    assert isinstance(live(kept, fresh), Shown)
    assert set(live_table(kept, fresh).frame["expected, 95 %"]) == {"– to –"}
    assert "Of their 12 values, 0 lie" in live_in_words(kept, fresh)


def test_networks_at_alpha_0_alone_count_too():
    kept = made_up_study(ALPHAS, 3, figure="live", missing=[(a, 2) for a in ALPHAS if a])
    table = live_table(kept, studies()[1]).frame
    assert table.loc[table["α"] == "0", "kept"].tolist() == [3, 3]
    assert set(table.loc[table["α"] != "0", "kept"]) == {2}
