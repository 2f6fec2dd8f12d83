"""A digest of rows as they are read, by which a later try knows that the source still says the same."""

from __future__ import annotations

import re
from collections.abc import Iterable
from hashlib import blake2b
from typing import Any

import msgspec

_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")


class Fingerprint:
    """The digest of all rows so far, in their order.

    Rows are digested as MessagePack, which tells null, NaN, numbers and text apart, at a quarter of the cost of
    ``repr``. Only a number of a database (a ``Decimal``), a date or a UUID is the same as its text. What MessagePack
    has no type for counts by its ``repr``.
    """

    def __init__(self) -> None:
        self._hash = blake2b(digest_size=12)
        # Deterministic, since a set comes in another order in every process.
        self._encode = msgspec.msgpack.Encoder(enc_hook=_described, order="deterministic").encode

    def add(self, rows: Iterable[Any]) -> None:
        """Go on with the next rows."""
        rows = list(rows)
        try:
            content = b"".join(map(self._encode, rows))
        except Exception:  # noqa: BLE001 - each row for itself, whatever it holds
            content = b"".join(map(self._of, rows))
        self._hash.update(content)

    def value(self) -> str:
        """Return the digest."""
        return self._hash.hexdigest()

    def _of(self, row: Any) -> bytes:
        try:
            return self._encode(row)
        except Exception:  # noqa: BLE001 - half a character, an integer of more than 64 bits, a nesting without end
            return self._encode(_described(row))


def _described(value: Any) -> str:
    try:
        return _ADDRESS.sub("", repr(value))
    except Exception:  # noqa: BLE001 - a record that is rejected in any case
        return type(value).__name__
