"""The rendered book itself, where there is one: its pages in a browser, and the slider of Figure 4."""

from pathlib import Path
from urllib.parse import quote, urlsplit

import pytest
from chromium import Browser
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from sliders import Slider, expected_sliders
from sphinx_external_toc.parsing import parse_toc_yaml

from selectivity_core.book.build.check import check

pytestmark = [pytest.mark.slow, pytest.mark.book]

ROOT = Path(__file__).parents[3]
TOC = ROOT / "_toc.yml"
FIGURE = "notebooks/05_figure_4"
LARGEST_PAGE = 8_000_000  # bytes, scripts and fonts included


@pytest.fixture
def figure(site: Path, browser: Browser, served) -> tuple[Slider, tuple]:
    """The first slider on the page of Figure 4, and the frames that it should show."""
    sliders = expected_sliders(site / f"{FIGURE}.html")
    assert sliders, "the page of Figure 4 has no slider over frames"
    browser.open(f"{served(site)}/{FIGURE}.html")
    slider = Slider(browser, sliders[0])
    frames = sliders[0].frames[sliders[0].chosen]
    assert len({frame.source for frame in frames}) == len(frames) >= 3, "frames that look alike prove nothing"
    return slider, frames


def shown(slider: Slider, frames: tuple, position: int) -> None:
    """Assert that the picture and the read-out are those of a position."""
    assert slider.shows(position) == frames[position]
    assert slider.readout() == frames[position].label


def test_it_passes_its_check(site):
    assert check(site, TOC) == len(set(parse_toc_yaml(TOC)))


@pytest.mark.browser
def test_the_keyboard_moves_the_slider_of_figure_4(figure, browser):
    slider, frames = figure
    last = len(frames) - 1
    for keys, position in (((Keys.HOME,), 0), ((Keys.ARROW_RIGHT,), 1), ((Keys.END,), last)):
        slider.press(*keys)
        shown(slider, frames, position)
    slider.press(*[Keys.ARROW_LEFT] * (last // 2))
    shown(slider, frames, last - last // 2)
    assert browser.problems() == []


@pytest.mark.browser
def test_the_mouse_moves_the_slider_of_figure_4(figure, browser):
    slider, frames = figure
    last = len(frames) - 1
    for act, position in (
        (slider.drag, last),
        (slider.drag, 0),
        (slider.click, last // 2),
        (slider.drag, last),
    ):
        act(position)
        shown(slider, frames, position)
    assert browser.problems() == []


@pytest.mark.browser
@pytest.mark.parametrize("name", sorted(parse_toc_yaml(TOC)))
def test_a_page_is_whole_and_asks_no_other_host(site, browser, served, name):
    """Formulas are set, sliders show a frame of theirs, a phone has no need to scroll sideways or to load too much."""
    browser.forget()
    browser.open(f"{served(site)}/{name}.html", width=390, height=844)
    formulas = browser.driver.execute_script("return document.querySelectorAll('.math').length")
    if formulas:
        browser.wait(lambda d: len(d.find_elements(By.CSS_SELECTOR, "mjx-container")) >= formulas)
    assert browser.driver.find_elements(By.CSS_SELECTOR, "mjx-merror") == []
    for expected in expected_sliders(site / f"{name}.html"):
        seen = Slider(browser, expected).seen()
        assert any(seen in frames for frames in expected.frames.values())
    assert browser.driver.execute_script("return document.documentElement.scrollWidth") <= 390
    assert browser.problems() == []
    assert 10_000 < browser.loaded <= LARGEST_PAGE


@pytest.mark.browser
@pytest.mark.parametrize(
    ("query", "page"),
    [
        ("Figure A7", "notebooks/08_dead_units"),
        ("figure 4", "notebooks/05_figure_4"),
        ("alpha", "book/method"),
        ("α", "book/method"),
        ("what is a unit", "book/glossary"),
    ],
)
def test_the_search_finds_what_one_looks_for(site, browser, served, query, page):
    """The page first, with an excerpt of its prose."""
    browser.open(f"{served(site)}/search.html?q={quote(query)}")
    first = browser.wait(lambda d: d.find_elements(By.CSS_SELECTOR, "#search-results li"))[0]
    assert urlsplit(first.find_element(By.TAG_NAME, "a").get_attribute("href")).path == f"/{page}.html"
    excerpt = browser.wait(lambda _: first.find_elements(By.CSS_SELECTOR, "p.context"))[0].text
    assert len(excerpt) > 100 and "import " not in excerpt
