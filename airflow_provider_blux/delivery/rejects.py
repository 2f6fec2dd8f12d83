"""Writes the rejects file: the records that were rejected, or whose outcome is unknown, with the reasons."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from datetime import date, time
from decimal import Decimal
from typing import Any
from uuid import UUID

from airflow_provider_blux.delivery.reading import Place
from airflow_provider_blux.delivery.record import Reject
from airflow_provider_blux.delivery.storage import Folder, Lines
from airflow_provider_blux.exceptions import BluxRecordError
from airflow_provider_blux.scalars import python_value


class RejectsFile(Lines):
    """The rejects file of one try; thread-safe.

    Each line has the keys ``operation``, ``record_number``, ``source``, ``outcome``, ``field``, ``reason`` and
    ``record``. ``record`` is null if the row could not be read, or cannot be written as JSON. Values that JSON cannot
    represent are written as text; the line then has the key ``as_text`` as well, with the columns of these values.

    :param operation: the operation of the delivery, such as ``upsert_users``: a record of one operation must not be
        sent by another, which would delete users that are to be updated, or create users that are to be deleted.
    """

    def __init__(self, folder: Folder, name: str, operation: str) -> None:
        super().__init__(folder, name)
        self._operation = operation

    def add_rejects(self, rejects: Sequence[Reject], place_of: Place = lambda _number: None) -> None:
        """Add a line for each record; the lines are durable after the next flush.

        :param place_of: returns the position of a record in the source.
        """
        self.add([_line(self._operation, reject, place_of(reject.record_number)) for reject in rejects])


def _line(operation: str, reject: Reject, source: str | None) -> bytes:
    line = {
        "operation": operation,
        "record_number": reject.record_number,
        "source": source,
        **reject._asdict(),
        "record": None,
    }
    as_text: list[str] = []
    try:
        whole = {**line, "record": _plain(reject.record, as_text, reject.reason)}
        if as_text:
            whole["as_text"] = as_text
        return _json(whole)
    except (RecursionError, ValueError):  # nested too deep, or an integer with too many digits
        return _json(line)


def _json(line: dict[str, Any]) -> bytes:
    """Return a line as JSON in UTF-8. Non-ASCII text is not escaped, except for a lone surrogate."""
    return json.dumps(line, ensure_ascii=False).encode("utf-8", "backslashreplace")


def _plain(value: Any, as_text: list[str], reason: str, column: str = "") -> Any:
    """Return a value in a form that JSON can represent.

    The record may have been rejected because of a value that JSON cannot represent.

    :param as_text: list to which the column is added if a value or key becomes text. A date, time or UUID counts only
        if the record was rejected for its type, as a date is no id: as a property it is sent as the same text.
    :param reason: why the record was rejected.
    :param column: the column of the row that holds the value; empty for the row itself.
    """
    if isinstance(value, BluxRecordError):  # the row could not be read
        as_text += value.as_text
        value = value.record
    value = python_value(value)
    if isinstance(value, Mapping):
        for key in value:
            if not isinstance(key, str):
                _note(column or str(key), as_text)
        return {str(key): _plain(item, as_text, reason, column or str(key)) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item, as_text, reason, column) for item in value]
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float | Decimal) and (number := _number(value)) is not None:
        return number
    written = value.isoformat() if isinstance(value, date | time) else str(value)
    is_at_fault = written == "NaT" or reason.startswith(f"is of type {type(value).__name__};")
    if is_at_fault or not isinstance(value, date | time | UUID):  # "NaT" is what pandas calls a missing time
        _note(column or "record", as_text)
    return written


def _number(value: float | Decimal) -> float | None:
    """Return a number as a float; ``None`` if the JSON of the float would not be the same number.

    The number 12.0 does not become 12: an id may have been rejected because it was not an integer.
    """
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    number = float(value) if value.is_finite() else math.inf
    return number if math.isfinite(number) and Decimal(repr(number)) == value else None


def _note(column: str, as_text: list[str]) -> None:
    if column not in as_text:
        as_text.append(column)
