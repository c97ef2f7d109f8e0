"""`python -m selectivity_core.book.build STEP`: the steps behind `make book`, `make serve` and `make lint`."""

from __future__ import annotations

import argparse
import itertools
import json
import os
import shutil
import sys
import time
import webbrowser
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

from ...errors import SelectivityError
from ...files import replace
from .. import BookError
from . import ROOT

BUILD = ROOT / "_build"
SITE = BUILD / "html"
EXECUTED = BUILD / "executed"
FULL = BUILD / "full-build.json"  # what the last build took that ran every notebook


def main() -> int:
    """Runs a step; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m selectivity_core.book.build")
    parser.add_argument("step", choices=["build", "serve", "lint"])
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="notebooks at a time")
    parser.add_argument("--profile", help="of every notebook that has one (default: each its own)")
    parser.add_argument("--port", type=int, default=0)
    options = parser.parse_args()
    try:
        match options.step:
            case "build":
                build(options.jobs, options.profile)
            case "serve":
                serve(SITE, options.port)
            case "lint":
                lint()
    except SelectivityError as error:
        print(f"book: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("book: interrupted; what was finished is kept", file=sys.stderr)
        return 130
    return 0


def build(workers: int, profile: str | None) -> None:
    """Trains what notebooks need, runs those out of date, renders and checks; a failure leaves the site alone."""
    from ...runs.locks import lock, try_lock

    with try_lock(BUILD / ".lock") as mine:
        if mine:
            return _build(workers, profile)
    print("another build of this book is running; waiting for it …", flush=True)
    with lock(BUILD / ".lock"):
        _build(workers, profile)


def _build(workers: int, profile: str | None) -> None:
    from . import pages
    from .check import check
    from .execution import execute_all, prepare

    start = time.monotonic()
    notebooks = sorted((ROOT / "notebooks").glob("*.ipynb"))
    jobs = [prepare(path, EXECUTED / path.name, {}) for path in notebooks]
    if profile is not None:
        given = {"profile": profile}
        jobs = [prepare(j.notebook, j.out, given) if "profile" in j.made_from["parameters"] else j for j in jobs]
    _train(workers, profile or "digits")
    ran = execute_all(jobs, workers)
    digest, mark = pages.stage(EXECUTED, BUILD / "source"), BUILD / "rendered"
    current = SITE.exists() and mark.exists() and mark.read_text() == digest
    site = SITE if current else pages.render(BUILD / "source", BUILD / "render")
    print(f"{check(site, ROOT / '_toc.yml')} pages, all links, pictures and addresses in order")
    if not current:
        mark.unlink(missing_ok=True)
        shutil.rmtree(SITE, ignore_errors=True)
        site.rename(SITE)
        replace(mark, digest.encode())
    seconds = time.monotonic() - start
    if ran == len(jobs):
        replace(FULL, json.dumps({"seconds": seconds, "notebooks": ran}).encode())
    print(f"the book is at {SITE / 'index.html'}: {ran} of {len(jobs)} notebooks run, {seconds:.0f} s")


def _train(workers: int, profile: str) -> None:
    """The runs of all figures in one sweep, so that notebooks that run side by side need not train.

    The few networks whose weights pages need are trained though the ledger has their tables, aside: it keeps the
    weights of few profiles.
    """
    from ...runs.archive import TRACKED, ledger, ledger_folder
    from ...runs.planning import plan
    from ...runs.store import default_store
    from ...runs.sweeping import sweep
    from ...runs.trained import train_networks
    from ..papers.figures import FIGURES, grid

    specs = list(dict.fromkeys(spec for figure in FIGURES for spec in grid(profile, figure)))
    kept, store = ledger(), default_store()
    if ledger_folder() is None:
        # Long work may follow: say first what it is and what it costs, by the tracked runs' own times.
        print("no ledger is read; what the figures take:")
        print(plan(specs, store, ledger=ledger(folder=TRACKED), workers=workers), flush=True)
    baselines = [[s for s in grid(profile, e.id) if s.alpha == 0][: e.loads] for e in FIGURES.values()]
    train_networks(dict.fromkeys(itertools.chain(*baselines)), store, jobs=workers)
    sweep(specs, store, jobs=workers, ledger=kept)


def lint() -> None:
    """Raises BookError with what is wrong in the sources of the notebooks."""
    from .check import problems

    found = [problem for path in sorted((ROOT / "notebooks").glob("*.ipynb")) for problem in problems(path)]
    if found:
        raise BookError(f"{len(found)} problems in notebooks:\n  " + "\n  ".join(found))


class _Handler(SimpleHTTPRequestHandler):
    def send_head(self) -> BytesIO | BinaryIO | None:
        """Files below the site's folder, after links are followed; a folder's index.html; else "not found".

        There are no listings.
        """
        path = Path(self.translate_path(self.path)).resolve()
        page = path / "index.html" if path.is_dir() else path
        if page.resolve().is_relative_to(Path(self.directory).resolve()) and page.is_file():
            return super().send_head()
        self.send_error(404, "File not found")
        return None

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Say nothing of requests that were answered."""


def local_server(site: Path, port: int = 0) -> ThreadingHTTPServer:
    """A server of a site's files, for this machine only; the caller runs and closes it. Port 0 takes a free port."""
    if not (site / "index.html").is_file():
        raise BookError(f"there is no rendered book at {site} (no index.html): `make book` renders it")
    try:
        return ThreadingHTTPServer(("127.0.0.1", port), partial(_Handler, directory=str(site)))
    except (OSError, OverflowError) as error:
        raise BookError(f"cannot serve the book on port {port}: {error}; choose another port") from error


def serve(site: Path, port: int = 0) -> None:
    """Serve the book, open it in a browser where there is a desktop, and stop at Ctrl-C."""
    with local_server(site, port) as server:
        address = f"http://127.0.0.1:{server.server_port}/"
        print(f"The book is at {address} (Ctrl-C ends)", flush=True)
        # without a desktop, webbrowser starts a text browser that takes the terminal over
        if sys.platform in ("darwin", "win32") or os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"):
            webbrowser.open(address)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            print()


if __name__ == "__main__":
    sys.exit(main())
