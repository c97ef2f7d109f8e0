"""The steps of `make book` on a book of two pages: real papermill, real Jupyter Book, a tiny network."""

import shutil
import sys
import threading
from dataclasses import replace
from pathlib import Path

import nbformat
import pytest
from tiny_notebooks import CHECK, write_notebook

from selectivity_core import RunStore
from selectivity_core.book.build import __main__ as main
from selectivity_core.book.build import execution, pages
from selectivity_core.book.papers import figures
from selectivity_core.runs.archive import export
from selectivity_core.runs.locks import lock
from selectivity_core.runs.profiles import PROFILES, Profile
from selectivity_core.runs.trained import ASIDE

REPOSITORY = Path(__file__).parents[2]


def write_page(root, source):
    """The notebook `a` with a heading: a page without one is a warning, and so an error."""
    path = write_notebook(root / "notebooks" / "a.ipynb", CHECK, source)
    notebook = nbformat.read(path, 4)
    notebook.cells.insert(0, nbformat.v4.new_markdown_cell("# A figure\n\nSee [the start](../book/index.md)."))
    nbformat.write(notebook, path)


@pytest.fixture
def book(tmp_path, tiny, monkeypatch):
    """A book's folder, whose figures need two tiny runs; nothing of it is built yet."""
    root = tmp_path / "clone"
    (root / "book").mkdir(parents=True)
    for name in ("_config.yml", "book/references.bib", "book/package.json", "book/package-lock.json"):
        shutil.copy(REPOSITORY / name, root / name)
    shutil.copytree(REPOSITORY / "book" / "_static", root / "book" / "_static")
    (root / "_toc.yml").write_text("format: jb-book\nroot: book/index\nchapters:\n  - file: notebooks/a\n")
    (root / "book" / "index.md").write_text("# Start\n\nTo the [figure](../notebooks/a.ipynb).\n")
    write_page(root, "print(profile, 'drawn once')")
    for module in (main, pages, execution):
        monkeypatch.setattr(module, "ROOT", root)
    for name, path in {"BUILD": "", "SITE": "html", "EXECUTED": "executed", "FULL": "full-build.json"}.items():
        monkeypatch.setattr(main, name, root / "_build" / path)
    for name in ("digits", "mnist"):
        monkeypatch.setitem(PROFILES, name, Profile("tiny", (tiny,), (0.0, 1.0), 1, scaled_down=True))
    monkeypatch.setattr(figures, "FIGURES", {"fig4": figures.FIGURES["fig4"]})
    monkeypatch.setenv("SELECTIVITY_RUNS", str(tmp_path / "runs"))
    return root


def step(monkeypatch, *words):
    """Exit code of a step, called as `python -m selectivity_core.book.build` calls it."""
    monkeypatch.setattr(sys, "argv", ["build", *words])
    return main.main()


def times(folder):
    return {p.relative_to(folder).as_posix(): p.stat().st_mtime_ns for p in folder.rglob("*") if p.is_file()}


@pytest.mark.slow
@pytest.mark.book
def test_a_book_from_nothing_and_again(book, tmp_path, monkeypatch, capsys):
    site, page = book / "_build" / "html", book / "_build" / "html" / "notebooks" / "a.html"
    assert step(monkeypatch, "build", "--jobs", "1") == 0
    out = capsys.readouterr().out
    assert "2 pages, all links, pictures and addresses in order" in out
    assert f"the book is at {site / 'index.html'}: 1 of 1 notebooks run" in out
    assert "digits drawn once" in page.read_text() and "Make this page again" in page.read_text()
    assert "url=book/index.html" in (site / "index.html").read_text()
    source = site / "_sources" / "notebooks" / "a.ipynb"
    assert source.read_bytes() == (book / "notebooks" / "a.ipynb").read_bytes()
    assert len(list((tmp_path / "runs").glob("*/manifest.json"))) == 2
    assert (book / "_build" / "full-build.json").exists()  # for `make bench`

    # A second time there is nothing to do, and neither runs nor site are touched.
    before = times(site) | times(tmp_path / "runs")
    assert step(monkeypatch, "build", "--jobs", "1") == 0
    assert "0 of 1 notebooks run" in capsys.readouterr().out
    assert times(site) | times(tmp_path / "runs") == before

    # A failing notebook, a link to nowhere: exit code 1, one message, the earlier site as it was.
    write_page(book, "1 / 0")
    assert step(monkeypatch, "build", "--jobs", "1") == 1
    err = capsys.readouterr().err
    assert err.startswith("book: 1 of 1 notebooks failed:") and "ZeroDivisionError: division by zero" in err
    write_page(book, "print(profile, 'drawn again')")
    (book / "book" / "index.md").write_text("# Start\n\nTo [nowhere](nowhere.md).\n")
    assert step(monkeypatch, "build", "--jobs", "1") == 1
    assert "points to a" in capsys.readouterr().err
    assert {name: when for name, when in times(site).items() if name in before} == times(site)

    # Mended, with another profile, and a second notebook: both are pages.
    (book / "book" / "index.md").write_text("# Start\n")
    shutil.copy(book / "notebooks" / "a.ipynb", book / "notebooks" / "b.ipynb")
    with (book / "_toc.yml").open("a") as toc:
        toc.write("  - file: notebooks/b\n")
    assert step(monkeypatch, "build", "--jobs", "2", "--profile", "mnist") == 0
    assert "3 pages" in capsys.readouterr().out
    assert "mnist drawn again" in page.read_text()


@pytest.mark.fault("two builds of the book at once", "finished")
def test_a_second_build_waits_for_the_first(book, monkeypatch, capsys):
    built, done = [], threading.Event()
    monkeypatch.setattr(main, "_build", lambda *given: built.append(given) or done.set())
    with lock(book / "_build" / ".lock"):
        waiting = threading.Thread(target=main.build, args=(1, None))
        waiting.start()
        assert not done.wait(0.5)
    waiting.join(60)
    assert built == [(1, None)]
    assert "another build of this book is running" in capsys.readouterr().out


def test_training_is_what_the_figures_need_and_no_more(book, tmp_path):
    main._train(1, "digits")
    before = times(tmp_path / "runs")
    assert len([name for name in before if name.endswith("manifest.json")]) == 2
    main._train(1, "digits")
    assert times(tmp_path / "runs") == before


def test_networks_that_pages_load_displace_no_row_of_the_ledger(book, tmp_path, monkeypatch):
    """Trained on another processor they would, and sentences that the ledger bears out would be struck through."""
    main._train(1, "digits")
    monkeypatch.setenv("SELECTIVITY_LEDGER", str(tmp_path / "ledger"))
    export(RunStore(tmp_path / "runs"))
    monkeypatch.setitem(figures.FIGURES, "fig4", replace(figures.FIGURES["fig4"], loads=1))
    monkeypatch.setenv("SELECTIVITY_RUNS", str(tmp_path / "other"))
    main._train(1, "digits")
    assert RunStore(tmp_path / "other").ids() == []
    aside = RunStore(tmp_path / "other" / ASIDE)
    assert [aside.spec(run).alpha for run in aside.ids()] == [0.0]
    before = times(tmp_path / "other")
    main._train(1, "digits")
    assert times(tmp_path / "other") == before


def test_there_is_no_serving_without_a_book(book, monkeypatch, capsys):
    assert step(monkeypatch, "serve") == 1
    assert "book: there is no rendered book" in capsys.readouterr().err


def test_lint_lists_what_is_wrong(book, monkeypatch, capsys):
    assert step(monkeypatch, "lint") == 0
    write_page(book, "1")
    (book / "book" / "index.md").unlink()
    assert step(monkeypatch, "lint") == 1
    assert "1 problems in notebooks:\n  a.ipynb, cell 1: the link to ../book/index.md" in capsys.readouterr().err
