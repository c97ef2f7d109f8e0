import errno
import subprocess
import sys

import pytest

from selectivity_core import files
from selectivity_core.errors import StoreError


def test_replace_puts_content_whole_and_leaves_nothing_else(tmp_path):
    path = tmp_path / "a.csv"
    files.replace(path, b"one")
    files.replace(path, b"two")
    assert path.read_bytes() == b"two"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("call", ["open", "fsync"])
def test_a_failed_replace_leaves_what_stood_there(tmp_path, monkeypatch, call):
    path = tmp_path / "a.csv"
    files.replace(path, b"one")

    def full(*_args, **_options):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(*((files.Path, "open", full) if call == "open" else (files.os, "fsync", full)))
        with pytest.raises(StoreError, match=r"cannot be written \(No space left on device\)"):
            files.replace(path, b"two")
    assert path.read_bytes() == b"one"
    assert list(tmp_path.iterdir()) == [path]


def test_write_never_overwrites(tmp_path):
    files.write(tmp_path / "a", b"one")
    with pytest.raises(StoreError, match=r"a: cannot be written \(File exists\)"):
        files.write(tmp_path / "a", b"two")
    assert (tmp_path / "a").read_bytes() == b"one"


def test_a_folder_that_cannot_be_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match=r"file/x: this folder cannot be made \(Not a directory\)"):
        files.make_folder(tmp_path / "file" / "x")
    with pytest.raises(StoreError, match=r"file/\.x\..*\.part: cannot be written \(Not a directory\)"):
        files.replace(tmp_path / "file" / "x", b"")
    assert files.make_folder(tmp_path / "a" / "b").is_dir()


def test_a_real_file_size_limit_is_a_clear_error(tmp_path):
    files.replace(tmp_path / "a", b"one")
    script = """
import signal, resource, sys
from pathlib import Path
from selectivity_core import files
from selectivity_core.errors import StoreError
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
try:
    files.replace(Path(sys.argv[1]) / "a", bytes(5000))
except StoreError as error:
    print(error)
"""
    run = subprocess.run([sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, check=True)
    assert ".part: cannot be written (File too large)" in run.stdout
    assert [p.read_bytes() for p in tmp_path.iterdir()] == [b"one"]


def test_digest_is_sha256():
    assert files.sha256(b"abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
