"""Records from data of pandas, polars and pyarrow."""

from __future__ import annotations

import subprocess
import sys
from datetime import date, datetime
from decimal import Decimal
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from pyarrow import parquet

from airflow_provider_blux.exceptions import BluxConfigError, BluxRecordError
from airflow_provider_blux.records.values import json_value
from airflow_provider_blux.sources import floats
from airflow_provider_blux.sources.files import StorageSource
from airflow_provider_blux.sources.inline import InlineSource

with_recent_frames = pytest.mark.skipif(
    version("apache-airflow").startswith("3.0."), reason="polars and pandas of 3.0's date give no such value singly"
)
IDS = ["00123", "b", "c"]


def values(column: Any) -> list[Any]:
    """Return a column of pandas as the source reads it."""
    return [row["v"] for row in InlineSource(pd.DataFrame({"v": column}), "users")]


@pytest.mark.parametrize(
    "frame",
    [
        pd.DataFrame({"user_id": IDS, "n": [1, 2, 3]}, index=["x", "y", "z"]),
        pl.DataFrame({"user_id": IDS, "n": [1, 2, 3]}),
        pa.table({"user_id": IDS, "n": [1, 2, 3]}),
    ],
    ids=["pandas", "polars", "pyarrow"],
)
def test_a_row_is_a_record(frame: Any) -> None:
    rows = [{"user_id": user_id, "n": number} for number, user_id in enumerate(IDS, 1)]
    source = InlineSource(frame, "users")

    assert list(source) == rows
    assert list(source) == rows, "a source can be read more than once"
    assert len(source) == 3
    assert all(type(row["n"]) is int and row.is_table_row for row in source)


@pytest.mark.parametrize("count", [0, 1, 999, 1000, 1001, 2500])
def test_slices_are_put_together_again(count: int) -> None:
    ids = [str(number) for number in range(count)]
    for frame in (
        pd.DataFrame({"user_id": pd.Series(ids, dtype=object)}),
        pl.DataFrame({"user_id": pl.Series(ids, dtype=pl.String)}),
        pa.table({"user_id": pa.array(ids, pa.string())}),
    ):
        assert [row["user_id"] for row in InlineSource(frame, "users")] == ids


@pytest.mark.parametrize(
    "column",
    [
        [1.0, float("nan")],
        pd.to_datetime(["2026-01-31", None]),
        pd.to_datetime(["2026-01-31", None], utc=True),
        pd.array([1, None], dtype="Int64"),
        pd.array([True, None], dtype="boolean"),
        pd.array(["a", None], dtype="string"),
        pd.Categorical(["a", None]),
        pd.Series(["a", None], dtype=object),
        pd.Series(["a", pd.NaT], dtype=object),
        pd.Series(["a", pd.NA], dtype=object),
        pd.Series(["a", float("nan")], dtype=object),
        pd.Series(["a", np.datetime64("NaT", "ns")], dtype=object),
    ],
    ids=str,
)
def test_what_pandas_takes_for_missing_is_null(column: Any) -> None:
    first, second = values(column)

    assert first is not None
    assert second is None


@pytest.mark.parametrize(
    ("column", "value"),
    [
        (np.array([5], dtype="int8"), 5),
        (np.array([2**63], dtype="uint64"), 2**63),
        (np.array([1.5], dtype="float32"), 1.5),
        (np.array([True]), True),
        (pd.array([5], dtype="Int64"), 5),
        (pd.Series([np.int64(5)], dtype=object), 5),
        (pd.Series([np.str_("a")], dtype=object), "a"),
        (pd.Series([np.array([1, 2])], dtype=object), [1, 2]),
        (pd.Series([{"k": np.array([np.bool_(True)])}], dtype=object), {"k": [True]}),
        (pd.Series([np.array(["2026-01-31"], dtype="M8[D]")], dtype=object), [date(2026, 1, 31)]),
        (pd.Series([(np.float64(0.5), "x")], dtype=object), [0.5, "x"]),
        (pd.Series([Decimal("1.10")], dtype=object), Decimal("1.10")),
        (pd.Series([date(2026, 1, 31)], dtype=object), date(2026, 1, 31)),
    ],
    ids=str,
)
def test_numpys_values_become_pythons(column: Any, value: Any) -> None:
    (found,) = values(column)

    assert found == value
    assert type(found) is type(value)


def test_a_moment_stays_a_moment() -> None:
    for column in (
        pd.to_datetime(["2026-01-31T09:00:00"]),
        pd.Series([np.datetime64("2026-01-31T09:00:00", "ns")], dtype=object),
    ):
        (found,) = values(column)
        assert isinstance(found, datetime)
        assert found.isoformat() == "2026-01-31T09:00:00"


def test_ids_that_pandas_has_damaged_stay_damaged() -> None:
    assert values([123, None]) == [123.0, None]
    assert type(values([123, None])[0]) is float


def test_where_a_null_exists_nan_is_not_taken_for_it() -> None:
    nan, null = InlineSource(pl.DataFrame({"v": [float("nan"), None]}), "users")

    assert nan["v"] != nan["v"]
    assert null["v"] is None


@pytest.mark.parametrize(
    "frame",
    [pd.DataFrame(), pd.DataFrame({"user_id": []}), pl.DataFrame(), pa.table({})],
    ids=["pandas", "pandas with columns", "polars", "pyarrow"],
)
def test_a_frame_without_rows_is_an_empty_source(frame: Any) -> None:
    assert list(InlineSource(frame, "users")) == []


@pytest.mark.parametrize(
    ("frame", "words"),
    [
        (pd.DataFrame([[1, 2]], columns=["a", "a"]), "users: column 1 has the same name"),
        (pd.DataFrame([[1]]), "users: the name of column 1 is of type int"),
        (pd.DataFrame([[1]], columns=[""]), "users: column 1 has no name"),
        (pd.DataFrame([[1]], columns=[" "]), "users: column 1 has no name"),
        (pd.DataFrame(index=[1, 2]), "users has 2 rows and no columns"),
        (pl.DataFrame({"a": [1]}).lazy(), "users is of type LazyFrame; it must be"),
        (pd.Series(["a"]), "users is of type Series; it must be"),
    ],
)
def test_a_frame_that_cannot_be_read_is_refused(frame: Any, words: str) -> None:
    with pytest.raises(BluxConfigError, match=words):
        InlineSource(frame, "users")


def test_a_column_may_be_called_like_an_attribute() -> None:
    (row,) = InlineSource(pd.DataFrame({"column_names": ["a"], "columns": ["b"]}), "users")

    assert row == {"column_names": "a", "columns": "b"}


YEARS_DTYPE = "datetime64[s]"
LATE = np.datetime64("10000-01-01", "s")


@with_recent_frames
@pytest.mark.parametrize(
    "frame",
    [
        pd.DataFrame({"user_id": IDS, "v": np.array(["2026-01-31", LATE, "2026-02-01"], dtype=YEARS_DTYPE)}),
        pd.DataFrame({"user_id": IDS, "v": pd.Series(["x", LATE, {"a": 1}], dtype=object)}),
        pd.DataFrame({"user_id": IDS, "v": pd.Series(["x", [{"a": LATE}], 1], dtype=object)}),
        pd.DataFrame({"user_id": IDS, "v": pd.Series(["x", pd.Timestamp(LATE), 1], dtype=object)}),
        pd.DataFrame({"user_id": IDS, "v": np.array([0, 5_000_000, 1], "int32")}).astype(
            {"v": pd.ArrowDtype(pa.date32())}
        ),
        pl.DataFrame({"user_id": IDS, "v": pl.Series([0, 5_000_000, None], dtype=pl.Int32).cast(pl.Date)}),
        pl.DataFrame({"user_id": IDS, "v": pl.Series([0, 2**60, None]).cast(pl.Datetime("us", "Asia/Seoul"))}),
        pl.DataFrame({"user_id": IDS, "v": pl.Series([0, 2**60, None]).cast(pl.Datetime("us")).reshape((3, 1))}),
        pl.DataFrame({"user_id": IDS, "v": pl.Series([0, 2**60, None]).cast(pl.Datetime("us")).alias("a")}).select(
            "user_id", pl.struct("v").alias("v")
        ),
    ],
    ids=lambda frame: type(frame).__module__.partition(".")[0],
)
def test_only_the_record_is_rejected_whose_value_python_cannot_hold(frame: Any) -> None:
    first, broken, last = InlineSource(frame, "users")

    assert isinstance(broken, BluxRecordError)
    assert broken.field == "v"
    assert "outside of the years 1 to 9999" in str(broken)
    assert first["user_id"] == "00123"
    assert last["user_id"] == "c"


@with_recent_frames
def test_lists_of_polars_stay_lists_beside_a_value_that_python_cannot_hold() -> None:
    dates = pl.Series([0, 5_000_000], dtype=pl.Int32).cast(pl.Date)

    first, _ = InlineSource(pl.DataFrame({"dates": dates, "tags": [["a"], ["b"]]}), "users")
    assert first == {"dates": date(1970, 1, 1), "tags": ["a"]}


def test_a_value_that_python_cannot_hold_is_not_shown() -> None:
    twice = pa.array([[("01012345678", "x"), ("01012345678", "y")]], pa.map_(pa.string(), pa.string()))

    (broken,) = InlineSource(pa.table({"user_id": ["a"], "family": twice}), "users")
    assert str(broken) == "family: is a map that has a key twice; correct it in the source"


def test_frames_within_a_list_are_flattened() -> None:
    frames = [pd.DataFrame({"user_id": ["a"]}), pl.DataFrame({"user_id": ["b"]}), {"user_id": "c"}]
    source = InlineSource(frames, "users")

    assert [row["user_id"] for row in source] == ["a", "b", "c"]
    assert len(source) == 3


@pytest.mark.slow
def test_no_library_is_imported_that_the_value_did_not_bring() -> None:
    program = (
        "import sys; from airflow_provider_blux.sources.inline import InlineSource; "
        "list(InlineSource([{'user_id': 'a'}, 'b', 1.5, None], 'users')); "
        "print({'numpy', 'pandas', 'polars', 'pyarrow', 'zstandard'} & sys.modules.keys())"
    )

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)  # noqa: S603
    assert done.stdout == "set()\n"


NANOSECONDS = pa.array([1_000, 1_000], pa.timestamp("ns"))


@pytest.mark.parametrize(
    ("values", "value"),
    [
        (pa.array([[1_000], [1_000]], pa.list_view(pa.timestamp("ns"))), ["1970-01-01T00:00:00.000001"]),
        (pa.array([[1_000], [1_000]], pa.large_list_view(pa.timestamp("ns"))), ["1970-01-01T00:00:00.000001"]),
        (pc.run_end_encode(NANOSECONDS), "1970-01-01T00:00:00.000001"),
        (pa.UnionArray.from_sparse(pa.array([0, 0], pa.int8()), [NANOSECONDS]), "1970-01-01T00:00:00.000001"),
    ],
    ids=lambda values: str(getattr(values, "type", "")),
)
def test_what_pyarrow_cannot_cast_is_read_as_it_is(values: Any, value: Any) -> None:
    rows = InlineSource(pa.table({"user_id": ["a", "b"], "v": values}), "users")

    assert [json_value(row["v"], "v") for row in rows] == [value, value]


@pytest.mark.parametrize("value", [np.float32(1.1), np.float16(1.1)])
def test_a_short_float_among_objects_is_what_it_was_written_as(value: Any) -> None:
    (row,) = InlineSource(pd.DataFrame({"v": pd.Series([value], dtype=object), "in": [[{"a": value}]]}), "users")

    assert row == {"v": 1.1, "in": [{"a": 1.1}]}


ITEM = pa.struct([("single", pa.float32()), ("double", pa.float64())])
SMALL_FLOATS: list[tuple[Any, Any, Any]] = [
    (pa.float32(), 1.1, 1.1),
    (pa.float16(), np.float16(0.1), 0.1),
    (pa.list_(pa.float32()), [1.1, None], [1.1, None]),
    (pa.large_list(pa.float32()), [1.1], [1.1]),
    (pa.list_(pa.float32(), 1), [1.1], [1.1]),
    (pa.list_view(pa.float32()), [1.1], [1.1]),
    (pa.map_(pa.string(), pa.float32()), {"a": 1.1}, {"a": 1.1}),
    (pa.dictionary(pa.int8(), pa.float32()), 1.1, 1.1),
    (pa.fixed_shape_tensor(pa.float32(), [1]), [1.1], [1.1]),
    (ITEM, {"single": 1.1, "double": 1.100000023841858}, {"single": 1.1, "double": 1.100000023841858}),
    (pa.list_(ITEM), [{"single": 1.1, "double": None}, None], [{"single": 1.1, "double": None}, None]),
]


@pytest.mark.parametrize(("kind", "given", "expected"), SMALL_FLOATS, ids=lambda it: str(it)[:40])
def test_a_float_of_four_or_two_bytes_in_an_arrow_table_is_what_was_written(
    kind: Any, given: Any, expected: Any, tmp_path: Any
) -> None:
    table = pa.table({"v": pa.array([given, None], kind)})

    assert [row["v"] for row in InlineSource(table, "users")] == [expected, None]
    stored = getattr(kind, "storage_type", kind)
    if not (pa.types.is_list_view(stored) or pa.types.is_fixed_size_list(stored)):  # Parquet has none, or no null one
        parquet.write_table(table, tmp_path / "f.parquet")
        assert [row["v"] for row in StorageSource(str(tmp_path / "f.parquet"))] == [expected, None]
    if not pa.types.is_list_view(kind):
        frame = pd.DataFrame({"v": pd.Series(pd.arrays.ArrowExtensionArray(table["v"]))})
        assert [row["v"] for row in InlineSource(frame, "users")] == [expected, None]


def test_a_map_in_an_arrow_column_of_pandas_is_an_object_as_in_parquet(tmp_path: Path) -> None:
    maps = [[("k", 1.1), ("l", None)], [], None, [("k", None), ("k", 1.1)]]
    table = pa.table({"m": pa.array(maps, pa.map_(pa.string(), pa.float32()))})
    parquet.write_table(table, tmp_path / "f.parquet")

    *rows, twice = InlineSource(table.to_pandas(types_mapper=pd.ArrowDtype), "users")
    *same, as_there = StorageSource(str(tmp_path / "f.parquet"))

    assert rows == same == [{"m": {"k": 1.1, "l": None}}, {"m": {}}, {"m": None}]
    assert str(twice) == str(as_there) == "m: is a map that has a key twice; correct it in the source"


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        (np.array([1.1, np.nan], "float32"), [1.1, None]),
        (np.array([0.1, 65504], "float16"), [0.1, 65500.0]),
        (pd.array([1.1, None], dtype="Float32"), [1.1, None]),
        (pd.Categorical(np.array([1.1, 2.2], "float32")), [1.1, 2.2]),
        (pd.arrays.SparseArray(np.array([1.1, 2.2], "float32")), [1.1, 2.2]),
        (np.array([1.100000023841858], "float64"), [1.100000023841858]),
        (np.array([16777216, -0.0, 3.4028235e38, 1e-45, 2e-5], "float32"), [16777216, 0, 3.4028235e38, 1e-45, 2e-5]),
    ],
    ids=lambda it: str(it)[:40],
)
def test_a_float_of_four_or_two_bytes_in_pandas_is_what_was_written(column: Any, expected: list[Any]) -> None:
    found = values(column)

    assert found == expected
    assert [json_value(value, "v") for value in found] == expected


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (pl.Float32, 1.1),
        (pl.List(pl.Float32), [1.1, None]),
        (pl.Array(pl.Float32, (1, 2)), [[1.1, 2.2]]),
        (pl.Struct({"a": pl.Float32, "b": pl.Float64}), {"a": 1.1, "b": 1.100000023841858}),
        (pl.List(pl.Struct({"a": pl.Float32})), [{"a": 1.1}]),
        (pl.Float64, 1.100000023841858),
    ],
    ids=str,
)
def test_a_float_of_four_bytes_in_polars_is_what_was_written(kind: Any, value: Any) -> None:
    frame = pl.DataFrame({"user_id": ["a", "b"], "v": pl.Series([value, None], dtype=kind)})

    assert list(InlineSource(frame, "users")) == [{"user_id": "a", "v": value}, {"user_id": "b", "v": None}]


@pytest.mark.skipif(not hasattr(pl, "Map"), reason="this polars has no maps")
def test_a_float_of_four_bytes_in_a_map_of_polars_is_what_was_written() -> None:
    maps = pa.array([[("a", 1.1), ("b", None)], None], pa.map_(pa.string(), pa.float32()))

    assert list(InlineSource(pl.from_arrow(pa.table({"v": maps})), "users")) == [
        {"v": {"a": 1.1, "b": None}},
        {"v": None},
    ]


def test_the_shortest_text_of_a_float_is_that_of_numpy() -> None:
    halves = np.arange(2**16, dtype="uint16").view("float16")
    singles = np.random.default_rng(1).integers(0, 2**32, 20_000, dtype="uint32").view("float32")

    for numbers, shortest in ((halves, floats.half), (singles, floats.single)):
        finite = [number for number in numbers if np.isfinite(number) and abs(number) != 2.0**-6]
        assert [shortest(float(number)) for number in finite] == [float(str(number)) for number in finite]
    assert floats.half(0.015625) == 0.015625, "which numpy writes as 0.01563"
    assert str(floats.single(float("nan"))) == "nan"
    assert floats.single(float("-inf")) == float("-inf")


def test_the_index_that_pandas_stores_in_a_table_is_no_property(tmp_path: Path) -> None:
    frame = pd.DataFrame({"user_id": ["a", "b"], "n": [1, 2]}).query("n == 2")
    frame.to_parquet(tmp_path / "users.parquet")
    expected = [{"user_id": "b", "n": 2}]

    assert list(StorageSource(str(tmp_path / "users.parquet"))) == expected
    assert list(InlineSource(pa.Table.from_pandas(frame), "users")) == expected
    assert list(InlineSource(frame, "users")) == expected
