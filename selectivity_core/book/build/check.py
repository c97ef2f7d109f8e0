"""A look over the sources of notebooks, and over the rendered book before anyone reads it."""

from __future__ import annotations

import ast
import itertools
import re
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from urllib.parse import unquote, urlsplit

from bs4 import BeautifulSoup
from sphinx_external_toc.parsing import MalformedError, parse_toc_yaml
from yaml import YAMLError

from ...errors import SelectivityError
from .. import NOT_HERE, BookError, parameters
from . import ROOT
from .execution import foreign_scripts

_WRITTEN_BY_SPHINX = {"genindex.html", "search.html", "py-modindex.html"}
_NOT_PAGES = {"_static", "_images", "_downloads", "_sources"}
# What a browser fetches by itself; following an <a> is the reader's decision.
_LOADED = {
    "script": ("src",), "link": ("href",), "img": ("src", "srcset"), "source": ("src", "srcset"), "iframe": ("src",),
    "embed": ("src",), "object": ("data",), "video": ("src", "poster"), "audio": ("src",),
}  # fmt: skip
_FILE_NAME = re.compile(r"\S+\.(png|svg|jpe?g|gif|webp|pdf)", re.IGNORECASE)
_CSS_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
_CSS_OTHER_HOST = re.compile(r"""(?:url\(\s*|@import\s+)["']?\s*((?:https?:)?//[^"')\s;]+)""", re.IGNORECASE)
_NAN = re.compile(r"\bnan\b", re.IGNORECASE)

# What MyST alone understands, and JupyterLab and Voilà show as it stands.
_MYST = (
    (re.compile(r"(?<!`)\{[a-z][\w:+-]*\}`"), "a role"),
    (re.compile(r"^\s*(?:`{3,}|:{3,})\s*\{", re.MULTILINE), "a directive"),
    (re.compile(r"^\([\w.-]+\)=\s*$", re.MULTILINE), "a target"),
    (re.compile(r"\$\$\s*\([\w.-]+\)"), "a label of an equation"),
)
_CHECK = "check_parameters(globals())"
_LINK = re.compile(r"(?<!!)\[([^\[\]]*)\]\(([^)\s]*)\)")
_CODE = re.compile(r"(`+).+?\1", re.DOTALL)


def check(site: Path, toc: Path) -> int:
    """Check every page of a rendered book, and give the number of pages.

    The pages are those of the table of contents; links and anchors inside the book resolve; nothing is loaded from
    another host; every picture has an alternative text; no output is a traceback or was written to stderr; the runs
    of a page bear out all its sentences; no caption or alternative text has NaN in it; no page names a folder of this
    machine; pages run no script but those of the package and of the theme.

    Raises:
        BookError: lists all that is wrong, a line each; or there is no site or no table of contents.
    """
    site = site.resolve()
    files = sorted(path for path in site.rglob("*.html") if path.relative_to(site).parts[0] not in _NOT_PAGES)
    if site / "index.html" not in files:
        raise BookError(f"there is no rendered book at {site} (no index.html): `make book` renders it")
    try:
        expected = {f"{name}.html" for name in parse_toc_yaml(toc)}
    except (OSError, MalformedError, YAMLError) as error:
        raise BookError(f"the table of contents {toc} cannot be read: {' '.join(str(error).split())}") from error
    front = set() if "index.html" in expected else {"index.html"}  # leads to the first page
    pages = {path.relative_to(site).as_posix() for path in files} - _WRITTEN_BY_SPHINX - front
    problems = [f"{name}: in the table of contents, but not in the book" for name in sorted(expected - pages)]
    problems += [f"{name}: in the book, but not in the table of contents" for name in sorted(pages - expected)]

    @cache
    def anchors(path: Path) -> set[str]:
        return {str(tag.get("id") or tag["name"]) for tag in _parse(path).select("[id], a[name]")}

    for path in files:
        name, parsed = path.relative_to(site).as_posix(), _parse(path)
        found = [*_other_hosts(parsed), *_pictures(parsed), *_outputs(parsed), *_machine(path)]
        for text in parsed.select("article"):
            found += foreign_scripts(text)
        for address in dict.fromkeys(_inside(parsed)):
            parts_of = urlsplit(address)
            target = (path.parent / unquote(parts_of.path)).resolve() if parts_of.path else path
            target = target / "index.html" if target.is_dir() else target
            if not target.is_file() or not target.is_relative_to(site):
                found.append(f"{address} points to a file that the book does not have")
            elif target.suffix == ".html" and parts_of.fragment and unquote(parts_of.fragment) not in anchors(target):
                found.append(f"{address} points to an anchor that the page does not have")
        problems += [f"{name}: {problem}" for problem in dict.fromkeys(found)]
    for path in sorted(site.rglob("*.css")):
        problems += [f"{path.relative_to(site).as_posix()}: {p}" for p in _css(path.read_text(encoding="utf-8"))]
    if problems:
        raise BookError(f"{len(problems)} problems in the book at {site}:\n  " + "\n  ".join(problems))
    return len(pages)


def _parse(path: Path) -> BeautifulSoup:
    return BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser")


def _addresses(page: BeautifulSoup, tags: dict[str, tuple[str, ...]]) -> Iterator[tuple[str, str]]:
    """The names of tags, and the addresses in their attributes."""
    for name, attributes in tags.items():
        for tag, attribute in itertools.product(page.find_all(name), attributes):
            value = str(tag.get(attribute) or "").strip()
            if attribute == "srcset" and not value.startswith("data:"):
                yield from ((name, part.split()[0]) for part in value.split(",") if part.strip())
            elif value:
                yield name, value


def _other_hosts(page: BeautifulSoup) -> Iterator[str]:
    for name, address in _addresses(page, _LOADED):
        if urlsplit(address).netloc:
            yield f"<{name}> loads {address} from another host"
    styles = [tag.get_text() for tag in page.find_all("style")] + [
        str(tag["style"]) for tag in page.find_all(style=True)
    ]
    for text in styles:
        yield from _css(text)


def _css(text: str) -> Iterator[str]:
    for address in _CSS_OTHER_HOST.findall(_CSS_COMMENT.sub("", text)):
        yield f"a style loads {address} from another host"


def _inside(page: BeautifulSoup) -> Iterator[str]:
    """The addresses on a page that point into the book."""
    found = [address for _, address in _addresses(page, {"a": ("href",), **_LOADED})]
    for tag in page.find_all("meta", attrs={"http-equiv": re.compile("^refresh$", re.IGNORECASE)}):
        found.append(str(tag["content"]).partition("url=")[2])
    yield from (address for address in found if not urlsplit(address).scheme and not urlsplit(address).netloc)


def _outputs(page: BeautifulSoup) -> Iterator[str]:
    for kind, what in (("traceback", "is a traceback"), ("stderr", "was written to stderr")):
        for output in page.select(f".output.{kind}"):
            yield f"an output {what}: {' '.join(output.get_text().split())[:120]}"
    for sentence in page.select(f".{NOT_HERE}"):
        yield f"the runs do not bear out: {' '.join(sentence.get_text().split())}"
    for caption in page.select("figcaption, caption, .cell_output p"):
        if _NAN.search(caption.get_text()):
            yield f"a caption says NaN: {' '.join(caption.get_text().split())[:120]}"


def _machine(path: Path) -> Iterator[str]:
    text = path.read_text(encoding="utf-8")
    folders = {str(ROOT), sys.prefix, str(Path.home())} - {"/"}
    named = [folder for folder in sorted(folders, key=len) if f"{folder}/" in text]
    if named:
        yield f"it names {named[-1]}, a folder of this machine"


def _pictures(page: BeautifulSoup) -> Iterator[str]:
    for image in page.find_all("img"):
        alt, source = str(image.get("alt") or "").strip(), str(image.get("src") or "")[:60]
        if image.get("role") == "presentation":
            continue
        if not alt:
            yield f"the picture {source} has no alternative text"
        elif _FILE_NAME.fullmatch(alt):
            yield f"the picture {source} has a file name as alternative text: {alt}"
        elif _NAN.search(alt):
            yield f"an alternative text says NaN: {alt[:120]}"


def problems(path: Path) -> Iterator[str]:
    """What is wrong with a notebook's source, a line each."""
    notebook = parameters.read_notebook(path)
    for number, cell in enumerate(notebook.cells, 1):
        where = f"{path.name}, cell {number}"
        if cell.cell_type == "markdown":
            for pattern, what in _MYST:
                if found := pattern.search(cell.source):
                    yield f"{where}: {what} of MyST, {found[0].strip()!r}, which JupyterLab shows as it stands"
            for text, address in _LINK.findall(_CODE.sub("", cell.source)):
                parts = urlsplit(address)
                if not text.strip():
                    yield f"{where}: the link to {address} has no text, and JupyterLab shows none"
                if parts.path and not parts.scheme and not (path.parent / unquote(parts.path)).exists():
                    yield f"{where}: the link to {address} points to no file of the repository"
    try:
        known = parameters.declared(notebook, path.name)
        parameters.check(known, {name: parameter.default for name, parameter in known.items()})
    except SelectivityError as error:
        yield f"{path.name}: {error}"
        return
    if not any(_CHECK in cell.source for cell in notebook.cells if cell.cell_type == "code"):
        yield f"{path.name}: no cell checks the parameters; write {_CHECK} before they are used"
    yield from (f"{path.name}: the parameter {n} has no type" for n, p in known.items() if p.annotation == "Any")
    (cell,) = (c for c in notebook.cells if "parameters" in c.metadata.get("tags", []))
    lines = cell.source.splitlines()
    for statement in ast.parse(cell.source).body:
        if "#" not in lines[(statement.end_lineno or 1) - 1][statement.end_col_offset or 0 :]:
            yield f"{path.name}: the parameter {lines[statement.lineno - 1].split(':')[0]} has no comment"
