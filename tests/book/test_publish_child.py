"""What becomes of a run whose caller is killed or interrupted."""

import signal
import subprocess
import sys
import time

import psutil
import pytest
from tiny_notebooks import write_notebook

from selectivity_core.book.publish import runner
from selectivity_core.book.publish.job import STAGE

pytestmark = pytest.mark.slow
WAIT = 60  # seconds; far more than anything here takes


def until(condition):
    end = time.monotonic() + WAIT
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)


def alive(pid):
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@pytest.fixture
def endless(tmp_path):
    """A notebook that never ends, a file with the process id of its kernel, a folder with an earlier copy."""
    marker = tmp_path / "marker"
    begin = f"""
import os, pathlib, time
pathlib.Path("unfinished").write_text(str(os.getpid()))
os.replace("unfinished", {str(marker)!r})
time.sleep(600)
"""
    notebook = write_notebook(tmp_path / "a.ipynb", begin)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a.ipynb").write_text("an earlier copy")
    return notebook, marker, tmp_path / "out"


def assert_stopped(marker, out):
    until(lambda: [path.name for path in out.iterdir() if path.name != STAGE] == ["a.ipynb"])
    until(lambda: not any(path.is_dir() for path in (out / STAGE).iterdir()))
    assert (out / "a.ipynb").read_text() == "an earlier copy"
    until(lambda: not alive(int(marker.read_text())))


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGKILL])
def test_a_killed_run_leaves_no_file_and_no_process(endless, sent):
    notebook, marker, out = endless
    script = """
import pathlib, sys
from selectivity_core.book.publish.runner import execute_all
execute_all([pathlib.Path(sys.argv[1])], pathlib.Path(sys.argv[2]))
"""
    with subprocess.Popen([sys.executable, "-c", script, str(notebook), str(out)]) as process:
        until(marker.exists)
        process.send_signal(sent)
        assert process.wait(WAIT) == -sent
    assert_stopped(marker, out)


def test_an_interrupted_run_stops_what_it_started(endless, monkeypatch):
    notebook, marker, out = endless

    def interrupted(*arguments, **options):
        until(marker.exists)
        raise KeyboardInterrupt

    monkeypatch.setattr(runner, "wait", interrupted)
    with pytest.raises(KeyboardInterrupt):
        runner.execute_all([notebook], out)
    assert_stopped(marker, out)
