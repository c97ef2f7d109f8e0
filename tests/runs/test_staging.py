import subprocess
import sys

import pytest

from selectivity_core.errors import StoreError
from selectivity_core.runs.locks import remove_leftovers, staged

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
        assert folder.parent == tmp_path / "stage"
        assert folder.name.startswith("run-")
    with pytest.raises(RuntimeError), staged(tmp_path / "stage", "run") as folder:
        raise RuntimeError
    with staged(tmp_path / "stage", "run") as folder:
        (folder / "a").write_text("kept")
        folder.rename(tmp_path / "there")
    assert (tmp_path / "there" / "a").read_text() == "kept"
    assert list((tmp_path / "stage").iterdir()) == []


@pytest.mark.fault("stages of killed and of living processes", "whole")
def test_what_a_killed_process_left_goes_and_what_a_living_one_has_stays(tmp_path):
    stage = tmp_path / "stage"
    assert remove_leftovers(stage) == 0
    assert not stage.exists()
    for _ in range(2):
        child = subprocess.run([sys.executable, "-c", KILLED, str(stage)], check=False)
        assert child.returncode == -9
    (stage / "0123-77-abcd").mkdir()  # as earlier versions left them, with no lock beside
    (stage / "0123-aa.lock").write_text("")  # of a process that was killed before it made its folder
    assert len(list(stage.glob("run-*/half"))) == 2
    with staged(stage, "mine") as folder:
        assert remove_leftovers(stage) == 3
        assert sorted(p.name for p in stage.iterdir()) == [folder.name, f"{folder.name}.lock"]
    assert list(stage.iterdir()) == []


LIVING = """
import sys
from pathlib import Path
from selectivity_core.runs.locks import staged
with staged(Path(sys.argv[1]), "other"):
    print("staged", flush=True)
    sys.stdin.read()
"""


def test_a_stage_of_another_living_process_stays(tmp_path):
    with subprocess.Popen(
        [sys.executable, "-c", LIVING, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout.readline() == "staged\n"
        assert remove_leftovers(tmp_path) == 0
        assert len(list(tmp_path.iterdir())) == 2
        child.kill()
    assert remove_leftovers(tmp_path) == 1


def test_a_place_that_cannot_be_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="file/x: this folder cannot be made"), staged(tmp_path / "file" / "x", "run"):
        pass
