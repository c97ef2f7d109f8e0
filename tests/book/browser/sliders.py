"""What a page's sliders should show, read from the page's file, and a hand that moves them in the browser."""

import json
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from bs4 import BeautifulSoup
from chromium import Browser
from selenium.common.exceptions import TimeoutException
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

_STATE = "application/vnd.jupyter.widget-state+json"
_VIEW = "application/vnd.jupyter.widget-view+json"
_REFERENCE = "IPY_MODEL_"


@dataclass(frozen=True)
class Shown:
    """What a reader sees at one position of a slider."""

    label: str
    alt: str
    source: str


@dataclass(frozen=True)
class Expected:
    """The frames of one slider, as the page names them: for each choice, or for None where there is no list."""

    order: int  # among the page's widgets
    labels: tuple[str, ...]
    frames: dict[str | None, tuple[Shown, ...]]
    chosen: str | None  # at the start


def expected_sliders(page: Path) -> list[Expected]:
    """The sliders over frames in a page's file, in the order of the page."""
    soup = BeautifulSoup(page.read_text(encoding="utf-8"), "html.parser")
    state = soup.find("script", type=_STATE)
    if state is None:
        return []
    models = {name: model["state"] for name, model in json.loads(state.string)["state"].items()}
    views = [json.loads(view.string)["model_id"] for view in soup.find_all("script", type=_VIEW)]
    found = (_expected(order, models, models[view]) for order, view in enumerate(views))
    return [slider for slider in found if slider is not None]


def _expected(order: int, models: dict, box: dict) -> Expected | None:
    children = _children(models, box)
    by_name = {child["_model_name"]: child for child in children}
    if not {"SelectionSliderModel", "StackModel"} <= set(by_name):
        return None
    chosen, stacks = None, {None: by_name["StackModel"]}
    if "DropdownModel" in by_name:
        names = by_name["DropdownModel"]["_options_labels"]
        stacks = dict(zip(names, _children(models, by_name["StackModel"]), strict=True))
        chosen = names[by_name["DropdownModel"]["index"]]
    frames = {name: tuple(map(_shown, _children(models, stack))) for name, stack in stacks.items()}
    return Expected(order, tuple(by_name["SelectionSliderModel"]["_options_labels"]), frames, chosen)


def _children(models: dict, box: dict) -> list[dict]:
    return [models[name.removeprefix(_REFERENCE)] for name in box.get("children", [])]


def _shown(page: dict) -> Shown:
    image = BeautifulSoup(page["value"], "html.parser").img
    return Shown(image["data-label"], image["alt"], image["src"])


class Slider:
    """One slider of the page that the browser has open."""

    def __init__(self, browser: Browser, expected: Expected):
        self._browser = browser
        self._expected = expected
        areas = browser.wait(lambda d: d.find_elements(By.CSS_SELECTOR, ".widget-subarea"))
        self._area = areas[expected.order]
        browser.wait(lambda _: self._area.find_elements(By.CSS_SELECTOR, ".noUi-handle"))
        self._into_view()  # frames come over the line when they are near the window
        browser.wait(lambda _: self.seen())

    def press(self, *keys: str) -> None:
        """Put the focus on the handle and press keys."""
        handle = self._find(".noUi-handle")
        self._browser.driver.execute_script("arguments[0].focus()", handle)
        ActionChains(self._browser.driver).send_keys(*keys).perform()

    def drag(self, position: int) -> None:
        """Take the handle with the mouse and let it go at a position."""
        self._into_view()
        here = self._centre(self._find(".noUi-handle"))
        offset = round(self._place(position) - here)
        hand = ActionChains(self._browser.driver, duration=50)
        hand.click_and_hold(self._find(".noUi-handle")).move_by_offset(offset, 0).release().perform()

    def click(self, position: int) -> None:
        """Click on the track at a position."""
        self._into_view()
        track = self._find(".noUi-base")
        offset = round(self._place(position) - self._centre(track))
        ActionChains(self._browser.driver).move_to_element_with_offset(track, offset, 0).click().perform()
        # the handle glides there, and cannot be taken on its way
        self._browser.wait(lambda _: "noUi-state-tap" not in self._find(".slider").get_attribute("class"))

    def choose(self, name: str) -> None:
        """Choose an entry of the list by typing its name, as a keyboard does."""
        self._find("select").send_keys(name, Keys.ENTER)

    def shows(self, position: int, choice: str | None = None) -> Shown | None:
        """What is seen once the slider stands at a position, or a while later if that is something else.

        Without a choice, the frames are those of the one at the start.
        """
        frame = self._expected.frames[choice or self._expected.chosen][position]
        with suppress(TimeoutException):
            self._browser.wait(lambda _: self.seen() == frame, 5)
        return self.seen()

    def seen(self) -> Shown | None:
        """The one picture that is drawn below the slider; None if there is none, or more than one."""
        script = """
            const images = [...arguments[0].querySelectorAll("img")];
            const drawn = images.filter((image) => image.checkVisibility() && image.naturalWidth > 0);
            return drawn.map((image) => [image.dataset.label, image.alt, image.getAttribute("src")]);
        """
        pictures = self._browser.driver.execute_script(script, self._area)
        return Shown(*pictures[0]) if len(pictures) == 1 else None

    def readout(self) -> str:
        """What the slider says its position is."""
        return self._find(".widget-readout").text

    def announced(self) -> tuple[str | None, str | None]:
        """Name and value of the handle as a screen reader gets them."""
        handle = self._find(".noUi-handle")
        return handle.get_attribute("aria-label"), handle.get_attribute("aria-valuetext")

    def _find(self, selector: str):
        return self._area.find_element(By.CSS_SELECTOR, selector)

    def _into_view(self) -> None:
        script = "arguments[0].scrollIntoView({block: 'center', behavior: 'instant'})"
        self._browser.driver.execute_script(script, self._find(".noUi-base"))

    @staticmethod
    def _centre(element) -> float:
        return element.rect["x"] + element.rect["width"] / 2

    def _place(self, position: int) -> float:
        track = self._find(".noUi-base").rect
        return track["x"] + track["width"] * position / (len(self._expected.labels) - 1)
