"""Rows of Parquet files, as Python's values."""

from __future__ import annotations

import io
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from airflow_provider_blux.exceptions import BluxRecordError, BluxSourceError
from airflow_provider_blux.sources.inline import InlineSource
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


def test_a_map_with_a_key_twice_is_rejected_without_the_key() -> None:
    maps = pa.array([[("john", 1), ("john", 2)], [("john", 1)]], pa.map_(pa.string(), pa.int64()))

    first, second = read(pa.table({"m": maps}))
    assert str(first) == "m: is a map that has a key twice; correct it in the source"
    assert second == {"m": {"john": 1}}


def test_a_timestamp_whose_zone_is_unknown_is_no_map_with_a_key_twice() -> None:
    (found,) = read(pa.table({"at": pa.array([1769817600], pa.timestamp("s", tz="KST"))}))

    assert (
        str(found)
        == "at: is a timestamp whose time zone is unknown here; install tzdata, or give the column another zone"
    )


def test_an_int96_timestamp_is_not_moved_by_centuries() -> None:
    moments = [datetime(9999, 12, 31), datetime(1, 1, 1), datetime(2026, 1, 31, 9, 0, 0, 123456)]  # noqa: DTZ001
    file = io.BytesIO()
    # Spark's own layout, which pyarrow writes for nanoseconds alone: a day of the Julian calendar beside nanoseconds.
    pq.write_table(
        pa.table({"v": pa.array(moments[2:], pa.timestamp("us"))}), file, use_deprecated_int96_timestamps=True
    )
    content = file.getvalue()
    (stored,) = {moment for moment in (int96(moments[2]),) if moment in content}
    for moment in moments:
        file = io.BytesIO(content.replace(stored, int96(moment)))
        assert list(parquet_rows(file, "f")) == [{"v": moment}]


def int96(moment: datetime) -> bytes:
    since_midnight = moment - datetime.combine(moment.date(), time())
    nanoseconds = since_midnight // timedelta(microseconds=1) * 1000
    return nanoseconds.to_bytes(8, "little") + (moment.toordinal() + 1_721_425).to_bytes(4, "little")


LATE = 253_402_300_800 * 10**6  # the first second of the year 10000


@pytest.mark.parametrize(
    "column",
    [
        pa.array([0, LATE], pa.timestamp("us")),
        pa.array([0, LATE - 1], pa.timestamp("us", "Asia/Seoul")),
        pa.array([0, -(2**62)], pa.timestamp("us")),
        pa.array([0, LATE // 10**6], pa.timestamp("s")),
        pa.array([0, 5_000_000], pa.int32()).cast(pa.date32()),
        pa.array([[0], [LATE]], pa.list_(pa.timestamp("us"))),
        pa.array([{"a": 0}, {"a": LATE}], pa.struct([("a", pa.timestamp("us"))])),
        pa.array([[("a", 0)], [("a", LATE)]], pa.map_(pa.string(), pa.timestamp("us"))),
        pa.array([0, 2**62], pa.duration("s")),
        pa.array([b"a", b"\xff"]).view(pa.string()),
    ],
    ids=lambda column: str(column.type),
)
@pytest.mark.parametrize("source", [read, lambda table: InlineSource(table, "users")], ids=["parquet", "table"])
def test_only_the_record_is_rejected_whose_value_python_cannot_hold(column: Any, source: Any) -> None:
    table = pa.table({"user_id": ["a", "b"], "v": column}).take([0] * 1500 + [1, 0])

    *before, broken, after = source(table)
    assert isinstance(broken, BluxRecordError)
    assert broken.field == "v"
    assert len(before) == 1500
    assert after == before[0]
    assert after["user_id"] == "a"


STRUCT = pa.struct([("a", pa.timestamp("ns")), ("b", pa.list_(pa.time64("ns")))])


@pytest.mark.parametrize(
    ("column", "value"),
    [
        (pa.array([[MOMENT]], pa.list_(pa.timestamp("ns"))), [NAIVE]),
        (pa.array([[MOMENT]], pa.large_list(pa.timestamp("ns"))), [NAIVE]),
        (pa.array([[MOMENT]], pa.list_(pa.timestamp("ns"), 1)), [NAIVE]),
        (pa.array([{"a": MOMENT, "b": [1000]}], STRUCT), {"a": NAIVE, "b": [time(0, 0, 0, 1)]}),
        (pa.array([[("k", MOMENT)]], pa.map_(pa.string(), pa.timestamp("ns"))), {"k": NAIVE}),
        (pa.array([MOMENT], pa.timestamp("ns")).dictionary_encode(), NAIVE),
        (pa.array([1_001], pa.duration("ns")), timedelta(microseconds=1)),
    ],
    ids=lambda value: str(value.type) if isinstance(value, pa.Array) else "",
)
def test_nanoseconds_are_microseconds_at_any_depth(column: Any, value: Any) -> None:
    (row,) = InlineSource(pa.table({"v": column}), "users")

    assert row == {"v": value}
    assert "pandas" not in repr(type(row["v"]))
    for inner in row["v"].values() if isinstance(value, dict) else value if isinstance(value, list) else []:
        assert type(inner) in {datetime, list}


@pytest.mark.parametrize("source", [read, lambda table: InlineSource(table, "users")], ids=["parquet", "table"])
@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (pa.list_(pa.null()), [None]),
        (pa.list_(pa.null(), 2), [None, None]),
        (pa.dictionary(pa.int32(), pa.string()), None),
    ],
    ids=str,
)
def test_what_is_beside_nanoseconds_in_a_struct_stays_as_it_is(kind: Any, value: Any, source: Any) -> None:
    rows: list[Any] = [{"beside": value, "at": NAIVE}] * 1500
    if source is not read or not pa.types.is_fixed_size_list(kind):  # older releases of pyarrow read no null one
        rows = [*rows, None]
    column = pa.array(rows, pa.struct([("beside", kind), ("at", pa.timestamp("ns"))]))

    assert [row["v"] for row in source(pa.table({"v": column}))] == rows


def test_columns_of_one_name_are_refused() -> None:
    with pytest.raises(BluxSourceError, match="f: column 1 has the same name"):
        read(pa.table([pa.array([1]), pa.array([2])], names=["a", "a"]))


def test_rows_without_columns_are_refused_not_left_out() -> None:
    with pytest.raises(BluxSourceError, match="f has 2 rows and no columns"):
        read(pa.Table.from_pandas(pd.DataFrame(index=["00123", "00124"])))
