"""What the runs at hand say, in computed sentences."""

import pytest
from made_up_study import made_up_study

from selectivity_core.book import summary
from selectivity_core.errors import MissingRunsError

ALPHAS = (-1.0, 0.0, 1.0)


@pytest.fixture
def made_up(monkeypatch):
    """Made-up runs of the digits; none at any other profile."""

    def gather(figure, *, profile, **ask):
        missing = [] if profile == "digits" else [(a, s) for a in ALPHAS for s in range(3)]
        return made_up_study(ALPHAS, 3, figure=figure, missing=missing)

    monkeypatch.setattr(summary, "gather", gather)


def test_every_question_has_an_answer_with_numbers(made_up):
    said = summary.findings("digits")
    assert said.startswith("### digits (scaled down)")
    questions = [line for line in said.splitlines() if line.startswith("**")]
    assert [q.split("?")[0] for q in questions[1:]] == [
        "**Does lowering selectivity cost accuracy", "**Does raising it cost accuracy",
        "**Is one direction worse than the other",
    ]  # fmt: skip
    assert "Mean selectivity index: 0.300 at α = 0, 0.148 at α = −1." in questions[1]
    assert "|α| = 1 (+4." in questions[3]  # accuracy_of falls by two points a unit of α


def test_a_scale_without_runs_is_told_of_only_where_it_was_asked_for_first(made_up):
    assert summary.all_findings(["digits", "mnist"]) == summary.findings("digits")
    alone = summary.all_findings(["mnist"])
    assert "Nothing to report: no run is finished." in alone and "runs are missing" in alone


def test_refused_runs_are_reported_and_nothing_fails(monkeypatch):
    def refuse(*_, **__):
        raise MissingRunsError("11 of 11 runs are missing")

    monkeypatch.setattr(summary, "gather", refuse)
    assert summary.findings("digits").endswith("Nothing to report: 11 of 11 runs are missing.")
