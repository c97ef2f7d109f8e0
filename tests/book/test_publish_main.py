"""The steps of `make book` on a book of two pages: real papermill, real Jupyter Book, a tiny network."""

import json
import os
import shutil
import sys
import time
from pathlib import Path

import nbformat
import pytest
from tiny_notebooks import CHECK, write_notebook

from selectivity_core.book.paper import figures
from selectivity_core.book.publish import __main__ as publish
from selectivity_core.book.publish import assets, staleness
from selectivity_core.errors import BookError
from selectivity_core.runs.profiles import PROFILES, Profile

REPOSITORY = Path(__file__).resolve().parents[2]
CONFIGURATION = """
title: small
only_build_toc_files: true
exclude_patterns: [_build, runs, notebooks, book/executed/failed, book/executed/.stage]
execute: {execute_notebooks: "off"}
"""


def write_page(root, source):
    """The notebook `a` with a heading: a page without one is a warning, and so an error."""
    path = write_notebook(root / "notebooks" / "a.ipynb", CHECK, source)
    notebook = nbformat.read(path, 4)
    notebook.cells.insert(0, nbformat.v4.new_markdown_cell("# A figure"))
    nbformat.write(notebook, path)


@pytest.fixture
def book(tmp_path, tiny, monkeypatch):
    """A book's folder, whose figures need two tiny runs; nothing of it is built yet."""
    root = tmp_path / "clone"
    (root / "book" / "_static").mkdir(parents=True)
    (root / "_config.yml").write_text(CONFIGURATION)
    (root / "_toc.yml").write_text("format: jb-book\nroot: book/index\nchapters:\n  - file: book/executed/a\n")
    (root / "book" / "index.md").write_text("# Start\n\nTo the [figure](executed/a.ipynb).\n")
    write_page(root, "print('drawn once')")
    monkeypatch.setattr(publish, "ROOT", root)
    monkeypatch.setattr(publish, "SITE", root / "_build" / "html")
    # This book's pages load no scripts of others: to the fetch they are there already, and no host is asked.
    for package in assets.PACKAGES:
        (root / "book" / "_static" / "vendor" / package.folder).mkdir(parents=True)
    (root / "book" / "_static" / "vendor" / assets.STAMP).write_text(assets._stamp(assets.PACKAGES))
    monkeypatch.setitem(PROFILES, "digits", Profile("tiny digits", (tiny,), (0.0, 1.0), 1, scaled_down=True))
    monkeypatch.setattr(figures, "FIGURES", {"fig4": figures.FIGURES["fig4"]})
    monkeypatch.setenv("SELECTIVITY_RUNS", str(tmp_path / "runs"))
    return root


def build(monkeypatch, step="build", *more):
    """Exit code of a step, called as `python -m selectivity_core.book.publish` calls it."""
    monkeypatch.setattr(sys, "argv", ["publish", step, *more])
    return publish.main()


def times(folder):
    return {p.relative_to(folder).as_posix(): p.stat().st_mtime_ns for p in folder.rglob("*") if p.is_file()}


@pytest.mark.slow
@pytest.mark.book
def test_a_book_from_nothing_and_again(book, tmp_path, monkeypatch, capsys):
    assert build(monkeypatch, "build", "--jobs", "1") == 0
    out = capsys.readouterr().out
    site = book / "_build" / "html"
    assert "2 pages, all links, pictures and addresses in order" in out
    assert f"the book is at {site / 'index.html'}" in out
    stages = [part.rsplit(" ", 2)[0] for part in out.splitlines()[-1].removeprefix("times: ").split(", ")]
    assert stages == ["fetch scripts and fonts", "train", "run notebooks", "render", "check"]
    assert "drawn once" in (site / "book" / "executed" / "a.html").read_text()
    assert len(list((tmp_path / "runs").glob("*/manifest.json"))) == 2
    assert not (book / "_build" / "stage").exists()
    full = json.loads((book / "_build" / "full-build.json").read_text())  # kept for `make bench`
    assert (full["notebooks"], list(full["steps"])) == (1, stages)
    assert full["seconds"] == pytest.approx(sum(full["steps"].values()))

    # A second time there is nothing to do, and nothing is touched.
    before = times(book) | times(tmp_path / "runs")
    assert build(monkeypatch, "build", "--jobs", "1") == 0
    out = capsys.readouterr().out
    assert "render" not in out.splitlines()[-1]
    assert "a: current" in out
    assert times(book) | times(tmp_path / "runs") == before

    # A failing notebook: exit code 1, one message, the earlier site as it was.
    write_page(book, "1 / 0")
    site_before = times(site)
    assert build(monkeypatch, "build", "--jobs", "1") == 1
    err = capsys.readouterr().err
    assert "book: 1 of 1 notebooks failed: notebook a failed in cell" in err
    assert "ZeroDivisionError: division by zero" in err
    assert "Traceback" not in err
    assert times(site) == site_before
    assert (book / "book" / "executed" / "failed" / "a.ipynb").is_file()
    assert not (book / "book" / "executed" / "a.ipynb").exists()

    # Mended, and a second notebook: both are pages, one put into the contents for it, the failed copy is none.
    write_page(book, "print('drawn again')")
    shutil.copy(book / "notebooks" / "a.ipynb", book / "notebooks" / "b.ipynb")
    assert build(monkeypatch, "build", "--jobs", "2") == 0
    assert (book / "_toc.yml").read_text().endswith("  - file: book/executed/a\n  - file: book/executed/b\n")
    assert "3 pages" in capsys.readouterr().out
    assert "drawn again" in (site / "book" / "executed" / "a.html").read_text()
    assert list((book / "book" / "executed" / "failed").iterdir()) == []

    # A notebook that is removed leaves with its copy and its page; what a killed build left is no page.
    left = book / "book" / "executed" / ".stage" / "b-0123" / "executed.ipynb"
    left.parent.mkdir()
    left.write_text("half")
    (book / "notebooks" / "b.ipynb").unlink()
    (book / "_toc.yml").write_text((book / "_toc.yml").read_text().replace("  - file: book/executed/b\n", ""))
    assert build(monkeypatch, "build", "--jobs", "1") == 0
    assert "2 pages" in capsys.readouterr().out
    assert [p.name for p in sorted((book / "book" / "executed").glob("[!.]*.*"))] == [
        "a.ipynb", "a.stamp.json", "architecture.html",
    ]  # fmt: skip
    assert not (site / "book" / "executed" / "b.html").exists()

    # A page that does not render: exit code 1, the earlier site as it was.
    site_before = times(site)
    (book / "book" / "index.md").write_text("# Start\n\nTo [nowhere](nowhere.md).\n")
    assert build(monkeypatch, "build", "--jobs", "1") == 1
    assert "book: jupyter-book failed with exit code" in capsys.readouterr().err
    assert times(site) == site_before


def test_strays_are_removed_and_others_kept(book):
    executed = book / "book" / "executed"
    executed.mkdir()
    for name in ("a", "gone"):
        (executed / f"{name}.ipynb").write_text("{}")
        staleness.stamp_path(executed / f"{name}.ipynb").write_text("{}")
    publish._remove_strays({"a"})
    assert sorted(p.name for p in executed.iterdir()) == ["a.ipynb", "a.stamp.json"]


@pytest.mark.parametrize(
    "changed",
    [
        "book/index.md", "book/references.bib", "_config.yml", "_toc.yml", "book/_static/book.css",
        "book/executed/a.ipynb", "benchmarks/measured/rows.csv",
    ],
)  # fmt: skip
def test_the_site_is_rendered_again_when_a_source_is_newer(book, changed):
    assert not publish._is_rendered()
    for name in (
        "book/_static/book.css",
        "book/executed/a.ipynb",
        "book/references.bib",
        "benchmarks/measured/rows.csv",
    ):
        path = book / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")
    publish.SITE.mkdir(parents=True)
    (publish.SITE / "genindex.html").write_text("")
    later = time.time() + 10
    os.utime(publish.SITE / "genindex.html", (later, later))
    assert publish._is_rendered()
    os.utime(book / changed, (later + 1, later + 1))
    assert not publish._is_rendered()


def test_training_is_what_the_figures_need_and_no_more(book, tmp_path):
    publish._train(1)
    assert len(list((tmp_path / "runs").glob("*/manifest.json"))) == 2
    before = times(tmp_path / "runs")
    publish._train(1)
    assert times(tmp_path / "runs") == before


def test_a_missing_jupyter_book_is_named(book, monkeypatch):
    monkeypatch.setattr(publish.shutil, "which", lambda *_args, **_options: None)
    with pytest.raises(BookError, match="jupyter-book is not installed beside this Python; run `make env`"):
        publish._render()


@pytest.mark.parametrize("step", ["check", "serve"])
def test_without_a_book_there_is_nothing_to_check_or_serve(book, step, monkeypatch, capsys):
    assert build(monkeypatch, step) == 1
    err = capsys.readouterr().err
    assert err.startswith("book: ")
    assert "Traceback" not in err


def test_the_repository_is_where_the_book_is_built():
    assert publish.ROOT == REPOSITORY
    assert publish.SITE == REPOSITORY / "_build" / "html"
