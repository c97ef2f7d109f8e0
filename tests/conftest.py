"""Folders of their own for every test, and runs so small that they train in a blink."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from tiny_specs import DIVERGING, TINY

from selectivity_core import RunSpec, RunStore, sweep

torch.set_num_threads(1)


@pytest.fixture(scope="session")
def _folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("selectivity")


@pytest.fixture(autouse=True)
def no_user_folders(_folders: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test reads or writes the user's runs, data, decoded images or the tracked ledger."""
    for name in ("RUNS", "DATA", "CACHE"):
        monkeypatch.setenv(f"SELECTIVITY_{name}", str(_folders / name.lower()))
    monkeypatch.setenv("SELECTIVITY_LEDGER", "none")
    monkeypatch.setenv("SELECTIVITY_DEVICE", "cpu")
    monkeypatch.delenv("SELECTIVITY_READS", raising=False)


@pytest.fixture
def tiny() -> RunSpec:
    return TINY


@pytest.fixture
def diverging() -> RunSpec:
    return DIVERGING


@pytest.fixture(scope="session")
def finished(_folders: Path) -> tuple[RunStore, list[RunSpec]]:
    """A store with tiny runs: two seeds at three α, and one that diverged. Read it; never write to it."""
    specs = [TINY.replace(alpha=a, seed=s) for s in (0, 1) for a in (-1.0, 0.0, 1.0)] + [DIVERGING]
    store = RunStore(_folders / "finished")
    sweep(specs, store, jobs=1, progress=False)
    return store, specs
