"""The page "Blux deliveries" in a browser, read as a person sees it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from selenium.common.exceptions import (
    DetachedShadowRootException,
    NoSuchShadowRootException,
    StaleElementReferenceException,
)
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from tests.airflow.browser.chromium import Chromium

if TYPE_CHECKING:
    from selenium.webdriver.remote.webelement import WebElement

ROUTE = "plugin/blux-deliveries"
RUNNING, HISTORY, LAST = "section:nth-of-type(1)", "section:nth-of-type(2)", "section:nth-of-type(3)"
# The largest contrast that both themes must have: WCAG 2, level AA.
CONTRAST = """
const [root, selector] = [document.querySelector('blux-deliveries').shadowRoot, arguments[0]];
const canvas = Object.assign(document.createElement('canvas'), {width: 1, height: 1}).getContext('2d');
const luminance = color => {
  canvas.fillStyle = color;
  canvas.fillRect(0, 0, 1, 1);
  const [r, g, b] = [...canvas.getImageData(0, 0, 1, 1).data].map(part => {
    part /= 255;
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const behind = element => {
  for (; element; element = element.parentElement ?? element.getRootNode().host) {
    const color = getComputedStyle(element).backgroundColor;
    if (color !== 'rgba(0, 0, 0, 0)') { return color; }
  }
  return 'white';
};
return [...root.querySelectorAll(selector)].filter(element => element.checkVisibility()).map(element => {
  const pair = [luminance(getComputedStyle(element).color), luminance(behind(element))].sort((a, b) => b - a);
  return (pair[0] + 0.05) / (pair[1] + 0.05);
});
"""


class DeliveriesPage:
    """The page, opened in a browser.

    :param browser: the browser.
    :param url: where Airflow's pages are.
    """

    def __init__(self, browser: Chromium, url: str) -> None:
        self.browser = browser
        self._url = url

    def sign_in(self, token: str) -> None:
        """Sign in as the person with this token."""
        self.browser.open(f"{self._url}/blux-deliveries/icon.svg")
        self.browser.driver.delete_all_cookies()
        self.browser.driver.add_cookie({"name": "_token", "value": token, "path": "/", "sameSite": "Lax"})

    def open(self, *, until: str | None = f"{LAST} p:not(:empty)") -> None:
        """Open the page and wait until it shows something, by default the last deliveries with their reports."""
        self.browser.open(f"{self._url}/{ROUTE}")
        self.browser.driver.execute_script("performance.setResourceTimingBufferSize(5000)")
        if until:
            waits = {"Loading…", "불러오는 중…"}
            self.browser.until(
                lambda: self.all(until) and waits.isdisjoint(self.text(LAST).splitlines()), "all is shown"
            )

    def open_with_chart(self) -> None:
        """Open the page and wait until the first step of the chart, which is shown last, is complete."""
        self.open()
        self.browser.until(lambda: self.all(f"{HISTORY} figure") and self.chart_is_still(), "the chart is shown")

    def chart_is_still(self) -> bool:
        """Return whether no step of the chart is loading."""
        return self.all(f"{HISTORY} > button")[0].get_property("disabled") is False

    def all(self, selector: str) -> list[WebElement]:
        """Return the elements of the page that are there now."""
        hosts = self.browser.driver.find_elements(By.CSS_SELECTOR, "blux-deliveries")
        try:
            return hosts[0].shadow_root.find_elements(By.CSS_SELECTOR, selector) if hosts else []
        except (DetachedShadowRootException, NoSuchShadowRootException):
            return []  # it comes or goes at this moment

    def find(self, selector: str) -> WebElement:
        """Return an element, once it is shown."""
        return self.browser.until(
            lambda: next((found for found in self.all(selector) if found.is_displayed()), None), f"{selector} is shown"
        )

    def click(self, selector: str) -> None:
        """Click an element, once it is shown; the driver itself does not scroll within the page."""
        element = self.find(selector)
        self.browser.driver.execute_script("arguments[0].scrollIntoView({block: 'center'})", element)
        element.click()

    def text(self, selector: str = ".page") -> str:
        """Return what the page, or a part of it, shows as text; nothing while it is not there."""
        try:
            return "\n".join(found.text for found in self.all(selector))
        except StaleElementReferenceException:
            return ""

    def rows(self, section: str = LAST) -> list[str]:
        """Return the text of each row of a table."""
        return [row.text for row in self.all(f"{section} tbody tr")]

    def asked(self) -> list[str]:
        """Return the paths of all requests since the page was opened."""
        code = "return performance.getEntriesByType('resource').map(entry => entry.name)"
        names: list[str] = self.browser.driver.execute_script(code)
        return [name.removeprefix(self._url) for name in names]

    def press(self, *keys: str) -> None:
        """Press keys wherever the focus is."""
        for key in keys:
            self.browser.driver.switch_to.active_element.send_keys(key)

    def focused(self) -> str:
        """Return the text of the element of the page that has the focus."""
        code = "return document.activeElement?.shadowRoot?.activeElement?.innerText ?? ''"
        text: str = self.browser.driver.execute_script(code)
        return text

    def tab_to(self, text: str) -> None:
        """Press Tab until an element with this text has the focus."""
        for _ in range(120):
            if self.focused() == text:
                return
            self.press(Keys.TAB)
        raise AssertionError(f"Tab does not lead to {text}")

    def contrasts(self, selector: str) -> list[float]:
        """Return the contrast between text and background of each element."""
        found: list[float] = self.browser.driver.execute_script(CONTRAST, selector)
        return found

    @contextmanager
    def with_theme(self, theme: str) -> Iterator[None]:
        """Set the colour scheme of the browser to ``light`` or ``dark``, as a system setting does."""
        with self._emulated("Emulation.setEmulatedMedia", {"features": []}):
            wanted = {"features": [{"name": "prefers-color-scheme", "value": theme}]}
            self.browser.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", wanted)
            yield

    @contextmanager
    def with_size(self, width: int, height: int) -> Iterator[None]:
        """Change the size of the page in pixels within the context."""
        command, rest = "Emulation.setDeviceMetricsOverride", {"deviceScaleFactor": 1, "mobile": False}
        with self._emulated(command, {"width": 1280, "height": 1400, **rest}):
            self.browser.driver.execute_cdp_cmd(command, {"width": width, "height": height, **rest})
            yield

    @contextmanager
    def with_language(self, language: str) -> Iterator[None]:
        """Set the language of the browser."""
        agent = self.browser.driver.execute_script("return navigator.userAgent")
        command = "Emulation.setUserAgentOverride"
        with self._emulated(command, {"userAgent": agent, "acceptLanguage": "en-US,en"}):
            self.browser.driver.execute_cdp_cmd(command, {"userAgent": agent, "acceptLanguage": language})
            yield

    @contextmanager
    def with_answer(self, code: str) -> Iterator[None]:
        """Answer requests for task instances with the result of JavaScript code."""
        patched = (
            "const real = window.fetch; window.fetch = (url, options) =>"
            f" String(url).includes('/taskInstances') ? ({code}) : real(url, options);"
        )
        driver = self.browser.driver
        added = driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": patched})
        try:
            yield
        finally:
            driver.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", added)

    @contextmanager
    def _emulated(self, command: str, before: dict[str, Any]) -> Iterator[None]:
        try:
            yield
        finally:
            self.browser.driver.execute_cdp_cmd(command, before)
