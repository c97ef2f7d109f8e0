"""What `book.js` and `book.css` do with figures, tables and contents, on a phone and on a wide screen."""

import shutil

import matplotlib.pyplot as plt
import pytest
from selenium.webdriver.common.by import By
from test_book import ROOT

from selectivity_core.book import plots

pytestmark = [pytest.mark.slow, pytest.mark.browser]
PAGE = """<!doctype html><html lang="en"><title>t</title><meta name="viewport" content="width=device-width">
<link rel="stylesheet" href="book.css">
<main class="bd-article" style="margin: 0 1rem; --pst-color-background: white">{body}</main>
<script src="book.js"></script></html>"""
PARTS = """return [...document.querySelectorAll("figure img")].map((image) => {
  const box = (part) => { const r = part.getBoundingClientRect(); return [r.left, r.top, r.width, r.height]; };
  return [image.checkVisibility(), box(image.parentElement), box(image)];
})"""


@pytest.fixture
def opened(browser, served, tmp_path):
    def opens(body, width):
        for name in ("book.js", "book.css"):
            shutil.copy(ROOT / "book" / "_static" / name, tmp_path)
        (tmp_path / "index.html").write_text(PAGE.format(body=body), encoding="utf-8")
        browser.open(f"{served(tmp_path)}/index.html", width=width, height=844)
        return browser.driver

    return opens


def test_a_phone_shows_panels_one_below_the_other_and_a_wide_screen_the_picture(opened, browser, monkeypatch):
    seen = []
    monkeypatch.setattr(plots, "display", lambda part: seen.append(part.data))
    plots.use_style()
    plots.show(plt.subplots(1, 2, figsize=(8, 3))[0], "pair", "a caption", "words")
    driver = opened(seen[0], 390)
    (whole, *_), *frames = driver.execute_script(PARTS)
    assert not whole and len(frames) == 2
    for place, (shown, (left, _, width, height), (x, _, image, _)) in enumerate(frames):
        assert shown and left >= 0 and left + width <= 390 and height == pytest.approx(width * 3 / 4, rel=0.05)
        assert image == pytest.approx(2 * width, rel=0.05) and x == pytest.approx(left - place * width, abs=8)
    assert frames[0][1][1] + frames[0][1][3] <= frames[1][1][1]
    alternatives = [image.get_attribute("alt") for image in driver.find_elements(By.CSS_SELECTOR, "figure div img")]
    assert alternatives == ["words", ""]
    size = {"width": 1200, "height": 844, "deviceScaleFactor": 1, "mobile": False}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    browser.wait(lambda d: [shown for shown, *_ in d.execute_script(PARTS)] == [True, False, False])


def test_rows_with_sentences_become_cards_and_numbers_stay_a_table(opened):
    sentence = "Networks recover from selectivity that was raised early."
    tables = [f"<table><thead><tr><th>said<th>n<tbody><tr><td>{text}<td>8</table>" for text in (sentence, "0.25")]
    driver = opened("".join(f'<div class="cell_output">{table}</div>' for table in tables), 390)
    rows = driver.find_elements(By.CSS_SELECTOR, "tbody tr")
    assert [row.value_of_css_property("display") for row in rows] == ["block", "table-row"]
    said, n = rows[0].find_elements(By.TAG_NAME, "td")
    assert [cell.value_of_css_property("text-align") for cell in (said, n)] == ["start", "end"]


@pytest.mark.parametrize(("width", "smaller"), [(1366, True), (390, False)])
def test_a_table_of_many_columns_is_set_smaller_on_a_wide_screen(opened, width, smaller):
    tables = [
        "<table><thead><tr>" + "<th>estimate" * n + "<tbody><tr>" + "<td>−12.960" * n + "</table>" for n in (8, 9)
    ]
    parts = "".join(f'<div class="cell_output"><div class="text_html">{table}</div></div>' for table in tables)
    sizes = ["16px", "12.8px" if smaller else "16px"]
    few, many = opened(parts, width).find_elements(By.TAG_NAME, "table")
    assert [table.value_of_css_property("font-size") for table in (few, many)] == sizes
    shadowed = many.find_element(By.XPATH, "..").value_of_css_property("background-image")
    assert shadowed.count("linear-gradient") == 4


def test_the_contents_mark_the_section_that_fills_the_window(opened, browser):
    """Its heading may have been jumped over; with a heading in the upper part the mark is the theme's."""
    links = "".join(f'<li class="toc-entry"><a href="#{name}">{name}</a></li>' for name in "abc")
    sections = "".join(f'<section id="{name}" style="height: 3000px"><h2>{name}</h2></section>' for name in "abc")
    driver = opened(f'<nav id="pst-page-toc-nav"><ul>{links}</ul></nav>{sections}', 1366)
    marked = "return [...document.querySelectorAll('.active, [aria-current]')].map((part) => part.textContent).join('')"
    for top, wanted in ((4500, "bb"), (7500, "cc"), (1500, "aa")):
        driver.execute_script("scrollTo({top: arguments[0], behavior: 'instant'})", top)
        browser.wait(lambda d, wanted=wanted: d.execute_script(marked) == wanted)
    place = "document.querySelector('#b h2').getBoundingClientRect().top + scrollY - 100"
    driver.execute_script(f"scrollTo({{top: {place}, behavior: 'instant'}})")
    driver.execute_async_script("requestAnimationFrame(() => requestAnimationFrame(arguments[0]))")
    assert driver.execute_script(marked) == "aa"
