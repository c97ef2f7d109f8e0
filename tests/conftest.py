"""Folders of their own for every test, and runs so small that they train in a blink."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from tiny_specs import DIVERGING, TINY, TINY_DIGITS

from selectivity_core import RunSpec, RunStore, sweep
from selectivity_core.cli import main
from selectivity_core.runs.profiles import PROFILES, Profile

torch.set_num_threads(1)
pytest_plugins = ["faults"]


class AtOnce:
    """Names a failing test when it fails, not only at the end of a long run that may not get there."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Called where results are gathered, whichever process the test ran in."""
        terminal = self._config.pluginmanager.get_plugin("terminalreporter")
        if report.failed and terminal is not None:
            last = str(report.longrepr).strip().splitlines()[-1:]
            terminal.write_line(f"\nFAILED {report.nodeid} ({report.when}): {''.join(last)}")


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(AtOnce(config))


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
def interrupts() -> Iterator[None]:
    """Ctrl-C as in a terminal: a shell lets what it starts in the background ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def tiny() -> RunSpec:
    return TINY


@pytest.fixture
def diverging() -> RunSpec:
    return DIVERGING


@pytest.fixture
def tiny_profile(monkeypatch: pytest.MonkeyPatch) -> None:
    """A profile `tiny` whose runs train in a blink."""
    monkeypatch.setitem(PROFILES, "tiny", Profile("tiny digits", (TINY,), (-1.0, 0.0, 1.0), 2, scaled_down=True))


@pytest.fixture
def tiny_digits(monkeypatch: pytest.MonkeyPatch) -> None:
    """The profile of digits with the schedule of tiny runs, whose units and weights a ledger then keeps."""
    monkeypatch.setitem(PROFILES, "digits", TINY_DIGITS)


@pytest.fixture
def command_line(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """A function that runs a command line, as its entry point does, and gives exit code, output and errors."""

    def run(*words: object) -> tuple[int, str, str]:
        try:
            code = main([str(word) for word in words])
        except SystemExit as error:  # argparse's own way out
            code = int(error.code or 0)
        out, err = capsys.readouterr()
        assert "Traceback" not in out + err
        return code, out, err

    return run


@pytest.fixture(scope="session")
def finished(_folders: Path) -> tuple[RunStore, list[RunSpec]]:
    """A store with tiny runs: two seeds at three α, and one that diverged. Read it; never write to it."""
    specs = [TINY.replace(alpha=a, seed=s) for s in (0, 1) for a in (-1.0, 0.0, 1.0)] + [DIVERGING]
    store = RunStore(_folders / "finished")
    sweep(specs, store, jobs=1, progress=False)
    return store, specs
