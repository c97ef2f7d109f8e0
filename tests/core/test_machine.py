import subprocess
from pathlib import Path

import torch

from selectivity_core import machine
from selectivity_core.tables import PROVENANCE


def test_provenance_names_what_a_run_was_made_with():
    found = machine.provenance("cpu")
    # what the run itself knows comes on top
    assert set(found) | {"data", "digest", "result_version"} == set(PROVENANCE)
    assert found["torch"] == torch.__version__
    assert found["device"] == "cpu"
    assert found["processor"] == machine.cpu_name() != ""


def test_commit_is_gits_or_nothing(monkeypatch):
    machine.commit.cache_clear()
    root = Path(machine.__file__).resolve().parent.parent
    git = subprocess.run(["git", "-C", root, "rev-parse", "HEAD"], capture_output=True, text=True)
    found = machine.commit()
    assert found == "" if git.returncode else git.stdout.startswith(found.rstrip("+"))

    def missing(*_args, **_options):
        raise FileNotFoundError("git")

    machine.commit.cache_clear()
    monkeypatch.setattr(machine.subprocess, "run", missing)
    assert machine.commit() == ""
    machine.commit.cache_clear()


def test_an_uninstalled_package_has_no_version(monkeypatch):
    assert machine.version()

    def absent(_name):
        raise machine.metadata.PackageNotFoundError

    monkeypatch.setattr(machine.metadata, "version", absent)
    assert machine.version() == ""
