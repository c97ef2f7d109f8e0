"""Every page of the rendered book in the hands of axe-core: at one width and mode, or with all of them."""

import os
import shutil

import axe
import pytest
from selenium.webdriver.common.by import By
from sphinx_external_toc.parsing import parse_toc_yaml
from test_book import ROOT, TOC

pytestmark = [pytest.mark.slow, pytest.mark.book, pytest.mark.browser]
WIDTHS = {"wide": 1280, "narrow": 390}
MODES = {f"{w}-{m}": (WIDTHS[w], m == "dark") for w in WIDTHS for m in ("light", "dark")}
SHOWN = MODES if os.environ.get("SELECTIVITY_ALL_MODES") == "1" else {"wide-light": MODES["wide-light"]}


@pytest.fixture(scope="session")
def engine() -> str:
    return axe.source()


@pytest.mark.parametrize("mode", SHOWN)
@pytest.mark.parametrize("name", sorted(parse_toc_yaml(TOC)))
def test_a_page_keeps_nobody_out(site, browser, served, engine, name, mode):
    width, dark = MODES[mode]
    browser.open(f"{served(site)}/{name}.html", width=width, height=1000, dark=dark)
    formulas = browser.driver.execute_script("return document.querySelectorAll('.math').length")
    if formulas:
        browser.wait(lambda d: len(d.find_elements(By.CSS_SELECTOR, "mjx-container")) >= formulas)
    if browser.driver.find_elements(By.CSS_SELECTOR, ".widget-subarea"):
        browser.wait(lambda d: d.find_elements(By.CSS_SELECTOR, ".noUi-handle[aria-valuetext], .widget-dropdown"))
    assert axe.findings(browser, engine) == []


def test_what_is_grave_is_found(browser, served, engine, tmp_path):
    """The very markup that `book.js` mends, as it comes, and a picture without words."""
    summary = '<details><summary aria-label="Toggle hidden content">Show code</summary>x</details>'
    body = f'<main><h1>t</h1>{summary}<img src="index.html"></main>'
    page = f'<!doctype html><html lang="en"><title>t</title>{body}{{script}}</html>'
    (tmp_path / "index.html").write_text(page.format(script=""))
    browser.open(f"{served(tmp_path)}/index.html")
    rules = {line.split(" at ")[0] for line in axe.findings(browser, engine)}
    assert rules == {"critical: image-alt", "serious: label-content-name-mismatch"}
    shutil.copy(ROOT / "book" / "_static" / "book.js", tmp_path)
    mended = page.format(script='<script src="book.js"></script>').replace("<img", '<img role="presentation"')
    (tmp_path / "index.html").write_text(mended)
    browser.open(f"{served(tmp_path)}/index.html")
    assert axe.findings(browser, engine) == []
