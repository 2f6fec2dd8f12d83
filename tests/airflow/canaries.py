"""Values that occur nowhere else, and the search for them in everything that Airflow has written."""

from __future__ import annotations

import secrets
import zlib
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

from tests.airflow.metadata import Metadata

Row = dict[str, Any]
# Files in which Airflow writes what a task returns in clear: its database, and on 3.0 the output of the scheduler, into
# which every message of a task goes.
RESULTS_IN_CLEAR = ("airflow.db", *(["scheduler.log"] if metadata.version("apache-airflow").startswith("3.0.") else []))


def result_of_the_task_that_reads(table: str, row: Row) -> bool:
    """Return whether a row holds the return value of an upstream task, which Airflow stores unencrypted."""
    return table == "xcom" and row["task_id"].startswith(("read", "pages")) and row["key"] == "return_value"


class Canaries:
    """Makes records of unique personal values and remembers the values."""

    def __init__(self) -> None:
        self.values: set[str] = set()

    def user(self) -> dict[str, Any]:
        """Return a user whose every value is unique."""
        return {
            "user_id": self._word("id"),
            "user_properties": {
                "phone_number": self._digits("010"),
                "email_address": f"{self._word('mail')}@example.com",
                "marketing_notification_sms_consent": False,
            },
            "custom_user_properties": {"name": f"홍 {self._word('name')}", "notes": [f'"{self._word("note")}"']},
        }

    def profile(self) -> dict[str, Any]:
        """Return a user of the Open API whose every value is unique."""
        user = self.user()
        return {"user_id": user["user_id"], "properties": user["user_properties"] | user["custom_user_properties"]}

    def deletion(self) -> dict[str, Any]:
        """Return a user to be deleted."""
        return {"user_id": self._word("id")}

    def event(self) -> dict[str, Any]:
        """Return an event whose every value is unique."""
        return {
            "name": "order",
            "user_id": self._word("id"),
            "timestamp": "2026-10-01T09:00:00+09:00",
            "properties": {"address": f"서울 {self._word('street')}", "card": self._digits("9410")},
        }

    def device(self) -> dict[str, Any]:
        """Return a device whose every value is unique."""
        return {
            "user_id": self._word("id"),
            "device_id": self._word("device"),
            "platform": "ios",
            "token": self._word("token"),
        }

    def secret(self) -> str:
        """Return a key."""
        return self._word("key")

    def _word(self, kind: str) -> str:
        return self._remember(f"{kind}{secrets.token_hex(6)}")

    def _digits(self, prefix: str) -> str:
        return self._remember(f"{prefix}{secrets.randbelow(10**8):08}")

    def _remember(self, value: str) -> str:
        self.values.add(value)
        return value

    def in_files(self, folder: Path) -> list[str]:
        """Return the file and the value of each occurrence below ``folder``; every byte is searched."""
        found_in = self._search()
        return [
            f"{path.relative_to(folder)}: {value}"
            for path in sorted(folder.rglob("*"))
            if path.is_file()
            for value in found_in(path.read_bytes())
        ]

    def in_other_files(self, folder: Path) -> list[str]:
        """Return the places of values in files, except for files in which Airflow keeps results of tasks."""
        return [found for found in self.in_files(folder) if not found.startswith(RESULTS_IN_CLEAR)]

    def in_tables(self, tables: Metadata, *, but: Callable[[str, Row], bool] = lambda table, row: False) -> list[str]:
        """Return the places of values in the tables, except in rows for which ``but`` is true."""
        found_in = self._search()
        return [
            f"{table}.{column}: {value}"
            for table, row in tables.rows()
            if not but(table, row)
            for column, cell in row.items()
            for form in _forms(cell)
            for value in found_in(form)
        ]

    def in_text(self, text: str) -> list[str]:
        """Return the values that occur in ``text``."""
        return self._search()(text.encode())

    def _search(self) -> Callable[[bytes], list[str]]:
        """Return a function that returns the values in a content.

        Every value is plain ASCII, which no encoding of JSON changes; somebody may have written it in capitals.
        """
        sought = [(value.lower().encode(), value) for value in self.values]

        def found_in(content: bytes) -> list[str]:
            lower = content.lower()
            return [value for lowered, value in sought if lowered in lower]

        return found_in


def _forms(cell: object) -> Iterator[bytes]:
    """Yield the content of a cell; if it is compressed, also the decompressed content."""
    content = cell if isinstance(cell, bytes) else str(cell).encode()
    yield content
    try:
        yield zlib.decompress(content)
    except zlib.error:
        return
