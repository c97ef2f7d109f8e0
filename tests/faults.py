"""Faults that tests try, `@pytest.mark.fault(what is done, the promise that holds)`, and the book's table of them.

`pytest --faults FILE.csv` writes what came of each. Rows of tests that did not run this time stay as they were.
"""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path

import pytest

PROMISES = {
    "whole": "A run, and the tables of a profile, are there whole or not at all.",
    "kept": "What is whole and current is never lost or displaced.",
    "unmixed": "No table mixes runs, trainings or copies of the data.",
    "checked": "What comes from elsewhere is checked; what fails is named, the rest is taken.",
    "named": "Damage is named in one line, and never read as a result.",
    "same": "One spec gives one set of tables, to the last bit on one kind of processor.",
    "resumed": "A run that was cut off goes on where it was.",
    "finished": "A sweep finishes what it can, and names the rest.",
    "ended": "Within ten seconds no process is left, and runs in progress have their checkpoint.",
    "inert": "Nothing that is data runs as code.",
    "read": "Input means what it says, or is refused in one line.",
}
COLUMNS = ("What was done", "What holds", "Test", "When", "Tried", "What happened")
ALL = "All"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--faults", type=Path, metavar="FILE.csv", help="write what came of the faults that were tried")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "fault(what, promise): tries a fault; the promise is a key of faults.PROMISES")
    if config.getoption("--faults") and not hasattr(config, "workerinput"):
        config.pluginmanager.register(Table(config.getoption("--faults")))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Lets reports, which may come from other processes, say what their tests try."""
    for item in items:
        if (mark := item.get_closest_marker("fault")) is not None:
            what, promise = mark.args
            item.user_properties.append(("fault", [what, PROMISES[promise]]))


class Table:
    """Gathers the reports of one session.

    Args:
        path: of the table.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.texts: dict[str, list[str]] = {}
        self.tried: Counter[str] = Counter()
        self.ended: dict[str, Counter[str]] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        properties = dict(report.user_properties)
        if "fault" not in properties or (report.when != "call" and report.passed):
            return
        test = report.nodeid.partition("[")[0]
        self.texts[test] = [*properties["fault"], test, "make test-all" if "slow" in report.keywords else "make test"]
        self.tried[test] += int(properties.get("tried", 1)) if not report.skipped else 0
        self.ended.setdefault(test, Counter())[report.outcome] += 1

    def pytest_sessionfinish(self) -> None:
        rows = {test: [*texts, self.tried[test], said(self.ended[test])] for test, texts in self.texts.items()}
        if self.path.exists():
            with self.path.open(newline="") as file:
                rows = {row[2]: row for row in csv.reader(file) if row[0] not in (ALL, COLUMNS[0])} | rows
        found = [rows[test] for test in sorted(rows)]
        held = sum(row[5] == said(Counter(passed=1)) for row in found)
        whole = [ALL, "", f"{len(found)} tests", "", sum(int(row[4]) for row in found), f"{held} of {len(found)} held"]
        with self.path.open("w", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows([COLUMNS, whole, *found])


def said(ended: Counter[str]) -> str:
    """What happened, in a word or two."""
    others = ", ".join(f"{count} {outcome}" for outcome, count in sorted(ended.items()) if outcome != "passed")
    return others or "held"
