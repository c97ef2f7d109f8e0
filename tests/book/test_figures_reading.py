from verdict_studies import evidence, study

from selectivity_core.book.figures.reading import reading
from selectivity_core.book.paper.claims import CLAIMS
from selectivity_core.book.paper.figures import find_figure
from selectivity_core.book.verdicts import Verdict, alphas
from selectivity_core.book.verdicts.findings import Finding
from selectivity_core.book.verdicts.wording import detectable, estimate

FIRST, SECOND, THIRD, FOURTH = "L001", "L005", "L017", "M031"


def verdict(claim, profile, status, found=None):
    return Verdict(CLAIMS[claim], profile, status, "why", found)


def finding(mean=0.02, n=5):
    return Finding(estimate=mean, se=0.01, df=n - 1, n=n, test="t", points=True)


def sections(text):
    """Heading -> what stands below it."""
    opening, *parts = text.split("## ")
    return {"": opening} | {part.split("\n", 1)[0]: part.split("\n", 1)[1] for part in parts}


def test_a_claim_stands_where_its_verdicts_put_it():
    rows = [
        verdict(FIRST, "digits", "direction holds"), verdict(SECOND, "digits", "does not carry over"),
        verdict(THIRD, "digits", "direction holds"), verdict(FOURTH, "digits", "inconclusive"),
        verdict(FIRST, "cifar10-short", "inconclusive"), verdict(SECOND, "cifar10-short", "not run"),
        verdict(THIRD, "cifar10-short", "does not carry over"), verdict(FOURTH, "cifar10-short", "not run"),
        verdict("L009", "digits", "not run"), verdict("L009", "cifar10-short", "not run"),
    ]  # fmt: skip
    text = reading(rows)
    found = sections(text)
    places = {
        FIRST: "What holds", SECOND: "What these runs do not bear out", THIRD: "What scale decides",
        FOURTH: "What these networks cannot tell",
    }  # fmt: skip
    for name, title in places.items():
        assert [t for t, part in found.items() if CLAIMS[name].statement.rstrip(".") in part] == [title]
    assert "Of the two papers' 5 findings, 4 have been judged" in found[""]
    assert "2 hold and 2 are not borne out; 1 are open" in found[""]
    assert "1 findings have been judged at no scale" in found["What was not run"]
    assert "* 1: why" in found["What was not run"]
    entry = find_figure(CLAIMS[FOURTH].figure)
    assert f"[Figure {entry.number}]({entry.notebook}.html#{entry.anchor})" in found["What these networks cannot tell"]


def test_numbers_are_the_verdicts_own():
    row = verdict(FIRST, "digits", "inconclusive", finding())
    text = reading([row])
    assert f"**inconclusive** (digits: {estimate(row)}, n = 5; {detectable(row)} would show)" in text
    held = verdict(FIRST, "digits", "direction holds", finding(n=7))
    assert f"**direction holds** (digits: {estimate(held)}, n = 7)." in reading([held])


def test_a_range_of_which_one_alpha_was_run_says_so():
    (part,) = alphas.every(evidence(study(alphas=(-1, 0))), "fig1", "resnet18", low=-2.5)
    row = verdict("L007", "digits", "direction holds", part)
    assert f"(digits: {estimate(row)}, n = 3, α = −1, the only one run)." in reading([row])


def test_empty_sections_say_so():
    text = reading([verdict(FIRST, "digits", "not run")])
    for words in ("No claim holds", "Every claim holds or is open", "No claim holds at one scale and", "is settled"):
        assert words in text
