"""Whether the sources of notebooks read well where they are opened; that they keep no outputs nbstripout says."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

from ...errors import SelectivityError
from ..parameters import check, declared, read_notebook

# What MyST alone understands, and JupyterLab and Voilà show as it stands.
_MYST = (
    (re.compile(r"(?<!`)\{[a-z][\w:+-]*\}`"), "a role"),
    (re.compile(r"^\s*(?:`{3,}|:{3,})\s*\{", re.MULTILINE), "a directive"),
    (re.compile(r"^\([\w.-]+\)=\s*$", re.MULTILINE), "a target"),
    (re.compile(r"\$\$\s*\([\w.-]+\)"), "a label of an equation"),
)
_LINK = re.compile(r"(?<!!)\[([^\[\]]*)\]\(([^)\s]*)\)")
_CODE = re.compile(r"(`+).+?\1", re.DOTALL)


def problems(path: Path) -> Iterator[str]:
    """What is wrong with a notebook's source, a line each."""
    notebook = read_notebook(path)
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
        known = declared(notebook, path.name)
        check(known, {name: parameter.default for name, parameter in known.items()})
    except SelectivityError as error:
        yield f"{path.name}: {error}"
        return
    yield from (f"{path.name}: the parameter {n} has no type" for n, p in known.items() if p.annotation == "Any")
    (cell,) = (c for c in notebook.cells if "parameters" in c.metadata.get("tags", []))
    lines = cell.source.splitlines()
    for statement in ast.parse(cell.source).body:
        if "#" not in lines[(statement.end_lineno or 1) - 1][statement.end_col_offset or 0 :]:
            yield f"{path.name}: the parameter {lines[statement.lineno - 1].split(':')[0]} has no comment"
