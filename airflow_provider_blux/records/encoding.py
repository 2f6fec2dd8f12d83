"""Records as JSON: the one way in which they are encoded."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from airflow_provider_blux.exceptions import BluxRecordError
from airflow_provider_blux.records.shapes import merge_of
from airflow_provider_blux.records.values import HALF_A_CHARACTER, is_encodable

Merge = Callable[[bytes, bytes], bytes]
"""Makes one record of two, each as JSON; of each property the value of the second wins."""

_encode = msgspec.json.Encoder().encode
decode = msgspec.json.Decoder().decode


def encode(record: Any) -> bytes:
    """Return as JSON what a shape has made of a row.

    Of NaN, which no shape lets pass, it would make null.

    :raises BluxRecordError: it holds text that UTF-8 cannot carry.
    """
    try:
        return _encode(record)
    except UnicodeEncodeError:
        raise BluxRecordError(_half_character_in(record, ""), HALF_A_CHARACTER) from None


def _half_character_in(value: Any, field: str) -> str | None:
    """Return where text stands that UTF-8 cannot carry."""
    if isinstance(value, dict):
        items = ((item, f"{field}.{key}" if field else key) for key, item in value.items())
    elif isinstance(value, list):
        items = ((item, f"{field}[{index}]") for index, item in enumerate(value))
    else:
        return field if isinstance(value, str) and not is_encodable(value) else None
    return next((place for item, name in items if (place := _half_character_in(item, name)) is not None), None)


def encoded_merge_of(operation: str) -> Merge | None:
    """Return the function that makes one record of two with the same key; ``None`` where each is sent for itself."""
    merge = merge_of(operation)
    if merge is None:
        return None
    return lambda earlier, later: encode(merge(decode(earlier), decode(later)))
