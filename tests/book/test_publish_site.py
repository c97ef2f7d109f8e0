import json
import threading
import urllib.error
import urllib.request

import pytest

from selectivity_core.book.publish import site as publish_site
from selectivity_core.book.publish.site import check, local_server, serve
from selectivity_core.errors import BookError

TOC = "format: jb-book\nroot: book/index\nchapters:\n  - file: book/a b\n"
PAGE = "<html><body><h1 id='top'>Page</h1>{}</body></html>"
WIDGETS = '<script type="application/vnd.jupyter.widget-state+json">{}</script>'


def widget(name, value):
    return WIDGETS.format(json.dumps({"state": {"m": {"model_name": name, "state": {"value": value}}}}))


@pytest.fixture
def book(tmp_path):
    """A site of two pages with nothing wrong, and its table of contents."""
    site = tmp_path / "html"
    (site / "book").mkdir(parents=True)
    (site / "_static").mkdir()
    (tmp_path / "_toc.yml").write_text(TOC)
    (site / "index.html").write_text('<meta http-equiv="Refresh" content="0; url=book/index.html" />')
    (site / "genindex.html").write_text(PAGE.format(""))
    (site / "search.html").write_text(PAGE.format(""))
    (site / "_static" / "macros.html").write_text("not a page")
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


def add(site, html):
    page = site / "book" / "index.html"
    page.write_text(page.read_text().replace("</body>", html + "</body>"))


def test_a_book_with_nothing_wrong_gives_its_number_of_pages(book):
    assert look(book) == 2


def test_the_root_may_be_the_first_page_itself(book):
    (book.parent / "_toc.yml").write_text("format: jb-book\nroot: index\nchapters:\n  - file: book/index\n")
    (book / "book" / "a b.html").rename(book / "search.html")
    (book / "book" / "index.html").write_text(PAGE.format(""))
    assert look(book) == 2


@pytest.mark.parametrize(
    ("html", "problem"),
    [
        ('<script src="https://cdn.example/x.js"></script>', "<script> loads https://cdn.example/x.js"),
        ('<script src="//cdn.example/x.js"></script>', "<script> loads //cdn.example/x.js"),
        ('<link rel="stylesheet" href="http://cdn.example/x.css">', "<link> loads http://cdn.example/x.css"),
        ('<img alt="A cat" src="https://cdn.example/cat.png">', "<img> loads https://cdn.example/cat.png"),
        (
            '<img alt="A" src="../p.png" srcset="../p.png 1x, //c.example/2.png 2x">',
            "loads //c.example/2.png",
        ),
        ('<iframe src="https://cdn.example/"></iframe>', "<iframe> loads https://cdn.example/"),
        (
            "<style>a{background:url( 'https://c.example/i.png')}</style>",
            "a style loads https://c.example/i.png",
        ),
        ("<style>@import '//c.example/x.css';</style>", "a style loads //c.example/x.css"),
        ('<p style="background:url(https://c.example/i.png)">', "a style loads https://c.example/i.png"),
        ('<a href="gone.html">x</a>', "gone.html points to a file that the book does not have"),
        ('<script src="../_static/gone.js"></script>', "../_static/gone.js points to a file"),
        ('<a href="../../_toc.yml">x</a>', "../../_toc.yml points to a file"),
        ('<a href="#gone">x</a>', "#gone points to an anchor that the page does not have"),
        ('<a href="a%20b.html#gone">x</a>', "a%20b.html#gone points to an anchor"),
        ('<img src="../p.png">', "the picture ../p.png has no alternative text"),
        ('<img src="../p.png" alt=" ">', "the picture ../p.png has no alternative text"),
        ('<img src="../p.png" alt="../_images/p.PNG">', "file name as alternative text: ../_images/p.PNG"),
        (widget("HTMLModel", '<img src="data:,">'), "the picture data:, has no alternative text"),
        (widget("HTMLMathModel", '<img src="data:," alt="x.svg">'), "file name as alternative text: x.svg"),
        (widget("HTMLModel", '<img src="../_frames/gone.png" alt="Dots">'), "../_frames/gone.png points to a file"),
        (widget("ImageModel", None), "an Image widget cannot carry alternative text"),
        ('<div class="output traceback">ValueError: no</div>', "an output is a traceback: ValueError: no"),
        ('<div class="output stderr">a  warning\n</div>', "an output was written to stderr: a warning"),
    ],
)
def test_each_thing_wrong_is_found(book, html, problem):
    add(book, html)
    with pytest.raises(BookError) as error:
        look(book)
    assert "\n  book/index.html: " in str(error.value)
    assert problem in str(error.value)
    assert str(error.value).startswith("1 problems")


def test_frames_that_say_what_they_show_pass(book):
    add(
        book,
        widget("HTMLModel", '<img src="data:," alt="Accuracy at alpha 1">') + widget("HTMLModel", "x.html"),
    )
    assert look(book) == 2


def test_a_site_too_large_is_found(book, monkeypatch):
    monkeypatch.setattr(publish_site, "LARGEST", 2000)
    assert look(book) == 2
    (book / "_frames").mkdir()
    (book / "_frames" / "a.png").write_bytes(b"x" * 2000)
    with pytest.raises(BookError, match=r"site takes 0\.0 MB, sources included; 0\.002 MB are allowed"):
        look(book)


def test_a_page_too_few_and_one_too_many(book):
    (book / "book" / "a b.html").rename(book / "book" / "c.html")
    with pytest.raises(BookError) as error:
        look(book)
    assert "book/a b.html: in the table of contents, but not in the book" in str(error.value)
    assert "book/c.html: in the book, but not in the table of contents" in str(error.value)
    assert "book/index.html: a%20b.html#there points to a file" in str(error.value)
    assert str(error.value).startswith("3 problems")


def test_a_redirect_to_nowhere_and_a_style_sheet_of_another_host(book):
    (book / "index.html").write_text('<meta http-equiv="refresh" content="0; url=gone.html" />')
    (book / "_static" / "y.css").write_text("@font-face { src: url(https://fonts.example/a.woff2) }")
    with pytest.raises(BookError) as error:
        look(book)
    assert "index.html: gone.html points to a file" in str(error.value)
    assert "_static/y.css: a style loads https://fonts.example/a.woff2" in str(error.value)


@pytest.mark.parametrize("content", [None, "format: jb-book\n", "- not: a toc\n", "root: [\n"])
def test_a_missing_or_malformed_table_of_contents(book, content):
    toc = book.parent / "_toc.yml"
    toc.unlink() if content is None else toc.write_text(content)
    with pytest.raises(BookError, match=r"the table of contents .*_toc.yml cannot be read"):
        look(book)


def test_no_book_at_all(tmp_path):
    (tmp_path / "_toc.yml").write_text(TOC)
    for act in (
        lambda: check(tmp_path / "html", tmp_path / "_toc.yml"),
        lambda: local_server(tmp_path / "html"),
    ):
        with pytest.raises(BookError, match=r"no rendered book at .*html \(no index.html\): `make book` renders it"):
            act()


def test_the_server_gives_files_on_this_machine_only(book, capfd):
    with local_server(book) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            address = f"http://127.0.0.1:{server.server_port}/"
            opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
            with opener.open(address + "p.png") as answer:
                assert answer.read() == b"png"
            assert capfd.readouterr().err == ""
            with pytest.raises(urllib.error.HTTPError) as error:
                opener.open(address + "gone.png")
            error.value.close()
            assert "404" in capfd.readouterr().err
        finally:
            server.shutdown()
            thread.join()
        assert server.server_address[0] == "127.0.0.1"


def test_a_port_that_cannot_be_had_is_named(book):
    with (
        local_server(book) as server,
        pytest.raises(BookError, match=f"port {server.server_port}: .*another port"),
    ):
        local_server(book, server.server_port)
    with pytest.raises(BookError, match="cannot serve the book on port 70000"):
        local_server(book, 70000)


@pytest.mark.parametrize(("display", "opened"), [(":0", 1), ("", 0)])
def test_serve_says_where_the_book_is_and_ends_at_ctrl_c(book, monkeypatch, capsys, display, opened):
    def interrupted(self):
        raise KeyboardInterrupt

    addresses = []
    monkeypatch.setattr(publish_site.ThreadingHTTPServer, "serve_forever", interrupted)
    monkeypatch.setattr(publish_site.webbrowser, "open", addresses.append)
    monkeypatch.setattr(publish_site.sys, "platform", "linux")
    monkeypatch.setenv("DISPLAY", display)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    serve(book)
    said = capsys.readouterr().out
    assert "The book is at http://127.0.0.1:" in said and "(Ctrl-C ends)" in said
    assert len(addresses) == opened
    assert all(address in said for address in addresses)
