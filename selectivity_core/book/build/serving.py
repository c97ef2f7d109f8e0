"""A server of the rendered book, for this machine only: files of the site, no listings, no links out of it."""

from __future__ import annotations

import os
import sys
import webbrowser
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

from ..errors import BookError


class _Handler(SimpleHTTPRequestHandler):
    def send_head(self) -> BytesIO | BinaryIO | None:
        """Files below the site's folder, after links are followed; a folder's index.html; else "not found"."""
        path = Path(self.translate_path(self.path)).resolve()
        page = path / "index.html" if path.is_dir() else path
        if page.resolve().is_relative_to(Path(self.directory).resolve()) and page.is_file():
            return super().send_head()
        self.send_error(404, "File not found")
        return None

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Say nothing of requests that were answered."""


def local_server(site: Path, port: int = 0) -> ThreadingHTTPServer:
    """A server of a site's files; the caller runs and closes it. Port 0 takes a free port.

    Raises:
        BookError: there is no book, or the port is taken or not allowed.
    """
    if not (site / "index.html").is_file():
        raise BookError(f"there is no rendered book at {site} (no index.html): `make book` renders it")
    try:
        return ThreadingHTTPServer(("127.0.0.1", port), partial(_Handler, directory=str(site)))
    except (OSError, OverflowError) as error:
        raise BookError(f"cannot serve the book on port {port}: {error}; choose another port") from error


def serve(site: Path, port: int = 0) -> None:
    """Serve the book, open it in a browser where there is a desktop, and stop at Ctrl-C.

    Raises:
        BookError: as `local_server` says.
    """
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
