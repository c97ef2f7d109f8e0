import subprocess
import sys

import pytest

from selectivity_core.errors import StoreError
from selectivity_core.runs.locks import staged

KILLED = """
import os, signal, sys
from pathlib import Path
from selectivity_core.runs.locks import staged
with staged(Path(sys.argv[1]), "run") as folder:
    (folder / "half").write_text("x")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_stage_is_gone_after_the_body_unless_it_was_renamed(tmp_path):
    with staged(tmp_path / "stage", "run") as folder:
        (folder / "a").write_text("")
        assert folder == tmp_path / "stage" / "run"
    with pytest.raises(RuntimeError), staged(tmp_path / "stage", "run") as folder:
        raise RuntimeError
    with staged(tmp_path / "stage", "run") as folder:
        (folder / "a").write_text("kept")
        folder.rename(tmp_path / "there")
    assert (tmp_path / "there" / "a").read_text() == "kept"
    assert list((tmp_path / "stage").iterdir()) == []


@pytest.mark.fault("stages of killed processes", "whole")
def test_what_a_killed_process_left_goes(tmp_path):
    stage = tmp_path / "stage"
    child = subprocess.run([sys.executable, "-c", KILLED, str(stage)], check=False)
    assert child.returncode == -9
    (stage / "0123-77-abcd").mkdir()  # as earlier versions left them, and their locks
    (stage / "0123-aa.lock").write_text("")
    assert (stage / "run" / "half").exists()
    with staged(stage, "run") as folder:
        assert list(folder.iterdir()) == [] and list(stage.iterdir()) == [folder]
    assert list(stage.iterdir()) == []


def test_a_place_that_cannot_be_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="file/x: this folder cannot be made"), staged(tmp_path / "file" / "x", "run"):
        pass
