"""The command on what the papers claim: claims."""

from __future__ import annotations

import argparse
from typing import Any

from .arguments import command

PAPERS = {"leavitt-morcos": "Leavitt & Morcos", "morcos": "Morcos et al. 2018"}


def add_commands(commands: Any) -> None:
    """Adds this module's commands."""
    text = "Judge every claim of the papers by a profile's finished runs; nothing is trained."
    claims = command(commands, "claims", _claims, text)
    claims.add_argument("--profile", default="digits", help="named scale (default: digits)")
    claims.add_argument("--paper", choices=PAPERS, help="only this paper's")
    claims.add_argument("--figure", help="only those of this figure (fig4, figA1, morcos2, …)")
    claims.add_argument("--verdict", help="only those with this verdict")
    claims.add_argument("--csv", help="write the whole table to this file")


def _claims(options: argparse.Namespace) -> None:
    from ..book.evidence import Evidence
    from ..book.papers.claims import all_claims, claims_of
    from ..book.papers.figures import find_figure
    from ..book.verdicts import STATUSES, independent, judge, table
    from ..errors import ParameterError
    from ..progress import bar

    if options.verdict not in (None, *STATUSES):
        raise ParameterError(f"--verdict: {options.verdict!r} given; one of {', '.join(STATUSES)} is allowed")
    chosen = claims_of([find_figure(options.figure).id]) if options.figure else list(all_claims().values())
    chosen = [c for c in chosen if options.paper is None or c.paper == PAPERS[options.paper]]
    evidence, verdicts = Evidence(options.profile, on_missing="skip"), []
    with bar("judging claims", len(chosen), "claim", leave=False) as shown:
        for claim in chosen:
            verdicts += judge(claim, evidence)
            shown.update()
    frame = table(verdicts)
    if options.csv:
        frame.to_csv(options.csv, index=False)
    for row in frame[frame["status"] == options.verdict if options.verdict else frame.index >= 0].itertuples():
        print(f"{row.claim}  {row.figure:<9}{row.network:<10}{row.status:<36}{row.statement}")
        if row.paper_says:
            print(f"      the paper: {row.paper_says}")
        if row.contrast:
            numbers = (
                f"{row.estimate:.3g} ({row.low:.3g} to {row.high:.3g}){' points' if row.unit else ''}, n = {row.n:g}"
            )
            print(f"      {numbers}, p {row.p:.2g}, detectable {row.detectable:.2g} ({row.method}; {row.where})")
        if row.why:
            print(f"      {row.why}")
    print(independent(frame).to_string(index=False, na_rep="–", float_format=lambda v: f"{v:.1f}"))
