"""A headless Chromium that shows Airflow's pages as a person sees them."""

from __future__ import annotations

import base64
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self, TypeVar

from selenium.common.exceptions import NoSuchElementException, StaleElementReferenceException
from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.support.wait import WebDriverWait

if TYPE_CHECKING:
    from selenium.webdriver.remote.webelement import WebElement

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")
# Nothing leaves the machine but what a test opens: no updates, no services of the browser's vendor.
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-proxy-server",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
    "--lang=en-US",
    "--force-color-profile=srgb",
    "--hide-scrollbars",
)
_AT_REST = 6  # pictures in a row without a difference

T = TypeVar("T")


def missing() -> str | None:
    """Return what is missing to run a browser; ``None`` if nothing is missing."""
    if BROWSER is None:
        return "no Chromium is installed (Debian: chromium)"
    if DRIVER is None:
        return "no chromedriver is installed (Debian: chromium-driver)"
    return None


class Chromium:
    """A browser with an empty profile.

    :param width: of a page, in pixels.
    :param height: of a page.
    :param timeout: seconds that a page may take to show what is waited for.
    """

    def __init__(self, *, width: int = 1280, height: int = 1000, timeout: float = 60) -> None:
        self._size = width, height
        self._timeout = timeout

    def __enter__(self) -> Self:
        self._profile = tempfile.TemporaryDirectory(prefix="chromium_", ignore_cleanup_errors=True)
        options = ChromeOptions()
        options.binary_location = str(BROWSER)
        for flag in (*FLAGS, f"--user-data-dir={self._profile.name}"):
            options.add_argument(flag)
        self.driver = Chrome(options=options, service=Service(DRIVER))
        width, height = self._size
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.driver.quit()
        self._profile.cleanup()

    def open(self, url: str) -> None:
        """Open a page."""
        self.driver.get(url)

    def until(self, fact: Callable[[], T | None], name: str) -> T:
        """Call ``fact`` until it returns a true value, and return this value; a missing element counts as false."""
        ignored = (NoSuchElementException, StaleElementReferenceException)
        wait = WebDriverWait(self.driver, self._timeout, poll_frequency=0.1, ignored_exceptions=ignored)
        return wait.until(lambda _: fact(), f"waited {self._timeout:g} s in vain until {name}")

    def find(self, xpath: str) -> WebElement:
        """Return the first visible element, once there is one."""

        def visible() -> WebElement | None:
            return next((found for found in self.find_now(xpath) if found.is_displayed()), None)

        return self.until(visible, f"{xpath} is shown on {self.driver.current_url}")

    def click(self, xpath: str) -> None:
        """Click the first visible element, once there is one; try again if the page has replaced it meanwhile."""

        def clicked() -> bool:
            self.find(xpath).click()
            return True

        self.until(clicked, f"{xpath} is clicked")

    def find_now(self, xpath: str) -> list[WebElement]:
        """Return the elements that are there now."""
        return self.driver.find_elements(By.XPATH, xpath)

    def text(self) -> str:
        """Return what the page shows as text."""
        return self.driver.find_element(By.TAG_NAME, "body").text

    def save(self, path: Path, xpath: str | None = None, *, margin: int = 0) -> None:
        """Write the page as PNG, once nothing on it moves.

        :param xpath: the elements to show; all of the window unless given.
        :param margin: pixels around them.
        """
        self.driver.execute_script("document.activeElement.blur()")  # no cursor that blinks
        taken: list[bytes] = []

        def at_rest() -> bool:
            taken.append(self._picture(xpath, margin))
            return len(taken) >= _AT_REST and len(set(taken[-_AT_REST:])) == 1

        self.until(at_rest, "the page is at rest")
        path.write_bytes(taken[-1])

    def _picture(self, xpath: str | None, margin: int) -> bytes:
        clip = {"clip": self._around(xpath, margin)} if xpath else {}
        taken = self.driver.execute_cdp_cmd("Page.captureScreenshot", {"format": "png", **clip})
        return base64.b64decode(taken["data"])

    def _around(self, xpath: str, margin: int) -> dict[str, float]:
        """Return the smallest rectangle of the page that contains the elements and a margin."""
        # As it is seen: the driver's own `rect` knows nothing of a page that is zoomed.
        boxes = self.driver.execute_script(
            "return arguments[0].map(element => element.getBoundingClientRect().toJSON())", self.find_now(xpath)
        )
        left, top = (min(box[side] for box in boxes) - margin for side in ("left", "top"))
        right, bottom = (max(box[side] for box in boxes) + margin for side in ("right", "bottom"))
        return {"x": left, "y": top, "width": right - left, "height": bottom - top, "scale": 1}
