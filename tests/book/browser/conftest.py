"""Sites served on this machine, and a Chromium that reaches nothing else."""

import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from chromium import NO_BROWSER, Browser, chromium

from selectivity_core.book.build.__main__ import local_server

ROOT = Path(__file__).parents[3]


def pytest_unconfigure(config: pytest.Config) -> None:
    """Say after everything else, where it is not overlooked, that no browser was there."""
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    skipped = [r for r in reporter.stats.get("skipped", []) if NO_BROWSER in str(r.longrepr)] if reporter else []
    if skipped:
        reporter.write_line(
            f"NOT TESTED IN A BROWSER: {len(skipped)} tests skipped: {NO_BROWSER}. "
            "Install chromium and chromium-driver; SELECTIVITY_REQUIRE_BROWSER=1 makes this a failure.",
            red=True,
            bold=True,
        )


@pytest.fixture(scope="session")
def site() -> Path:
    """The rendered book; where there is none, skip, or fail when it is required."""
    folder = Path(os.environ.get("SELECTIVITY_SITE", ROOT / "_build" / "html"))
    if not (folder / "index.html").is_file():
        reason = f"no rendered book at {folder}: `make book` renders it"
        if os.environ.get("SELECTIVITY_REQUIRE_SITE") == "1":
            pytest.fail(reason)
        pytest.skip(reason)
    return folder


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


@pytest.fixture(scope="session")
def served() -> Iterator[Callable[[Path], str]]:
    """A function that serves a folder for the rest of the session and gives its address."""
    running = []

    def serve(site: Path) -> str:
        server = local_server(site)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        running.append((server, thread))
        return f"http://127.0.0.1:{server.server_port}"

    yield serve
    for server, thread in running:
        server.shutdown()
        thread.join()
        server.server_close()
