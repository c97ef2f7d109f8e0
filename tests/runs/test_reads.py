import hashlib
import json
import subprocess
import sys

import pytest

from selectivity_core.errors import StoreError
from selectivity_core.runs import reads


@pytest.fixture
def log(tmp_path, monkeypatch):
    path = tmp_path / "reads.jsonl"
    monkeypatch.setenv("SELECTIVITY_READS", str(path))
    return path


def test_nothing_is_recorded_unless_asked_for(tmp_path, monkeypatch):
    monkeypatch.delenv("SELECTIVITY_READS", raising=False)
    table = tmp_path / "table.csv"
    table.write_text("a")
    reads.note_read(table)
    assert list(tmp_path.iterdir()) == [table]


def test_record_writes_path_and_digest(tmp_path, log, monkeypatch):
    (tmp_path / "table.csv").write_bytes(b"a,b\n")
    monkeypatch.chdir(tmp_path)
    reads.note_read("table.csv")
    entry = {"path": str(tmp_path / "table.csv"), "sha256": hashlib.sha256(b"a,b\n").hexdigest()}
    assert [json.loads(line) for line in log.read_text().splitlines()] == [entry]


def test_an_absent_file_is_an_entry_too_and_the_last_state_counts(tmp_path, log):
    table = tmp_path / "table.csv"
    reads.note_read(table)
    assert reads.entries(log) == {str(table): None}
    assert reads.changed(reads.entries(log)) == []
    table.write_text("a")
    assert reads.changed(reads.entries(log)) == [str(table)]
    reads.note_read(table)
    assert reads.changed(reads.entries(log)) == []
    table.unlink()
    assert reads.changed(reads.entries(log)) == [str(table)]


def test_changed_is_about_content_and_sorted(tmp_path, log):
    for name in ("b", "a", "c"):
        (tmp_path / name).write_text("1")
        reads.note_read(tmp_path / name)
    (tmp_path / "b").write_text("2")
    (tmp_path / "a").write_text("2")
    (tmp_path / "c").write_text("1")
    assert reads.changed(reads.entries(log)) == [str(tmp_path / "a"), str(tmp_path / "b")]


def test_no_log_has_no_entries(tmp_path):
    assert reads.entries(tmp_path / "none.jsonl") == {}


@pytest.mark.parametrize("line", ["{", "3", '{"path": "x"}', '{"sha256": "x"}'])
def test_a_broken_line_is_named(tmp_path, line):
    log = tmp_path / "reads.jsonl"
    log.write_text(f'{{"path": "x", "sha256": null}}\n{line}\n')
    with pytest.raises(StoreError, match=r"reads\.jsonl, line 2: not an entry"):
        reads.entries(log)


def test_a_log_that_cannot_be_written_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("SELECTIVITY_READS", str(tmp_path))
    with pytest.raises(StoreError, match=r"SELECTIVITY_READS: .* cannot be written \(Is a directory\)"):
        reads.note_read(tmp_path / "table.csv")


def test_several_processes_write_whole_lines(tmp_path, log):
    script = """
import sys
from selectivity_core.runs import reads
for i in range(300):
    reads.note_read(f"{sys.argv[1]}/{i}")
"""
    commands = [[sys.executable, "-c", script, str(tmp_path / ("long" * 50) / str(i))] for i in range(2)]
    for process in [subprocess.Popen(command) for command in commands]:
        assert process.wait() == 0
    assert len(log.read_text().splitlines()) == 600
    assert len(reads.entries(log)) == 600
