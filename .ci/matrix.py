"""Runs the core's tests, from a wheel, on other Pythons and torches than those of `.venv`: `make matrix`.

    python .ci/matrix.py [oldest] [newest] [tests/core/test_passes.py ...]

"oldest" has the lower bound of every requirement in pyproject.toml, "newest" what the registry has newest. The wheel
is built from the sdist. Environments are kept in a folder of the user's caches and made anew when the requirements
change. A Python that is not at hand, or whose torch cannot be fetched, is named and left out.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "selectivity" / "matrix"
PYTHONS = {"oldest": "3.12", "newest": "3.13"}
TOOLS = ["pytest", "pytest-timeout", "hypothesis", "statsmodels"]
# What these test is the checkout: its pages, its benchmarks, its own environment.
OF_THE_CHECKOUT = ("layout", "packaging", "models_elsewhere", "reference", "benchmarks*", "no_code_in_data")
# Rounding of one version of torch; the archived runs, which a wheel does not carry.
LEFT_OUT = ("test_training.py::test_golden_run", "test_spec.py::test_every_archived_run_keeps_its_id")
PIP = ("-m", "pip", "-qq", "--disable-pip-version-check")


def run(*command: str | Path, cwd: Path = ROOT) -> None:
    """Runs a command that must succeed, without the checkout among its imports."""
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"} | {"OMP_NUM_THREADS": "1"}
    subprocess.run(command, check=True, cwd=cwd, env=environment)


def python(version: str) -> Path | None:
    """An interpreter of this version, on the path or among pyenv's."""
    found = [shutil.which(f"python{version}"), *sorted(Path.home().glob(f".pyenv/versions/{version}.*/bin/python"))]
    for candidate in filter(None, found):
        if subprocess.run([candidate, "-c", ""], capture_output=True, check=False).returncode == 0:
            return Path(candidate)
    return None


def requirements(row: str) -> tuple[list[str], list[str]]:
    """What is built against torch, to be installed without its own requirements; and the rest."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    listed = [*project["dependencies"], *extras["data"], *extras["runs"]]
    if row == "oldest":
        listed = [r.replace(">=", "==") for r in listed]
    alone = [r for r in listed if r.startswith("torch")]
    return alone, [r for r in listed if r not in alone] + TOOLS


def environment(row: str, base: Path) -> Path | None:
    """The interpreter of a cached environment with everything but the package; None where torch cannot be fetched."""
    alone, rest = requirements(row)
    key = hashlib.sha256(repr((str(base), alone, rest)).encode()).hexdigest()[:8]
    folder = CACHE / f"{row}-{PYTHONS[row]}-{key}"
    own, ready = folder / "bin" / "python", folder / "ready"
    if ready.exists():
        return own
    for stale in CACHE.glob(f"{row}-*"):
        shutil.rmtree(stale)
    run(base, "-m", "venv", folder)
    install = (own, *PIP, "install", "--only-binary", ":all:")
    try:
        run(*install, "--no-deps", *alone)
    except subprocess.CalledProcessError:
        shutil.rmtree(folder)
        return None
    ask = "import importlib.metadata as m; print(*(r for r in m.requires('torch') if ';' not in r), sep='\\n')"
    asked = subprocess.run([own, "-c", ask], check=True, capture_output=True, text=True).stdout.splitlines()
    run(*install, *asked, *rest)
    run(own, ROOT / ".ci" / "without_cuda.py")
    ready.touch()
    return own


def wheel(folder: Path) -> Path:
    """A wheel, built from an sdist of the checkout."""
    source = folder / "source"
    without = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "selectivity_core", source / "selectivity_core", ignore=without)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    build = "import sys; from setuptools import build_meta; build_meta.build_sdist(sys.argv[1])"
    subprocess.run([sys.executable, "-c", build, folder], check=True, cwd=source, stdout=subprocess.DEVNULL)
    (sdist,) = folder.glob("*.tar.gz")
    run(sys.executable, *PIP, "wheel", "--no-build-isolation", "--no-deps", "-w", folder, sdist)
    return next(folder.glob("*.whl"))


def passes(own: Path, built: Path, folder: Path, tests: list[str]) -> bool:
    """Whether the core's tests, or some of them, pass in an environment."""
    run(own, *PIP, "install", "--no-deps", "--force-reinstall", built)
    show = "import torch as t, numpy as n, selectivity_core as s; print(t.__version__, n.__version__, s)"
    run(own, "-c", show, cwd=folder)
    # Warnings that other versions give are theirs.
    options = ["-q", "-p", "no:cacheprovider", "-o", "filterwarnings=default", "-m", "not slow and not book"]
    ignored = [f"--ignore-glob=*/test_{name}.py" for name in OF_THE_CHECKOUT]
    ignored += [f"--deselect=tests/core/{name}" for name in LEFT_OUT]
    try:
        run(own, "-m", "pytest", *options, *ignored, *tests, cwd=folder)
    except subprocess.CalledProcessError:
        return False
    return True


def main(given: list[str]) -> int:
    """How many rows failed."""
    failed = []
    tests = [name for name in given if name.startswith("tests/")] or ["tests/core"]
    rows = [name for name in given if name not in tests]
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        built = wheel(folder)
        for part in ("tests", "benchmarks"):
            without = shutil.ignore_patterns("__pycache__", "book", "runs")
            shutil.copytree(ROOT / part, folder / part, ignore=without)
        shutil.copy(ROOT / "pyproject.toml", folder)
        for row in rows or PYTHONS:
            base = python(PYTHONS[row])
            own = environment(row, base) if base is not None else None
            missing = "is not at hand" if base is None else "has no torch that can be fetched"
            print(f"{row}: Python {PYTHONS[row]}", f"{missing}; left out" if own is None else "", flush=True)
            if own is not None and not passes(own, built, folder, tests):
                failed.append(row)
    print(f"failed: {', '.join(failed)}" if failed else "every row passed")
    return len(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
