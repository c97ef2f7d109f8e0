from tiny_specs import TINY

from selectivity_core.book.paper.entries import BOOK, FigureEntry, Panel
from selectivity_core.book.tasks import tasks_by_table
from selectivity_core.runs.profiles import Bound

SPECS = [TINY.replace(alpha=a, seed=s, label_corruption=c) for c in (0.0, 0.5) for a in (-1.0, 0.0) for s in (0, 1)]


def entry(**options):
    return FigureEntry("x", BOOK, "B1", "x", "01_x", (Panel("", "own", TINY.model, "x"),), **options)


def tasks(found, specs=SPECS, finished=None, bound=None, **options):
    """Table -> how many tasks, and the specs that each is about."""
    there = {s.id for s in specs} if finished is None else {s.id for s in finished}
    made = tasks_by_table(found, specs, there, bound, **{"chosen": False} | options)
    assert all(task.analysis.table == table for table, several in made.items() for task in several)
    return {table: [task.runs for task in several] for table, several in made.items()}


def test_a_figure_of_plain_tables_asks_for_nothing():
    assert tasks(entry()) == {}
    assert tasks(entry(analyses=("noise-test",)), finished=[]) == {}


def test_analyses_are_taken_of_every_finished_run():
    found = tasks(entry(analyses=("ablation-test", "noise-test")), finished=SPECS[:3])
    assert found == {"curves": [(s,) for s in SPECS[:3]] * 2}


def test_closer_ones_of_each_networks_first_variant_or_of_all():
    closer = entry(closer=("noise-test",))
    assert tasks(closer) == {"curves": [(s,) for s in SPECS if s.label_corruption == 0]}
    assert tasks(closer, every=True) == {"curves": [(s,) for s in SPECS]}
    # Of a second network the first variant is its own.
    others = [s.replace(model="convnet11", label_corruption=0.5, batch_norm=True) for s in SPECS[:2]]
    assert tasks(closer, [*SPECS, *others])["curves"][-2:] == [(s,) for s in others]


def test_derived_tables_are_worked_out_for_a_network_at_a_time():
    plain = [s for s in SPECS if s.label_corruption == 0]
    other = [s.replace(model="convnet11", batch_norm=True) for s in plain]
    found = tasks(entry(tables=("pairs", "bounds")), [*plain, *other], bound=Bound((0.0,), seeds=1, layers=1))
    assert set(found) == {"pairs", "bounds"}
    assert all(a.model == b.model for a, b in found["pairs"])
    assert {run.model for (run,) in found["bounds"]} == {TINY.model, "convnet11"}
    assert {(run.alpha, run.seed) for (run,) in found["bounds"]} == {(0.0, 0)}
