"""The scoreboard's page, its words and numbers, and the command that prints the same."""

import math
import re

import pytest
from bs4 import BeautifulSoup
from made_up_study import index_of
from verdict_studies import claim, evidence, steps, study

from selectivity_core.book.figures.scoreboard import Scoreboard, chance_in_words, scoreboard
from selectivity_core.book.paper.claim_entries import Test
from selectivity_core.book.paper.claims import CLAIMS, CONTEXT
from selectivity_core.book.verdicts import Verdict, judge, wording
from selectivity_core.book.verdicts.findings import Finding
from selectivity_core.cli import main
from selectivity_core.errors import ParameterError, SpecError


def verdicts(profile="digits", names=("L008", "L010", "L013", "L009")):
    index = {"si_units": lambda alpha, seed: index_of(alpha) + 0.002 * (seed - 1) * (alpha < 0)}
    at = evidence(study(accuracy=steps({-1.0: 0.05}), profile=profile, figures=index), profile=profile)
    return [judge(CLAIMS[name], at) for name in names]


@pytest.fixture(scope="module")
def page():
    return BeautifulSoup(Scoreboard([*verdicts(), *verdicts("tiny-imagenet")])._repr_html_(), "html.parser")


def test_a_row_for_every_claim_and_profile(page):
    rows = page.select("tr[data-verdict]")
    assert len(rows) == 8
    assert len({row["id"] for row in rows}) == 8
    assert all(not row.has_attr("hidden") for row in rows), "without JavaScript every row shows"
    first = rows[0]
    assert (first["data-paper"], first["data-figure"]) == ("Leavitt & Morcos", "fig1")
    assert (first["data-profile"], first["data-verdict"]) == ("digits", "direction holds")
    assert first.a["href"] == "02_figure_1.html#figure-1"
    cells = [cell.get_text(" ") for cell in first.find_all("td")]
    assert cells[0].startswith(f"L008  {CLAIMS['L008'].statement} Figure 1 , Leavitt & Morcos")
    assert "53.60 ± 0.13 %" in cells[1]
    assert cells[2].startswith("direction holds ")
    # Differences of 5, 6 and 4 points: 5 ± 4.3027·1/√3.
    assert cells[3].startswith("5.00 points (2.52 to 7.48; 95 %)")
    said = re.search(r"n = 3, block model, p = (0\.\d+)$", cells[3])
    assert float(said[1]) == pytest.approx(0.0131, abs=1e-4)
    assert cells[4].endswith("points")
    assert cells[5] == "digits"


def test_select_boxes_name_every_value_and_wait_for_javascript(page):
    form = page.form
    assert form.has_attr("hidden")
    boxes = {box["name"]: [o["value"] for o in box.find_all("option")] for box in form.find_all("select")}
    assert boxes == {
        "paper": ["", "Leavitt & Morcos"], "figure": ["", "fig1"], "profile": ["", "digits", "tiny-imagenet"],
        "verdict": ["", "direction holds", "not reproduced", "not run"],
    }  # fmt: skip
    assert all(box.parent.name == "label" for box in form.find_all("select"))
    assert page.find(attrs={"role": "status", "aria-live": "polite"}) is not None
    rows = page.select("tr[data-verdict]")
    for name, values in boxes.items():
        assert {row[f"data-{name}"] for row in rows} == set(values) - {""}


def test_the_page_needs_nothing_from_outside(page):
    assert re.search(r"https?:|src=|import ", str(page)) is None
    assert "nan" not in page.get_text().lower()


def test_counts_stand_above(page):
    table = page.find("table")
    counts = {row.th.text: [int(td.text) for td in row.find_all("td")] for row in table.tbody.find_all("tr")}
    assert list(counts)[:2] == ["reproduced", "direction holds"]
    assert [sum(column) for column in zip(*counts.values(), strict=True)] == [4, 4]
    assert counts["direction holds"][0] == 2
    assert counts["not run"] == [2, 1]


def test_context_is_listed_and_has_no_verdict(page):
    table = page.find_all("table")[-1]
    assert "never judged" in table.caption.text
    assert len(table.tbody.find_all("tr")) == len(CONTEXT)
    assert not table.select("tr[data-verdict]")


def test_chance_in_words():
    said = chance_in_words("digits", verdicts())
    assert said == (
        "Digits: of 2 claims of a direction judged, 2 hold (claims of no difference apart); were there no effect "
        "anywhere, chance alone would let 0.05 hold."
    )


def test_every_claim_without_any_run(monkeypatch, tmp_path):
    monkeypatch.setenv("SELECTIVITY_RUNS", str(tmp_path / "runs"))
    found = scoreboard(["tiny-imagenet-short"])
    assert [v.claim.id for v in found.verdicts] == list(CLAIMS)
    assert {v.status for v in found.verdicts} == {"not run"}


@pytest.mark.parametrize("profiles", [[], ["digits", "digits"]])
def test_profiles_are_each_named_once(profiles):
    with pytest.raises(ParameterError, match="profiles"):
        scoreboard(profiles)
    with pytest.raises(SpecError, match="'nothing' given"):
        scoreboard(["nothing"])


def test_numbers_in_words():
    not_run = verdicts(names=("L009",))[0]
    assert [f(not_run) for f in (wording.estimate, wording.detectable, wording.p_value)] == ["–", "–", "–"]
    alone = judge(CLAIMS["L008"], evidence(study(accuracy=steps({-1.0: 0.05}), seeds=1)))
    assert wording.estimate(alone) == "5.00 points"
    assert wording.p_value(alone) == "–"


def test_the_command_prints_claims(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("SELECTIVITY_RUNS", str(tmp_path / "runs"))
    ask = ["claims", "--profile", "digits", "--paper", "leavitt-morcos", "--figure", "fig1"]
    assert main([*ask, "--verdict", "not run"]) == 0
    out = capsys.readouterr().out
    wanted = [c for c in CLAIMS.values() if c.figure == "fig1"]
    assert [line[:4] for line in out.splitlines() if line.startswith("L0")] == [c.id for c in wanted]
    assert f"digits: {len(wanted)} claims: {len(wanted)} not run" in out
    assert "chance alone would let 0.0 hold" in out
    assert main([*ask, "--verdict", "reproduced"]) == 0
    assert "L0" not in capsys.readouterr().out


def test_the_command_lists_context_apart(capsys):
    assert main(["claims", "--verdict", "context", "--paper", "morcos"]) == 0
    out = capsys.readouterr().out
    assert out.count("context") == 9
    assert "M014" in out


@pytest.mark.parametrize(
    ("words", "said"),
    [(["--verdict", "good"], "'good' given"), (["--figure", "fig99"], "'fig99' given"),
     (["--profile", "none"], "'none' given")],
)  # fmt: skip
def test_the_command_refuses_what_there_is_not(words, said, capsys):
    assert main(["claims", *words]) == 2
    assert said in capsys.readouterr().err


def test_a_small_estimate_does_not_read_as_zero():
    def said(estimate, se, **more):
        found = Finding(estimate, se, math.inf, 5, "made up", **more)
        return wording.estimate(Verdict(claim(Test("effect_at", 1)), "digits", "inconclusive", "", found, ()))

    assert said(0.00012, math.nan) == "0.00012"
    assert said(0.01234, math.nan) == "0.012"
    assert said(0.0, math.nan) == "0.000"
    assert said(0.00012, math.nan, points=True) == "0.01 points"
    assert said(0.00012, 0.00001) == "0.00012 (0.00010 to 0.00014; 95 %)"
