"""Runs that are trained once for all tests of stores."""

from __future__ import annotations

import pytest
from tiny_specs import DIVERGING, TINY

from selectivity_core import RunStore, train
from selectivity_core.run import Result


@pytest.fixture(scope="session")
def results() -> list[Result]:
    """A complete run, one that diverged, and another complete one."""
    return [train(spec, progress=False) for spec in (TINY, DIVERGING, TINY.replace(seed=1, alpha=1.0))]


@pytest.fixture
def store(tmp_path, results) -> RunStore:
    """A store that holds all of them."""
    found = RunStore(tmp_path / "store")
    for result in results:
        found.add(result)
    return found
