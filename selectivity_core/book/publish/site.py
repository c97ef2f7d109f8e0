"""A look over the rendered book before anyone reads it, and a local server to read it with."""

import json
import os
import re
import sys
import webbrowser
from collections.abc import Callable, Iterator
from functools import cache, partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

from bs4 import BeautifulSoup, Tag
from sphinx_external_toc.parsing import MalformedError, parse_toc_yaml
from tqdm.auto import tqdm
from yaml import YAMLError

from ...errors import BookError
from .finish import FRAMES

_WRITTEN_BY_SPHINX = {"genindex.html", "search.html"}
_NOT_PAGES = {"_static", "_images", "_downloads", "_sources", FRAMES}
LARGEST = 60_000_000  # bytes that the whole site may take
# what a browser fetches by itself; following an <a> is the reader's decision
_LOADED = {
    "script": ("src",),
    "link": ("href",),
    "img": ("src", "srcset"),
    "source": ("src", "srcset"),
    "iframe": ("src",),
    "embed": ("src",),
    "object": ("data",),
    "video": ("src", "poster"),
    "audio": ("src",),
}
_FILE_NAME = re.compile(r"\S+\.(png|svg|jpe?g|gif|webp|pdf)", re.IGNORECASE)
_CSS_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
_CSS_OTHER_HOST = re.compile(r"""(?:url\(\s*|@import\s+)["']?\s*((?:https?:)?//[^"')\s;]+)""", re.IGNORECASE)
_WIDGET_STATE = "application/vnd.jupyter.widget-state+json"


def check(site: Path, toc: Path) -> int:
    """Check every page of a rendered book, and give the number of pages.

    The pages are those of the table of contents, no more and no fewer; every link and anchor inside the book
    resolves; no page loads anything from another host; every picture is there and says in words what it shows, those
    in sliders too; no output of a cell is a traceback or was written to stderr; the site is at most `LARGEST`.

    Raises:
        BookError: lists all that is wrong, one line each; or there is no site or no table of contents.
    """
    site = Path(site).resolve()
    expected = {f"{name}.html" for name in _documents(Path(toc))}
    files = _html_files(site)
    pages = {path.relative_to(site).as_posix() for path in files} - _WRITTEN_BY_SPHINX
    if "index.html" not in expected:
        pages.discard("index.html")  # the redirect to the first page
    problems = [f"{name}: in the table of contents, but not in the book" for name in sorted(expected - pages)]
    problems += [f"{name}: in the book, but not in the table of contents" for name in sorted(pages - expected)]

    parse = cache(_parse)
    for path in tqdm(files, desc="checking pages", unit="page", disable=None):
        name, page = path.relative_to(site).as_posix(), parse(path)
        found = [*_hosts(page), *_links(page, path, site, parse), *_pictures(page), *_outputs(page)]
        problems += [f"{name}: {problem}" for problem in dict.fromkeys(found)]
    for path in sorted(site.rglob("*.css")):
        problems += [
            f"{path.relative_to(site).as_posix()}: {problem}" for problem in _css_hosts(path.read_text("utf-8"))
        ]
    size = sum(path.stat().st_size for path in site.rglob("*") if path.is_file())
    if size > LARGEST:
        problems.append(f"the site takes {size / 1e6:.1f} MB, sources included; {LARGEST / 1e6:g} MB are allowed")
    if problems:
        raise BookError(f"{len(problems)} problems in the book at {site}:\n  " + "\n  ".join(problems))
    return len(pages)


def local_server(site: Path, port: int = 0) -> ThreadingHTTPServer:
    """A server of the site's files, for this machine only; the caller runs and closes it.

    Port 0 takes a free port.

    Raises:
        BookError: there is no book, or the port is taken or not allowed.
    """
    site = Path(site)
    if not (site / "index.html").is_file():
        raise BookError(f"there is no rendered book at {site} (no index.html): `make book` renders it")
    try:
        return ThreadingHTTPServer(("127.0.0.1", port), partial(_QuietHandler, directory=str(site)))
    except (OSError, OverflowError) as error:
        raise BookError(f"cannot serve the book on port {port}: {error}; choose another port") from error


def serve(site: Path, port: int | None = None) -> None:
    """Serve the book on this machine, open it in a browser where there is a desktop, and stop at Ctrl-C.

    Raises:
        BookError: there is no book, or the port is taken or not allowed.
    """
    with local_server(site, port or 0) as server:
        address = f"http://127.0.0.1:{server.server_port}/"
        print(f"The book is at {address} (Ctrl-C ends)", flush=True)
        if _has_desktop():
            webbrowser.open(address)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            print()


class _QuietHandler(SimpleHTTPRequestHandler):
    """Files only, and a line for errors only."""

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Say nothing of requests that were answered."""


def _has_desktop() -> bool:
    # without one, webbrowser starts a text browser that takes the terminal over
    return sys.platform in ("darwin", "win32") or any(map(os.environ.get, ("DISPLAY", "WAYLAND_DISPLAY")))


def _documents(toc: Path) -> set[str]:
    try:
        return set(parse_toc_yaml(toc))
    except (OSError, MalformedError, YAMLError) as error:
        said = " ".join(str(error).split())
        raise BookError(f"the table of contents {toc} cannot be read: {said}") from error


def _html_files(site: Path) -> list[Path]:
    files = [path for path in site.rglob("*.html") if path.relative_to(site).parts[0] not in _NOT_PAGES]
    if site / "index.html" not in files:
        raise BookError(f"there is no rendered book at {site} (no index.html): `make book` renders it")
    return sorted(files)


def _parse(path: Path) -> BeautifulSoup:
    return BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser")


def _addresses(tag: Tag, attribute: str) -> list[str]:
    value = str(tag.get(attribute) or "").strip()
    if attribute == "srcset" and not value.startswith("data:"):
        return [part.split()[0] for part in value.split(",") if part.strip()]
    return [value] if value else []


def _hosts(page: BeautifulSoup) -> Iterator[str]:
    for name, attributes in _LOADED.items():
        for tag in page.find_all(name):
            for address in (a for attribute in attributes for a in _addresses(tag, attribute)):
                if urlsplit(address).netloc:
                    yield f"<{name}> loads {address} from another host"
    for tag in page.find_all("style"):
        yield from _css_hosts(tag.get_text())
    for tag in page.find_all(style=True):
        yield from _css_hosts(str(tag["style"]))


def _css_hosts(text: str) -> Iterator[str]:
    for address in _CSS_OTHER_HOST.findall(_CSS_COMMENT.sub("", text)):
        yield f"a style loads {address} from another host"


def _links(page: BeautifulSoup, path: Path, site: Path, parse: Callable[[Path], BeautifulSoup]) -> Iterator[str]:
    """What in the page points to a file or an anchor that the site does not have."""
    attributes = {"a": ("href",), **_LOADED}
    addresses = [
        address
        for part in (page, *_frames(page))
        for name, names in attributes.items()
        for tag in part.find_all(name)
        for attribute in names
        for address in _addresses(tag, attribute)
    ]
    refresh = page.find("meta", attrs={"http-equiv": re.compile("^refresh$", re.IGNORECASE)})
    if refresh is not None:
        addresses.append(str(refresh["content"]).partition("url=")[2])
    for address in addresses:
        parts = urlsplit(address)
        if parts.scheme or parts.netloc:
            continue
        target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
        if target.is_dir():
            target /= "index.html"
        if not target.is_file() or not target.is_relative_to(site):
            yield f"{address} points to a file that the book does not have"
        elif parts.fragment and target.suffix == ".html" and not _has_anchor(parse(target), parts.fragment):
            yield f"{address} points to an anchor that the page does not have"


def _has_anchor(page: BeautifulSoup, fragment: str) -> bool:
    name = unquote(fragment)
    return page.find(id=name) is not None or page.find("a", attrs={"name": name}) is not None


def _widgets(page: BeautifulSoup) -> Iterator[tuple[str, str]]:
    """Kind and value of every widget on the page."""
    for script in page.find_all("script", type=_WIDGET_STATE):
        for model in json.loads(script.string or "{}").get("state", {}).values():
            yield str(model.get("model_name")), str(model.get("state", {}).get("value"))


def _frames(page: BeautifulSoup) -> Iterator[BeautifulSoup]:
    """The pictures of the page's sliders."""
    for kind, value in _widgets(page):
        if kind in ("HTMLModel", "HTMLMathModel") and "<img" in value:
            yield BeautifulSoup(value, "html.parser")


def _pictures(page: BeautifulSoup) -> Iterator[str]:
    """Pictures without words, on the page and in the frames of its sliders."""
    for part in (page, *_frames(page)):
        yield from _without_words(part)
    if any(kind == "ImageModel" for kind, _ in _widgets(page)):
        yield "an Image widget cannot carry alternative text; an HTML frame can"


def _without_words(page: BeautifulSoup) -> Iterator[str]:
    for image in page.find_all("img"):
        alt, source = str(image.get("alt") or "").strip(), str(image.get("src") or "")
        if image.get("role") == "presentation":
            continue
        if not alt:
            yield f"the picture {source[:60]} has no alternative text"
        elif _FILE_NAME.fullmatch(alt):
            yield f"the picture {source[:60]} has a file name as alternative text: {alt}"


def _outputs(page: BeautifulSoup) -> Iterator[str]:
    for kind, what in (("traceback", "is a traceback"), ("stderr", "was written to stderr")):
        for output in page.select(f".output.{kind}"):
            yield f"an output {what}: {' '.join(output.get_text().split())[:120]}"
