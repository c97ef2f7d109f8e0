"""The scoreboard of verdicts made by hand."""

import pandas as pd
from bs4 import BeautifulSoup

from selectivity_core.book.papers.claims import all_claims
from selectivity_core.book.papers.figures import FIGURES
from selectivity_core.book.scoreboard import CLAIM_TOPICS, TOPICS, scoreboard

ROW = {"claim": "M009", "figure": "morcos3", "statement": "a < b", "paper_says": "negative", "profile": "digits",
       "network": "11-layer convnet",
       "where": "over 19 networks", "status": "holds", "estimate": -0.44, "low": -0.75, "high": -0.04, "n": 19,
       "training": float("nan"), "verdict": "holds", "quantity": "rank correlation", "claimed": "below 0",
       "threshold": 0.0, "margin": 0.2, "paper_value": float("nan"), "paper_low": float("nan"),
       "paper_high": float("nan")}  # fmt: skip
NOTHING = {"profile": "mnist", "status": "inconclusive", "verdict": "inconclusive", "n": 1} | dict.fromkeys(
    ("estimate", "low", "high"), float("nan")
)


def test_a_claim_has_a_line_and_a_mark_for_each_profile_with_a_value():
    html = scoreboard(pd.DataFrame([ROW, ROW | NOTHING, ROW | {"claim": "M010", "status": "not run"}])).data
    board = BeautifulSoup(html, "html.parser")
    (claim,) = board.select(".claim")
    assert claim.p.get_text().startswith("M009 a < b") and "Morcos et al. 2018, Figure 3" in claim.p.get_text()
    lines = [line.get_text(" ", strip=True) for line in claim.select("li")]
    assert lines[0] == "holds 11-layer convnet, digits, over 19 networks: −0.44 (−0.75 to −0.04), n = 19"
    assert lines[1] == "inconclusive 11-layer convnet, mnist, over 19 networks: – (– to –), n = 1"
    assert len(claim.svg.select("g path")) == 1 and "nan" not in html
    assert len(claim.svg.select("rect")) == 1 and "claimed: rank correlation is below 0" in claim.get_text()
    assert [tick.get_text() for tick in claim.select("svg text")] == ["−0.5", "0"]
    assert [chip.get_text() for chip in board.select("summary [data-verdict]")] == ["1 × holds", "1 × inconclusive"]
    assert [[o.get_text() for o in s.select("option")] for s in board.select("select")] == [
        ["all", "digits", "mnist"], ["all", "holds", "inconclusive"],
    ]  # fmt: skip


def test_values_and_changes_have_axes_of_their_own():
    value = ROW | {"quantity": "mean index", "claimed": "below 0.2", "threshold": 0.2}
    board = BeautifulSoup(scoreboard(pd.DataFrame([ROW, value, ROW])).data, "html.parser")
    assert [len(axis.select("g path")) for axis in board.select("svg")] == [2, 1]


def test_every_claim_has_a_place_on_the_board():
    """A claim whose figure no topic lists would be left out without a word."""
    listed = [figure for figures in TOPICS.values() for figure in figures]
    shown = {claim.figure_of(model) for claim in all_claims().values() for model in claim.models}
    assert shown <= set(listed) <= set(FIGURES)
    assert len(listed) == len(set(listed))
    assert set(CLAIM_TOPICS.values()) <= set(TOPICS) and set(CLAIM_TOPICS) <= set(all_claims())


def test_a_claim_on_raising_selectivity_stands_under_it_whatever_its_figure():
    rows = [ROW | {"claim": name, "figure": "figA34"} for name in ("L002", "L053", "L054")]
    board = BeautifulSoup(scoreboard(pd.DataFrame(rows)).data, "html.parser")
    assert {group.b.get_text(): [claim["id"] for claim in group.select(".claim")]
            for group in board.select("details")} == {
        "Lowering selectivity": ["L002"], "Raising selectivity": ["L053"], "How far α moves the index": ["L054"],
    }  # fmt: skip
