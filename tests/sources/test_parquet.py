"""Rows of Parquet files, as Python's values."""

from __future__ import annotations

import io
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from airflow_provider_blux.exceptions import BluxSourceError
from airflow_provider_blux.sources.parquet import parquet_rows

MOMENT = 1_769_817_600_123_456_789  # nanoseconds
NAIVE = datetime.fromisoformat("2026-01-31T00:00:00.123456")


def read(table: Any, **options: Any) -> list[Any]:
    file = io.BytesIO()
    pq.write_table(table, file, **options)
    file.seek(0)
    return list(parquet_rows(file, "f"))


@pytest.mark.parametrize(
    ("column", "value"),
    [
        (pa.array(["00123"]), "00123"),
        (pa.array(["한글"], pa.large_string()), "한글"),
        (pa.array(["x"]).dictionary_encode(), "x"),
        (pa.array([None], pa.string()), None),
        (pa.array([None]), None),
        (pa.array([2**64 - 1], pa.uint64()), 2**64 - 1),
        (pa.array([-5], pa.int8()), -5),
        (pa.array([1.5]), 1.5),
        (pa.array([True]), True),
        (pa.array([Decimal("1.10")]), Decimal("1.10")),
        (pa.array([date(2026, 1, 31)]), date(2026, 1, 31)),
        (pa.array([time(9, 30)]), time(9, 30)),
        (pa.array([34_200_000_001_000], pa.time64("ns")), time(9, 30, 0, 1)),
        (pa.array([NAIVE]), NAIVE),
        (pa.array([MOMENT], pa.timestamp("ns")), NAIVE),
        (pa.array([MOMENT], pa.timestamp("ns", "UTC")), datetime(2026, 1, 31, 0, 0, 0, 123456, UTC)),
        (
            pa.array([MOMENT], pa.timestamp("ns", "Asia/Seoul")),
            datetime(2026, 1, 31, 9, 0, 0, 123456, ZoneInfo("Asia/Seoul")),
        ),
        (pa.array([b"\x00"]), b"\x00"),
        (pa.array([["a", None]]), ["a", None]),
        (pa.array([{"a": {"b": [1]}, "c": None}]), {"a": {"b": [1]}, "c": None}),
        (pa.array([[("k", 1), ("l", None)]], pa.map_(pa.string(), pa.int64())), {"k": 1, "l": None}),
    ],
    ids=lambda value: str(value.type) if isinstance(value, pa.Array) else "",
)
def test_a_value_is_pythons(column: Any, value: Any) -> None:
    (row,) = read(pa.table({"v": column}))

    assert row == {"v": value}
    assert type(row["v"]) is type(value)
    assert row.is_table_row


def test_rows_come_in_their_order_through_every_row_group() -> None:
    table = pa.table({"user_id": [str(number) for number in range(3500)]})

    assert [row["user_id"] for row in read(table, row_group_size=1200)] == [str(number) for number in range(3500)]


def test_a_file_without_rows_is_an_empty_source() -> None:
    assert read(pa.table({"user_id": pa.array([], pa.string())})) == []


def test_a_map_with_a_key_twice_is_an_error_without_the_key() -> None:
    table = pa.table({"m": pa.array([[("john", 1), ("john", 2)]], pa.map_(pa.string(), pa.int64()))})

    with pytest.raises(BluxSourceError, match=r"^f is damaged: row group 1 of 1 cannot be read after row 0") as raised:
        read(table)
    assert "john" not in str(raised.value)
    assert raised.value.__cause__ is None


def test_columns_of_one_name_are_refused() -> None:
    with pytest.raises(BluxSourceError, match="f: column 1 has the same name"):
        read(pa.table([pa.array([1]), pa.array([2])], names=["a", "a"]))
