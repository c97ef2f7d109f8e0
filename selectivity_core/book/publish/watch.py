"""A page being written: its notebook is run and its page rendered whenever a file changes."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path

from ...errors import NotebookError, SelectivityError
from .render import jupyter_book
from .runner import execute_all

POLL = 1.0  # seconds between looks


def find_notebook(root: Path, name: str) -> Path:
    """A notebook of a book by its name.

    Raises:
        NotebookError: there is none of that name.
    """
    path = root / "notebooks" / f"{name}.ipynb"
    if not path.is_file():
        names = ", ".join(sorted(p.stem for p in path.parent.glob("*.ipynb")))
        raise NotebookError(f"notebook {name!r}: there is none of that name; one of {names} is allowed")
    return path


def stamps(root: Path, notebook: Path) -> dict[Path, int]:
    """When each file was changed that a notebook's page is made of: package, notebook, pages, styles, settings."""
    files = [notebook, *(root / "selectivity_core").rglob("*.py"), *(root / "book").rglob("*.md")]
    files += [p for p in (root / "book" / "_static").glob("*") if p.is_file()]
    files += [root / "_config.yml", root / "_toc.yml"]
    found = {}
    for path in files:
        try:
            found[path] = path.stat().st_mtime_ns
        except FileNotFoundError:  # an editor replaces it just now
            continue
    return found


def refresh(root: Path, notebook: Path) -> Path:
    """Runs a notebook where it is out of date, renders the pages that changed, and gives the notebook's page.

    The rendering lies apart from the book's, in `_build/watch`, with every warning let through.

    Raises:
        NotebookError, BookError: a step that failed.
    """
    execute_all([notebook], root / "book" / "executed", jobs=1)
    site = jupyter_book(root, root / "_build" / "watch")
    return site / "book" / "executed" / f"{notebook.stem}.html"


def watch(
    root: Path,
    name: str,
    *,
    build: Callable[[Path, Path], Path] = refresh,
    wait: Callable[[float], None] = time.sleep,
) -> None:
    """Builds a notebook's page at once and after every change, until it is interrupted (Ctrl-C).

    Args:
        root: the book's folder.
        name: of the notebook, without folder and suffix.
        build: makes the page and gives its file; a step of it that fails is shown, and the watch goes on.
        wait: sleeps so many seconds.

    Raises:
        NotebookError: there is no such notebook.
    """
    notebook, before = find_notebook(root, name), dict[Path, int]()
    try:
        while True:
            now = stamps(root, notebook)
            if now != before:
                before, clock = now, time.perf_counter()
                try:
                    page = build(root, notebook)
                    print(f"{page} ({time.perf_counter() - clock:.0f} s); reload it. Ctrl-C ends", flush=True)
                except SelectivityError as error:
                    print(f"book: {error}", file=sys.stderr, flush=True)
            wait(POLL)
    except KeyboardInterrupt:
        print()
