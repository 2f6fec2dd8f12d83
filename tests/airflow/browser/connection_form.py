"""The form that makes or changes a connection, as each Airflow draws it, by the labels that a person reads."""

from __future__ import annotations

import json
from importlib import metadata
from typing import TYPE_CHECKING

from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from tests.airflow.browser.chromium import Chromium

if TYPE_CHECKING:
    from selenium.webdriver.remote.webelement import WebElement

AIRFLOW = tuple(int(part) for part in metadata.version("apache-airflow").split(".")[:2])
# Airflow 2.11 hides the standard fields that a connection type has no use for.
_ROW = "./ancestor::*[@role='group' or self::tr][1]"
_INPUT = f"{_ROW}//*[self::input or self::textarea]"
_LABELS = f"//label[not(ancestor::*[contains(concat(' ', @class, ' '), ' hide ')])][{_INPUT}]"
_FOLDED_IN = "./ancestor::*[@data-scope='accordion' and @data-part='item'][1]//*[@data-part='item-trigger']"
_TYPE = (
    "//span[@id='select2-conn_type-container']" if AIRFLOW < (3,) else "//*[@role='dialog']//input[@role='combobox']"
)


class ConnectionForm:
    """The form, opened in a browser.

    :param browser: the browser.
    :param url: where Airflow's pages are.
    """

    def __init__(self, browser: Chromium, url: str) -> None:
        self.browser = browser
        self._url = url

    def begin(self, connection_id: str) -> None:
        """Open the form for a new connection of type Blux."""
        if AIRFLOW < (3,):
            self.browser.open(f"{self._url}/connection/add")
            self.browser.find("//input[@id='conn_id']").send_keys(connection_id)
            self.browser.click(_TYPE)
            self.browser.find("//input[contains(@class, 'select2-search__field')]").send_keys("Blux", Keys.ENTER)
        else:
            self.browser.open(f"{self._url}/connections")
            self.browser.click("//button[contains(., 'Add Connection')]")
            self.browser.find("//input[@name='connection_id']").send_keys(connection_id)
            chooser = self.browser.find(_TYPE)
            chooser.send_keys("Blux")
            self.browser.find("//*[@role='option' and normalize-space(.)='Blux']")
            chooser.send_keys(Keys.ENTER)
        self.browser.until(lambda: len(self._labels()) > 5, "the fields are there")

    def edit(self, connection_id: str) -> None:
        """Open the form for a connection that is stored."""
        if AIRFLOW < (3,):
            self.browser.open(f"{self._url}/connection/list/")
            self.browser.click(f"{row_of(connection_id)}//a[contains(@href, '/connection/edit/')]")
        else:
            self.browser.open(f"{self._url}/connections")
            self.browser.click(f"{row_of(connection_id)}//button[contains(@aria-label, 'Edit')]")
        self.browser.until(lambda: len(self._labels()) > 5, "the fields are there")

    def kinds(self) -> dict[str, str]:
        """Return each label, in their order, and the kind of its input: ``text``, ``password``, ``textarea``."""
        return {label: self._input(label).get_attribute("type") or "" for label in self._labels()}

    def row(self, label: str) -> str:
        """Return all that stands in the row of a field: its label and its help."""
        return self._input(label).find_element(By.XPATH, _ROW).get_attribute("textContent") or ""

    def placeholder(self, label: str) -> str:
        """Return the placeholder of a field."""
        return self._input(label).get_attribute("placeholder") or ""

    def fill(self, **fields: str) -> None:
        """Type into fields, named by their labels."""
        for label, text in fields.items():
            self._unfolded(label).send_keys(text)

    def fill_extra(self, extra: dict[str, str]) -> None:
        """Type the extras as JSON, where the form has no fields for them (Airflow 3.0 without the FAB provider)."""
        self.browser.click("//*[@role='dialog']//button[contains(., 'Extra Fields JSON')]")
        editor = self.browser.find("//*[@role='dialog']//*[contains(@class, 'cm-content')]")
        editor.send_keys(Keys.CONTROL, "a", Keys.NULL, Keys.DELETE)
        self.browser.driver.execute_cdp_cmd("Input.insertText", {"text": json.dumps(extra)})
        # The editor lays out what was typed when it is left, and moves the button below it.
        self.browser.click("//input[@name='connection_id']")

    def save(self) -> None:
        """Save, and wait until that has happened."""
        self.browser.click("//button[contains(., 'Save')]")
        if AIRFLOW < (3,):
            self.browser.find("//*[contains(@class, 'alert') and contains(., 'Row')]")
        else:
            self.browser.until(lambda: not self.browser.find_now("//*[@role='dialog']"), "the form is gone")

    def _labels(self) -> list[str]:
        texts = [label.get_attribute("textContent") or "" for label in self.browser.find_now(_LABELS)]
        labels = [text.replace("*", "").strip() for text in texts]
        return [label for label in labels if label.lower() not in ("", "connection id", "connection type")]

    def _input(self, label: str) -> WebElement:
        return self.browser.driver.find_element(By.XPATH, f"//label[normalize-space(.)='{label}']").find_element(
            By.XPATH, _INPUT
        )

    def _unfolded(self, label: str) -> WebElement:
        field = self._input(label)
        if not field.is_displayed():
            field.find_element(By.XPATH, _FOLDED_IN).click()
            self.browser.until(field.is_displayed, f"{label} is unfolded")
        return field


def row_of(connection_id: str) -> str:
    """Return the XPath of a connection's row in the list."""
    return f"//tr[.//td[normalize-space(.)='{connection_id}']]"
