"""The verdict on a claim at a profile: computed from the tables, by rules that do not know the claim."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Literal

from ...errors import MissingRunsError
from ...models import MODEL_NAMES
from ...runs.profiles import find_profile
from ..numbers import alpha_label
from ..paper.claim_entries import DATASETS, RECIPES, Claim, Value
from ..paper.claims import CLAIMS
from ..paper.figures import find_figure
from .evidence import Evidence
from .findings import LEVEL, Finding
from .kinds import KINDS

Status = Literal[
    "reproduced", "direction holds", "not reproduced", "does not carry over", "inconclusive", "not run"
]  # fmt: skip
STATUSES: tuple[Status, ...] = Status.__args__  # type: ignore[attr-defined]
CHANCE = LEVEL / 2  # how often a 95 % interval excludes zero on the claimed side where there is no effect
SHORTENED = "-short"


@dataclass(frozen=True)
class Verdict:
    """What the tables of a profile say of a claim.

    Attributes:
        claim: whose.
        profile: at which scale.
        status: the verdict.
        reason: in words, what it rests on or what was lacking.
        finding: the estimate that decided: of a claim about several, the one with the weakest support.
        models: the networks judged.
    """

    claim: Claim
    profile: str
    status: Status
    reason: str
    finding: Finding | None = None
    models: tuple[str, ...] = ()

    @property
    def directional(self) -> bool:
        """Whether it was judged in a direction, by networks enough that chance alone could have made it hold."""
        if self.claim.test.side not in (1, -1) or self.finding is None:
            return False
        return self.finding.reachable and self.finding.telling() and not math.isnan(self.finding.bounds()[0])


def judge(claim: Claim, evidence: Evidence) -> Verdict:
    """The verdict on one claim.

    A claim about several α or networks holds where every one of them supports it: the smallest of the lower bounds (on
    the claimed side) decides. It is contradicted where one of them contradicts it at a level corrected for their number
    (Bonferroni).

    Args:
        claim: of the register.
        evidence: a profile's runs.
    """
    scale = find_profile(evidence.profile)
    if not claim.on_short and evidence.profile.endswith(SHORTENED):
        return Verdict(claim, evidence.profile, "not run", "not judged where the schedule was shortened")
    own = _at_the_papers_scale(claim, evidence)
    if claim.test.side is None and not own:
        reason = "a value of the paper's data, network and recipe: only those can be held against it"
        return Verdict(claim, evidence.profile, "not run", reason)
    models = [m for m in claim.models if m in scale.models and m in find_figure(claim.figure_of(m)).models]
    parts: list[Finding] = []
    judged, lacking = [], []
    for model in models:
        try:
            settings = dict(claim.test.settings)
            found = KINDS[claim.test.kind](evidence, claim.figure_of(model), model, **settings)
            named = [", ".join(filter(None, (MODEL_NAMES[model], part.where))) for part in found]
            parts += [replace(p, where=w) for p, w in zip(found, named, strict=True)] if len(models) > 1 else found
            judged.append(model)
        except MissingRunsError as error:
            lacking.append(str(error))
    if not parts:
        reason = "; ".join(dict.fromkeys(lacking)) or "this scale has no such network in that figure"
        return Verdict(claim, evidence.profile, "not run", reason)
    complete = set(judged) == set(claim.models)
    status, reason, decisive = weigh(claim, parts, own and complete)
    if not complete:
        reason += f" (of {len(claim.models)} networks {len(judged)} judged)"
    return Verdict(claim, evidence.profile, status, reason, decisive, tuple(judged))


def _at_the_papers_scale(claim: Claim, evidence: Evidence) -> bool:
    scale = find_profile(evidence.profile)
    if scale.scaled_down or evidence.overrides or claim.paper not in RECIPES:
        return False
    data = {spec.model: spec.dataset for spec in scale.base}
    return all(data.get(model) == DATASETS[claim.paper][model] for model in claim.models)


def weigh(claim: Claim, parts: list[Finding], own: bool) -> tuple[Status, str, Finding]:
    """Status, reason and the finding that decides.

    Args:
        claim: what is judged.
        parts: what its predicate found.
        own: whether the runs are of the paper's own data, networks and recipe.
    """
    test = claim.test
    against: Status = "not reproduced" if own else "does not carry over"
    decisive = max(parts, key=lambda part: _doubt(part, test.side, test.null))
    missed = own and claim.value is not None and compare(claim.value, test.side, decisive) == "outside"
    if test.side is None:
        if missed:
            return against, "outside the margin around the paper's value", decisive
        inside = claim.value is not None and compare(claim.value, None, decisive) == "inside"
        if inside:
            return "reproduced", "within the margin around the paper's value", decisive
        return "inconclusive", "the interval of the difference to the paper's value crosses its margin", decisive
    if test.side == 0:
        return _weigh_equivalence(parts, decisive, test.null, test.margin, against, own)
    opposed = [part for part in parts if _contradicts(part, test.side, test.null, len(parts))]
    if opposed:
        worst = max(opposed, key=lambda part: _doubt(part, test.side, test.null))
        return against, "the 95 % interval lies on the other side", worst
    if any(not part.reachable for part in parts):
        part = next(part for part in parts if not part.reachable)
        return "inconclusive", f"with n = {part.n} the test cannot reach its level", part
    if math.isnan(decisive.bounds()[0]):
        return "inconclusive", _no_spread(decisive), decisive
    if untelling := [part for part in parts if not part.telling()]:
        return "inconclusive", _alike(untelling[0]), untelling[0]
    if missed:
        return against, "outside the margin around the paper's value", decisive
    if not all(_supports(part, test.side, test.null) for part in parts):
        return "inconclusive", f"the 95 % interval does not exclude {_amount(test.null, decisive)}", decisive
    if not own:
        return (
            "direction holds",
            f"the 95 % interval excludes {_amount(test.null, decisive)}, on the claimed side",
            decisive,
        )
    significant = all(part.p_corrected(test.null) < LEVEL and part.met for part in parts)
    valued = claim.value is None or compare(claim.value, test.side, decisive) == "inside"
    if significant and valued:
        return "reproduced", "significant at the corrected level, and within the margin of any value given", decisive
    what = "the paper's value is not yet within reach" if significant else "not significant at the corrected level"
    return "direction holds", what, decisive


def _weigh_equivalence(
    parts: list[Finding], decisive: Finding, null: float, margin: float, against: Status, own: bool
) -> tuple[Status, str, Finding]:
    inside, outside, around = [], [], f"±{_amount(margin, decisive)}"
    for part in parts:
        low, high = part.bounds(0.90)
        inside.append(null - margin < low and high < null + margin)
        low, high = part.bounds(1 - 0.1 / len(parts))
        outside.append(part.telling(len(parts)) and (low > null + margin or high < null - margin))
    if any(outside):
        return against, f"outside {around}", parts[outside.index(True)]
    if math.isnan(decisive.bounds(0.90)[0]):
        return "inconclusive", _no_spread(decisive), decisive
    if untelling := [part for part in parts if not part.telling()]:
        return "inconclusive", _alike(untelling[0]), untelling[0]
    if not all(inside):
        return "inconclusive", f"the 90 % interval is not within {around}", decisive
    return (
        ("reproduced" if own else "direction holds"),
        f"the 90 % interval lies within {around}",
        decisive,
    )


def _amount(value: float, part: Finding) -> str:
    """A null or a margin in the unit in which the estimate is shown."""
    shown = alpha_label(float(f"{value * (100 if part.points else 1):.3g}"))  # a margin may be a product
    return f"{shown} points" if part.points and value else shown


def _no_spread(part: Finding) -> str:
    return f"with n = {part.n} there is no spread to test against"


def _alike(part: Finding) -> str:
    return f"{part.n} networks that do not differ are too few to tell that from chance"


def _doubt(part: Finding, side: int | None, null: float) -> float:
    """The larger, the less a finding supports the claim; infinite where it has no interval."""
    low, high = part.bounds(0.90 if side == 0 else 0.95)
    if math.isnan(low):
        return math.inf
    if not side:
        return max(abs(low - null), abs(high - null))
    return null - low if side > 0 else high - null


def _supports(part: Finding, side: int, null: float) -> bool:
    low, high = part.bounds()
    excludes = low > null if side > 0 else high < null
    return excludes and (math.isnan(part.exact) or null != 0 or part.exact < LEVEL)


def _contradicts(part: Finding, side: int, null: float, parts: int) -> bool:
    low, high = part.bounds()
    if math.isnan(low) or not part.reachable:
        return False
    excludes = high < null if side > 0 else low > null
    return excludes and part.p(null) * parts < LEVEL


def compare(value: Value, side: int | None, finding: Finding) -> Literal["inside", "outside", "between"]:
    """The 90 % interval of ours less the paper's against the margin.

    Half of the paper's own interval, taken for 95 %, widens it.
    """
    ours = finding.level if value.of == "level" and finding.level is not None else finding
    low, high = ours.bounds(0.90)
    if math.isnan(low) or not ours.telling():
        return "between"
    difference = ours.estimate - value.number
    theirs = value.half * 1.645 / 1.960
    low = difference - math.hypot(ours.estimate - low, theirs)
    high = difference + math.hypot(high - ours.estimate, theirs)
    # Which ends count: "beyond" forgives what lies further on the claimed side, "within" what falls short of it.
    further_up = value.limit != "about" and (value.limit == "beyond") == (side == 1)
    further_down = value.limit != "about" and not further_up
    above, below = low > value.margin and not further_up, high < -value.margin and not further_down
    if above or below:
        return "outside"
    fits = (high < value.margin or further_up) and (low > -value.margin or further_down)
    return "inside" if fits else "between"


def judge_all(evidence: Evidence, claims: Iterable[Claim] = CLAIMS.values()) -> Iterator[Verdict]:
    """Verdicts on all claims, in the register's order.

    Args:
        evidence: a profile's runs.
        claims: the register's by default.
    """
    return (judge(claim, evidence) for claim in claims)


def by_chance(verdicts: Iterable[Verdict]) -> float:
    """How many of them chance alone would let hold in direction, were there no effect anywhere.

    Args:
        verdicts: of one profile, or of several.
    """
    return CHANCE * sum(verdict.directional for verdict in verdicts)
