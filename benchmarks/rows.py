"""Users and ids that look like somebody's: made one by one, or written to a file as a source of records."""

from __future__ import annotations

import csv
import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, Literal

SourceFormat = Literal["jsonl", "csv", "sqlite"]


def user(number: int) -> dict[str, Any]:
    """Return a flat row: three known properties, three of the customer's own."""
    return {
        "user_id": f"user-{number:08d}",
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


def write_users(path: Path, count: int, source: SourceFormat) -> None:
    """Write users to a file."""
    users = map(user, range(count))
    if source == "sqlite":
        _write_table(path, users)
    elif source == "csv":
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, user(0))
            writer.writeheader()
            writer.writerows(users)
    else:
        _write_lines(path, (json.dumps(row, ensure_ascii=False) for row in users))


def write_ids(path: Path, count: int, source: SourceFormat) -> None:
    """Write the ids of users to a file."""
    if source == "csv":
        _write_lines(path, _with_header("user_id", map(user_id, range(count))))
    else:
        _write_lines(path, (f'{{"user_id":"{user_id(number)}"}}' for number in range(count)))


def _write_table(path: Path, users: Iterator[dict[str, Any]]) -> None:
    columns = list(user(0))
    marks = ", ".join("?" * len(columns))
    with closing(sqlite3.connect(path)) as database, database:
        database.execute(f"CREATE TABLE users ({', '.join(columns)})")
        database.executemany(f"INSERT INTO users VALUES ({marks})", map(tuple, map(dict.values, users)))  # noqa: S608 - question marks


def _with_header(header: str, lines: Iterator[str]) -> Iterator[str]:
    yield header
    yield from lines


def _write_lines(path: Path, lines: Iterator[str]) -> None:
    with path.open("w", encoding="utf-8") as file:
        file.writelines(f"{line}\n" for line in lines)
