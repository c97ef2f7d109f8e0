"""The register of claims: complete, well-formed, and what is recalled never judged."""

import inspect
import re

import pytest

from selectivity_core.book.paper.claim_entries import DATASETS, Test, Value
from selectivity_core.book.paper.claims import CLAIMS, CONTEXT
from selectivity_core.book.paper.entries import MORCOS
from selectivity_core.book.paper.figures import FIGURES
from selectivity_core.book.verdicts.kinds import KINDS

# Of the first paper: numbers of pairs, worked examples of precision, numbers of replicates.
SETUP_L = {35, 36, 67, 68, 69, 70, 95}
# Of the second: corruption, dropout and layer sizes, numbers of networks, epochs.
SETUP_M = {6, 7, 20, 32, 33, 35, 36, 37}
RECALLED = {12, 14, 15, 16, 27, 34, 38, 39, 40}
each_claim = pytest.mark.parametrize("claim", CLAIMS.values(), ids=list(CLAIMS))


def test_every_finding_has_an_entry_and_nothing_else_has():
    papers = {f"L{k:03d}" for k in range(1, 103) if k not in SETUP_L | {96}}
    papers |= {f"M{k:03d}" for k in range(1, 42) if k not in SETUP_M | RECALLED}
    assert set(CLAIMS) == papers
    assert len(CLAIMS) == 94 + 24


def test_what_is_recalled_unknown_or_cited_is_context():
    assert set(CONTEXT) == {"L096"} | {f"M{k:03d}" for k in RECALLED}
    assert set(CONTEXT).isdisjoint(CLAIMS)
    assert CONTEXT["M027"].why == "unknown"
    assert CONTEXT["M012"].why.startswith("recalled")
    assert all(entry.figure in {"", *FIGURES} and entry.statement for entry in CONTEXT.values())


@each_claim
def test_a_claim_has_a_figure_with_its_networks(claim):
    for model in claim.models:
        entry = FIGURES[claim.figure_of(model)]
        assert model in entry.models or claim.id == "M004", "only ResNet-50 on ImageNet has no figure here"
        assert entry.notebook
    assert set(claim.figures) <= set(claim.models)
    assert all(model in DATASETS[claim.paper] for model in claim.models)
    assert claim.id[0] == ("M" if claim.paper == MORCOS else "L")


@each_claim
def test_a_statement_is_a_sentence(claim):
    assert len(claim.statement) > 20
    assert claim.statement.endswith(".")
    assert "  " not in claim.statement
    assert not re.search(r" -\d|<=|>=|nan", claim.statement)


@each_claim
def test_a_test_is_one_that_there_is(claim):
    test = claim.test
    inspect.signature(KINDS[test.kind]).bind(None, claim.figure, claim.models[0], **test.settings)
    assert test.side in (1, -1, 0, None)
    assert (test.margin > 0) == (test.side == 0), "a margin belongs to claims of no difference"
    for name in ("figure", "other", "elsewhere", "late"):
        assert test.settings.get(name, "fig1") in {*FIGURES, "", *DATASETS[claim.paper]}
    if test.side is None:
        assert claim.value is not None


@each_claim
def test_claims_of_no_difference_are_not_judged_on_short_schedules(claim):
    if claim.test.side == 0 or {claim.test.settings.get("measure")} & {"t95", "switches", "switched"}:
        assert not claim.on_short
    if claim.figure in ("t95", "figA28", "figA29", "figA30", "figA31"):
        assert not claim.on_short


def test_values_are_the_papers():
    headline, baseline = CLAIMS["L008"], CLAIMS["L009"]
    assert headline.value == Value(0.5360, 0.005, 0.0013, of="level")
    assert baseline.value == Value(0.5157, 0.005, 0.0018)
    assert CLAIMS["L010"].value == Value(0.22, pytest.approx(0.035), 0.0009, of="level")
    assert CLAIMS["L022"].value == Value(pytest.approx(1 / 3), 0.1, limit="beyond")
    assert CLAIMS["L075"].value.number == 0.83
    assert all(claim.value is None for claim in CLAIMS.values() if claim.paper == MORCOS), "recall is no target"


def test_margins_are_those_named_beforehand():
    assert CLAIMS["L013"].test == Test("effect_at", 0, {"alpha": -3.0}, 0.0, 0.005)
    assert CLAIMS["L032"].test.margin == 0.05
    assert CLAIMS["L091"].test.margin == 0.2
    assert CLAIMS["L038"].test.margin == 0.1
