import numpy as np
import pandas as pd
import pytest
from made_up_study import accuracy_of, index_of, made_up_study

from selectivity_core.book.effects import against_baseline, signs_compared
from selectivity_core.book.figures.words import (
    bands_in_words,
    effects_in_words,
    further_values_in_words,
    index_in_words,
    index_span_in_words,
    means_in_words,
    signs_in_words,
)


def effects(*arguments, **options):
    return against_baseline(made_up_study(*arguments, **options).runs("resnet18"))


def signs(*arguments, **options):
    return signs_compared(made_up_study(*arguments, **options).runs("resnet18"))


def one_effect(alpha, seed):
    return 0.9 + 0.004 * seed - (0.1 if alpha == 1 else 0) + 0.001 * ((seed * 5 + int(alpha)) % 3)


def test_means():
    means = {a: f"{100 * np.mean([accuracy_of(a, s) for s in range(3)]):.1f} %" for a in (-1, 0, 1)}
    assert means_in_words(effects()) == f"mean test accuracy by α: −1: {means[-1]}, 0: {means[0]}, 1: {means[1]}."


def test_further_values():
    runs = pd.DataFrame({"test_accuracy": [0.7487, 0.741], "test_loss": [0.7214, 1.0]})
    assert further_values_in_words(runs[:0]) == ""
    assert further_values_in_words(runs) == " Hollow, further networks at α = 0: 74.9 %, 74.1 %."
    assert further_values_in_words(runs, "test_loss") == " Hollow, further networks at α = 0: 0.721, 1.000."


def test_index():
    study = made_up_study((-1, 0.0))
    assert index_in_words(study.runs("resnet18")) == (
        f"mean selectivity index by α: −1: {index_of(-1):.3f}, 0: {index_of(0):.3f}."
    )


def test_effects_are_counted_and_the_extremes_named():
    found = effects(seeds=4, accuracy=one_effect)
    words = effects_in_words(found)
    assert words.startswith("Of 2 values of α, 0 raise test accuracy and 1 lower it (Holm-corrected level 0.05); for ")
    assert "for the other one these seeds cannot tell" in words
    row = found.iloc[2]
    low, high = (f"{abs(100 * row[c]):.1f}" for c in ("difference_low", "difference_high"))
    assert row["difference_high"] < 0
    assert (
        f"Lowest mean: {100 * row['mean']:.1f} % at α = 1, −{abs(100 * row['difference']):.1f} points against α = 0 "
        f"within seeds (95 % simultaneous interval −{low} to −{high})."
    ) in words
    assert "Highest mean" in words
    assert "-" not in words.replace("Holm-corrected", "")  # minus signs are true ones


def test_a_value_without_a_test_is_named_all_the_same():
    found = effects(seeds=4, accuracy=one_effect)
    found.loc[found["alpha"] == 1, ["p_holm", "mean"]] = np.nan, 0.3
    words = effects_in_words(found)
    assert words.startswith("Of 1 values of α, ")
    assert words.endswith(" Without a test, since no spread between networks is known: α = 1 (30.0 %).")
    assert "Without a test" not in effects_in_words(effects(seeds=4, accuracy=one_effect))


def test_one_seed_is_said_to_test_nothing():
    assert effects_in_words(effects(seeds=1)).startswith("With one seed there is no spread to test against")
    assert bands_in_words(made_up_study(seeds=1).runs()) == "One seed: no intervals and no test."


@pytest.mark.parametrize(
    ("study", "words"),
    [
        ({"alphas": (0.0,)}, "Only α = 0 was run"),
        ({"missing": [(0.0, s) for s in range(3)]}, "No network with α = 0 is there"),
        ({"diverged": [(0.0, s) for s in range(3)]}, "No network with α = 0 is there"),
        ({"accuracy": lambda alpha, seed: 0.9}, "These networks have no spread"),
    ],
    ids=["only 0", "baseline missing", "baseline diverged", "no spread"],
)
def test_where_nothing_can_be_tested_the_words_say_why(study, words):
    assert effects_in_words(effects(**study)).startswith(words)


def test_an_alpha_that_cannot_be_tested_is_no_extreme():
    """α = 1 has the best network, but none that shares a seed with another: nothing is known of its effect."""
    missing = [(1.0, 0), (1.0, 1), (-1.0, 2), (0.0, 2)]
    found = effects(missing=missing, accuracy=lambda a, s: 0.99 if a == 1 else accuracy_of(a, s))
    assert np.isnan(found["difference"].iloc[2])
    assert "nan" not in effects_in_words(found)


@pytest.mark.parametrize(
    ("seeds", "kind"), [(2, "95 % t intervals"), (9, "95 % t intervals"), (10, "95 % bootstrap intervals")]
)
def test_bands_say_which_interval(seeds, kind):
    assert kind in bands_in_words(made_up_study(seeds=seeds).runs())


def test_bands_of_unequal_numbers_of_seeds():
    assert "95 % t intervals" in bands_in_words(made_up_study(missing=[(1.0, 1), (1.0, 2)]).runs())
    assert "95 % t or bootstrap intervals" in bands_in_words(made_up_study(seeds=10, missing=[(1.0, 1)]).runs())


def test_signs_that_three_seeds_cannot_tell_apart():
    words = signs_in_words(signs())
    difference = 100 * np.mean([accuracy_of(-1, s) - accuracy_of(1, s) for s in range(3)])
    assert words.startswith(f"Accuracy with α < 0 minus accuracy with α > 0: |α| = 1 (+{difference:.1f} points). ")
    assert "cannot fall below p = 0.1 before correction" in words


def test_signs_that_differ():
    words = signs_in_words(signs((-5.0, -1.0, 0.0, 1.0, 5.0), seeds=6))
    assert words.endswith("The difference is significant (rank sum, Holm, 0.05) at 2 of 2 sizes.")
    worse = signs_in_words(signs(seeds=6, accuracy=lambda a, s: accuracy_of(-a, s)))
    assert "|α| = 1 (−" in worse


def test_no_size_with_both_signs():
    assert signs_in_words(signs((-1.0, 0.0))).startswith("No size of α was run with both signs")


def test_reach_counts_the_sizes_that_can_be_tested():
    """Four against four reach 2/70 = 0.029: alone below 0.05, not as one of two; equal networks are no test."""
    five = {"alphas": (-5.0, -1.0, 0.0, 1.0, 5.0), "seeds": 4}
    assert signs(seeds=4)["reachable"].tolist() == [True]
    assert signs(**five)["reachable"].tolist() == [False, False]
    found = signs(**five, accuracy=lambda a, s: 0.1 if abs(a) == 5 else accuracy_of(a, s))
    assert found["reachable"].tolist() == [True, False]
    assert found["mark"].tolist() == ["*", ""]


def test_reach_at_unequal_numbers_of_seeds_follows_holm():
    """2/924 and 2/70: the larger floor is the last of Holm's steps and is not doubled."""
    missing = [(sign * 5.0, s) for sign in (-1, 1) for s in (4, 5)]
    found = signs((-5.0, -1.0, 0.0, 1.0, 5.0), seeds=6, missing=missing)
    assert found["floor"].tolist() == pytest.approx([2 / 924, 2 / 70])
    assert found["reachable"].tolist() == [True, True]
    assert pd.Series(found["p_holm"]).max() <= 0.05


def test_means_of_the_loss():
    found = against_baseline(made_up_study().runs("resnet18"), "test_loss")
    losses = ", ".join(
        f"{label}: {1 - np.mean([accuracy_of(a, s) for s in range(3)]):.3f}"
        for a, label in ((-1, "−1"), (0, "0"), (1, "1"))
    )
    assert means_in_words(found, "test_loss") == f"mean test cross-entropy by α: {losses}."


def test_how_far_the_index_moved():
    assert index_span_in_words(made_up_study((-2.0, 0.0, 1.0)).runs()) == (
        f"Mean selectivity index: {index_of(0):.3f} at α = 0, {index_of(-2):.3f} at α = −2."
    )
    assert index_span_in_words(made_up_study((0.0,)).runs()).endswith("0.300 at α = 0.")
    lost = made_up_study((0.0, 1.0), missing=[(0.0, s) for s in range(3)])
    assert "unknown at α = 0" in index_span_in_words(lost.runs())
