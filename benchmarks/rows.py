"""Users, ids and events that look like somebody's: made one by one, or written to a file as a source of records."""

from __future__ import annotations

import csv
import json
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any, Literal

from airflow_provider_blux.records.fields import CONSENTS

SourceFormat = Literal["jsonl", "csv", "parquet", "sqlite"]
Row = dict[str, Any]

_ROWS_A_GROUP = 100_000
_FIRST_EVENT = datetime(2026, 1, 1, tzinfo=UTC)


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
        "city": ("서울", "부산", "대구", "인천")[number % 4],
        "joined_on": f"20{number % 26:02d}-{number % 12 + 1:02d}-{number % 28 + 1:02d}",
        "app_version": f"5.{number % 10}.{number % 7}",
        "is_beta_tester": number % 50 == 0,
    }


def narrow_user(number: int) -> Row:
    """Return a flat row of seven columns: three known properties, three of the customer's own."""
    return {
        "user_id": user_id(number),
        "phone_number": f"010{number:08d}",
        "email_address": f"user{number}@example.com",
        "marketing_notification_consent": "true" if number % 3 else "false",
        "grade": ("bronze", "silver", "gold")[number % 3],
        "points": number % 1000,
        "city": ("서울", "부산", "대구", "인천")[number % 4],
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


def write_users(path: Path, count: int, source: SourceFormat) -> None:
    """Write users to a file."""
    _write(path, user, count, source)


def write_narrow_users(path: Path, count: int, source: SourceFormat) -> None:
    """Write users of few columns to a file."""
    _write(path, narrow_user, count, source)


def write_events(path: Path, count: int, source: SourceFormat) -> None:
    """Write events to a file."""
    _write(path, event, count, source)


def write_ids(path: Path, count: int, source: SourceFormat) -> None:
    """Write the ids of users to a file."""
    if source == "parquet":
        _write_parquet(path, ({"user_id": user_id(number)} for number in range(count)))
    elif source == "csv":
        _write_lines(path, _with_header("user_id", map(user_id, range(count))))
    else:
        _write_lines(path, (f'{{"user_id":"{user_id(number)}"}}' for number in range(count)))


def _write(path: Path, make: Callable[[int], Row], count: int, source: SourceFormat) -> None:
    made = map(make, range(count))
    if source == "sqlite":
        _write_table(path, made)
    elif source == "parquet":
        _write_parquet(path, made)
    elif source == "csv":
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, make(0))
            writer.writeheader()
            writer.writerows(made)
    else:
        _write_lines(path, (json.dumps(row, ensure_ascii=False) for row in made))


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


def _write_table(path: Path, users: Iterator[dict[str, Any]]) -> None:
    columns = list(user(0))
    marks = ", ".join("?" * len(columns))
    with closing(sqlite3.connect(path)) as database, database:
        database.execute(f"CREATE TABLE users ({', '.join(columns)})")
        rows = (tuple(map(_cell, row.values())) for row in users)
        database.executemany(f"INSERT INTO users VALUES ({marks})", rows)  # noqa: S608 - question marks


def _cell(value: Any) -> Any:
    """Return what a table of SQLite, which has no booleans, holds for a value."""
    return str(value).lower() if isinstance(value, bool) else value


def _with_header(header: str, lines: Iterator[str]) -> Iterator[str]:
    yield header
    yield from lines


def _write_lines(path: Path, lines: Iterator[str]) -> None:
    with path.open("w", encoding="utf-8") as file:
        file.writelines(f"{line}\n" for line in lines)
