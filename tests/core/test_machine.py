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
    assert found["instructions"].split()[0] == torch.backends.cpu.get_cpu_capability()


def test_instruction_sets_are_those_of_the_processor_and_what_narrows_them(monkeypatch):
    has = {"avx2": True, "avx512_f": True, "amx_bf16": False, "sse2": True, "cpu_name": "avx", "l1d_cache_size": 1}
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: has)
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX2")
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "AVX2")
    machine.instructions.cache_clear()
    assert machine.instructions() == "AVX2 avx2 avx512_f ONEDNN_MAX_CPU_ISA=AVX2"
    machine.instructions.cache_clear()


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
