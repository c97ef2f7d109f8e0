"""A page's title says what was found: its second half follows from the verdicts that the page itself shows."""

from __future__ import annotations

import re

import nbformat

from ...runs.profiles import PROFILES
from ..paper.titles import TITLES

# A row of `figures.claims_table` names its claim and the verdict.
_VERDICT = re.compile(r'data-claim="([^"]*)" data-status="([^"]*)"')
_HEADING = re.compile(r"\A# (?P<what>[^:\n]+)(: [^\n]*)?$", re.MULTILINE)


def retitle(notebook: nbformat.NotebookNode, name: str, profile: object) -> None:
    """Puts what an executed notebook found into its first heading; the part before the colon stays.

    Args:
        notebook: executed; its first cell is changed.
        name: the notebook's, without its ending.
        profile: the scale of its runs; named in the title, since another scale can find something else.
    """
    title = TITLES.get(name)
    if title is None or not notebook.cells:
        return
    status = verdicts(notebook).get(title.claim, "")
    phrase, first = title.phrase(status), notebook.cells[0]
    found = _HEADING.match(first.source)
    if phrase and found and profile in PROFILES:
        scale = PROFILES[str(profile)].title
        first.source = f"# {found['what']}: {phrase} ({scale}){first.source[found.end() :]}"


def verdicts(notebook: nbformat.NotebookNode) -> dict[str, str]:
    """Claim -> verdict, as the outputs of a notebook show them."""
    html = (
        str(output.get("data", {}).get("text/html", ""))
        for cell in notebook.cells
        if cell.cell_type == "code"
        for output in cell.outputs
    )
    return {claim: status for text in html for claim, status in _VERDICT.findall(text)}
