"""The table of contents names every notebook: those that it lacks are put in by their number."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from ...errors import BookError
from ...files import replace

_LINE = re.compile(r"^(\s*- file: book/executed/)(\S+)\s*$")
_ROOT = re.compile(r"^root: book/executed/(\S+)\s*$")


def complete(toc: Path, notebooks: Iterable[str]) -> list[str]:
    """Puts notebooks that a table of contents lacks behind the one whose number comes before; its other lines stay.

    Args:
        toc: the file.
        notebooks: names of all notebooks, without folder and suffix.

    Returns:
        the names put in.

    Raises:
        BookError: the file cannot be read, or names no notebook to put others behind.
    """
    try:
        lines = toc.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise BookError(f"the table of contents {toc} cannot be read: {error.strerror or error}") from error
    added: list[str] = []
    first = {match[1] for line in lines if (match := _ROOT.match(line))}
    for name in sorted(set(notebooks) - first):
        listed = {match[2]: (place, match[1]) for place, line in enumerate(lines) if (match := _LINE.match(line))}
        if name in listed:
            continue
        if not listed:
            raise BookError(f"the table of contents {toc} names no notebook; add a line for {name} by hand")
        earlier = [other for other in listed if other < name]
        place, lead = listed[max(earlier)] if earlier else listed[min(listed)]
        lines.insert(place + bool(earlier), f"{lead}{name}")
        added.append(name)
    if added:
        replace(toc, ("\n".join(lines) + "\n").encode())
    return added
