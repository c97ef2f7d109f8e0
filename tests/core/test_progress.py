"""Bars."""

import subprocess
import sys

import pytest

from selectivity_core.progress import bar, duration

KILLED_IN_A_BAR = """
import os, signal
from selectivity_core.progress import bar

def forked(body):
    child = os.fork()
    if not child:
        body()
        os._exit(0)
    return os.waitpid(child, 0)[1]

def die():
    type(bar("one", 1, "run", disable=True)).get_lock().acquire()
    os.kill(os.getpid(), signal.SIGKILL)

bar("before the fork", 1, "run", disable=True).close()
assert forked(die) == signal.SIGKILL
assert forked(lambda: bar("two", 1, "run", disable=True).close()) == 0
"""


def test_a_process_killed_inside_a_bar_does_not_hang_its_siblings():
    subprocess.run([sys.executable, "-c", KILLED_IN_A_BAR], check=True, timeout=60)


def test_a_fork_does_not_wait_for_a_thread_that_it_does_not_have():
    held = KILLED_IN_A_BAR.replace("assert forked(die) == signal.SIGKILL", HOLD_IN_A_THREAD)
    assert held != KILLED_IN_A_BAR
    subprocess.run([sys.executable, "-c", held], check=True, timeout=60)


HOLD_IN_A_THREAD = """
import threading
lock, taken = type(bar("other", 1, "run", disable=True)).get_lock(), threading.Event()
threading.Thread(target=lambda: (lock.acquire(), taken.set(), threading.Event().wait()), daemon=True).start()
taken.wait()
"""


@pytest.mark.parametrize("setting", ["none", None])
def test_the_book_shows_no_bars(setting, monkeypatch, capsys):
    if setting:
        monkeypatch.setenv("SELECTIVITY_PROGRESS", setting)
    else:
        monkeypatch.delenv("SELECTIVITY_PROGRESS", raising=False)
    with bar("training", 2, "run") as shown:
        shown.update(2)
    said = capsys.readouterr().err
    assert ("training" in said and "2/2" in said) is (setting is None)


def test_lines_go_to_a_file_where_one_is_named(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("SELECTIVITY_PROGRESS", str(tmp_path / "progress"))
    with bar("training", 2, "run") as shown:
        shown.update(2)
    said = (tmp_path / "progress").read_text()
    assert "training" in said and "2/2" in said
    assert capsys.readouterr() == ("", "")


def test_durations_in_words():
    assert [duration(s) for s in (0.4, 89, 100, 5000, 5400, 3.6e6 * 1.1)] == [
        "0 s", "89 s", "2 minutes", "83 minutes", "1.5 hours", "1,100 hours",
    ]  # fmt: skip
