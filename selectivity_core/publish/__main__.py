"""`python -m selectivity_core.publish COMMAND`: the steps of `make book`."""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

from ..errors import BookError, SelectivityError

ROOT = Path(__file__).resolve().parents[2]
SITE = ROOT / "_build" / "html"


def main() -> int:
    """Runs a step; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m selectivity_core.publish")
    parser.add_argument("step", choices=["build", "check", "serve"])
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--port", type=int)
    options = parser.parse_args()
    try:
        if options.step == "build":
            build(options.jobs)
        elif options.step == "check":
            _check()
        else:
            from .site import serve

            serve(SITE, options.port)
    except SelectivityError as error:
        print(f"book: {error}", file=sys.stderr)
        return 1
    return 0


def build(jobs: int) -> None:
    """Fetches what pages need, trains what the notebooks need, runs them, renders and checks the site.

    Raises:
        BookError, NotebookError: a step that failed; the site of an earlier build is then left alone.
    """
    from .assets import fetch
    from .runner import execute_all

    spent: list[tuple[str, float]] = []

    def timed(name: str, step, *arguments, **options):
        clock = time.perf_counter()
        result = step(*arguments, **options)
        spent.append((name, time.perf_counter() - clock))
        return result

    timed("fetch scripts and fonts", fetch, ROOT / "book" / "_static" / "vendor")
    timed("train", _train, jobs)
    notebooks = sorted((ROOT / "notebooks").glob("*.ipynb"))
    done = timed("run notebooks", execute_all, notebooks, ROOT / "book" / "executed", jobs=jobs)
    _remove_strays({notebook.stem for notebook in notebooks})
    if any(item.ran for item in done) or not _is_rendered():
        timed("render", _render)
    timed("check", _check)
    print(f"the book is at {SITE / 'index.html'}")
    print("times: " + ", ".join(f"{name} {seconds:.0f} s" for name, seconds in spent))


def _train(jobs: int) -> None:
    """The runs of all default figures in one sweep, so that notebooks that run side by side need not train."""
    from ..ledgers import ledger, ledger_folder
    from ..paper.figures import FIGURES, grid
    from ..study import default_store
    from ..sweeping import sweep

    specs = list(dict.fromkeys(spec for figure in FIGURES for spec in grid("digits", figure)))
    kept, store = ledger(), default_store()
    if ledger_folder() is None:
        # Hours may follow: say first what they are for.
        print(f"no ledger: all {len(specs)} runs of the default figures are trained, those in {store.path} excepted")
    sweep(specs, store, jobs=jobs, ledger=kept)


def _remove_strays(names: set[str]) -> None:
    """Executed copies of notebooks that are no longer there."""
    from .staleness import discard

    for executed in (ROOT / "book" / "executed").glob("*.ipynb"):
        if executed.stem not in names:
            discard(executed)


def _sources() -> list[Path]:
    pages = [*(ROOT / "book").rglob("*.md"), *(ROOT / "book" / "executed").glob("*.ipynb")]
    static = [p for p in (ROOT / "book" / "_static").glob("*") if p.is_file()]
    return [*pages, *static, ROOT / "_config.yml", ROOT / "_toc.yml"]


def _is_rendered() -> bool:
    """Whether the site is newer than everything it is made from."""
    index = SITE / "genindex.html"
    return index.exists() and all(p.stat().st_mtime <= index.stat().st_mtime for p in _sources())


def _render() -> None:
    """Renders beside the earlier site and takes its place when all went well; warnings are errors."""
    stage = ROOT / "_build" / "stage"
    shutil.rmtree(stage, ignore_errors=True)
    command = shutil.which("jupyter-book", path=str(Path(sys.executable).parent))
    if command is None:
        raise BookError("jupyter-book is not installed beside this Python; run `make env`")
    done = subprocess.run(
        [command, "build", ".", "--all", "-W", "--keep-going", "-q", "--path-output", str(stage)],
        cwd=ROOT, text=True, capture_output=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise BookError(f"jupyter-book failed with exit code {done.returncode}:\n{(done.stdout + done.stderr)[-6000:]}")
    shutil.rmtree(SITE, ignore_errors=True)
    (stage / "_build" / "html").rename(SITE)
    shutil.rmtree(stage)


def _check() -> None:
    from .site import check

    print(f"{check(SITE, ROOT / '_toc.yml')} pages, all links, pictures and addresses in order")


if __name__ == "__main__":
    sys.exit(main())
