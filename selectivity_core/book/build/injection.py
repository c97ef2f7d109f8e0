"""What comes from data must not run: in outputs of notebooks, and on pages."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from bs4 import BeautifulSoup, Tag
from nbformat import NotebookNode

_FUNCTION = re.compile(r"^\(\(\) => \{|\}\)\(\);$")  # around a script, so that its names stay its own
_CODE = re.compile(r"javascript:|vbscript:|data:text/html", re.IGNORECASE)  # at the start of an address
_UNSEEN = re.compile(r"[\x00-\x20]")  # browsers pass over these in it
_PARTS = ("iframe", "object", "embed", "applet", "frame", "base", "meta")
_TAG = re.compile(r"<(?=[A-Za-z/!?])")


def defuse(notebook: NotebookNode) -> Iterator[str]:
    """Let HTML in Markdown that cells put out be shown as text, and name scripts in their HTML that are not ours."""
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            if "text/markdown" in data:
                data["text/markdown"] = _TAG.sub("&lt;", data["text/markdown"])
            yield from foreign_scripts(BeautifulSoup(str(data.get("text/html", "")), "html.parser"))


def foreign_scripts(part: Tag) -> Iterator[str]:
    """What runs in a part of a page and does not stand, word for word, in the package."""
    for script in part.find_all("script"):
        text = _FUNCTION.sub("", script.get_text().strip()).strip()
        if script.get("type") != "application/json" and (script.get("src") or text not in _own_code()):
            yield f"a script that is not the package's: {str(script)[:120]}"
    for tag in part.find_all(True):
        for name, value in tag.attrs.items():
            if name.startswith("on") or _CODE.match(_UNSEEN.sub("", str(value))):
                yield f"<{tag.name}> runs a script: {name}={str(value)[:80]}"
        if tag.name in _PARTS:
            yield f"<{tag.name}> in the text of a page: {str(tag)[:80]}"


@cache
def _own_code() -> str:
    folder = Path(__file__).parents[1]
    return "\n".join(p.read_text(encoding="utf-8") for kind in ("*.py", "*.js") for p in sorted(folder.rglob(kind)))
