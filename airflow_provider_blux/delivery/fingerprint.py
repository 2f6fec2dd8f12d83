"""A digest of rows as they are read, by which a later try knows that the source still says the same."""

from __future__ import annotations

import re
from collections.abc import Iterable
from hashlib import sha256
from typing import Any

import msgspec

# 96 bits.
_DIGITS = 24
_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")


class Fingerprint:
    """The digest of all rows so far, in their order.

    Rows are digested as MessagePack, which tells null, NaN, numbers and text apart, at a quarter of the cost of
    ``repr``. Only a number of a database (a ``Decimal``), a date or a UUID is the same as its text. What MessagePack
    has no type for counts by its ``repr``.
    """

    def __init__(self) -> None:
        self._hash = sha256()
        # Deterministic, since a set comes in another order in every process.
        self._encode = msgspec.msgpack.Encoder(enc_hook=_described, order="deterministic").encode

    def add(self, rows: Iterable[Any]) -> None:
        """Go on with the next rows."""
        rows = list(rows)
        try:
            content = memoryview(self._encode(rows))[_head_of_a_list(len(rows)) :]
        except Exception:  # noqa: BLE001 - each row for itself, whatever it holds
            content = memoryview(b"".join(map(self._of, rows)))
        self._hash.update(content)

    def value(self) -> str:
        """Return the digest."""
        return self._hash.hexdigest()[:_DIGITS]

    def _of(self, row: Any) -> bytes:
        try:
            return self._encode(row)
        except Exception:  # noqa: BLE001 - half a character, an integer of more than 64 bits, a nesting without end
            return self._encode(_described(row))


def _head_of_a_list(length: int) -> int:
    """Return how many bytes of a list in MessagePack come before its first item.

    They say its length, and how many rows come at a time is not to matter.
    """
    return 1 if length < 16 else 3 if length < 65_536 else 5  # noqa: PLR2004 - of the specification


def _described(value: Any) -> str:
    try:
        return _ADDRESS.sub("", repr(value))
    except Exception:  # noqa: BLE001 - a record that is rejected in any case
        return type(value).__name__
