"""The α explorer in a real Chromium: as a file, on a rendered page, in JupyterLab and in Voilà."""

import itertools
import json
import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import nbformat
import pandas as pd
import pytest
from bs4 import BeautifulSoup
from chromium import Browser
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.actions.interaction import POINTER_TOUCH
from selenium.webdriver.common.actions.pointer_input import PointerInput
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select
from tiny_notebooks import write_notebook

from selectivity_core import ledger
from selectivity_core.book import explorer as module
from selectivity_core.book.build.pages import make_figure
from selectivity_core.book.explorer import explorer

pytestmark = [pytest.mark.slow, pytest.mark.browser]

ROOT = Path(__file__).parents[3]
BIN = Path(sys.executable).parent
PAGE = (
    '<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
    '<meta name="color-scheme" content="light dark"><title>α</title><link rel="icon" href="data:,"></head>'
    "<body><main><h1>α</h1>{}</main></body></html>"
)
SOURCE = "from IPython.display import HTML\n\nHTML(open({!r}).read())"
ALPHA, UNIT = "input[aria-label='α']", ".rank input"
SWEEP, CLOUD, BARS, PATH = range(4)


@pytest.fixture(scope="module")
def made() -> str:
    return explorer(ledger("cifar10-short", folder=ROOT / "results")).data


@pytest.fixture(scope="module")
def data(made: str) -> dict:
    return json.loads(BeautifulSoup(made, "html.parser").find("script", type="application/json").string)


@pytest.fixture(scope="module")
def file(made: str, tmp_path_factory) -> str:
    """The address of the explorer as a page of its own, opened as a file."""
    page = tmp_path_factory.mktemp("file") / "page.html"
    page.write_text(PAGE.format(made), encoding="utf-8")
    return page.as_uri()


@pytest.fixture(scope="module")
def folder(made: str, tmp_path_factory) -> Path:
    """A book of one notebook that `make figure` ran, with its page and Jupyter's own files beside it."""
    folder = tmp_path_factory.mktemp("hosts")
    shutil.copy(ROOT / "_config.yml", folder)
    (folder / "_toc.yml").write_text("format: jb-book\nroot: book/index\nchapters:\n  - file: book/explorer\n")
    shutil.copytree(ROOT / "book" / "_static", folder / "book" / "_static", ignore=shutil.ignore_patterns("vendor"))
    shutil.copy(ROOT / "book" / "references.bib", folder / "book")
    (folder / "book" / "index.md").write_text("# Start\n")
    (folder / "explorer.txt").write_text(made, encoding="utf-8")
    notebook = write_notebook(folder / "explorer.ipynb", SOURCE.format(str(folder / "explorer.txt")))
    source = nbformat.read(notebook, 4)
    source.cells.insert(0, nbformat.v4.new_markdown_cell("# Move α"))
    nbformat.write(source, notebook)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment(folder).items():
            patch.setenv(name, value)
        make_figure(str(notebook), {}, folder / "book" / "explorer.ipynb")
    return folder


def environment(folder: Path) -> dict[str, str]:
    home = {name: str(folder / "jupyter") for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "IPYTHONDIR")}
    return os.environ | home | {"JUPYTER_RUNTIME_DIR": str(folder / "jupyter" / "runtime"), "PYTHONPATH": str(ROOT)}


@contextmanager
def running(folder: Path, *command: str) -> Iterator[str]:
    """The address of a Jupyter server that is ended afterwards, with the kernels that it started."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    with (folder / "server.log").open("w") as log:
        server = subprocess.Popen(
            [str(BIN / command[0]), *command[1:], f"--port={port}"], cwd=folder / "book", env=environment(folder),
            stdout=log, stderr=subprocess.STDOUT,
        )  # fmt: skip
    try:
        yield address
    finally:
        server.terminate()
        try:
            server.wait(10)
        except subprocess.TimeoutExpired:  # a kernel that is still starting can hold it up; kernels follow their server
            server.kill()
            server.wait()


def answers(address: str) -> Callable[[object], bool]:
    def asked(_: object) -> bool:
        try:
            return urlopen(address, timeout=60).status == 200
        except (URLError, ConnectionError):
            return False

    return asked


def part(browser: Browser, selector: str):
    return browser.driver.find_element(By.CSS_SELECTOR, f".alpha-explorer {selector}")


def pictures(browser: Browser) -> list:
    """Accuracy against selectivity, the units, one unit's classes, and its way through α."""
    return browser.driver.find_elements(By.CSS_SELECTOR, ".alpha-explorer .panels svg")


def number(text: str) -> float:
    return float(text.replace("−", "-").replace("+", "").removesuffix(" %"))


def state(browser: Browser) -> list[float]:
    """α, accuracy in per cent and mean index, as they stand above the panels."""
    alpha, accuracy, index = part(browser, ".state").find_elements(By.TAG_NAME, "b")
    return [number(alpha.text.removeprefix("α = ")), number(accuracy.text), number(index.text)]


def expected_state(data: dict, k: int) -> list[float]:
    here = data["networks"][k]
    return [data["alphas"][k], pytest.approx(100 * here["accuracy"], abs=0.051), pytest.approx(here["index"], abs=6e-4)]


def bars(browser: Browser) -> list[float]:
    return [number(text.text) for text in pictures(browser)[BARS].find_elements(By.CSS_SELECTOR, "text.value")]


def chosen(browser: Browser) -> tuple[int, int]:
    """Depth and number of the unit whose class means are shown."""
    words = part(browser, ".panels > :nth-child(3) .title").text.split()
    return int(words[4].rstrip(":")), int(words[1])


def slide(browser: Browser, k: int) -> None:
    script = "arguments[0].value = arguments[1]; arguments[0].dispatchEvent(new Event('input'))"
    browser.driver.execute_script(script, part(browser, ALPHA), k)


def words(picture, kind: str = "") -> list[str]:
    return [text.text for text in picture.find_elements(By.CSS_SELECTOR, f"text{kind}")]


def wait_for_it(browser: Browser) -> None:
    browser.wait(lambda d: d.find_elements(By.CSS_SELECTOR, ".alpha-explorer .controls"), 120)
    browser.driver.execute_script("document.querySelector('.alpha-explorer').scrollIntoView({behavior: 'instant'})")


def moves(browser: Browser, data: dict) -> None:
    """Moves α by keys and pointer, and chooses a layer and units, checking every number against the data."""
    wait_for_it(browser)
    alphas, zero = data["alphas"], data["alphas"].index(0)
    assert state(browser) == expected_state(data, zero)
    slider = part(browser, ALPHA)
    browser.driver.execute_script("arguments[0].focus()", slider)
    for key, k in ((Keys.ARROW_RIGHT, zero + 1), (Keys.HOME, 0), (Keys.ARROW_UP, 1), (Keys.END, len(alphas) - 1)):
        ActionChains(browser.driver).send_keys(key).perform()
        assert state(browser) == expected_state(data, k)
        assert number(slider.get_attribute("aria-valuetext").removeprefix("α = ")) == alphas[k]
    half, k = slider.size["width"] / 2 - 12, (len(alphas) - 1) // 4
    place = half * (2 * k / (len(alphas) - 1) - 1)  # of the k-th α, from the slider's middle
    drag = ActionChains(browser.driver, duration=50).move_to_element_with_offset(slider, half, 0).click_and_hold()
    drag.move_to_element_with_offset(slider, -half, 0)
    drag.move_to_element_with_offset(slider, place, 0).release().perform()
    assert state(browser) == expected_state(data, k)

    Select(part(browser, "select")).select_by_index(6)  # "all" comes first
    layer = data["layers"][5]
    browser.driver.execute_script("arguments[0].focus()", part(browser, UNIT))
    ActionChains(browser.driver).send_keys(Keys.HOME, Keys.ARROW_RIGHT).perform()
    second = sorted(range(len(layer["si"][k])), key=lambda unit: layer["si"][k][unit])[1]
    assert chosen(browser) == (6, second * data["every"])  # of large networks only every n-th unit is there
    assert bars(browser) == layer["responses"][k][second]
    browser.driver.execute_script(
        "arguments[0].scrollIntoView({block: 'center', behavior: 'instant'})", pictures(browser)[CLOUD]
    )
    dot = browser.driver.find_elements(By.CSS_SELECTOR, ".dot")[3]
    ActionChains(browser.driver).move_to_element(dot).click().perform()
    depth, shown = chosen(browser)
    unit = shown // data["every"]
    assert depth == 6 and shown % data["every"] == 0 and bars(browser) == layer["responses"][k][unit]
    assert abs(layer["si"][k][unit] - layer["si"][k][3]) < 0.03  # dots may cover each other


def test_as_a_file(browser, file, data):
    browser.open(file)
    moves(browser, data)
    assert not browser.driver.find_elements(By.CSS_SELECTOR, ".alpha-explorer a")
    assert browser.problems() == []


def test_on_the_page_beside_an_executed_copy(browser, folder, data):
    browser.open((folder / "book" / "explorer.html").as_uri())
    moves(browser, data)
    assert browser.problems() == []


@pytest.mark.book
def test_on_a_rendered_page(browser, folder, data, served):
    build = [str(BIN / "jupyter-book"), "build", ".", "-W", "--keep-going"]
    done = subprocess.run(build, cwd=folder, env=environment(folder), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    site = folder / "_build" / "html"
    assert (site / "book" / "explorer.html").stat().st_size < 1_500_000
    for address in (f"{served(site)}/book/explorer.html", (site / "book" / "explorer.html").as_uri()):
        browser.open(address)
        moves(browser, data)
        assert browser.problems() == []


@pytest.mark.book
@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize(
    ("name", "shown"),
    [("00_findings", ("CIFAR-10", 36)), ("05_figure_4", ("Tiny ImageNet, 20 of its classes", 30))],
)
def test_on_the_books_own_pages(browser, site, served, name, shown, width):
    page = site / "notebooks" / f"{name}.html"
    assert page.stat().st_size < 1_500_000
    soup = BeautifulSoup(page.read_text(encoding="utf-8"), "html.parser")
    data = json.loads(soup.select_one(".alpha-explorer script[type='application/json']").string)
    assert (data["data"], data["epochs"]) == shown
    for address in (f"{served(site)}/notebooks/{name}.html", page.as_uri()):
        browser.open(address, width=width)
        moves(browser, data)
        assert part(browser, ".key a").get_attribute("href").endswith("/book/glossary.html#term-dead-unit")
        assert browser.problems() == []


def test_in_jupyterlab(browser, folder, data):
    with running(folder, "jupyter-lab", "--no-browser", "--allow-root", "--IdentityProvider.token=") as address:
        browser.wait(answers(f"{address}/lab"), 120)
        browser.open(f"{address}/lab/tree/explorer.ipynb?reset")
        # until its kernel is there, JupyterLab takes the focus to the notebook
        idle = ".jp-Notebook-ExecutionIndicator[data-status='idle']"
        browser.wait(lambda d: d.find_elements(By.CSS_SELECTOR, idle), 120)
        moves(browser, data)


def test_a_figures_notebook_is_edited_and_run_in_jupyterlab(browser, folder, monkeypatch):
    """Parameters as one writes Python, without types or comments; what was asked to be saved is written."""
    monkeypatch.setenv("SELECTIVITY_LEDGER", str(ROOT / "results"))
    notebook = nbformat.read(ROOT / "notebooks" / "05_figure_4.ipynb", 4)
    (cell,) = (c for c in notebook.cells if "parameters" in c.metadata.get("tags", []))
    names = 'profile, save, overrides, seeds, on_missing = "digits", "saved", {}, 2, "skip"'
    cell.source = f"alphas = [k - 1 for k in range(3)]\n{names}"
    nbformat.write(notebook, folder / "book" / "edited.ipynb")
    with running(folder, "jupyter-lab", "--no-browser", "--allow-root", "--IdentityProvider.token=") as address:
        browser.wait(answers(f"{address}/lab"), 120)
        browser.open(f"{address}/lab/tree/edited.ipynb?reset")
        idle = ".jp-Notebook-ExecutionIndicator[data-status='idle']"
        browser.wait(lambda d: d.find_elements(By.CSS_SELECTOR, idle), 120)
        (menu,) = (m for m in browser.driver.find_elements(By.CSS_SELECTOR, ".lm-MenuBar-item") if m.text == "Run")
        menu.click()
        run_all = "[data-command='runmenu:run-all']"
        browser.wait(lambda d: d.find_elements(By.CSS_SELECTOR, run_all))[0].click()
        saved = folder / "book" / "saved"
        browser.wait(lambda _: (saved / "figure-4-runs.csv").is_file(), 240)
    runs = pd.read_csv(saved / "figure-4-runs.csv")
    assert (sorted(set(runs["alpha"])), sorted(set(runs["seed"]))) == ([-1, 0, 1], [0, 1])
    assert {"figure-4.pdf", "figure-4.png"} <= {p.name for p in saved.iterdir()}


def test_in_voila(browser, folder, data):
    with running(folder, "voila", "explorer.ipynb", "--no-browser") as address:
        browser.wait(answers(f"{address}/voila/static/voila.js"), 120)
        browser.open(address)
        moves(browser, data)


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [360, 390, 768, 1280])
def test_at_every_width_labels_stand_apart_and_have_contrast(browser, file, data, width, dark):
    browser.open(file, width=width, dark=dark)
    wait_for_it(browser)
    assert browser.driver.execute_script("return document.documentElement.scrollWidth") <= width
    script = """
      const boxes = (svg) => [...svg.querySelectorAll("text")].map((text) => [text, text.getBoundingClientRect()]);
      return [...document.querySelectorAll(".alpha-explorer svg")].map((svg) => boxes(svg).map(
        ([text, {left, top, right, bottom}]) => [text.textContent, left, top + 2, right, bottom - 2]));
    """
    last = len(data["alphas"]) - 1
    every = [(0, k) for k in range(last + 1)]  # all layers at every α, two layers at the outermost
    for layer, k in every + list(itertools.product((1, len(data["layers"])), (0, last))):
        Select(part(browser, "select")).select_by_index(layer)
        slide(browser, k)
        for texts in browser.driver.execute_script(script):
            assert all(left >= 0 and right <= width for _, left, _, right, _ in texts), texts
            for (one, *a), (two, *b) in itertools.combinations(texts, 2):
                assert a[2] <= b[0] or b[2] <= a[0] or a[3] <= b[1] or b[3] <= a[1], (one, two, layer, k)
    color = browser.driver.execute_script(
        "return getComputedStyle(document.querySelector('.alpha-explorer text')).fill"
    )
    assert color == ("rgb(255, 255, 255)" if dark else "rgb(0, 0, 0)")


def test_labels_of_alpha_lie_on_no_dot(browser, file, data):
    browser.open(file, width=390)
    wait_for_it(browser)
    script = """
      const box = (part) => part.getBoundingClientRect();
      const all = (kind) => [...arguments[0].querySelectorAll(kind)];
      const [dots, texts] = [all("circle:not(.chosen)"), all("text.value")];
      const middles = dots.map(box).map(({x, y, width, height}) => [x + width / 2, y + height / 2]);
      const on = ({left, top, right, bottom}) =>
        middles.some(([x, y]) => left < x && x < right && top + 3 < y && y < bottom - 3);
      return texts.filter((text) => on(box(text))).map((text) => text.textContent);
    """
    assert browser.driver.execute_script(script, pictures(browser)[SWEEP]) == []


def test_a_swipe_that_scrolls_leaves_alpha_alone(browser, file, data):
    browser.open(file, width=390, height=844)
    wait_for_it(browser)
    slider = part(browser, ALPHA)
    left, top, width = browser.driver.execute_script(
        "const {left, top, width} = arguments[0].getBoundingClientRect(); return [left, top, width]", slider
    )

    def touch(kind, *places):
        points = [{"x": left + across * width, "y": top + 16 + down} for across, down in places]
        browser.driver.execute_cdp_cmd("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    def swipe(start, *places):
        for kind, where in (("touchStart", [start]), *(("touchMove", [place]) for place in places), ("touchEnd", [])):
            touch(kind, *where)

    before, at = state(browser), browser.driver.execute_script("return scrollY")
    swipe((0.9, 0), *((0.9, -20 * k) for k in range(1, 10)))
    browser.wait(lambda d: d.execute_script("return scrollY") > at + 50)
    assert state(browser) == before
    swipe((0.9, 0))
    assert state(browser) != before
    swipe((0.5, 0), *((0.5 + 0.05 * k, 0) for k in range(1, 11)))
    assert state(browser) == expected_state(data, len(data["alphas"]) - 1)


def test_controls_stay_in_sight_where_the_screen_is_high(browser, file, data):
    browser.open(file, width=390, height=844)
    wait_for_it(browser)
    accuracy = 100 * data["networks"][data["alphas"].index(0)]["accuracy"]
    index = data["networks"][data["alphas"].index(0)]["index"]
    assert f"α = 0: {accuracy:.1f} %, index {index:.3f}" in part(browser, ".controls").text
    assert part(browser, ".controls").value_of_css_property("position") == "sticky"
    browser.open(file, width=844, height=390)
    assert part(browser, ".controls").value_of_css_property("position") == "static"


def test_points_choose_alpha_too_and_the_numbers_are_spoken(browser, file, data):
    browser.open(file)
    wait_for_it(browser)
    assert part(browser, ".state").get_attribute("aria-live") == "polite"
    spoken = ("0.216 mean selectivity index", "688 units", "by class: airplane 0.624", "at −30")
    for picture, words in zip(pictures(browser), spoken, strict=True):
        assert picture.get_attribute("role") == "img" and words in picture.get_attribute("aria-label")
    circles = pictures(browser)[PATH].find_elements(By.CSS_SELECTOR, "circle:not(.chosen)")
    assert len(circles) == len(data["alphas"])
    ActionChains(browser.driver).move_to_element(circles[1]).click().perform()
    assert state(browser) == expected_state(data, 1)


def test_the_papers_values_are_marked_where_they_stand(browser, file, data, made, tmp_path):
    """An index on its axis, a change at our own index of its α, and on the slider every α that has either."""
    assert data["paper"]["change"] == [[0.7, -0.05]] and 0.7 not in data["alphas"]
    browser.open(file)
    wait_for_it(browser)
    drawn = [mark.get_attribute("d") for mark in pictures(browser)[SWEEP].find_elements(By.CSS_SELECTOR, "path.paper")]
    across = sorted(float(found[1]) for d in drawn if (found := re.match(r"M([\d.]+) [\d.]+h10", d)))
    told = sorted(si for _, si in data["paper"]["index"])
    assert len(told) == 3 == len(drawn)
    (a, b, c), (p, q, r) = across, told
    assert (c - b) / (b - a) == pytest.approx((r - q) / (q - p), rel=0.01)
    ruler = part(browser, ".controls svg")
    assert words(ruler, ".paper") == ["paper", "paper", "paper", "paper: 0.7"]
    numbers = {text.text: float(text.get_attribute("x")) for text in ruler.find_elements(By.CSS_SELECTOR, "text")}
    assert numbers["paper: 0.7"] == pytest.approx((numbers["0.4"] + numbers["1"]) / 2)

    ours = tmp_path / "ours.html"
    ours.write_text(PAGE.format(made.replace("[[0.7,-0.05]]", "[[0.4,-0.05]]")), encoding="utf-8")
    browser.open(ours.as_uri())
    wait_for_it(browser)
    slide(browser, k := data["alphas"].index(0.4))
    assert state(browser) == expected_state(data, k) and "in the paper −5.0 points" in part(browser, ".state").text
    picture = pictures(browser)[SWEEP]
    diamond = picture.find_elements(By.CSS_SELECTOR, "path.paper")[-1].get_attribute("d")
    ring = picture.find_element(By.CSS_SELECTOR, ".chosen").get_attribute("cx")
    assert diamond.startswith(f"M{ring} ") and diamond.endswith("l6 6l-6 6l-6 -6z")


def test_a_difference_names_the_seeds_it_is_of_and_no_zero_has_a_sign(browser, file, data):
    browser.open(file)
    wait_for_it(browser)
    k = data["alphas"].index(-0.4)
    assert abs(data["networks"][k]["change"]) < 5e-4 and data["networks"][k]["pairs"] == 3
    slide(browser, k)
    assert ", 0.0 points from α = 0 over the 3 seeds that both have" in part(browser, ".state").text


def test_dead_units_have_a_place_of_their_own_beside_a_logarithmic_axis(browser, file, data):
    browser.open(file)
    wait_for_it(browser)
    title = "return [...arguments[0].querySelectorAll('.title > span')].map((part) => part.textContent).join(' … ')"
    panel = part(browser, ".panels > :nth-child(2)")
    assert browser.driver.execute_script(title, panel) == "Units of … by layer"
    last = len(data["alphas"]) - 1
    dead = [sum(mean == 0 for mean in layer["mean"][last]) for layer in data["layers"]]
    k = next(k for k, n in enumerate(dead) if n)
    slide(browser, last)
    Select(part(browser, "select")).select_by_index(k + 1)
    assert browser.driver.execute_script(title, panel) == "Units of … by mean activity"
    assert f"{dead[k]} dead (index 0)" in panel.text and data["layers"][k]["name"] in panel.text
    heights = [text.get_attribute("y") for text in pictures(browser)[CLOUD].find_elements(By.TAG_NAME, "text")]
    found = words(pictures(browser)[CLOUD])
    row = [text for text, y in zip(found, heights, strict=True) if y == heights[found.index("dead")]]
    assert row[0] == "dead" and "0" not in row and len(row) > 2


def test_a_finger_moves_alpha_and_chooses_a_unit(browser, file, data):
    browser.open(file, width=390, height=844)
    wait_for_it(browser)

    def finger() -> ActionChains:
        return ActionChains(browser.driver, duration=50, devices=[PointerInput(POINTER_TOUCH, "finger")])

    zero, last = data["alphas"].index(0), len(data["alphas"]) - 1
    Select(part(browser, "select")).select_by_index(6)
    cloud, index = pictures(browser)[CLOUD], data["layers"][5]["si"][zero]
    browser.driver.execute_script("arguments[0].scrollIntoView({block: 'center', behavior: 'instant'})", cloud)
    finger().move_to_element(browser.driver.find_elements(By.CSS_SELECTOR, ".dot")[3]).click().perform()
    depth, unit = chosen(browser)
    assert depth == 6 and abs(index[unit] - index[3]) < 0.03 and index[unit] < max(index)
    slider = part(browser, ALPHA)
    across = finger().move_to_element_with_offset(slider, 0, 0).click_and_hold()
    across.move_to_element_with_offset(slider, slider.size["width"] / 2 - 12, 0).release().perform()
    assert state(browser) == expected_state(data, last)


def test_names_from_the_data_are_text(browser, monkeypatch, tmp_path):
    evil = "</script><img src=x onerror=window.evil=1>"
    monkeypatch.setattr(module, "class_names", lambda dataset: [evil] * 10)
    page = tmp_path / "page.html"
    page.write_text(PAGE.format(explorer(ledger("cifar10-short", folder=ROOT / "results")).data), encoding="utf-8")
    browser.open(page.as_uri())
    wait_for_it(browser)
    assert pictures(browser)[BARS].find_element(By.TAG_NAME, "text").text
    assert evil in part(browser, ".panels").text
    assert browser.driver.execute_script("return window.evil === undefined && document.images.length === 0")


def test_two_on_a_page_move_apart(browser, made, tmp_path):
    page = tmp_path / "page.html"
    page.write_text(PAGE.format(made * 2), encoding="utf-8")
    browser.open(page.as_uri())
    first, second = browser.driver.find_elements(By.CSS_SELECTOR, f".alpha-explorer {ALPHA}")
    first.send_keys(Keys.HOME)
    assert [first.get_attribute("value"), second.get_attribute("value")] == ["0", "4"]


def test_where_scripts_are_off_there_is_a_picture_and_a_table(browser, file, data):
    browser.driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        browser.driver.get(file)
        drawing = part(browser, ".drawing")
        assert drawing.find_element(By.TAG_NAME, "img").size["height"] > 200
        assert len(drawing.find_elements(By.CSS_SELECTOR, "tbody tr")) == len(data["alphas"])
    finally:
        browser.driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})
