import errno
import os
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


@pytest.mark.fault("replacing a file fails at each step", "kept")
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


@pytest.mark.fault("a FIFO, a folder, a device, a file of 1 TB in place of a file", "named")
@pytest.mark.parametrize("kind", ["FIFO", "folder", "device", "sparse"])
def test_only_plain_files_of_bounded_size_are_read(tmp_path, kind):
    path = tmp_path / "a"
    if kind == "FIFO":
        os.mkfifo(path)  # nobody ever writes to it
    elif kind == "folder":
        path.mkdir()
    elif kind == "device":
        path.symlink_to("/dev/zero")
    else:
        with path.open("wb") as file:
            file.truncate(1 << 40)
    with pytest.raises(ValueError, match="'a' is no plain file of at most 1,073,741,824 bytes"):
        files.read(path)


@pytest.fixture
def places(tmp_path):
    """A folder, what is to replace it, and where the old one goes."""
    for name in ("there", "new"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a").write_text(name)
    (tmp_path / "there" / "old").write_text("")
    return tmp_path / "there", tmp_path / "new", tmp_path / "trash"


def test_a_folder_is_replaced_whole(places):
    path, new, trash = places
    files.replace_folder(path, new, trash)
    assert files.read_in(path, "a") == b"new"
    assert files.read_in(path, "old") is None
    assert (trash / "a").read_text() == "there"
    assert not new.exists()
    trash.rename(new)
    files.replace_folder(path.with_name("nowhere"), new, trash)  # nothing stood there
    assert files.read_in(path.with_name("nowhere"), "a") == b"there"
    assert not trash.exists()


@pytest.mark.fault("replacing a folder fails or is cut off at each step", "whole")
@pytest.mark.parametrize("step", [0, 1, 2])
@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError(errno.EIO, "Input/output error")], ids=["cut", "failed"])
def test_a_replacement_that_does_not_come_to_its_end_leaves_the_old_folder(places, monkeypatch, step, error):
    path, new, trash = places
    left, real = [step], files.Path.rename

    def rename(self, target):
        left[0] -= 1
        if left[0] == -1:
            raise error
        return real(self, target)

    with monkeypatch.context() as patch:
        patch.setattr(files.Path, "rename", rename)
        with pytest.raises((KeyboardInterrupt, OSError)):
            files.replace_folder(path, new, trash)
    assert (files.read_in(path, "a"), files.read_in(path, "old")) == (b"there", b"")
    new.mkdir(exist_ok=True)
    (new / "a").write_text("newer")
    files.replace_folder(path, new, trash)  # takes back what was left
    assert (files.read_in(path, "a"), files.read_in(path, "old")) == (b"newer", None)
    assert files.standing(path) == path


def test_a_folder_that_cannot_be_renamed_is_copied(places, monkeypatch):
    path, _, trash = places
    real = files.Path.rename

    def rename(self, target):
        if self == path:
            raise OSError(errno.EXDEV, "Invalid cross-device link")
        return real(self, target)

    monkeypatch.setattr(files.Path, "rename", rename)
    files.move_folder(path, trash)
    assert sorted(p.name for p in trash.iterdir()) == ["a", "old"]
    assert not path.exists()
