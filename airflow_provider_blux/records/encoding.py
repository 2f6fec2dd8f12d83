"""Encodes records as JSON."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from airflow_provider_blux.exceptions import BluxRecordError
from airflow_provider_blux.records.users import is_older, merged
from airflow_provider_blux.records.values import HALF_A_CHARACTER, is_encodable

Merge = Callable[[bytes, bytes], bytes | None]
"""Merges two records in JSON; for each property, the value of the second record wins.

It returns ``None`` if the second record is older than the first by its timestamp, so that it must be sent on its own.
"""

_encode = msgspec.json.Encoder().encode
decode = msgspec.json.Decoder().decode


def encode(record: Any) -> bytes:
    """Encode a record as JSON.

    The encoder would write NaN as null, but records with NaN have been rejected before.

    :raises BluxRecordError: the record holds text that UTF-8 cannot represent.
    """
    try:
        return _encode(record)
    except UnicodeEncodeError:
        raise BluxRecordError(_half_character_in(record, ""), HALF_A_CHARACTER) from None


def _half_character_in(value: Any, field: str) -> str | None:
    """Return the path of the first text that UTF-8 cannot represent (a lone surrogate); ``None`` if there is none.

    :param field: the path of ``value``, such as ``properties.tags[0]``; empty for a record.
    """
    if isinstance(value, dict):
        items = ((item, f"{field}.{key}" if field else key) for key, item in value.items())
    elif isinstance(value, list):
        items = ((item, f"{field}[{index}]") for index, item in enumerate(value))
    else:
        return field if isinstance(value, str) and not is_encodable(value) else None
    return next((place for item, name in items if (place := _half_character_in(item, name)) is not None), None)


def merge_of(operation: str) -> Merge | None:
    """Return the function that merges two encoded records of the same user or device; ``None`` for events."""
    if operation == "send_events":
        return None
    if operation == "delete_users":
        return lambda first, _repeated: first

    def merge(earlier: bytes, later: bytes) -> bytes | None:
        one, other = decode(earlier), decode(later)
        return None if is_older(other, one) else encode(merged(one, other))

    return merge
