from pathlib import Path

import nbformat
import pytest

from selectivity_core.book.paper.claims import CLAIMS
from selectivity_core.book.paper.figures import FIGURES
from selectivity_core.book.paper.titles import TITLES, Title
from selectivity_core.book.publish.titling import retitle, verdicts

NOTEBOOKS = Path(__file__).resolve().parents[2] / "notebooks"
NAME = "05_figure_4"
TITLE = TITLES[NAME]


def notebook(status, first="# Figure 4: one knob\n\nMore: text.", claim=TITLE.claim):
    found = {"L001": "inconclusive", claim: status}
    rows = "".join(f'<tr data-claim="{c}" data-status="{s}"></tr>' for c, s in found.items())
    code = nbformat.v4.new_code_cell("x", outputs=[nbformat.v4.new_output("execute_result", data={"text/html": rows})])
    return nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell(first), code])


@pytest.mark.parametrize(
    ("status", "phrase"),
    [
        ("reproduced", TITLE.holds), ("direction holds", TITLE.holds), ("not reproduced", TITLE.fails),
        ("does not carry over", TITLE.fails), ("inconclusive", TITLE.undecided),
    ],
)  # fmt: skip
def test_the_title_says_what_was_found_and_at_which_scale(status, phrase):
    page = notebook(status)
    retitle(page, NAME, "cifar10-short")
    assert page.cells[0].source == f"# Figure 4: {phrase} (CIFAR-10, short)\n\nMore: text."


def test_a_plain_title_gets_a_second_half():
    page = notebook("inconclusive", "# Figure 4")
    retitle(page, NAME, "digits")
    assert page.cells[0].source == f"# Figure 4: {TITLE.undecided} (digits)"


@pytest.mark.parametrize(
    ("page", "name", "profile"),
    [
        (notebook("not run"), NAME, "digits"), (notebook("reproduced", claim="L999"), NAME, "digits"),
        (notebook("reproduced"), "99_other", "digits"), (notebook("reproduced"), NAME, None),
        (notebook("reproduced", "No heading: text"), NAME, "digits"),
    ],
    ids=["not run", "another claim", "no title", "no scale", "no heading"],
)  # fmt: skip
def test_where_nothing_was_found_the_title_stays(page, name, profile):
    before = page.cells[0].source
    retitle(page, name, profile)
    assert page.cells[0].source == before


def test_a_notebook_without_cells_stays():
    empty = nbformat.v4.new_notebook()
    retitle(empty, NAME, "digits")
    assert empty.cells == []


def test_verdicts_are_read_from_outputs_only():
    page = notebook("reproduced")
    page.cells[0].source += '<tr data-claim="L002" data-status="reproduced">'
    assert verdicts(page) == {"L001": "inconclusive", TITLE.claim: "reproduced"}


@pytest.mark.parametrize("name", TITLES)
def test_every_title_is_of_a_claim_that_its_page_shows(name):
    claim = CLAIMS[TITLES[name].claim]
    assert claim.test.side is not None  # a value alone finds nothing
    assert FIGURES[claim.figure].notebook == name
    first = nbformat.read(NOTEBOOKS / f"{name}.ipynb", 4).cells[0].source.splitlines()[0]
    assert first.startswith("# ") and ": " in first
    phrases = [TITLES[name].holds, TITLES[name].fails, TITLES[name].undecided]
    assert len(set(phrases)) == 3 and all(phrases)
    assert len(first.split(":")[0]) + max(map(len, phrases)) < 120


def test_an_unknown_status_has_no_phrase():
    assert Title("L001", "a", "b", "c").phrase("not run") == Title("L001", "a", "b", "c").phrase("") == ""
