"""The tracked ledger holds what every page draws and judges by default, so that a cold book trains nothing."""

import pytest

from selectivity_core import RunStore, ledger
from selectivity_core.book.paper.figures import FIGURES, grid
from selectivity_core.book.tasks import tasks_by_table
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
    finished = set(kept.runs["run"])
    assert {spec.id for spec in specs} <= finished
    bound = find_profile("digits").bound
    wanted = tasks_by_table(FIGURES[figure], specs, finished, bound, chosen=False)
    for tasks in wanted.values():
        derive(tasks, RunStore(tmp_path), ledger=kept, on_missing="raise")
