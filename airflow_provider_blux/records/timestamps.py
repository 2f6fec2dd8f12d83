"""Validates timestamps, which must have a time zone."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, tzinfo
from decimal import Decimal
from typing import Any, Literal

from airflow_provider_blux.exceptions import BluxRecordError
from airflow_provider_blux.records.values import iso, text
from airflow_provider_blux.scalars import missing_word, python_value

Unit = Literal["s", "ms", "us"]
"""Unit of a numeric timestamp since the epoch in UTC."""

MICROSECONDS: dict[str, int] = {"s": 1_000_000, "ms": 1000, "us": 1}
# Needed because `fromisoformat` accepts any letter between date and time.
_TIMESTAMP = re.compile(r"[0-9W-]+[T ][0-9:.,+-]+Z?")
_NUMBER = re.compile(r"[+-]?\d+(\.\d+)?", re.ASCII)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# Bounds that reveal a wrong unit, or a number such as 20260131090000: a current time read in a finer unit is in 1970,
# and in a coarser unit after 9999.
_FIRST_COUNT, _END_COUNT = (
    (datetime(year, 1, 1, tzinfo=UTC) - _EPOCH) // timedelta(microseconds=1) for year in (1971, 2200)
)


def timestamp(value: Any, field: str, zone: tzinfo | None = None, unit: str | None = None) -> str:
    """Return an ISO 8601 timestamp with its zone.

    Text that has a zone is returned as it is, but for a blank before the time, which becomes the ``T`` of ISO 8601.

    :param zone: time zone of a timestamp without one, whose offset is added; ``None`` to reject such timestamps.
    :param unit: unit of numbers since the epoch, as a number or as text; ``None`` to reject numbers.
    :raises BluxRecordError: the value is not a timestamp; has no zone or unit, and none is given; or is a local time
        that ``zone`` skips or repeats.
    """
    value = python_value(value)
    if isinstance(value, datetime):
        written, moment = iso(value, field), value
    elif _is_number(value):
        return _counted(value, field, unit)
    elif isinstance(value, str):
        written = text(value, field)
        moment = _moment(written, field)
        written = written.replace(" ", "T")
    elif word := missing_word(value):
        raise BluxRecordError(field, f"is not a time ({word}); leave it out or send null")
    else:
        raise BluxRecordError(field, f"is of type {type(value).__name__}; write it as 2026-01-31T09:00:00+09:00")
    if moment.utcoffset() is not None:
        return written
    if zone is None:
        raise BluxRecordError(
            field,
            "has no zone, so its moment is unknown; add one, as in 2026-01-31T09:00:00+09:00, or set naive_timezone",
        )
    offset = _offset(moment, zone, field)
    is_basic = "-" not in written and ":" not in written  # 20260131T0900
    return written + (offset.replace(":", "") if is_basic else offset)


def _is_number(value: Any) -> bool:
    if isinstance(value, str):  # a number in a CSV file
        return _NUMBER.fullmatch(value) is not None
    return isinstance(value, int | float | Decimal) and not isinstance(value, bool)


def _counted(value: Any, field: str, unit: str | None) -> str:
    """Convert a number since the epoch to an ISO 8601 timestamp, rounded to the microsecond."""
    if unit is None:
        raise BluxRecordError(
            field,
            "is a number; say in timestamp_unit what it counts ('s', 'ms' or 'us'), or write it as "
            "2026-01-31T09:00:00+09:00",
        )
    try:
        count = Decimal(str(value)) * MICROSECONDS[unit]
        if _FIRST_COUNT <= count < _END_COUNT:
            return (_EPOCH + timedelta(microseconds=round(count))).isoformat()
    except (ArithmeticError, ValueError):  # NaN, a huge exponent, or an integer with thousands of digits
        pass
    raise BluxRecordError(
        field, "is before 1971 or after 2199 in timestamp_unit; it may be in another unit, or not a time"
    )


def _offset(moment: datetime, zone: tzinfo, field: str) -> str:
    """Return the UTC offset of a local time in a zone, as ``+09:00``, if the zone has this time exactly once."""
    # A plain `datetime`: the subclasses of other libraries handle `replace(tzinfo=...)` in their own way.
    local = datetime.combine(moment.date(), moment.time().replace(fold=0))
    try:
        first, second = local.replace(tzinfo=zone), local.replace(tzinfo=zone, fold=1)
        is_there = first.astimezone(UTC).astimezone(zone).replace(tzinfo=None) == local
        is_once = first.utcoffset() == second.utcoffset()
    except (OverflowError, ValueError):
        raise BluxRecordError(
            field, "is at a limit of the calendar, so no zone can be applied; send a real time"
        ) from None
    if is_there and is_once:
        return first.isoformat()[len(local.isoformat()) :]
    what = "happens twice" if is_there else "is skipped"
    raise BluxRecordError(
        field, f"{what} in naive_timezone, as the clocks are changed; write its offset, as in 2026-01-31T09:00:00+09:00"
    )


def _moment(written: str, field: str) -> datetime:
    try:
        if _TIMESTAMP.fullmatch(written):
            return datetime.fromisoformat(written)
    except ValueError:
        pass
    raise BluxRecordError(field, "is not an ISO 8601 timestamp; write it as 2026-01-31T09:00:00+09:00")
