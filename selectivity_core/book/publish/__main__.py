"""`python -m selectivity_core.book.publish COMMAND`: the steps of `make book`."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ...errors import SelectivityError
from ...files import replace
from .finish import finish
from .render import jupyter_book

ROOT = Path(__file__).resolve().parents[3]
SITE = ROOT / "_build" / "html"


def main() -> int:
    """Runs a step; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m selectivity_core.book.publish")
    parser.add_argument("step", choices=["build", "check", "serve", "watch"])
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--port", type=int)
    parser.add_argument("--notebook", default="05_figure_4", help="the one that `watch` runs")
    options = parser.parse_args()
    try:
        if options.step == "build":
            build(options.jobs)
        elif options.step == "check":
            _check()
        elif options.step == "watch":
            from .watch import watch

            _prepare()
            watch(ROOT, options.notebook)
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

    def timed(name: str, step: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        clock = time.perf_counter()
        result = step(*arguments, **options)
        spent.append((name, time.perf_counter() - clock))
        return result

    timed("fetch scripts and fonts", fetch, ROOT / "book" / "_static" / "vendor")
    _prepare()
    timed("train", _train, jobs)
    notebooks = sorted((ROOT / "notebooks").glob("*.ipynb"))
    done = timed("run notebooks", execute_all, notebooks, ROOT / "book" / "executed", jobs=jobs)
    _remove_strays({notebook.stem for notebook in notebooks})
    if any(item.ran for item in done) or not _is_rendered():
        timed("render", _render)
    timed("check", _check)
    if done and all(item.ran for item in done):
        _keep_times(spent, len(done))
    print(f"the book is at {SITE / 'index.html'}")
    print("times: " + ", ".join(f"{name} {seconds:.0f} s" for name, seconds in spent))


def full_build() -> Path:
    """Where stands what the last build took that ran every notebook."""
    return SITE.parent / "full-build.json"


def _keep_times(spent: list[tuple[str, float]], notebooks: int) -> None:
    """Writes what a full build took, for `make bench` to compare with."""
    times = {"seconds": sum(seconds for _, seconds in spent), "notebooks": notebooks, "steps": dict(spent)}
    replace(full_build(), json.dumps(times, indent=1).encode())


def _prepare() -> None:
    """What pages take in beside notebooks: a line for every notebook in the contents, the picture of the package."""
    from .architecture import write
    from .contents import complete

    complete(ROOT / "_toc.yml", [p.stem for p in (ROOT / "notebooks").glob("*.ipynb")])
    write(Path(__file__).resolve().parents[2], ROOT / "book" / "executed" / "architecture.html")


def _train(jobs: int) -> None:
    """The runs of all default figures in one sweep, so that notebooks that run side by side need not train.

    The ledger keeps no weights: the few networks whose weights pages need are trained though it has their tables.
    """
    from ...runs.archive import TRACKED, ledger, ledger_folder
    from ...runs.planning import plan
    from ...runs.store import default_store
    from ...runs.sweeping import sweep
    from ..paper.figures import FIGURES, baselines, grid

    specs = list(dict.fromkeys(spec for figure in FIGURES for spec in grid("digits", figure)))
    kept, store = ledger(), default_store()
    if ledger_folder() is None:
        # Long work may follow: say first what it is and what it costs, by the tracked runs' own times.
        print("no ledger is read; what the default figures take:")
        print(plan(specs, store, ledger=ledger(folder=TRACKED), use_ledger=False, workers=jobs).text(), flush=True)
    loaded = dict.fromkeys(spec for e in FIGURES.values() if e.loads for spec in baselines(e, grid("digits", e.id)))
    sweep(list(loaded), store, jobs=jobs)
    sweep(specs, store, jobs=jobs, ledger=kept)


def _remove_strays(names: set[str]) -> None:
    """Executed copies of notebooks that are no longer there."""
    from .staleness import discard

    for executed in (ROOT / "book" / "executed").glob("*.ipynb"):
        if executed.stem not in names:
            discard(executed)


def _sources() -> list[Path]:
    made = [p for kind in ("*.ipynb", "*.html") for p in (ROOT / "book" / "executed").glob(kind)]
    pages = [*(ROOT / "book").rglob("*.md"), *(ROOT / "book").glob("*.bib"), *made]
    static = [p for p in (ROOT / "book" / "_static").glob("*") if p.is_file()]
    measured = (ROOT / "benchmarks" / "measured").glob("*.csv")  # the tables of the page on performance
    return [*pages, *static, *measured, ROOT / "_config.yml", ROOT / "_toc.yml"]


def _is_rendered() -> bool:
    """Whether the site is newer than everything it is made from."""
    index = SITE / "genindex.html"
    return index.exists() and all(p.stat().st_mtime <= index.stat().st_mtime for p in _sources())


def _render() -> None:
    """Renders beside the earlier site and takes its place when all went well; warnings are errors."""
    stage = ROOT / "_build" / "stage"
    shutil.rmtree(stage, ignore_errors=True)
    rendered = jupyter_book(ROOT, stage, "--all", "-W", "--keep-going")
    finish(rendered)
    shutil.rmtree(SITE, ignore_errors=True)
    rendered.rename(SITE)
    shutil.rmtree(stage)


def _check() -> None:
    from .site import check

    print(f"{check(SITE, ROOT / '_toc.yml')} pages, all links, pictures and addresses in order")


if __name__ == "__main__":
    sys.exit(main())
