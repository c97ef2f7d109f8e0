import pytest

from selectivity_core.book.publish.contents import complete
from selectivity_core.errors import BookError

TOC = """format: jb-book
root: book/index
parts:
  - caption: One   # a word on it
    chapters:
      - file: book/executed/02_b
      - file: book/page
  - caption: Two
    chapters:
      - file: book/executed/05_e
      - file: book/executed/03_c
"""


@pytest.fixture
def toc(tmp_path):
    path = tmp_path / "_toc.yml"
    path.write_text(TOC)
    return path


def test_nothing_to_add_leaves_the_file_alone(toc):
    before = toc.stat().st_mtime_ns
    assert complete(toc, ["02_b", "05_e"]) == []
    assert (toc.read_text(), toc.stat().st_mtime_ns) == (TOC, before)


def test_the_first_page_may_be_a_notebook(toc):
    text = TOC.replace("root: book/index", "root: book/executed/00_first")
    toc.write_text(text)
    assert complete(toc, ["00_first", "02_b"]) == []
    assert toc.read_text() == text
    assert complete(toc, ["00_first", "01_a"]) == ["01_a"]  # before the others, not behind the first page
    assert toc.read_text().index("01_a") < toc.read_text().index("02_b")
    assert "root: book/executed/00_first\nparts:" in toc.read_text()


def test_notebooks_come_behind_the_one_before_them(toc):
    assert complete(toc, ["06_f", "02_b", "04_d", "01_a", "05_e", "07_g", "03_c"]) == ["01_a", "04_d", "06_f", "07_g"]
    lines = toc.read_text().splitlines()
    assert [line.split("/")[-1] for line in lines if "file:" in line] == [
        "01_a", "02_b", "page", "05_e", "06_f", "07_g", "03_c", "04_d"
    ]  # fmt: skip
    assert [line for line in lines if line in TOC.splitlines()] == TOC.splitlines()  # what was there is untouched


def test_what_cannot_be_done_is_said(toc, tmp_path):
    with pytest.raises(BookError, match=r"the table of contents .*none\.yml cannot be read: No such file"):
        complete(tmp_path / "none.yml", ["01_a"])
    toc.write_text("format: jb-book\nroot: book/index\n")
    with pytest.raises(BookError, match="names no notebook; add a line for 01_a by hand"):
        complete(toc, ["01_a"])
