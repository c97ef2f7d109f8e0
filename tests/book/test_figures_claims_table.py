"""Claims about a page's figures, and the papers' main ones, with the verdicts of the runs at hand."""

import pytest
from bs4 import BeautifulSoup

from selectivity_core.book.figures.claims_table import claims_table, headlines
from selectivity_core.book.paper.claims import CLAIMS, HEADLINES
from selectivity_core.book.study import gather
from selectivity_core.book.verdicts import Evidence, judge


@pytest.fixture(autouse=True)
def the_ledger_alone(tmp_path, monkeypatch):
    monkeypatch.setenv("SELECTIVITY_RUNS", str(tmp_path / "runs"))
    monkeypatch.delenv("SELECTIVITY_LEDGER")


def rows(table):
    page = BeautifulSoup(table._repr_html_(), "html.parser")
    return [[cell.get_text() for cell in row.find_all("td")] for row in page.select("tbody tr")]


def verdicts_of(table):
    """Claim -> verdict as the publishing tools read them off the page."""
    page = BeautifulSoup(table._repr_html_(), "html.parser")
    return {row["data-claim"]: row["data-status"] for row in page.select("tbody tr")}


def test_a_pages_claims_are_those_of_its_figures_with_the_scoreboards_verdicts():
    study = gather("morcos1", profile="digits", on_missing="skip")
    table = claims_table(study)
    assert [v.claim.id for v in table.verdicts] == ["M002", "M003", "M004"]
    assert verdicts_of(table) == {v.claim.id: v.status for v in table.verdicts}
    first = judge(CLAIMS["M002"], Evidence("digits", on_missing="skip"))
    claim, says, here, verdict = rows(table)[0]
    assert claim == f"M002 {CLAIMS['M002'].statement}" and says == "less robust"
    assert verdict.startswith(first.status) and f"n = {first.finding.n}; " in here
    assert f"{first.finding.estimate:.3f}".replace("-", "−") in here or "points" in here
    assert 'href="32_scoreboard.html#claim-M002-digits"' in table._repr_html_()


def test_a_claim_of_several_networks_stands_on_each_ones_page():
    lower = {v.claim.id for v in claims_table(gather("figA6", profile="digits", on_missing="skip")).verdicts}
    assert "L005" in lower  # of Figure 3, and of Figure A6 for ResNet20


def test_headlines_have_a_column_for_every_scale():
    profiles = ["digits", "cifar10-short"]
    table = headlines(profiles)
    assert [(v.claim.id, v.profile) for v in table.verdicts] == [(c, p) for c in HEADLINES for p in profiles]
    found = rows(table)
    assert [len(row) for row in found] == [4] * len(HEADLINES)
    for row, claim in zip(found, HEADLINES, strict=True):
        mine = [v for v in table.verdicts if v.claim.id == claim]
        assert row[0].startswith(CLAIMS[claim].statement)
        assert [cell.startswith(v.status) for cell, v in zip(row[2:], mine, strict=True)] == [True, True]


def test_headlines_are_claims_of_both_papers():
    assert {CLAIMS[name].paper for name in HEADLINES} == {c.paper for c in CLAIMS.values()}
