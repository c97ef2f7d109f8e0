"""Verdicts on the papers' claims: sign and size, computed from the runs that a page drew.

The book's own predictions are judged in `predictions`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import pandas as pd

from ..errors import MissingRunsError
from ..models import MODEL_NAMES
from ..runs.profiles import find_profile
from .contrasts import CONTRASTS, MEASURES, QUANTITIES
from .evidence import TEST_ACCURACY, Evidence, Finding, NetworkRuns, label
from .inference import LEVEL
from .papers import claims as register
from .papers.claims import Claim, all_claims, claims_of

# Every outcome, from the strongest support to none.
REPRODUCED = "reproduced"
SIZE_AGREES = "same sign, size agrees"
SIZE_DIFFERS = "same sign, size differs"
HOLDS = "holds"  # where the paper gives no size
NONE_AGREES = "no difference, as in the paper"
NONE_HERE = "no difference where the paper has one"
SOME_HERE = "a difference where the paper has none"
OPPOSITE = "opposite sign"
INCONCLUSIVE = "inconclusive"
NOT_RUN = "not run"
NOT_APPLICABLE = "not applicable"
STATUSES = (
    REPRODUCED, SIZE_AGREES, SIZE_DIFFERS, HOLDS, NONE_AGREES, NONE_HERE, SOME_HERE, OPPOSITE, INCONCLUSIVE,
    NOT_RUN, NOT_APPLICABLE,
)  # fmt: skip
FOR, AGAINST = (SIZE_AGREES, HOLDS, NONE_AGREES), (NONE_HERE, SOME_HERE, OPPOSITE)
UNJUDGED = (NOT_RUN, NOT_APPLICABLE)


@dataclass(frozen=True)
class Verdict:
    """The verdict on one claim for one network at one profile."""

    claim: Claim
    profile: str
    status: str  # one of `STATUSES`
    model: str
    finding: Finding | None = None  # what decided, the weakest of what the claim needs
    training: Finding | None = None  # the same contrast of training accuracy, where the claim is about test accuracy
    why: str = ""  # it was not run, or does not apply

    @property
    def contrast(self) -> str:
        """Identity of what was compared: claims that share it are one piece of evidence."""
        if self.finding is None:
            return ""
        criterion = self.claim.criterion
        measure = str(criterion.settings.get("measure", TEST_ACCURACY))
        return " | ".join([self.profile, self.model, measure, self.claim.figure_of(self.model), self.finding.where])

    @property
    def in_training(self) -> bool:
        """Whether training accuracy shows the difference in full: then it is one of optimisation."""
        if self.training is None or self.finding is None or not self.finding.points:
            return False
        test, training = self.finding.estimate.mean, self.training.estimate.mean
        return test * training > 0 and abs(training) >= abs(test)


def judge(claim: Claim, evidence: Evidence) -> list[Verdict]:
    """The verdicts on a claim, one for each of its networks.

    A claim about several α or layers needs them all: the weakest finding decides, and one that contradicts it at its
    family's corrected level contradicts the claim.
    """
    return [_of_network(claim, evidence, model) for model in claim.models]


def _of_network(claim: Claim, evidence: Evidence, model: str) -> Verdict:
    blank = Verdict(claim, evidence.profile, NOT_APPLICABLE, model)
    if model not in find_profile(evidence.profile).models:
        return replace(blank, why=f"the profile has no {MODEL_NAMES.get(model, model)}")
    try:
        return min(_judged(claim, evidence, model), key=_strength)
    except MissingRunsError as error:
        return replace(blank, status=NOT_RUN, why=str(error))
    except _Inapplicable as error:
        return replace(blank, why=str(error))


class _Inapplicable(Exception):
    """The claim cannot be put to these runs."""


def _judged(claim: Claim, evidence: Evidence, model: str) -> Iterable[Verdict]:
    figure, scale, criterion = claim.figure_of(model), find_profile(evidence.profile), claim.criterion
    network = evidence.of(figure, model)
    runs = network.runs()
    dataset = str(runs["dataset"].iloc[0])
    same_data = register.PAPER_DATA[claim.paper].get(model) == dataset
    if claim.schedule and scale.scaled_down:
        raise _Inapplicable("it is about the course of training, and the schedule here is not the paper's")
    if not same_data and criterion.sign is None:
        raise _Inapplicable("it gives a value on other data than these")
    if not same_data and claim.value is not None and claim.value.of == "level":
        claim = replace(claim, value=None)  # a level on other data has no size to compare
    settings = dict(criterion.settings)
    found = CONTRASTS[criterion.kind](network, **settings)
    if not all(finding.estimate.n for finding in found):
        raise MissingRunsError("no seed has all that the claim compares")
    training: Sequence[Finding | None] = [None] * len(found)
    if found[0].points and settings.get("measure", TEST_ACCURACY) == TEST_ACCURACY and criterion.sign is not None:
        training = _training(claim, network, len(found))
    paper = register.PAPER_ACCURACY.get((model, dataset))
    base = runs.loc[runs["alpha"] == 0, "test_accuracy"].mean()
    comparable = same_data and paper is not None and bool(abs(base - paper) <= register.COMPARABLE)
    for finding, beside in zip(found, training, strict=True):
        yield Verdict(claim, evidence.profile, _status(claim, finding, comparable), model, finding, beside)


def _training(claim: Claim, network: NetworkRuns, count: int) -> Sequence[Finding | None]:
    """The findings of the claim's contrast for training accuracy; None for each where it has none."""
    settings = {**claim.criterion.settings, "measure": "train_accuracy"}
    try:
        found = CONTRASTS[claim.criterion.kind](network, **settings)
    except (TypeError, MissingRunsError):  # a contrast that takes no measure, or runs without the figure
        return [None] * count
    return found if len(found) == count else [None] * count


def _status(claim: Claim, finding: Finding, comparable: bool) -> str:
    criterion, estimate = claim.criterion, finding.estimate
    if math.isnan(estimate.se):
        return INCONCLUSIVE
    if criterion.sign is None:
        return (REPRODUCED if comparable else SIZE_AGREES) if _size_agrees(claim, finding) else SIZE_DIFFERS
    if criterion.sign == 0:
        if estimate.inside(criterion.null - criterion.margin, criterion.null + criterion.margin):
            return NONE_AGREES
        low, high = estimate.interval(1 - 0.1 / finding.family)
        outside = low > criterion.null + criterion.margin or high < criterion.null - criterion.margin
        return SOME_HERE if outside else INCONCLUSIVE
    low, high = estimate.interval(1 - LEVEL / finding.family if finding.chosen else 1 - LEVEL)
    if (low > criterion.null if criterion.sign > 0 else high < criterion.null) and finding.met:
        if claim.value is None:
            return HOLDS
        if not _size_agrees(claim, finding):
            return SIZE_DIFFERS
        return REPRODUCED if comparable and _tight(claim, finding) else SIZE_AGREES
    low, high = estimate.interval(1 - LEVEL / finding.family)
    if high < criterion.null if criterion.sign > 0 else low > criterion.null:
        return OPPOSITE
    margin = _margin(claim, finding)
    if margin and criterion.null == 0 and estimate.inside(-margin, margin):
        return NONE_HERE
    return INCONCLUSIVE


def _margin(claim: Claim, finding: Finding) -> float:
    """The margin within which an effect counts as none, where the register names one for its unit; else 0."""
    if finding.points:
        return register.ACCURACY / finding.steps  # of a slope a step: over all of them together
    if finding.estimate.fisher:
        return register.SPEARMAN
    return register.INDEX * 0.22 if claim.criterion.settings.get("measure") == "si_units" else 0.0


def _is_level(claim: Claim) -> bool:
    """Whether a change is held against the level that the paper gives."""
    return claim.value is not None and claim.value.of == "level" and claim.criterion.sign is not None


def _ours(claim: Claim, finding: Finding) -> float:
    return finding.level if _is_level(claim) else finding.estimate.mean


def _size_agrees(claim: Claim, finding: Finding) -> bool:
    """Whether ours lies within the margin of the paper's value, or its 95 % interval holds that value."""
    value = claim.value
    assert value is not None
    ours, paper = _ours(claim, finding), value.number
    past = (ours - paper) * (claim.criterion.sign or 1)
    if (value.limit == "beyond" and past >= 0) or (value.limit == "within" and past <= 0):
        return True
    low, high = finding.estimate.interval()
    low, high = low - finding.estimate.mean + ours, high - finding.estimate.mean + ours
    return abs(ours - paper) <= value.margin + value.half or low <= paper <= high


def _tight(claim: Claim, finding: Finding) -> bool:
    """Whether the 90 % interval of ours less the paper's lies within the margin."""
    value = claim.value
    assert value is not None
    low, high = finding.estimate.interval(0.90)
    half = (high - low) / 2
    return abs(_ours(claim, finding) - value.number) + math.hypot(half, value.half) <= value.margin


def _strength(verdict: Verdict) -> tuple[int, float]:
    """What contradicts comes first, then what is open, then what supports; of equals the weakest.

    Strength is how far the estimate lies on the claimed side, in standard errors.
    """
    status, finding, criterion = verdict.status, verdict.finding, verdict.claim.criterion
    rank = 0 if status in AGAINST else 1 if status == INCONCLUSIVE else 2 if status == SIZE_DIFFERS else 3
    if finding is None or not finding.estimate.se > 0:
        return rank, 0.0
    distance = (finding.estimate.mean - criterion.null) / finding.estimate.se
    return rank, distance * criterion.sign if criterion.sign else -abs(distance)


def judge_all(profiles: Iterable[str], claims: Iterable[Claim] | None = None, **ask: object) -> list[Verdict]:
    """Verdicts on claims (all of them by default) at several profiles, each on that profile's own runs."""
    chosen = list(all_claims().values() if claims is None else claims)
    every = (Evidence(profile, **ask) for profile in profiles)
    return [verdict for evidence in every for claim in chosen for verdict in judge(claim, evidence)]


def on_page(figures: Sequence[str], evidence: Evidence) -> list[Verdict]:
    """Verdicts on the claims about some figures, judged on the runs that `evidence` holds."""
    return [
        verdict
        for claim in claims_of(figures)
        for verdict in judge(claim, evidence)
        if claim.figure_of(verdict.model) in figures
    ]


def _shown(claim: Claim, finding: Finding) -> dict[str, object]:
    """What tables show of a finding and of what it is held against: points of accuracy, and shares left as factors."""
    criterion, value = claim.criterion, claim.value
    shift = finding.level - finding.estimate.mean if _is_level(claim) else 0.0
    sign, (low, high) = criterion.sign or 1, finding.estimate.interval()
    margin = criterion.margin if criterion.sign == 0 else _margin(claim, finding) if criterion.null == 0 else 0.0
    numbers = {
        "estimate": _ours(claim, finding), "low": low + shift, "high": high + shift,
        "threshold": math.nan if criterion.sign is None else criterion.null + shift, "margin": margin or math.nan,
        **dict.fromkeys(("paper_value", "paper_low", "paper_high"), math.nan),
    }  # fmt: skip
    if value is not None:
        room = value.margin + value.half
        near = criterion.null if value.limit == "within" else value.number - sign * room
        far = sign * math.inf if value.limit == "beyond" else value.number + sign * room
        ends = sorted((near, far))
        if _is_level(claim):  # neither an accuracy nor an index lies below 0
            ends[0] = max(0.0, ends[0])
        numbers |= {"paper_value": value.number, "paper_low": ends[0], "paper_high": ends[1]}
    if finding.fold:
        sign = -sign
        numbers = {name: math.inf if x <= 0 else 1 / x for name, x in numbers.items()}
        for low_end, high_end in (("low", "high"), ("paper_low", "paper_high")):
            numbers[low_end], numbers[high_end] = numbers[high_end], numbers[low_end]
    is_level = _is_level(claim) or criterion.kind in ("level", "levels")
    unit = "" if not finding.points else "%" if is_level else "points"
    settings = {"measure": TEST_ACCURACY, **criterion.settings}
    named = ("measure", "first", "second", "other")
    names = {k: (MEASURES | MODEL_NAMES).get(str(settings[k]), "") for k in named if k in settings}
    quantity = (MEASURES[settings["measure"]] if is_level else QUANTITIES[criterion.kind]).format(**settings | names)
    numbers = {name: (100.0 if finding.points else 1.0) * x for name, x in numbers.items()}
    return {
        **numbers, "unit": unit, "quantity": f"{quantity} ({unit})" if unit else quantity,
        "claimed": _claimed(criterion.sign and sign, numbers, " (that at α = 0)" if _is_level(claim) else ""),
    }  # fmt: skip


def _claimed(sign: int | None, numbers: dict[str, float], which: str) -> str:
    rounded = {name: label(float(f"{x:.3g}")) for name, x in numbers.items()}
    lowest, highest = rounded["paper_low"], rounded["paper_high"]
    sizes = f"{lowest} or more" if highest == "inf" else f"{highest} or less" if lowest == "−inf" else ""
    sizes = sizes or f"{lowest} to {highest}"
    if sign is None:
        return sizes
    if sign == 0:
        middle = rounded["threshold"]
        return f"within ±{rounded['margin']}" + (f" of {middle}" if middle != "0" else "")
    side = f"{'above' if sign > 0 else 'below'} {rounded['threshold']}{which}"
    return side if math.isnan(numbers["paper_value"]) else f"{side}, size {sizes}"


def table(verdicts: Iterable[Verdict]) -> pd.DataFrame:
    """A row a verdict, everything as numbers, `low` and `high` at 95 %; effects of accuracy are in points.

    `quantity` names what the numbers measure. `verdict` is the status, without a sign where the claim gives a value
    alone. `threshold` is what the estimate is held against, and within `margin` of it an effect counts as none; from
    `paper_low` to `paper_high` a size agrees with the paper's. `claimed` says both in words.
    """
    rows = []
    for verdict in verdicts:
        claim, found = verdict.claim, verdict.finding
        scale = 100.0 if found is not None and found.points else 1.0
        row: dict[str, object] = {
            "claim": claim.id, "paper": claim.paper, "figure": claim.figure_of(verdict.model),
            "profile": verdict.profile, "statement": claim.statement, "status": verdict.status,
            "network": MODEL_NAMES[verdict.model], "paper_says": claim.says, "contrast": verdict.contrast,
            "paper_value": claim.value.number if claim.value else math.nan, "why": verdict.why,
            "verdict": verdict.status.removeprefix("same sign, " if claim.criterion.sign is None else ""),
        }  # fmt: skip
        if found is not None:
            row |= {
                "where": found.where, "n": found.estimate.n, **_shown(claim, found),
                "p": found.estimate.p if claim.criterion.null == 0 else math.nan, "method": found.estimate.method,
                "detectable": math.nan if found.fold else scale * found.estimate.detectable,
                "training": scale * verdict.training.estimate.mean if verdict.training else math.nan,
                "in_training": verdict.in_training,
            }  # fmt: skip
        rows.append(row)
    columns = [
        "claim", "paper", "figure", "profile", "statement", "status", "network", "where", "n", "estimate", "low",
        "high", "p", "method", "detectable", "training", "in_training", "unit", "paper_says", "paper_value", "contrast",
        "why", "quantity", "claimed", "verdict", "threshold", "margin", "paper_low", "paper_high",
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=columns)


def independent(frame: pd.DataFrame) -> pd.DataFrame:
    """How many claims and how many contrasts, each counted once, have each status."""
    judged = frame[frame["contrast"] != ""].drop_duplicates(["profile", "contrast"])
    counts = frame.groupby(["profile", "status"]).size().rename("claims").to_frame()
    counts["contrasts"] = judged.groupby(["profile", "status"]).size().reindex(counts.index, fill_value=0)
    return counts.reset_index()


def by_chance(frame: pd.DataFrame) -> pd.DataFrame:
    """How many contrasts with a claimed direction, each counted once, lie on the claimed side and on the other.

    Where an effect is 0 its interval lies on a given side in one case of forty: `by chance` of each.
    """
    judged = frame[frame["claimed"].str.startswith(("above", "below"), na=False)]
    judged = judged.drop_duplicates(["profile", "contrast"])
    sides = {
        "on the claimed side": judged["status"].isin((REPRODUCED, SIZE_AGREES, SIZE_DIFFERS, HOLDS)),
        "on the other side": judged["status"] == OPPOSITE,
    }
    counts = pd.DataFrame({name: lies.groupby(judged["profile"]).sum() for name, lies in sides.items()})
    counts.insert(0, "contrasts", judged.groupby("profile").size())
    return counts.assign(**{"on each side by chance": 0.025 * counts["contrasts"]}).reset_index()
