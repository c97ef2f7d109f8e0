from types import SimpleNamespace

import pandas as pd
import pytest

from selectivity_core.book.paper.figures import find_figure, grid
from selectivity_core.book.replicates import alone, further_in_words, new_seeds, seeds_for, wanted_runs
from selectivity_core.book.tasks import tasks_by_table
from selectivity_core.errors import ParameterError, SpecError
from selectivity_core.runs.profiles import find_profile
from selectivity_core.tables import Tables

DEFAULT = find_profile("digits").seeds


def kept(specs, pairs=()):
    """A ledger of these runs, and of these results over pairs."""
    rows = [{"run": a.id, "other": b.id, "analysis": label} for label, a, b in pairs]
    return SimpleNamespace(runs=pd.DataFrame({"run": [s.id for s in specs]}), pairs=pd.DataFrame(rows))


def test_without_a_ledger_it_is_the_profiles_own_number():
    assert seeds_for("digits", "fig4", Tables()) == DEFAULT
    assert seeds_for("digits", "morcos3", Tables()) == 20


def test_a_ledger_widens_a_figure_by_the_seeds_it_has_whole():
    wanted = grid("digits", "fig4", seeds=DEFAULT + 2)
    assert seeds_for("digits", "fig4", kept(wanted)) == DEFAULT + 2
    last = next(s for s in wanted if s.seed == DEFAULT + 1 and s.alpha == -5)
    assert seeds_for("digits", "fig4", kept([s for s in wanted if s != last])) == DEFAULT + 1


def test_a_gap_ends_the_count():
    wanted = grid("digits", "fig4", seeds=DEFAULT + 3)
    assert seeds_for("digits", "fig4", kept([s for s in wanted if s.seed != DEFAULT])) == DEFAULT


def test_fewer_than_the_profiles_number_are_still_asked_for():
    assert seeds_for("digits", "fig4", kept(grid("digits", "fig4", seeds=1))) == DEFAULT


def test_what_is_wanted_has_the_seeds_at_alpha_0_too():
    def places(ledger, **ask):
        return [(s.alpha, s.seed) for s in wanted_runs("cifar10-short", "fig1", ledger, alphas=[-1.0], **ask)]

    plain = [(a, s) for s in range(3) for a in (-1, 0)]
    assert places(Tables()) == [*plain, (0, 3), (0, 4), (0, 5)]
    assert places(Tables(), seeds=3) == plain
    assert places(Tables(), seeds=[4]) == [(-1, 4), (0, 4)]
    wider = kept(grid("cifar10-short", "fig1", alphas=[-1.0], seeds=4))
    assert places(wider) == [*plain, (-1, 3), (0, 3), (0, 4), (0, 5)]


def test_only_the_runs_that_are_asked_for_count():
    known = kept(grid("digits", "fig4", alphas=[0, -1], seeds=7))
    assert seeds_for("digits", "fig4", known) == DEFAULT
    assert seeds_for("digits", "fig4", known, alphas=[-1]) == 7
    assert seeds_for("digits", "fig4", known, alphas=[-1], lr=0.03) == DEFAULT


def test_what_is_worked_out_of_runs_must_be_there_too():
    entry, scale = find_figure("figA3"), find_profile("digits")
    specs = grid("digits", "figA3", seeds=DEFAULT + 2)
    assert seeds_for("digits", "figA3", kept(specs)) == DEFAULT
    some = grid("digits", "figA3", seeds=DEFAULT + 1)
    tasks = tasks_by_table(entry, some, {s.id for s in some}, scale.bound, chosen=False)["pairs"]
    results = [(t.analysis.label, *t.runs) for t in tasks]
    assert seeds_for("digits", "figA3", kept(specs, results)) == DEFAULT + 1
    assert seeds_for("digits", "figA3", kept(specs, results[:-1])) == DEFAULT


def test_new_seeds_come_after_every_known_one(finished):
    store, specs = finished
    there = store.tables(specs)
    plain = [s for s in specs[:6] if s.seed == 0]
    assert new_seeds(plain, there, 2) == [2, 3]
    assert new_seeds([s.replace(seed=6) for s in plain], there, 1) == [7]
    assert new_seeds([s.replace(width=9) for s in plain], there, 3) == [1, 2, 3]
    assert new_seeds(plain, Tables(), 1) == [1]
    with pytest.raises(ParameterError, match="new seeds: 0 given"):
        new_seeds(plain, there, 0)


def test_unknown_names_are_refused():
    with pytest.raises(SpecError, match="profile: 'bits' given"):
        seeds_for("bits", "fig4", Tables())
    with pytest.raises(SpecError, match="figure: 'fig99' given"):
        seeds_for("digits", "fig99", Tables())


def runs(*places, **settings):
    return pd.DataFrame(places, columns=["model", "alpha", "seed", *settings.get("fields", ())])


def test_alone_are_seeds_of_alpha_0_that_no_other_alpha_has():
    of = runs(("a", 0, 0), ("a", 0, 1), ("a", 1, 0), ("a", 1, 2), ("b", 0, 1), ("b", 0, 0), ("b", -1, 1))
    assert alone(of).tolist() == [False, True, False, False, False, True, False]
    assert alone(of.iloc[::-1]).tolist() == [False, True, False, False, False, True, False]


def test_runs_of_another_setting_do_not_count():
    places = [("a", a, s, epochs) for epochs in (8, 16) for a in (0, 1) for s in (0, 1)]
    of = runs(*places[:-1], fields=["epochs"])  # without α = 1 of seed 1 at 16 epochs
    assert of[alone(of)].to_numpy().tolist() == [["a", 0, 1, 16]]


def test_at_alpha_0_what_the_regulariser_alone_reads_is_no_setting():
    of = runs(("a", 0, 0, "batch"), ("a", 0, 1, "batch"), ("a", 1, 1, "shuffled"), fields=["estimate"])
    assert alone(of).tolist() == [True, False, False]


@pytest.mark.parametrize(
    "of", [runs(), runs(("a", 0, 0), ("a", 0, 1)), runs(("a", 0, 0), ("a", 1, 1)), runs(("a", 1, 1), ("b", 0, 0))]
)
def test_where_no_seed_is_shared_none_is_alone(of):
    assert alone(of).tolist() == [False] * len(of)


def test_further_networks_in_words():
    assert further_in_words(runs()) == ""
    assert further_in_words(runs(("a", 0, 3))) == " (1 more at α = 0 is in no mean: no other α has its seed)"
    assert further_in_words(runs(*[("a", 0, s) for s in (3, 4)])).startswith(" (2 more at α = 0 are in no mean")
