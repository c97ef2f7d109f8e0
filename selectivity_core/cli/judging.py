"""Commands on what the papers claim: claims."""

from __future__ import annotations

import argparse
from collections import Counter
from typing import Any

from .arguments import command

PAPERS = {"leavitt-morcos": "Leavitt & Morcos", "morcos": "Morcos et al. 2018"}
CONTEXT = "context"


def add_commands(commands: Any) -> None:
    """Adds this module's commands."""
    text = "Judge every claim of the papers by a profile's finished runs; nothing is trained."
    claims = command(commands, "claims", _claims, text)
    claims.add_argument("--profile", default="digits", help="named scale (default: digits)")
    claims.add_argument("--paper", choices=PAPERS, help="only this paper's")
    claims.add_argument("--figure", help="only those of this figure (fig4, figA1, morcos2, …)")
    claims.add_argument("--verdict", help="only those with this verdict, or context")


def _claims(options: argparse.Namespace) -> None:
    from ..book.paper.claims import CLAIMS
    from ..book.paper.claims import CONTEXT as KNOWN
    from ..book.paper.figures import find_figure
    from ..book.verdicts import STATUSES, Evidence, by_chance, judge
    from ..book.verdicts.wording import detectable, estimate, p_value
    from ..errors import ParameterError
    from ..progress import bar

    if options.verdict not in (None, *STATUSES, CONTEXT):
        raise ParameterError(
            f"--verdict: {options.verdict!r} given; one of {', '.join((*STATUSES, CONTEXT))} is allowed"
        )
    figure = find_figure(options.figure).id if options.figure else None

    def wanted(entry: Any) -> bool:
        return (options.paper is None or entry.paper == PAPERS[options.paper]) and figure in (None, entry.figure)

    chosen, evidence, verdicts = [c for c in CLAIMS.values() if wanted(c)], Evidence(options.profile), []
    if options.verdict != CONTEXT:
        with bar("judging claims", len(chosen), "claim", leave=False) as shown:
            for claim in chosen:
                verdicts.append(judge(claim, evidence))
                shown.update()
    counts = Counter(v.status for v in verdicts)
    for verdict in verdicts:
        if options.verdict not in (None, verdict.status):
            continue
        claim, found = verdict.claim, verdict.finding
        print(f"{claim.id}  {claim.figure:<9}{verdict.status:<20}{claim.statement}")
        if claim.says:
            print(f"      the paper: {claim.says}")
        if found is not None:
            numbers = f"{estimate(verdict)}, n = {found.n}, p {p_value(verdict)}, detectable {detectable(verdict)}"
            print(f"      {numbers} ({found.test}{f'; {found.where}' if found.where else ''})")
        print(f"      {verdict.reason}")
    if options.verdict in (None, CONTEXT):
        for entry in KNOWN.values():
            if wanted(entry):
                print(f"{entry.id}  {entry.figure or '–':<9}{CONTEXT:<20}{entry.statement} Not judged: {entry.why}.")
    if verdicts:
        listed = ", ".join(f"{counts[status]} {status}" for status in STATUSES if counts[status])
        print(f"{options.profile}: {len(verdicts)} claims: {listed}")
        print(f"chance alone would let {by_chance(verdicts):.1f} hold in direction, were there no effect anywhere")
