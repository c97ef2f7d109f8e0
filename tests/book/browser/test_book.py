"""The rendered book itself, where there is one: its pages in a browser."""

import re
from pathlib import Path
from urllib.parse import quote, urlsplit

import pytest
from bs4 import BeautifulSoup
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import Select
from sphinx_external_toc.parsing import parse_toc_yaml

from selectivity_core.book.build.check import check
from selectivity_core.book.verdicts import HOLDS, STATUSES

pytestmark = [pytest.mark.slow, pytest.mark.book]

ROOT = Path(__file__).parents[3]
TOC = ROOT / "_toc.yml"
LARGEST_PAGE = 8_000_000  # bytes, scripts and fonts included


def parsed(page):
    return BeautifulSoup(page.read_text(encoding="utf-8"), "html.parser")


def test_it_passes_its_check(site):
    assert check(site, TOC) == len(set(parse_toc_yaml(TOC)))


def test_the_first_page_answers_before_any_table(site):
    """In three sentences or more; the words of the glossary in them are linked, and so is the figure that counts."""
    article = parsed(site / "notebooks" / "00_findings.html").article
    answer = article.select_one("a[href^='05_figure_4.html']").find_parent("section")
    shown = article.select_one("table, figure, .alpha-explorer, svg, img")
    assert answer in shown.find_all_previous("section") and answer not in shown.parents
    text = " ".join(p.get_text(" ", strip=True) for p in answer.select("p"))
    assert len(re.findall(r"[.?](?= [A-Z]|$)", text)) >= 3
    linked = {a["href"].partition("glossary.html#")[2] for a in answer.select("a")}
    terms = {dt["id"]: dt.find(string=True).strip() for dt in parsed(site / "book" / "glossary.html").select("dt[id]")}
    used = {name for name, term in terms.items() if re.search(rf"\b{re.escape(term)}\b", text)}
    assert {"term-0", "term-unit"} <= used - {"term-run", "term-importance", "term-n"} <= linked  # words of every day


def test_the_contents_name_topics_and_no_verdicts(site):
    entries = [a.get_text().lower() for a in parsed(site / "notebooks" / "00_findings.html").select("nav.bd-links a")]
    words = set(STATUSES) - {HOLDS}  # "What holds" asks
    assert len(entries) > 40 and [e for e in entries if any(status in e for status in words)] == []


@pytest.mark.browser
@pytest.mark.parametrize("name", [*sorted(parse_toc_yaml(TOC)), "genindex"])
def test_a_page_is_whole_and_asks_no_other_host(site, browser, served, name):
    """Formulas are set, a phone has no need to scroll sideways or to load too much."""
    browser.forget()
    browser.open(f"{served(site)}/{name}.html", width=390, height=844)
    formulas = browser.driver.execute_script("return document.querySelectorAll('.math').length")
    if formulas:
        browser.wait(lambda d: len(d.find_elements(By.CSS_SELECTOR, "mjx-container")) >= formulas)
    assert browser.driver.find_elements(By.CSS_SELECTOR, "mjx-merror") == []
    assert browser.driver.execute_script("return document.documentElement.scrollWidth") <= 390
    assert browser.problems() == []
    assert 10_000 < browser.loaded <= LARGEST_PAGE


@pytest.mark.browser
@pytest.mark.parametrize(
    ("query", "page"),
    [
        ("Figure A7", "notebooks/08_dead_units.html"),
        ("figure 4", "notebooks/05_figure_4.html"),
        ("dead units", "notebooks/08_dead_units.html"),
        ("robustness", "notebooks/41_robustness.html"),
        ("alpha", "book/method.html"),
        ("α", "book/method.html"),
        ("what is a unit", "book/glossary.html#term-unit"),
    ],
)
def test_the_search_finds_what_one_looks_for(site, browser, served, query, page):
    """The page first, with an excerpt of its prose; objects of the reference after all pages."""
    browser.open(f"{served(site)}/search.html?q={quote(query)}")
    browser.wait(lambda d: "finished" in d.find_element(By.CLASS_NAME, "search-summary").text)
    results = browser.driver.find_elements(By.CSS_SELECTOR, "#search-results li")
    address = urlsplit(results[0].find_element(By.TAG_NAME, "a").get_attribute("href"))
    assert f"{address.path}#{address.fragment}".rstrip("#") == f"/{page}"
    excerpt = browser.wait(lambda _: results[0].find_elements(By.CSS_SELECTOR, "p.context"))[0].text
    assert len(excerpt) > 100 and "import " not in excerpt
    objects = [" (Python " in result.text for result in results]
    assert objects == sorted(objects)


@pytest.mark.browser
def test_the_scoreboard_is_short_on_a_phone_and_filters(site, browser, served):
    browser.open(f"{served(site)}/notebooks/32_scoreboard.html", width=390, height=844)
    assert browser.driver.execute_script("return document.documentElement.scrollHeight") <= 10 * 844
    board = browser.driver.find_element(By.CLASS_NAME, "selectivity-scoreboard")
    groups = board.find_elements(By.TAG_NAME, "details")
    assert len(groups) > 5 and not any(group.get_attribute("open") for group in groups)
    assert all(group.size["height"] >= 44 for group in groups)
    profile, verdict = (Select(select) for select in board.find_elements(By.TAG_NAME, "select"))
    lines, said = board.find_elements(By.TAG_NAME, "li"), board.find_element(By.CSS_SELECTOR, "[aria-live]")
    profile.select_by_visible_text("digits")
    many = [line for line in lines if line.get_attribute("hidden") is None]
    assert {line.get_attribute("data-profile") for line in many} == {"digits"} and len(many) > 12
    assert said.text == f"{len(many)} of {len(lines)} verdicts"
    assert not any(group.get_attribute("open") for group in groups)
    chips = board.find_elements(By.CSS_SELECTOR, "summary [data-verdict]")
    assert sum(int(chip.text.split()[0]) for chip in chips if chip.is_displayed()) == len(many)
    verdict.select_by_visible_text("opposite sign")
    few = [line for line in lines if line.is_displayed()]
    assert 0 < len(few) <= 12 and said.text == f"{len(few)} of {len(lines)} verdicts"
    profile.select_by_visible_text("one-cycle")
    assert said.text == "No verdict matches." and not any(group.is_displayed() for group in groups)
    verdict.select_by_value("")
    profile.select_by_value("")
    assert said.text == f"{len(lines)} of {len(lines)} verdicts" and len(few) < len(lines)
    assert not any(group.get_attribute("open") for group in groups)


@pytest.mark.browser
@pytest.mark.parametrize("dark", [False, True])
def test_pictures_follow_the_dark_mode(site, browser, served, dark):
    """Their white ground becomes as dark as the page's."""
    browser.open(f"{served(site)}/notebooks/05_figure_4.html", dark=dark)
    picture = browser.driver.find_element(By.CSS_SELECTOR, "#figure-4 img")
    assert ("invert" in picture.value_of_css_property("filter")) is dark
    assert picture.value_of_css_property("background-color").startswith(("rgb(255, 255, 255", "rgba(255, 255, 255"))


@pytest.mark.browser
def test_a_figure_page_begins_with_its_figure(site, browser, served):
    """Verdicts below the title, figure and findings above all code, parameters folded, the analysis in sight."""
    browser.open(f"{served(site)}/notebooks/05_figure_4.html")
    order = browser.driver.execute_script(
        "const parts = document.querySelectorAll("
        "'article h1, .selectivity-badges, #figure-4, section#what-to-see, .cell_input');"
        "return [...parts].map((part) => part.id || part.className || part.tagName)"
    )
    wanted = ["H1", "selectivity-badges", "figure-4", "what-to-see", "cell_input"]
    assert [name.split()[0] for name in order[:5]] == wanted
    inputs = browser.driver.find_elements(By.CSS_SELECTOR, ".cell_input")
    assert [part.is_displayed() for part in inputs[:3]] == [False, False, True]
