"""The last touch on rendered pages: light enough for a slow line, and markup that screen readers can follow."""

from __future__ import annotations

import base64
import hashlib
import re
from pathlib import Path

import nbformat

FRAMES = "_frames"

# A frame of a slider: an <img> in the text of the page's widget state, which is JSON, so that quotes are escaped.
_FRAME = re.compile(r'src=\\"data:image/(png|webp);base64,([A-Za-z0-9+/=]+)\\"')

# What the theme and Sphinx write -> what assistive technology reads right.
_MENDS = (
    # A name of its own hides what the element says: "Show code cell source", "Search Ctrl+K".
    (re.compile(r'<summary aria-label="Toggle hidden content">'), "<summary>"),
    (re.compile(r'(<button class="btn search-button-field[^>]*?) aria-label="Search"'), r"\1"),
    # The icon of each mode has a title, which is none of the button's name.
    (re.compile(r'(<i class="theme-switch [^>]*?) title="[^"]*"'), r"\1"),
    # A list whose entries are none, in the role that was given up for them.
    (re.compile(r'<div role="list" class="citation-list">'), '<div class="citation-list">'),
    (re.compile(r'(<div class="citation"[^>]*?) role="doc-biblioentry"'), r"\1"),
)
# The page of the bare address, of which the renderer writes the <meta> alone. Without an icon of its own, a browser
# that is not fast enough to leave asks for /favicon.ico, which no book has.
_DOOR = re.compile(r'^\s*<meta http-equiv="Refresh" content="0; url=([^"]+)" />\s*$')
_OPEN = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Refresh" content="0; url={address}">
<link rel="icon" href="data:,">
<title>Opening the book</title>
</head>
<body><p><a href="{address}">The first page</a></p></body>
</html>
"""
# What no line is broken in: a number and its percent sign, a letter and its value.
_UNBROKEN = (
    re.compile(r"(?<=\d) (?=%)"),
    re.compile(r"(?<=\b[np]) (?=[=&])|(?<=\b[np][\s\u00a0]=) (?=\d)|(?<=&lt;) (?=\d)|(?<=[≤≥]) (?=\d)"),
    re.compile(r"(?<=α) (?=[=&])|(?<=α[\s\u00a0]=) (?=[−\d])|(?<=&gt;) (?=\d)"),
)
# Tags, and elements whose text is code or data.
_NOT_PROSE = re.compile(r"(?s)<!--.*?-->|<(pre|code|script|style|title|textarea)\b.*?</\1>|<[^>]*>")

# A signature over several lines is a definition list without terms inside a term.
_PARAMETERS = re.compile(r'(?s)(<span class="sig-paren">\(</span>\s*)<dl>(.*?)</dl>')


def finish(site: Path) -> None:
    """Moves frames of sliders into files, takes outputs out of source notebooks, mends markup, joins what lines break.

    Args:
        site: a rendered book that nobody reads yet; its pages are rewritten.
    """
    (site / FRAMES).mkdir(exist_ok=True)
    for page in sorted(site.rglob("*.html")):
        before = page.read_text(encoding="utf-8")
        up = "../" * (len(page.relative_to(site).parts) - 1)
        after = unbroken(mended(_FRAME.sub(lambda found: _moved(found, site, up), before)))  # noqa: B023
        if after != before:
            page.write_text(after, encoding="utf-8")
    for source in (site / "_sources").rglob("*.ipynb"):
        without_outputs(source)


def _moved(found: re.Match[str], site: Path, up: str) -> str:
    """A frame as a file, asked for when it is first shown; frames that pages share are one file."""
    content = base64.b64decode(found[2])
    name = f"{FRAMES}/{hashlib.sha256(content).hexdigest()[:24]}.{found[1]}"
    if not (site / name).exists():
        (site / name).write_bytes(content)
    return rf"loading=\"lazy\" src=\"{up}{name}\""


def mended(page: str) -> str:
    """A page with the markup of the theme and of Sphinx mended."""
    door = _DOOR.match(page)
    if door:
        return _OPEN.format(address=door[1])
    for wrong, right in _MENDS:
        page = wrong.sub(right, page)
    return _PARAMETERS.sub(lambda found: f'{found[1]}<dl role="none">{_plain(found[2])}</dl>', page)


def unbroken(page: str) -> str:
    """A page on which no line ends between a number and its unit or a letter and its value; code and formulas stay."""
    parts, at = [], 0
    for found in _NOT_PROSE.finditer(page):
        parts += [_joined(page[at : found.start()]), found[0]]
        at = found.end()
    return "".join([*parts, _joined(page[at:])])


def _joined(text: str) -> str:
    if r"\(" in text or r"\[" in text:
        return text
    for space in _UNBROKEN:
        text = space.sub("\u00a0", text)
    return text


def _plain(parameters: str) -> str:
    return parameters.replace("<dd>", '<dd role="none">')


def without_outputs(notebook: Path) -> None:
    """Rewrites a notebook that readers can download without its outputs: the page has them, and running it gives them.

    Args:
        notebook: an executed notebook.
    """
    content = nbformat.read(notebook, as_version=4)
    for cell in content.cells:
        cell.metadata.pop("papermill", None)
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    content.metadata.pop("widgets", None)
    notebook.write_text(nbformat.writes(content) + "\n", encoding="utf-8")
