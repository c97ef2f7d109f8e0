"""The scoreboard in plain words: what holds, what does not, what scale decides. Every number is computed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from ...runs.profiles import find_profile
from ..numbers import NONE
from ..paper.figures import find_figure
from ..verdicts import Verdict
from ..verdicts.wording import alone, detectable, estimate
from .scoreboard import chance_in_words

HOLDS = ("reproduced", "direction holds")
FAILS = ("not reproduced", "does not carry over")


def reading(verdicts: Sequence[Verdict]) -> str:
    """A chapter on verdicts of several profiles, as Markdown.

    Args:
        verdicts: of `verdicts.judge_all`, profile after profile.
    """
    by_claim: dict[str, list[Verdict]] = {}
    for verdict in verdicts:
        by_claim.setdefault(verdict.claim.id, []).append(verdict)
    judged = {name: [v for v in row if v.status != "not run"] for name, row in by_claim.items()}
    judged = {name: row for name, row in judged.items() if row}
    agreed = {name: row for name, row in judged.items() if not _mixed(row)}
    parts = [
        _opening(verdicts, judged, len(by_claim)),
        *_section("What holds", _with(agreed, HOLDS), "No claim holds at any scale that was run."),
        *_section("What these runs do not bear out", _with(agreed, FAILS), "Every claim holds or is open."),
        *_section(
            "What scale decides", {n: row for n, row in judged.items() if _mixed(row)},
            "No claim holds at one scale and fails at another.",
        ),
        *_section("What these networks cannot tell", _open(judged), "Every claim that was judged is settled."),
        _not_run(by_claim, judged),
    ]  # fmt: skip
    return "\n\n".join(parts)


def _mixed(row: Iterable[Verdict]) -> bool:
    """Whether a claim holds at one scale and fails at another."""
    found = {verdict.status for verdict in row}
    return bool(found & set(HOLDS)) and bool(found & set(FAILS))


def _with(judged: dict[str, list[Verdict]], statuses: Sequence[str]) -> dict[str, list[Verdict]]:
    return {name: row for name, row in judged.items() if any(v.status in statuses for v in row)}


def _open(judged: dict[str, list[Verdict]]) -> dict[str, list[Verdict]]:
    return {name: row for name, row in judged.items() if all(v.status == "inconclusive" for v in row)}


def _opening(verdicts: Sequence[Verdict], judged: dict[str, list[Verdict]], every: int) -> str:
    profiles = list(dict.fromkeys(v.profile for v in verdicts))
    chance = [chance_in_words(p, [v for v in verdicts if v.profile == p]) for p in profiles]
    return (
        f"Of the two papers' {every} findings, {len(judged)} have been judged at one scale or more. At least at one "
        f"scale {len(_with(judged, HOLDS))} hold and {len(_with(judged, FAILS))} are not borne out; "
        f"{len(_open(judged))} are open wherever they were judged.\n\n" + "\n".join(f"* {line}" for line in chance)
    )


def _section(title: str, rows: dict[str, list[Verdict]], nothing: str) -> Iterator[str]:
    yield f"## {title}"
    if not rows:
        yield nothing
        return
    for paper in dict.fromkeys(row[0].claim.paper for row in rows.values()):
        mine = [row for row in rows.values() if row[0].claim.paper == paper]
        yield f"**{paper}**"
        yield "\n".join(_line(row) for row in mine)


def _line(row: list[Verdict]) -> str:
    claim = row[0].claim
    entry = find_figure(claim.figure)
    page = f"[Figure {entry.number}]({entry.notebook}.html#{entry.anchor})"
    said = f" The paper: {claim.says}." if claim.says else ""
    return f"* {claim.statement.removesuffix('.')} ({page}).{said} Here: {'; '.join(map(_here, row))}."


def _here(verdict: Verdict) -> str:
    found = verdict.finding
    scale = find_profile(verdict.profile).title
    if found is None:
        return f"**{verdict.status}** ({scale}: {verdict.reason})"
    least = detectable(verdict)
    power = f"; {least} would show" if verdict.status == "inconclusive" and least != NONE else ""
    return f"**{verdict.status}** ({scale}: {estimate(verdict)}, n = {found.n}{alone(verdict)}{power})"


def _not_run(by_claim: dict[str, list[Verdict]], judged: dict[str, list[Verdict]]) -> str:
    rest = [row[0] for name, row in by_claim.items() if name not in judged]
    reasons = dict.fromkeys(v.reason for v in rest)
    counted = sorted(((sum(v.reason == r for v in rest), r) for r in reasons), reverse=True)
    lines = [f"* {count}: {reason}" for count, reason in counted]
    return "\n".join([f"## What was not run\n\n{len(rest)} findings have been judged at no scale.\n", *lines])
