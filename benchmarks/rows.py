"""Users, ids and events that look like somebody's: made one by one, or written to a file as a source of records."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import Any, Literal

from airflow_provider_blux.records.fields import CONSENTS

FileFormat = Literal["jsonl", "csv", "parquet"]
Row = dict[str, Any]

_ROWS_A_GROUP = 100_000
_FIRST_EVENT = datetime(2026, 1, 1, tzinfo=UTC)
_CITIES = ("서울", "부산", "대구", "인천")


def user(number: int) -> Row:
    """Return a flat row as wide as those of the sample data: the eight known properties, eight of the customer's."""
    consents = {name: number % (2 + place) > 0 for place, name in enumerate(CONSENTS)}
    return {
        "user_id": user_id(number),
        "phone_number": f"010{number:08d}",
        "email_address": f"user{number}@example.com",
        **consents,
        "name": ("김하늘", "이도윤", "박서연", "최지우", "정민준")[number % 5],
        "grade": ("bronze", "silver", "gold")[number % 3],
        "points": number % 1000,
        "spent": number % 100_000 / 4,
        "city": _CITIES[number % 4],
        "joined_on": f"20{number % 26:02d}-{number % 12 + 1:02d}-{number % 28 + 1:02d}",
        "app_version": f"5.{number % 10}.{number % 7}",
        "is_beta_tester": number % 50 == 0,
    }


def typed_user(number: int) -> Row:
    """Return a row as wide as ``user``'s with the types of a warehouse: a date, a time, a decimal and JSON."""
    row = user(number)
    del row["grade"], row["app_version"]
    return {
        **row,
        "joined_on": date.fromisoformat(row["joined_on"]),
        "spent": Decimal(row["spent"]),
        "last_seen_at": _FIRST_EVENT + timedelta(seconds=number),
        "preferences": {"brands": ["a", "b"], "size": number % 7},
    }


def invalid_user(number: int) -> Row:
    """Return a user whose telephone number is a number, which has lost its leading zero and is rejected."""
    return {**user(number), "phone_number": 1_000_000_000 + number}


def narrow_user(number: int) -> Row:
    """Return a flat row of seven columns: three known properties, three of the customer's own."""
    return {
        "user_id": user_id(number),
        "phone_number": f"010{number:08d}",
        "email_address": f"user{number}@example.com",
        "marketing_notification_consent": "true" if number % 3 else "false",
        "grade": ("bronze", "silver", "gold")[number % 3],
        "points": number % 1000,
        "city": _CITIES[number % 4],
    }


def user_id(number: int) -> str:
    """Return an id of the length that customers' ids have."""
    return f"user-{number:08d}"


def event(number: int) -> Row:
    """Return a flat row: what a user did and when, and two properties."""
    return {
        "name": ("view", "add_to_cart", "purchase")[number % 3],
        "user_id": user_id(number % 100_000),
        "timestamp": (_FIRST_EVENT + timedelta(seconds=number)).isoformat(),
        "product": f"sku-{number % 5000:05d}",
        "price": number % 100_000,
    }


def changed_user(number: int) -> Row:
    """Return a user as ``user`` does, but for one in a hundred, who has changed since."""
    row = user(number)
    return {**row, "points": -1} if number % 100 == 0 else row


ROWS: dict[str, Callable[[int], Row]] = {
    "users": user,
    "users, 10 % invalid": lambda number: invalid_user(number) if number % 10 == 0 else user(number),
    "users, all invalid": invalid_user,
    "users, 1 % changed": changed_user,
    "narrow users": narrow_user,
    "events": event,
    "ids": lambda number: {"user_id": user_id(number)},
}


def write(path: Path, what: str, count: int) -> None:
    """Write so many rows of one of ``ROWS`` to a file, in the format that its suffix names."""
    made = map(ROWS[what], range(count))
    if path.suffix == ".parquet":
        _write_parquet(path, made)
    elif path.suffix == ".csv":
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, ROWS[what](0))
            writer.writeheader()
            writer.writerows(made)
    else:
        with path.open("w", encoding="utf-8") as file:
            file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in made)


def _write_parquet(path: Path, made: Iterable[Row]) -> None:
    """Write a row group at a time, so that no more than one is in memory."""
    from pyarrow import Table  # type: ignore[import-untyped]
    from pyarrow.parquet import ParquetWriter  # type: ignore[import-untyped]

    rest = iter(made)
    writer = None
    while group := list(islice(rest, _ROWS_A_GROUP)):
        table = Table.from_pylist(group)
        writer = writer or ParquetWriter(path, table.schema)
        writer.write_table(table)
    if writer:
        writer.close()
