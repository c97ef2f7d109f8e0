"""What the look over a rendered book finds, on a site of two pages."""

import pytest

from selectivity_core.book import BookError
from selectivity_core.book.build.check import check

TOC = "format: jb-book\nroot: book/index\nchapters:\n  - file: book/a b\n"
PAGE = "<html><body><article><h1 id='top'>Page</h1>{}</article></body></html>"


@pytest.fixture
def book(tmp_path):
    """A site with nothing wrong, and its table of contents."""
    site = tmp_path / "html"
    (site / "book").mkdir(parents=True)
    (site / "_static").mkdir()
    (tmp_path / "_toc.yml").write_text(TOC)
    (site / "index.html").write_text('<meta http-equiv="Refresh" content="0; url=book/index.html" />')
    for name in ("genindex.html", "search.html"):
        (site / name).write_text(PAGE.format(""))
    (site / "_static" / "x.css").write_text(
        "/* @import url(https://comment.example/x.css) */ a { background: url(../p.png) }"
        "b { background: url('data:image/svg+xml;utf8,<svg xmlns=\"http://www.w3.org/2000/svg\"/>') }"
    )
    (site / "p.png").write_bytes(b"png")
    (site / "book" / "index.html").write_text(
        PAGE.format(
            '<link rel="stylesheet" href="../_static/x.css?v=1"><a href="a%20b.html#there">next</a>'
            '<a href="#top">up</a><a href="#">up</a><a href="https://other.example/paper">the paper</a>'
            '<a href="mailto:a@b.example">mail</a><a href="..">home</a>'
            '<img src="../p.png" alt="A red square"><img src="../p.png" alt="" role="presentation">'
        )
    )
    (site / "book" / "a b.html").write_text(
        PAGE.format('<a name="there"></a><img src="data:image/png;base64,AA==" alt="Dots">')
    )
    return site


def look(site):
    return check(site, site.parent / "_toc.yml")


def test_a_book_with_nothing_wrong_gives_its_number_of_pages(book):
    assert look(book) == 2


@pytest.mark.parametrize(
    ("html", "problem"),
    [
        ('<link rel="stylesheet" href="http://cdn.example/x.css">', "<link> loads http://cdn.example/x.css"),
        ('<img alt="A cat" src="//cdn.example/cat.png">', "<img> loads //cdn.example/cat.png from another host"),
        ('<img alt="A" src="../p.png" srcset="../p.png 1x, //c.example/2.png 2x">', "loads //c.example/2.png"),
        ("<style>a{background:url( 'https://c.example/i.png')}</style>", "a style loads https://c.example/i.png"),
        ('<p style="background:url(https://c.example/i.png)">', "a style loads https://c.example/i.png"),
        ('<a href="gone.html">x</a>', "gone.html points to a file that the book does not have"),
        ('<a href="../../_toc.yml">x</a>', "../../_toc.yml points to a file"),
        ('<a href="#gone">x</a>', "#gone points to an anchor that the page does not have"),
        ('<a href="a%20b.html#gone">x</a>', "a%20b.html#gone points to an anchor"),
        ('<img src="../p.png" alt=" ">', "the picture ../p.png has no alternative text"),
        ('<img src="../p.png" alt="../_images/p.PNG">', "file name as alternative text: ../_images/p.PNG"),
        ('<img src="../p.png" alt="Accuracy nan at 1">', "an alternative text says NaN"),
        ("<b onclick='x()'>y</b>", "<b> runs a script: onclick"),
        ('<div class="output traceback">ValueError: no</div>', "an output is a traceback: ValueError: no"),
        ('<div class="output stderr">a  warning\n</div>', "an output was written to stderr: a warning"),
        ('<p>So. <s class="selectivity-not-here">It rises.</s></p>', "the runs do not bear out: It rises."),
        ("<figcaption>n = 3, NaN %</figcaption>", "a caption says NaN: n = 3, NaN %"),
        ("<p><script>alert('no one wrote this')</script></p>", "a script that is not the package's"),
        ('<script src="../p.png"></script>', "a script that is not the package's"),
        ('<img src="../p.png" alt="Dots" onerror="alert(1)">', "<img> runs a script: onerror=alert(1)"),
        ('<a href=" JavaScript:alert(1)">x</a>', "<a> runs a script: href"),
        ('<iframe src="a b.html"></iframe>', "<iframe> in the text of a page"),
    ],
)
def test_each_thing_wrong_is_found(book, html, problem):
    page = book / "book" / "index.html"
    page.write_text(page.read_text().replace("</article>", html + "</article>"))
    with pytest.raises(BookError) as error:
        look(book)
    first, *lines = str(error.value).splitlines()
    assert first.startswith("1 problems") and lines[0].startswith("  book/index.html: ")
    assert problem in lines[0]


def test_pages_are_those_of_the_table_of_contents(book):
    (book / "book" / "a b.html").rename(book / "book" / "c.html")
    (book / "index.html").write_text('<meta http-equiv="refresh" content="0; url=gone.html" />')
    (book / "_static" / "y.css").write_text("@font-face { src: url(https://fonts.example/a.woff2) }")
    with pytest.raises(BookError) as error:
        look(book)
    assert str(error.value).splitlines()[1:] == [
        "  book/a b.html: in the table of contents, but not in the book",
        "  book/c.html: in the book, but not in the table of contents",
        "  book/index.html: a%20b.html#there points to a file that the book does not have",
        "  index.html: gone.html points to a file that the book does not have",
        "  _static/y.css: a style loads https://fonts.example/a.woff2 from another host",
    ]


@pytest.mark.parametrize("content", [None, "format: jb-book\n", "- not: a toc\n", "root: [\n"])
def test_a_missing_or_malformed_table_of_contents(book, content):
    toc = book.parent / "_toc.yml"
    toc.unlink() if content is None else toc.write_text(content)
    with pytest.raises(BookError, match=r"the table of contents .*_toc.yml cannot be read"):
        look(book)


def test_no_book_at_all(tmp_path):
    with pytest.raises(BookError, match=r"no rendered book at .*html \(no index.html\): `make book` renders it"):
        check(tmp_path / "html", tmp_path / "_toc.yml")
