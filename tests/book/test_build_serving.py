"""The server of the book."""

import threading
import urllib.error
import urllib.request

import pytest

from selectivity_core.book import BookError
from selectivity_core.book.build import __main__ as serving
from selectivity_core.book.build.__main__ import local_server, serve


@pytest.fixture
def site(tmp_path):
    folder = tmp_path / "html"
    (folder / "book").mkdir(parents=True)
    (folder / "index.html").write_text("front")
    (folder / "p.png").write_bytes(b"png")
    (tmp_path / "secret").write_text("secret")
    (folder / "book" / "link").symlink_to(tmp_path / "secret")
    (folder / "book" / "inside").symlink_to(folder / "p.png")
    (folder / "out").symlink_to(tmp_path)
    return folder


@pytest.mark.fault("requests for listings, and for what lies outside the site", "read")
def test_it_gives_files_of_the_site_and_nothing_else(site):
    with local_server(site) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
            found = {}
            for path in ("", "p.png", "book/inside", "book/", "book", "gone", "book/link", "out/secret", "out/",
                         "../secret", "%2e%2e/secret"):  # fmt: skip
                try:
                    with opener.open(f"http://127.0.0.1:{server.server_port}/{path}") as answer:
                        found[path] = answer.read()
                except urllib.error.HTTPError as error:
                    found[path] = error.code
                    error.close()
        finally:
            server.shutdown()
            thread.join()
        assert server.server_address[0] == "127.0.0.1"
    given = {path: content for path, content in found.items() if content != 404}
    assert given == {"": b"front", "p.png": b"png", "book/inside": b"png"}


def test_a_port_that_cannot_be_had_is_named(site, tmp_path):
    with local_server(site) as server, pytest.raises(BookError, match=f"port {server.server_port}: .*another port"):
        local_server(site, server.server_port)
    with pytest.raises(BookError, match="cannot serve the book on port 70000"):
        local_server(site, 70000)
    with pytest.raises(BookError, match="no rendered book"):
        local_server(tmp_path)


@pytest.mark.parametrize(("display", "opened"), [(":0", 1), ("", 0)])
def test_serve_says_where_the_book_is_and_ends_at_ctrl_c(site, monkeypatch, capsys, display, opened):
    def interrupted(self):
        raise KeyboardInterrupt

    addresses = []
    monkeypatch.setattr(serving.ThreadingHTTPServer, "serve_forever", interrupted)
    monkeypatch.setattr(serving.webbrowser, "open", addresses.append)
    monkeypatch.setattr(serving.sys, "platform", "linux")
    monkeypatch.setenv("DISPLAY", display)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    serve(site)
    said = capsys.readouterr().out
    assert "The book is at http://127.0.0.1:" in said
    assert len(addresses) == opened and all(address in said for address in addresses)
