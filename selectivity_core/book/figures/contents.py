"""The figure index: every figure of both papers, its page, what of it is there, and how to make it again."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

from ...runs.archive import ledger
from ...runs.profiles import check_overrides
from ...runs.store import default_store
from ...runs.sweeping import sweep
from ..paper import FIGURES
from ..paper.entries import BOOK, LEAVITT_MORCOS, MORCOS, FigureEntry
from ..replicates import wanted_runs

PAPERS = {
    "leavitt-morcos": (LEAVITT_MORCOS, "Leavitt & Morcos, “Selectivity considered harmful” (ICLR 2021 numbering)"),
    "morcos": (MORCOS, "Morcos et al. 2018, “On the importance of single directions for generalization”"),
    "book": (BOOK, "This book's own"),
}


class FigureIndex:
    """A table of figures as HTML, with links to their pages.

    Attributes:
        title: whose figures.
        rows: entry, runs that are there, runs wanted.
        profile: at which scale.
    """

    def __init__(self, title: str, rows: list[tuple[FigureEntry, int, int]], profile: str) -> None:
        self.title, self.rows, self.profile = title, rows, profile

    def _repr_html_(self) -> str:
        body = "".join(
            f'<tr><td class="selectivity-start">'
            f'<a href="{e.notebook}.html#{e.anchor}">Figure&nbsp;{escape(e.number)}</a></td>'
            f'<td class="selectivity-start">{escape(e.title)}</td><td>{have} of {wanted}</td>'
            f'<td class="selectivity-start"><code>make figure NB={e.notebook}</code></td></tr>'
            for e, have, wanted in self.rows
        )
        titles = ("figure", "what it shows", f"runs at {self.profile}", "to make it again")
        head = "".join(f'<th class="selectivity-start">{escape(t)}</th>' for t in titles)
        table = (
            f'<table class="selectivity-table"><caption>{escape(self.title)}</caption>'
            f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
        )
        return f'<div class="selectivity-scroll" tabindex="0">{table}</div>'


def figure_index(
    paper: str,
    *,
    profile: str,
    alphas: Sequence[float] = (),
    seeds: int = 0,
    overrides: dict[str, Any] | None = None,
    on_missing: str = "skip",
) -> FigureIndex:
    """The index of one paper's figures, with how many of each one's runs are there at a profile.

    Args:
        paper: "leavitt-morcos", "morcos" or "book".
        profile: at which scale.
        alphas, seeds, overrides, on_missing: as for `study.gather`.
    """
    name, title = PAPERS[paper]
    changes, kept, store = check_overrides(overrides or {}), ledger(), default_store()
    rows = []
    for entry in (e for e in FIGURES.values() if e.paper == name):
        ask: dict[str, Any] = {"alphas": alphas or None, **changes}
        specs = wanted_runs(profile, entry.id, kept, seeds=seeds, **ask)
        there = sweep(specs, store, on_missing=on_missing, ledger=kept, progress=False).runs  # type: ignore[arg-type]
        rows.append((entry, int((there["status"] == "complete").sum()) if len(there) else 0, len(specs)))
    return FigureIndex(title, rows, profile)
