"""The last lines of a page: the command that makes it again, and what it was made with."""

from __future__ import annotations

from typing import Any

import nbformat

from selectivity_core import machine
from selectivity_core.book.publish import hosting
from selectivity_core.book.publish.staleness import LIBRARIES, installed

ID = "colophon"


def cell(notebook: str, command: str, parameters: dict[str, Any], seconds: float) -> nbformat.NotebookNode:
    """The Markdown cell that stands at the end of an executed notebook.

    Args:
        notebook: the source's path in the repository.
        command: the papermill command, from the checkout's folder.
        parameters: every parameter's value.
        seconds: what the execution took.
    """
    values = ", ".join(f"`{name} = {value!r}`" for name, value in parameters.items())
    commit = machine.commit()
    made = [
        f"{seconds:.0f} s",
        f"commit `{commit.rstrip('+')}`" + " and changes to it" * commit.endswith("+") if commit else "commit unknown",
        *(f"{name} {installed(name)}" for name in LIBRARIES),
    ]
    text = f"""---

**This page again**, from the folder of the checkout and with its environment active:

```bash
{command}
```

Its parameters were {values}. Made in {", ".join(made)}; runs that were found trained are not part of that time."""
    if name := hosting.repository():
        opened = " or ".join(f"[{button}]({address})" for button, address in hosting.links(name, notebook).items())
        text += f"\n\nOpen the notebook in {opened} (there, first run `%pip install git+https://github.com/{name}`)."
    return nbformat.v4.new_markdown_cell(text, id=ID)
