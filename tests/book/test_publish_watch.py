import os
from pathlib import Path

import pytest
from tiny_notebooks import CHECK, write_notebook

from selectivity_core.book.publish import watch as module
from selectivity_core.book.publish.watch import POLL, find_notebook, refresh, stamps, watch
from selectivity_core.errors import NotebookError


@pytest.fixture
def book(tmp_path):
    write_notebook(tmp_path / "notebooks" / "a.ipynb", CHECK, "print('drawn')")
    write_notebook(tmp_path / "notebooks" / "b.ipynb", CHECK)
    for name in ("book/index.md", "book/_static/book.css", "selectivity_core/units.py", "_config.yml", "_toc.yml"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("one")
    return tmp_path


def later(path, seconds=5):
    """Changes a file's time, as an editor does."""
    changed = path.stat().st_mtime + seconds
    os.utime(path, (changed, changed))


def watched(book, *rounds, fails=()):
    """Page builds when each of `rounds` happens at one look after another, then Ctrl-C; some builds fail."""
    built, waits, steps = [], [], list(rounds)

    def build(_root, notebook):
        built.append(notebook.stem)
        if len(built) in fails:
            raise NotebookError(f"notebook {notebook.stem} failed: NameError")
        return Path("page.html")

    def wait(seconds):
        waits.append(seconds)
        if not steps:
            raise KeyboardInterrupt
        step = steps.pop(0)
        if step:
            later(book / step)

    watch(book, "a", build=build, wait=wait)
    assert set(waits) == {POLL}
    return len(built)


@pytest.mark.parametrize(
    "name",
    [
        "notebooks/a.ipynb", "book/index.md", "book/_static/book.css", "selectivity_core/units.py", "_config.yml",
        "_toc.yml",
    ],
)  # fmt: skip
def test_a_change_of_any_source_builds_once_more(book, name):
    assert watched(book, "", name, "", "") == 2


def test_nothing_changed_builds_once(book):
    assert watched(book, "", "", "") == 1
    assert watched(book, "notebooks/b.ipynb", "") == 1  # another page's


def test_a_new_and_a_vanished_page_count_as_changes(book):
    before = stamps(book, find_notebook(book, "a"))
    (book / "book" / "new.md").write_text("new")
    (book / "book" / "index.md").unlink()
    after = stamps(book, find_notebook(book, "a"))
    assert set(before) ^ set(after) == {book / "book" / "new.md", book / "book" / "index.md"}


def test_a_build_that_fails_is_shown_and_the_watch_goes_on(book, capsys):
    assert watched(book, "book/index.md", "book/index.md", fails=(1, 2)) == 3
    out, err = capsys.readouterr()
    assert err.splitlines() == ["book: notebook a failed: NameError"] * 2
    assert out.startswith("page.html (0 s); reload it. Ctrl-C ends\n")


def test_a_change_during_a_build_is_not_missed(book):
    built = []

    def build(_root, notebook):
        built.append(notebook)
        if len(built) == 1:
            later(book / "book" / "index.md")
        return notebook

    waits = iter([None, None])

    def wait(_seconds):
        if next(waits, 0) == 0:
            raise KeyboardInterrupt

    watch(book, "a", build=build, wait=wait)
    assert len(built) == 2


def test_an_unknown_notebook_is_refused_with_those_that_there_are(book):
    with pytest.raises(NotebookError, match="notebook 'c': there is none of that name; one of a, b is allowed"):
        watch(book, "c")


def test_a_notebook_is_run_where_it_is_out_of_date_and_its_page_named(book, monkeypatch):
    """The rendering itself is Jupyter Book's; here it only says where it would have put the page."""
    asked = []

    def rendered(root, out, *options):
        asked.append((root, out, options))
        return out / "_build" / "html"

    monkeypatch.setattr(module, "jupyter_book", rendered)
    page = refresh(book, find_notebook(book, "a"))
    assert page == book / "_build" / "watch" / "_build" / "html" / "book" / "executed" / "a.html"
    executed = book / "book" / "executed" / "a.ipynb"
    assert "drawn" in executed.read_text()
    before = executed.stat().st_mtime_ns
    refresh(book, find_notebook(book, "a"))
    assert executed.stat().st_mtime_ns == before
    assert asked == [(book, book / "_build" / "watch", ())] * 2


@pytest.mark.slow
@pytest.mark.book
def test_a_real_page_shows_what_was_changed(book):
    (book / "_config.yml").write_text('only_build_toc_files: true\nexecute: {execute_notebooks: "off"}\n')
    (book / "_toc.yml").write_text("format: jb-book\nroot: book/index\nchapters:\n  - file: book/executed/a\n")
    (book / "book" / "index.md").write_text("# Start\n\nOnce.\n")
    page = refresh(book, find_notebook(book, "a"))
    assert "drawn" in page.read_text()
    start = page.parents[1] / "index.html"
    assert "Once." in start.read_text()

    write_notebook(book / "notebooks" / "a.ipynb", CHECK, "print('anew')")
    (book / "book" / "index.md").write_text("# Start\n\nTwice.\n")
    assert refresh(book, find_notebook(book, "a")) == page
    assert "anew" in page.read_text()
    assert "Twice." in start.read_text()
