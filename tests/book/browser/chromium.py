"""A real Chromium, and what goes wrong on the pages that it opens."""

import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.support.wait import WebDriverWait

NO_BROWSER = "Chromium or chromedriver not found"
_CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
_HERE = ("127.0.0.1", "localhost")


@dataclass
class Browser:
    """A driver, and what went wrong on the pages that it opened."""

    driver: webdriver.Chrome
    loaded: int = 0  # bytes that came over the line since the page was opened
    _asked: dict[str, str] = field(default_factory=dict)

    def open(self, address: str, *, width: int = 1280, height: int = 1000, dark: bool = False) -> None:
        """Open a page afresh at a window size and in a colour scheme, and wait until all of it is there."""
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        self.problems()
        self.loaded = 0
        self.driver.get(address)
        self.wait(lambda d: d.execute_script("return document.readyState") == "complete")

    def forget(self) -> None:
        """Keep nothing of what was loaded before: the next page comes as to a reader who was never here."""
        self.driver.execute_cdp_cmd("Network.clearBrowserCache", {})

    def wait(self, condition: Callable, seconds: float = 20):
        """Wait until the condition, given the driver, is true, and return what it gave."""
        return WebDriverWait(self.driver, seconds, poll_frequency=0.05).until(condition)

    def problems(self) -> list[str]:
        """Errors in the console, failed requests, and requests beyond this machine since the last call."""
        found = [e["message"] for e in self.driver.get_log("browser") if e["level"] == "SEVERE"]
        for entry in self.driver.get_log("performance"):
            message = json.loads(entry["message"])["message"]
            parameters = message["params"]
            if message["method"] == "Network.requestWillBeSent":
                address = parameters["request"]["url"]
                parts = urlsplit(address[:200])  # data: addresses are as long as their pictures
                self._asked[parameters["requestId"]] = address[:200]
                if parts.scheme in ("http", "https", "ws", "wss") and parts.hostname not in _HERE:
                    found.append(f"asked another host: {address}")
            elif message["method"] == "Network.loadingFinished":
                self.loaded += parameters["encodedDataLength"]
            elif message["method"] == "Network.loadingFailed" and not parameters.get("canceled"):
                found.append(f"failed: {self._asked.get(parameters['requestId'])}: {parameters['errorText']}")
            elif message["method"] == "Network.responseReceived" and parameters["response"]["status"] >= 400:
                found.append(f"{parameters['response']['status']}: {parameters['response']['url']}")
        return found


@contextmanager
def chromium() -> Iterator[Browser]:
    """A headless Chromium that refuses requests beyond this machine; skip, or fail, where there is none."""
    binary = next(filter(None, map(shutil.which, _CHROMIUM)), None)
    chromedriver = shutil.which("chromedriver")
    if binary is None or chromedriver is None:
        if os.environ.get("SELECTIVITY_REQUIRE_BROWSER") == "1":
            pytest.fail(NO_BROWSER)
        pytest.skip(NO_BROWSER)
    options = webdriver.ChromeOptions()
    options.binary_location = binary
    for argument in (
        "--headless=new",
        "--no-sandbox",  # containers run as root, where the sandbox cannot start
        "--disable-dev-shm-usage",
        "--no-proxy-server",
        "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1",
    ):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(chromedriver))
    try:
        driver.set_page_load_timeout(60)
        yield Browser(driver)
    finally:
        driver.quit()
