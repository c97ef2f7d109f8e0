"""The tracked ledger holds what every page draws and judges by default, so that a cold book trains nothing."""

import pytest

from selectivity_core import RunStore, ledger
from selectivity_core.book.pages import bound_limit, tasks_for
from selectivity_core.book.papers.figures import FIGURES, grid
from selectivity_core.runs.derived import derive
from selectivity_core.runs.profiles import find_profile


@pytest.fixture(scope="module")
def kept():
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("SELECTIVITY_LEDGER", raising=False)
        yield ledger("digits")


@pytest.mark.parametrize("figure", FIGURES)
def test_the_default_figures_need_no_training(figure, kept, tmp_path):
    specs = grid("digits", figure)
    runs = kept.runs
    assert {spec.id for spec in specs} <= set(runs["run"])
    complete = set(runs.loc[runs["status"] == "complete", "run"])
    limit = bound_limit(find_profile("digits"), FIGURES[figure], ())
    tasks = tasks_for(FIGURES[figure], [s for s in specs if s.id in complete], limit)
    for table in {task.analysis.table for task in tasks}:
        derive([t for t in tasks if t.analysis.table == table], RunStore(tmp_path), ledger=kept, on_missing="raise")
