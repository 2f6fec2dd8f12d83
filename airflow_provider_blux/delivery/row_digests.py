"""Digests of users and of their rows; a snapshot holds no other data about users."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, time
from decimal import Decimal
from enum import Enum
from hashlib import blake2b, sha256
from typing import Any
from uuid import UUID

import msgspec

USER_BYTES = 8
"""Size of a user's digest in bytes.

The probability that two of ten million users share a digest is 1 in 400,000. Such users are sent in each run.
"""
ROW_BYTES = 11
"""Size of a row's digest in bytes. A changed row is taken for an unchanged one with a probability of 1 in 10^26."""

# Types that msgspec encodes without ambiguity: 1, 1.0, "1" and true have different encodings.
_PLAIN: frozenset[type] = frozenset({str, int, float, bool, type(None)})
# Types that msgspec would write as text, and whose `repr` is complete.
_BY_REPR = (Decimal, UUID)
_encode = msgspec.msgpack.Encoder().encode


class RowDigests:
    """Computes digests of users and rows.

    :param key: the connection's ``receipt_key``; without a key, a short id can be found from its digest by brute force.
    :param reading: text with all settings that decide what is sent for a row. It enters the digests of rows, so that
        all rows count as changed when a setting has changed.
    :param excluded: columns that are never sent, and do not enter the digest.
    """

    def __init__(self, key: str | None, reading: str, excluded: frozenset[str] = frozenset()) -> None:
        secret = sha256(key.encode()).digest() if key else b""
        self._excluded = excluded
        self._users = blake2b(digest_size=USER_BYTES, key=secret, person=b"blux user")
        salt = blake2b(reading.encode(), digest_size=16).digest()
        self._rows = blake2b(digest_size=ROW_BYTES, key=secret, person=b"blux row", salt=salt)

    def user(self, user_id: str) -> bytes:
        """Return the digest of an id (8 bytes)."""
        digest = self._users.copy()
        digest.update(user_id.encode())
        return digest.digest()

    def row(self, row: Mapping[str, Any]) -> bytes | None:
        """Return the digest of a row (11 bytes); ``None`` where it holds a value that cannot be compared exactly."""
        if self._excluded:
            row = {column: value for column, value in row.items() if column not in self._excluded}
        try:
            is_plain = isinstance(row, dict) and _PLAIN.issuperset(map(type, row.values()))
            content = _encode(row if is_plain else _exact(row))
        except (TypeError, ValueError, OverflowError, RecursionError):
            return None
        digest = self._rows.copy()
        digest.update(content)
        return digest.digest()


def _exact(value: Any) -> Any:
    """Return a value in a form that msgspec encodes without losing its type.

    :raises TypeError: the type of the value has no exact form.
    """
    kind = type(value)
    if kind in _PLAIN:
        return value
    if isinstance(value, Mapping):
        return {key: _exact(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_exact(item) for item in value]
    if isinstance(value, Enum):  # an enumeration may define a `repr` that does not contain the value
        return _typed(kind, _encode(_exact(value.value)))
    if isinstance(value, date | time):  # pendulum's `repr` lacks `fold`, and that of a zone may lack its offset
        return _typed(kind, f"{value!r} {value.isoformat()} {getattr(value, 'fold', 0)}".encode())
    if isinstance(value, _BY_REPR) or (kind.__module__ == "numpy" and not hasattr(value, "__len__")):
        return _typed(kind, repr(value).encode())
    raise TypeError(f"values of type {kind.__name__} cannot be compared")


def _typed(kind: type, content: bytes) -> msgspec.msgpack.Ext:
    return msgspec.msgpack.Ext(0, f"{kind.__module__}.{kind.__qualname__} ".encode() + content)
