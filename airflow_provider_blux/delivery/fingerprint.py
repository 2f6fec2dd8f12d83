"""A digest of rows as they are read, by which a later try knows that the source still says the same."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from hashlib import sha256
from typing import Any

import msgspec

from airflow_provider_blux.line import Line, texts

# 96 bits.
_DIGITS = 24
# With more at once, other threads are let have the interpreter meanwhile, and to get it back costs as much.
_PIECE = 2047
_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")


class Fingerprint:
    """The digest of all rows so far, in their order.

    Rows are digested as MessagePack, which tells null, NaN, numbers and text apart, at an eighth of the cost of
    ``repr``. Only a number of a database (a ``Decimal``), a date or a UUID is the same as its text. What MessagePack
    has no type for counts by its ``repr``. A line of JSON that is not parsed counts as it is written.

    A set comes in another order in every process. To put all in order costs as much again, so that is done only from
    the first rows on of which one was rejected: no event that is accepted holds a set. (Users and ids may, where nobody
    looks at the column; they are sent again.)

    :param orderly_from: so many rows are digested as they come, and those behind them in order; ``None`` as long as
        none was rejected.
    """

    def __init__(self, orderly_from: int | None = None) -> None:
        self.orderly_from = orderly_from
        self._rows = 0
        self._hash = sha256()
        self._encode = msgspec.msgpack.Encoder(enc_hook=_described).encode
        self._encode_in_order = msgspec.msgpack.Encoder(enc_hook=_described, order="deterministic").encode

    def add(self, rows: Sequence[Any], *, has_rejects: bool = False) -> None:
        """Go on with the next rows."""
        if has_rejects and self.orderly_from is None:
            self.orderly_from = self._rows
        as_they_come = len(rows) if self.orderly_from is None else max(self.orderly_from - self._rows, 0)
        for some, encode in ((rows[:as_they_come], self._encode), (rows[as_they_come:], self._encode_in_order)):
            for content in _contents(some, encode):
                self._hash.update(content)
        self._rows += len(rows)

    def value(self) -> str:
        """Return the digest."""
        return self._hash.hexdigest()[:_DIGITS]


def _contents(rows: Sequence[Any], encode: Callable[[Any], bytes]) -> Iterable[bytes | memoryview]:
    """Return what there is to digest of rows, in pieces."""
    if lines := texts(rows):
        return lines
    if not any(type(row) is Line for row in rows):
        with suppress(Exception):  # whatever one of them holds
            content = memoryview(encode(rows))
            return [content[at : at + _PIECE] for at in range(_head_of_a_list(len(rows)), len(content), _PIECE)]
    return [_content_of_one(row, encode) for row in rows]


def _content_of_one(row: Any, encode: Callable[[Any], bytes]) -> bytes:
    try:
        return row.text if type(row) is Line else encode(row)
    except Exception:  # noqa: BLE001 - half a character, an integer of more than 64 bits, a nesting without end
        return encode(_described(row))


def _head_of_a_list(length: int) -> int:
    """Return how many bytes of a list in MessagePack come before its first item.

    They say its length, and how many rows come at a time is not to matter.
    """
    return 1 if length < 16 else 3 if length < 65_536 else 5


def _described(value: Any) -> str:
    try:
        return _ADDRESS.sub("", repr(value))
    except Exception:  # noqa: BLE001 - a record that is rejected in any case
        return type(value).__name__
