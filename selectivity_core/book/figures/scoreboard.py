"""The scoreboard: every claim of the papers with its verdict, as a table that filters itself without a kernel."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from html import escape
from typing import Any

from ...errors import ParameterError
from ...progress import bar
from ...runs.profiles import find_profile
from ..numbers import NONE, capital
from ..paper.claims import CLAIMS, CONTEXT
from ..paper.figures import find_figure
from ..study import MODEL_NAMES
from ..verdicts import STATUSES, Evidence, Verdict, by_chance, judge
from ..verdicts.wording import detectable, estimate, p_value

FILTERS = {"paper": "Paper", "figure": "Figure", "profile": "Profile", "verdict": "Verdict"}
HEAD = ("what is judged", "the paper", "verdict", "here", "effect found with 80 % power", "profile")
STYLE = """
.selectivity-scoreboard .selectivity-filters { display: flex; flex-wrap: wrap; gap: 0.5rem 1.5rem; }
.selectivity-scoreboard .selectivity-filters[hidden] { display: none; }
.selectivity-scoreboard select { min-height: 2.75rem; max-width: 100%; }
"""
# Runs where the page is, with no kernel: without it every row shows and there are no select boxes.
SCRIPT = """
for (const board of document.querySelectorAll(".selectivity-scoreboard:not([data-ready])")) {
  board.dataset.ready = "yes";
  const form = board.querySelector("form");
  const rows = [...board.querySelectorAll("tr[data-verdict]")];
  const said = board.querySelector("[role=status]");
  const update = () => {
    const chosen = [...form.querySelectorAll("select")].filter((box) => box.value);
    for (const row of rows) row.hidden = !chosen.every((box) => row.dataset[box.name] === box.value);
    said.textContent = `${rows.filter((row) => !row.hidden).length} of ${rows.length} rows shown`;
  };
  form.addEventListener("change", update);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.hidden = false;
  update();
}
"""


class Scoreboard:
    """Verdicts as HTML.

    Args:
        verdicts: in the order of the rows.

    Attributes:
        verdicts: the same.
    """

    def __init__(self, verdicts: Sequence[Verdict]) -> None:
        self.verdicts = list(verdicts)

    @property
    def profiles(self) -> list[str]:
        """In the order given."""
        return list(dict.fromkeys(verdict.profile for verdict in self.verdicts))

    def _repr_html_(self) -> str:
        return (
            f'<div class="selectivity-scoreboard" id="scoreboard"><style>{STYLE}</style>{self._counts()}'
            f'{self._filters()}<p role="status" aria-live="polite"></p>{self._rows()}{_context()}'
            f"<script>{SCRIPT}</script></div>"
        )

    def _counts(self) -> str:
        by_profile = {p: [v for v in self.verdicts if v.profile == p] for p in self.profiles}
        rows = []
        for status in STATUSES:
            cells = "".join(f"<td>{Counter(v.status for v in own)[status]}</td>" for own in by_profile.values())
            rows.append(f'<tr><th scope="row">{status}</th>{cells}</tr>')
        names = "".join(f'<th scope="col">{escape(find_profile(p).title)}</th>' for p in by_profile)
        said = "".join(f"<p>{escape(chance_in_words(p, own))}</p>" for p, own in by_profile.items())
        return (
            f'<div class="selectivity-scroll" tabindex="0"><table class="selectivity-table"><caption>Claims by verdict'
            f'</caption><thead><tr><th scope="col">verdict</th>{names}</tr></thead><tbody>{"".join(rows)}</tbody>'
            f"</table></div>{said}"
        )

    def _filters(self) -> str:
        found: dict[str, dict[str, None]] = {name: {} for name in FILTERS}
        for verdict in self.verdicts:
            for name, value in _keys(verdict).items():
                found[name][value] = None
        found["verdict"] = dict.fromkeys(s for s in STATUSES if s in found["verdict"])
        boxes = []
        for name, label in FILTERS.items():
            options = "".join(f'<option value="{escape(v)}">{escape(_shown(name, v))}</option>' for v in found[name])
            boxes.append(
                f'<label>{label} <select name="{name}"><option value="">all</option>{options}</select></label>'
            )
        return f'<form class="selectivity-filters" aria-label="Filter the claims" hidden>{"".join(boxes)}</form>'

    def _rows(self) -> str:
        head = "".join(f'<th scope="col">{escape(name)}</th>' for name in HEAD)
        body = "".join(_row(verdict) for verdict in self.verdicts)
        return (
            '<div class="selectivity-scroll" tabindex="0"><table class="selectivity-table selectivity-claims">'
            f"<caption>Every claim and its verdict</caption><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
            "</div>"
        )


def chance_in_words(profile: str, verdicts: Sequence[Verdict]) -> str:
    """How many claims of a profile hold in direction, and how many would by chance alone."""
    scale, judged = capital(find_profile(profile).title), sum(verdict.directional for verdict in verdicts)
    held = sum(v.directional and v.status in ("direction holds", "reproduced") for v in verdicts)
    expected = by_chance(verdicts)
    return (
        f"{scale}: of {judged} claim{'s' * (judged != 1)} of a direction judged, {held} hold (claims of no difference "
        f"apart); were there no effect anywhere, chance alone would let {expected:.2g} hold."
    )


def _keys(verdict: Verdict) -> dict[str, str]:
    claim = verdict.claim
    return {
        "paper": claim.paper, "figure": claim.figure, "profile": verdict.profile, "verdict": verdict.status,
    }  # fmt: skip


def _shown(name: str, value: str) -> str:
    if name == "figure":
        entry = find_figure(value)
        return f"{entry.number} ({entry.paper})"
    return find_profile(value).title if name == "profile" else value


def _row(verdict: Verdict) -> str:
    claim, found = verdict.claim, verdict.finding
    entry = find_figure(claim.figure)
    keys = "".join(f' data-{name}="{escape(value)}"' for name, value in _keys(verdict).items())
    networks = ", ".join(MODEL_NAMES[model] for model in verdict.models)
    judged = f"<small>judged: {escape(networks)}</small>" if len(claim.models) > 1 and networks else ""
    where = f"<small>{escape(found.where)}</small>" if found is not None and found.where else ""
    cells = (
        f'<td class="selectivity-words"><strong>{claim.id}</strong> {escape(claim.statement)}'
        f'<small><a href="{entry.notebook}.html#{entry.anchor}">Figure {escape(entry.number)}</a>, '
        f"{escape(claim.paper)}</small>{judged}</td>"
        f'<td class="selectivity-words">{escape(claim.says) or NONE}</td>'
        f'<td class="selectivity-words"><strong>{verdict.status}</strong><small>{escape(verdict.reason)}</small></td>'
        f'<td class="selectivity-words">{escape(estimate(verdict))}{where}{_tested(verdict)}</td>'
        f'<td class="selectivity-words">{escape(detectable(verdict))}</td>'
        f'<td class="selectivity-words">{escape(find_profile(verdict.profile).title)}</td>'
    )
    return f'<tr id="claim-{claim.id}-{verdict.profile}"{keys}>{cells}</tr>'


def _tested(verdict: Verdict) -> str:
    """n, the test and its corrected p, on a line of their own."""
    found = verdict.finding
    if found is None:
        return ""
    p = p_value(verdict)
    return f"<small>n = {found.n}, {escape(found.test)}{'' if p == NONE else f', p {escape(_equals(p))}'}</small>"


def _equals(p: str) -> str:
    return p if p.startswith("<") else f"= {p}"


def _context() -> str:
    rows = "".join(
        f'<tr><td class="selectivity-words"><strong>{entry.id}</strong> {escape(entry.statement)}'
        f"<small>{escape(entry.paper)}</small></td>"
        f'<td class="selectivity-words">{escape(entry.why)}</td></tr>'
        for entry in CONTEXT.values()
    )
    return (
        '<div class="selectivity-scroll" tabindex="0"><table class="selectivity-table selectivity-claims"><caption>'
        'Context: known of the papers, never judged</caption><thead><tr><th scope="col">what it says</th>'
        f'<th scope="col">why it is not judged</th></tr></thead><tbody>{rows}</tbody></table></div>'
    )


def scoreboard(
    profiles: Sequence[str],
    *,
    seeds: int = 0,
    overrides: dict[str, Any] | None = None,
    on_missing: str = "skip",
) -> Scoreboard:
    """Judges every claim at some profiles.

    Args:
        profiles: names; rows are in their order, claim by claim.
        seeds, overrides, on_missing: as for `study.gather`.

    Raises:
        ParameterError: no profile, or one twice.
        SpecError: an unknown profile or a value that is not allowed.
    """
    if not profiles or len(set(profiles)) != len(profiles):
        raise ParameterError(f"profiles: {list(profiles)} given; at least one, each once, is needed")
    every = [Evidence(p, seeds=seeds, overrides=overrides, on_missing=on_missing) for p in profiles]  # type: ignore[arg-type]
    verdicts = []
    with bar("judging claims", len(CLAIMS) * len(every), "claim", leave=False) as shown:
        for claim in CLAIMS.values():
            for evidence in every:
                verdicts.append(judge(claim, evidence))
                shown.update()
    return Scoreboard(verdicts)
