"""Claims and their verdicts in short: those about a page's figures, and the papers' main ones at every scale."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from ...runs.profiles import find_profile
from ..numbers import NONE
from ..paper.claim_entries import Claim
from ..paper.claims import CLAIMS, HEADLINES
from ..paper.figures import find_figure
from ..study import Study
from ..verdicts import Evidence, Verdict, judge
from ..verdicts.wording import alone, detectable, estimate

SCOREBOARD = "32_scoreboard.html"


class ClaimsTable:
    """A table of claims as HTML.

    Args:
        caption: what stands above it.
        head: names of the columns.
        rows: cells as HTML.
        verdicts: what the rows were written from.

    Attributes:
        verdicts: the same.
    """

    def __init__(self, caption: str, head: Sequence[str], rows: Sequence[str], verdicts: Sequence[Verdict]) -> None:
        self.caption, self.head, self.rows, self.verdicts = caption, head, rows, list(verdicts)

    def _repr_html_(self) -> str:
        head = "".join(f'<th scope="col">{escape(name)}</th>' for name in self.head)
        return (
            '<div class="selectivity-scroll" tabindex="0"><table class="selectivity-table selectivity-claims">'
            f"<caption>{escape(self.caption)}</caption><thead><tr>{head}</tr></thead><tbody>{''.join(self.rows)}</tbody></table>"
            "</div>"
        )


def claims_table(*studies: Study) -> ClaimsTable:
    """Judges the claims about some studies' figures on the runs at hand; nothing is trained.

    Args:
        studies: of `gather`, of one profile.
    """
    evidence = Evidence(studies[0].profile, on_missing="skip")
    names = {study.figure.id for study in studies}
    found = [judge(c, evidence) for c in CLAIMS.values() if {c.figure, *c.figures.values()} & names]
    head = ("claim", "the paper", "here", "verdict")
    return ClaimsTable(
        "What the paper claims of these figures, judged on the runs of this profile",
        head,
        [_row(v) for v in found],
        found,
    )


def headlines(profiles: Sequence[str]) -> ClaimsTable:
    """The papers' main claims and their verdicts at several profiles; nothing is trained.

    Args:
        profiles: names; a column each.
    """
    every = [Evidence(name, on_missing="skip") for name in profiles]
    rows, found = [], []
    for claim in map(CLAIMS.__getitem__, HEADLINES):
        verdicts = [judge(claim, evidence) for evidence in every]
        rows.append(_across(claim, verdicts))
        found += verdicts
    titles = [find_profile(name).title for name in profiles]
    return ClaimsTable(
        "The papers' main claims, and what these runs say of them", ("claim", "the paper", *titles), rows, found
    )


def _said(claim: Claim) -> str:
    return f'<td class="selectivity-words">{escape(claim.says) or NONE}</td>'


def _row(verdict: Verdict) -> str:
    claim = verdict.claim
    return (
        f'<tr data-claim="{claim.id}" data-status="{verdict.status}">'
        f'<td class="selectivity-words"><a href="{SCOREBOARD}#claim-{claim.id}-{verdict.profile}">{claim.id}</a> '
        f"{escape(claim.statement)}</td>{_said(claim)}"
        f'<td class="selectivity-words">{escape(estimate(verdict))}{_power(verdict)}</td>'
        f'<td class="selectivity-words"><strong>{verdict.status}</strong><small>{escape(verdict.reason)}</small></td>'
        "</tr>"
    )


def _power(verdict: Verdict) -> str:
    """How many networks there are, and the effect that so many show with 80 % power."""
    if verdict.finding is None:
        return ""
    least = detectable(verdict)
    power = "" if least == NONE else f"; {least} would be found with 80 % power"
    return f"<small>n = {verdict.finding.n}{escape(alone(verdict) + power)}</small>"


def _across(claim: Claim, verdicts: Sequence[Verdict]) -> str:
    entry = find_figure(claim.figure)
    cells = []
    for verdict in verdicts:
        found = verdict.finding
        said = "" if found is None else escape(f"{estimate(verdict)}, n = {found.n}{alone(verdict)}")
        numbers = said and f"<small>{said}</small>"
        cells.append(f'<td class="selectivity-words"><strong>{verdict.status}</strong>{numbers}</td>')
    return (
        f'<tr><td class="selectivity-words">{escape(claim.statement)} '
        f'<a href="{entry.notebook}.html#{entry.anchor}">Figure {escape(entry.number)}, {escape(entry.paper)}</a></td>'
        f"{_said(claim)}{''.join(cells)}</tr>"
    )
