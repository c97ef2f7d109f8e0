"""The scoreboard in a browser: select boxes hide rows, by keyboard too, and nothing is asked of any kernel or host."""

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from verdict_studies import evidence, steps, study

from selectivity_core.book.figures.scoreboard import Scoreboard
from selectivity_core.book.paper.claims import CLAIMS
from selectivity_core.book.verdicts import judge

pytestmark = [pytest.mark.slow, pytest.mark.browser]


@pytest.fixture
def page(tmp_path, browser, served):
    verdicts = []
    for profile in ("digits", "tiny-imagenet"):
        at = evidence(study(accuracy=steps({-1.0: 0.05}), profile=profile), profile=profile)
        verdicts += [judge(CLAIMS[name], at) for name in ("L008", "L010", "L013", "L002")]
    html = f"<!doctype html><html lang=en><title>t</title><body>{Scoreboard(verdicts)._repr_html_()}</body></html>"
    (tmp_path / "index.html").write_text(html, encoding="utf-8")
    (tmp_path / "favicon.ico").write_bytes(b"")
    browser.open(f"{served(tmp_path)}/index.html")
    return browser


def visible(browser):
    rows = browser.driver.find_elements(By.CSS_SELECTOR, "tr[data-verdict]")
    return [row.get_attribute("id") for row in rows if row.is_displayed()]


def test_boxes_filter_rows_and_say_how_many_are_left(page):
    driver = page.driver
    assert len(visible(page)) == 8
    said = driver.find_element(By.CSS_SELECTOR, "[role=status]")
    assert said.text == "8 of 8 rows shown"
    box = driver.find_element(By.NAME, "profile")
    assert box.is_displayed()
    box.send_keys("digits")
    page.wait(lambda d: said.text == "4 of 8 rows shown")
    assert {name.removesuffix("-digits")[-4:] for name in visible(page)} == {"L008", "L010", "L013", "L002"}
    verdict = driver.find_element(By.NAME, "verdict")
    verdict.send_keys("not run")
    page.wait(lambda d: said.text == "2 of 8 rows shown")
    assert visible(page) == ["claim-L013-digits", "claim-L002-digits"]
    box.send_keys(Keys.HOME)
    page.wait(lambda d: said.text == "4 of 8 rows shown")
    assert page.problems() == []


def test_the_boxes_are_reached_by_keyboard(page):
    active = []
    for _ in range(8):
        page.driver.switch_to.active_element.send_keys(Keys.TAB)
        active.append(page.driver.switch_to.active_element.get_attribute("name"))
    assert [name for name in active if name] == ["paper", "figure", "profile", "verdict"]
