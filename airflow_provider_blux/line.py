"""A line of JSON that nobody has parsed yet: a source hands it on, and who sends it reads only what it needs of it.

Most of what parsing costs is to make a dictionary, and most dictionaries of a source would be taken apart again at
once. A line is also its own digest. What ``json.loads`` makes of it is what it says, whoever reads it.
"""

from __future__ import annotations

import json
from codecs import BOM_UTF8
from collections.abc import Iterable, Iterator
from typing import Any, Protocol, runtime_checkable

import msgspec

from airflow_provider_blux.exceptions import BluxRecordError

_BLANKS = b" \t\r\n"
# What the fast parser takes, it takes for what the standard library takes it for (a property test holds it to that);
# what it refuses, a blank line or ``NaN``, is for the standard library to judge.
decode = msgspec.json.Decoder().decode
REFUSED = (msgspec.MsgspecError, ValueError, RecursionError)


class Line(msgspec.Struct, frozen=True, gc=False):
    """One line that begins with a brace: an object, or else no JSON.

    :param text: the whole line.
    :param number: which line of its file it is (1-based).
    :param name: what the file is called, for messages.
    """

    text: bytes
    number: int
    name: str

    def __repr__(self) -> str:
        return f"Line({self.number})"


@runtime_checkable
class Unparsed(Protocol):
    """A source that can give its rows as lines."""

    def unparsed(self) -> Iterator[Any]:
        """Return the rows from the first on, of which any may be a :class:`Line`."""


def parsed(row: Any) -> Any:
    """Return the record of a line, any other row as it is; a :class:`BluxRecordError` for a line without one."""
    if type(row) is not Line:
        return row
    try:
        return decode(row.text)
    except REFUSED:
        return judged(row.text, row.number, row.name)[0]


def texts(rows: Iterable[Any]) -> list[bytes] | None:
    """Return the texts of rows that are all lines; ``None`` where one is not."""
    return [row.text for row in rows] if {*map(type, rows)} == {Line} else None


def judged(line: bytes, number: int, name: str) -> list[Any]:
    """Return the record of a line, if it has one, by the standard library's parser."""
    try:
        # A byte order mark also stands within a file that was put together from several.
        text = line.removeprefix(BOM_UTF8).strip(_BLANKS).decode()
        return [json.loads(text)] if text else []
    except (ValueError, RecursionError):
        return [BluxRecordError(None, f"line {number} of {name} is not JSON (cut off, or not UTF-8)")]
