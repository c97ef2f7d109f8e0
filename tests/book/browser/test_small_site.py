"""The recipe of the book, on a site of two pages: real configuration, real papermill, real Chromium."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from chromium import Browser
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from sliders import Slider, expected_sliders

from selectivity_core.book.build import pages, scripts
from selectivity_core.book.build.check import check

pytestmark = [pytest.mark.slow, pytest.mark.book, pytest.mark.browser]

ROOT = Path(__file__).parents[3]
PAGE = "book/sliders.html"
FORMULA = r"""# Sliders

Inline $\alpha \in \mathbb{R}$, and with a number:

$$
\mathrm{SI} = \frac{\mu_{\max} - \mu_{-\max}}{\mu_{\max} + \mu_{-\max} + \epsilon} .
$$ (si)

See {eq}`si`.
"""
SLIDER = """
from matplotlib.figure import Figure

from selectivity_core.book.widgets import frames_slider, frames_slider_with_choice, picture, png_frame

def frame(title):
    figure = Figure(figsize=(6, 2))
    figure.text(0.1, 0.5, title)
    return png_frame(figure)

labels = ["-10", "-1", "-0.1", "0", "0.1", "1", "10"]
alts = [f"At {x}." for x in labels]
frames_slider([frame(x) for x in labels], labels, description="α", alts=alts, selected=3)
"""
CHOICE = """
layers = ["conv1", "layer2.0"]
frames_slider_with_choice(
    {layer: [frame(layer + x) for x in labels] for layer in layers},
    labels,
    description="α",
    choice_description="layer",
    choice="layer2.0",
    alts={layer: [f"{layer} at {x}." for x in labels] for layer in layers},
)
"""
PICTURE = 'picture(frame("alone"), alt="A picture without a slider.")'
TABLE = """
import pandas as pd

pd.DataFrame({f"a column with a long name {k}": [k / 7] for k in range(12)})
"""


@pytest.fixture(scope="session")
def small_site(tmp_path_factory) -> Path:
    """A book with the project's configuration and scripts, of one page and one notebook run by papermill."""
    folder = tmp_path_factory.mktemp("book")
    shutil.copy(ROOT / "_config.yml", folder)
    shutil.copytree(ROOT / "book" / "_static", folder / "book" / "_static")
    scripts.copy_to(folder / "book" / "_static" / "vendor")
    shutil.copy(ROOT / "book" / "references.bib", folder / "book")  # which the configuration names
    (folder / "_toc.yml").write_text("format: jb-book\nroot: book/index\nchapters:\n  - file: book/sliders\n")
    (folder / "book" / "index.md").write_text("# Start\n\nTo the [sliders](sliders.ipynb).\n")
    notebook = nbformat.v4.new_notebook(metadata={"kernelspec": {"name": "python3", "display_name": "Python 3"}})
    notebook.cells = [nbformat.v4.new_markdown_cell(FORMULA)]
    notebook.cells += [nbformat.v4.new_code_cell(source) for source in (SLIDER, CHOICE, PICTURE, TABLE)]
    nbformat.write(notebook, folder / "source.ipynb")
    run = [sys.executable, "-m", "papermill", "source.ipynb", "book/sliders.ipynb", "-k", "python3"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(run, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    shutil.move(pages.render(folder, folder / "render"), folder / "_build" / "html")
    return folder


@pytest.fixture
def page(browser: Browser, small_site: Path, served) -> Path:
    """The page with the sliders, open in the browser; its file."""
    site = small_site / "_build" / "html"
    browser.open(f"{served(site)}/{PAGE}")
    return site / PAGE


def test_the_site_passes_its_check(small_site):
    assert check(small_site / "_build" / "html", small_site / "_toc.yml") == 2


def test_the_page_names_the_frames_it_should(small_site):
    one, two = expected_sliders(small_site / "_build" / "html" / PAGE)
    assert one.labels == two.labels == ("-10", "-1", "-0.1", "0", "0.1", "1", "10")
    assert [shown.alt for shown in one.frames[None]] == [f"At {x}." for x in one.labels]
    assert list(two.frames) == ["conv1", "layer2.0"]
    everything = [shown.source for frames in (one.frames | two.frames).values() for shown in frames]
    assert len(set(everything)) == 21


def test_by_keyboard(page, browser):
    expected = expected_sliders(page)[0]
    slider = Slider(browser, expected)
    assert slider.shows(3) == expected.frames[None][3]
    moves = [
        ((Keys.ARROW_RIGHT,), 4),
        ((Keys.ARROW_LEFT, Keys.ARROW_LEFT), 2),
        ((Keys.END,), 6),
        ((Keys.ARROW_RIGHT,), 6),
        ((Keys.HOME,), 0),
        ((Keys.ARROW_UP,), 1),
    ]
    for keys, position in moves:
        slider.press(*keys)
        assert slider.shows(position) == expected.frames[None][position]
        assert slider.readout() == expected.labels[position]
        assert slider.announced() == ("α", expected.labels[position])
    assert browser.problems() == []


def test_by_mouse(page, browser):
    expected = expected_sliders(page)[0]
    slider = Slider(browser, expected)
    for act, position in (
        (slider.drag, 5),
        (slider.drag, 0),
        (slider.click, 2),
        (slider.click, 6),
        (slider.drag, 3),
    ):
        act(position)
        assert slider.shows(position) == expected.frames[None][position]
        assert slider.readout() == expected.labels[position]
    assert browser.problems() == []


def test_the_list_changes_the_picture_and_keeps_the_place(page, browser):
    expected = expected_sliders(page)[1]
    slider = Slider(browser, expected)
    assert expected.chosen == "layer2.0"
    slider.press(Keys.ARROW_RIGHT, Keys.ARROW_RIGHT)
    assert slider.shows(2) == expected.frames["layer2.0"][2]
    slider.choose("conv1")
    assert slider.shows(2, "conv1") == expected.frames["conv1"][2]
    slider.drag(5)
    assert slider.shows(5, "conv1") == expected.frames["conv1"][5]
    slider.choose("layer2.0")
    assert slider.shows(5, "layer2.0") == expected.frames["layer2.0"][5]
    assert browser.problems() == []


def test_sliders_move_apart_from_each_other(page, browser):
    first, second = (Slider(browser, expected) for expected in expected_sliders(page))
    before = second.seen()
    first.press(Keys.HOME)
    assert first.readout() == "-10"
    assert second.seen() == before


def test_a_page_opened_as_a_file_works_too(small_site, browser):
    page = small_site / "_build" / "html" / PAGE
    browser.open(page.as_uri())
    expected = expected_sliders(page)[0]
    slider = Slider(browser, expected)
    slider.press(Keys.END)
    assert slider.shows(6) == expected.frames[None][6]


def test_the_first_address_leads_to_the_first_page(small_site, browser, served):
    browser.open(served(small_site / "_build" / "html"))
    browser.wait(lambda d: d.title.startswith("Start"))
    assert browser.driver.current_url.endswith("/book/index.html")
    assert browser.problems() == []


def test_formulas_are_set_with_fonts_from_here(page, browser):
    formulas = browser.wait(lambda d: d.find_elements(By.CSS_SELECTOR, "mjx-container"))
    assert len(formulas) == 2
    assert browser.driver.find_elements(By.CSS_SELECTOR, "mjx-merror") == []
    browser.wait(lambda d: d.execute_script("return document.fonts.status") == "loaded")
    loaded = browser.driver.execute_script(
        "return [...document.fonts].filter((f) => f.status === 'loaded' && /MJX/.test(f.family)).length"
    )
    assert loaded > 0
    assert browser.problems() == []


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [390, 1280])
def test_nothing_is_wider_than_the_window(page, browser, width, dark):
    browser.open(browser.driver.current_url, width=width, dark=dark)
    Slider(browser, expected_sliders(page)[0])
    assert browser.driver.execute_script("return document.documentElement.dataset.theme") == (
        "dark" if dark else "light"
    )
    assert browser.driver.execute_script("return document.documentElement.scrollWidth") <= width
    widths = browser.driver.execute_script(
        "return [...document.querySelectorAll('.widget-subarea img, .widget-slider, .output img')]"
        ".map((e) => e.getBoundingClientRect().right)"
    )
    assert len(widths) == 5 and max(widths) <= width
    assert browser.problems() == []


def test_a_request_to_another_host_is_refused_and_noted(tmp_path, browser, served):
    (tmp_path / "index.html").write_text(
        "<link rel='icon' href='data:,'><script src='http://other.invalid/x.js'></script>"
        "<img src='http://192.0.2.1/x.png'><img src='gone.png'>"
    )
    browser.open(served(tmp_path))
    browser.wait(lambda d: d.execute_script("return [...document.images].every((i) => i.complete)"))
    problems = browser.problems()
    for address in ("http://other.invalid/x.js", "http://192.0.2.1/x.png"):
        assert f"asked another host: {address}" in problems
        assert any(p.startswith(f"failed: {address}: net::ERR_NAME_NOT_RESOLVED") for p in problems)
    assert any(p.startswith("404: ") and p.endswith("/gone.png") for p in problems)
    assert browser.problems() == []
