"""Ratios, verdicts, the files and the command."""

import nbformat
import pandas as pd
import pytest

from benchmarks import __main__ as bench
from benchmarks import book, record, timing
from benchmarks.limits import ROWS, Row
from benchmarks.timing import Paired, compare, in_turn
from selectivity_core.book.build.execution import STAMP
from selectivity_core.errors import StoreError

LIMITED = Row("work", "peer", 0.5, 0.4)
LOWER = Row("share", "peak", 0.35, 0.6, at_least=True)


def ratios(*values):
    return Paired(tuple(values), (1.0,) * len(values))


def test_paired_ratios_by_hand():
    found = Paired((1.0, 3.0, 2.0), (2.0, 2.0, 8.0), scale=2.0)
    assert found.ratios == [1.0, 3.0, 0.5]
    assert found.median == 1.0
    assert found.half_iqr == pytest.approx((2.0 - 0.75) / 2)


def test_work_is_timed_in_turn_after_a_round_that_warms_up():
    calls = []
    times = in_turn([lambda: calls.append("a"), lambda: calls.append("b")], rounds=3)
    assert calls == ["a", "b"] * 4
    assert [len(t) for t in times] == [3, 3]


def test_long_work_runs_twice_and_its_first_round_counts(monkeypatch):
    monkeypatch.setattr(timing, "LONG", 0.0)
    calls = []
    found = compare(lambda: calls.append("a"), lambda: calls.append("b"))
    assert calls == ["a", "b"] * 2
    assert len(found.ratios) == 2


@pytest.mark.parametrize(
    ("row", "values", "verdict"),
    [
        (LIMITED, (0.3, 0.4, 0.9), "as hoped"),
        (LIMITED, (0.5, 0.5, 0.5), "met"),
        (LIMITED, (0.51, 0.51, 0.51), "missed"),  # no spread, nothing allowed
        (LIMITED, (0.49, 0.51, 0.55), "missed within the spread"),  # half the range of its quartiles is 0.015
        (LIMITED, (0.1, 0.53, 3.0), "missed"),  # a wide spread allows no more than 5 % of the limit
        (LIMITED, (0.1, 0.52, 3.0), "missed within the spread"),
        (LOWER, (0.7, 0.6, 0.1), "as hoped"),
        (LOWER, (0.36, 0.36, 0.36), "met"),
        (LOWER, (0.3, 0.3, 0.3), "missed"),
        (LOWER, (0.2, 0.34, 0.5), "missed within the spread"),
        (Row("work", "peer"), (9.0, 9.0, 9.0), "no limit"),
    ],
)
def test_verdicts(row, values, verdict):
    assert row.verdict(ratios(*values)) == verdict


def test_every_row_is_measured_by_one_group():
    measured = [row for _, rows in bench.GROUPS.values() for row in rows]
    assert sorted(measured) == sorted(ROWS)


def test_the_musts_are_stricter_hopes():
    for row in ROWS.values():
        if row.must is not None:
            assert row.hoped > row.must if row.at_least else row.hoped < row.must


def test_files_hold_every_time(tmp_path):
    found = {"step": Paired((1.0, 2.0), (4.0, 4.0)), "peak": Paired((3.0,), (2.0,), 0.25)}
    record.write({"times": record.times(found)}, tmp_path)
    assert record.read_ratios(tmp_path) == found
    assert record.read_ratios(tmp_path / "none") == {}


def test_the_summary_has_every_row_and_says_what_is_missing():
    table = record.summary({"step": Paired((4.0, 4.4, 4.8), (120.0,) * 3, scale=30.0)})
    assert len(table) == len(ROWS)
    first = table.iloc[list(ROWS).index("step")]
    assert (first["takes"], first["peer takes"]) == ("2.2 min", "2 min")  # 30 · 4.4 s
    assert (first["median"], first["from"], first["to"], first["pairs"]) == ("1.1", "1", "1.2", "3")
    assert (first["must"], first["hoped for"], first["verdict"]) == ("≤ 1.18", "≤ 1.03", "met")
    assert table["verdict"].value_counts()["not measured"] == len(ROWS) - 1


def test_rows_of_two_machines_are_not_mixed(tmp_path):
    now = record.machine(2)
    record.check_machine(now, tmp_path)
    record.write({"machine": bench.list_of(now)}, tmp_path)
    record.check_machine(now, tmp_path)
    with pytest.raises(StoreError, match=r"measured with processor .*, here it is another; measure all rows"):
        record.check_machine(now | {"processor": "another"}, tmp_path)


@pytest.fixture
def small(monkeypatch, tmp_path):
    """A command of one group and one table that write to a folder of their own; gives what the row finds."""
    found = {"pwcca": ratios(0.1, 0.2, 0.3)}
    monkeypatch.setattr(bench, "GROUPS", {"pwcca": (lambda: found, ("pwcca",)), "book": (not_built, ("book",))})
    monkeypatch.setattr(bench, "TABLES", {"growth": lambda: [{"cost": "a step", "exponent": 1.0}]})
    for name, default in (("write", {}), ("read_ratios", None), ("check_machine", None)):
        kept = getattr(record, name)
        monkeypatch.setattr(record, name, lambda *given, kept=kept, default=default: kept(*given, tmp_path))
    return found, tmp_path


def not_built():
    raise book.NotMeasured("no `make book` has run every notebook yet; run it once")


def command(monkeypatch, *arguments):
    monkeypatch.setattr("sys.argv", ["benchmarks", *arguments])
    return bench.main()


def test_the_command_writes_prints_and_passes(small, monkeypatch, capsys):
    _, folder = small
    assert command(monkeypatch) == 0
    shown = capsys.readouterr()
    assert "book: no `make book` has run every notebook yet" in shown.err
    assert "hoped for" in shown.out
    assert {p.name for p in folder.iterdir()} == {"times.csv", "rows.csv", "machine.csv", "growth.csv"}
    kept = pd.read_csv(folder / "rows.csv", dtype=str)
    assert kept.loc[kept["verdict"] != "not measured", "median"].tolist() == ["0.2"]


def test_a_missed_limit_fails_the_command(small, monkeypatch):
    found, _ = small
    found["pwcca"] = ratios(0.9, 0.9, 0.9)
    assert command(monkeypatch) == 1


def test_some_rows_again_leave_the_others(small, monkeypatch):
    found, folder = small
    record.write({"times": record.times({"step": ratios(1.0)})})
    assert command(monkeypatch, "--only", "pwcca") == 0
    assert record.read_ratios() == {"step": ratios(1.0), **found}
    assert not (folder / "growth.csv").exists()


def test_another_machines_files_are_not_added_to(small, monkeypatch, capsys):
    _, folder = small
    record.write({"machine": [{"what": "processor", "value": "another"}]})
    assert command(monkeypatch, "--only", "pwcca") == 2
    assert capsys.readouterr().err.startswith("bench: ")
    assert not (folder / "rows.csv").exists()


def test_unknown_rows_are_refused(small, monkeypatch, capsys):
    with pytest.raises(SystemExit):
        command(monkeypatch, "--only", "nothing")
    assert "nothing" in capsys.readouterr().err


def test_the_book_needs_a_full_build(monkeypatch, tmp_path):
    monkeypatch.setattr(book, "FULL", tmp_path / "full-build.json")
    with pytest.raises(book.NotMeasured, match="no `make book` has run every notebook yet"):
        book.full_seconds()


def test_a_touched_notebook_is_out_of_date(monkeypatch, tmp_path):
    path = tmp_path / f"{book.TOUCHED}.ipynb"
    nbformat.write(nbformat.v4.new_notebook(metadata={STAMP: {"notebook": "abc", "package": "def"}}), path)
    monkeypatch.setattr(book, "EXECUTED", tmp_path)
    book.touch()
    assert nbformat.read(path, 4).metadata[STAMP] == {"notebook": "touched", "package": "def"}


def test_the_book_is_compared_with_its_last_full_build(monkeypatch):
    monkeypatch.setattr(book, "full_seconds", lambda: 50.0)
    monkeypatch.setattr(book, "touch", lambda: None)
    monkeypatch.setattr(book, "build", lambda: None)
    found = book.measure()["book"]
    assert found.peer_seconds == (50.0, 50.0)
    assert max(found.ratios) < 0.1
