"""Queries on DuckDB, through Airflow's own hook."""

from __future__ import annotations

import json
from datetime import date, datetime, time
from decimal import Decimal
from pathlib import Path

import pytest

from airflow_provider_blux.exceptions import BluxConfigError, BluxRecordError, BluxSourceError
from airflow_provider_blux.sources.sql import SqlSource

pytest.importorskip("airflow.providers.duckdb")
duckdb = pytest.importorskip("duckdb")


@pytest.fixture(autouse=True)
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "shop.duckdb"
    with duckdb.connect(str(path)) as database:
        database.execute("CREATE TABLE users AS SELECT lpad(i::text, 5, '0') AS user_id, i AS n FROM range(3000) t(i)")
    monkeypatch.setenv("AIRFLOW_CONN_SHOP", json.dumps({"conn_type": "duckdb", "host": str(path)}))


def query(sql: str, **arguments: object) -> SqlSource:
    return SqlSource(sql, conn_id="shop", **arguments)  # type: ignore[arg-type]


def test_rows_are_records() -> None:
    rows = list(query("SELECT user_id, n FROM users WHERE n >= ? ORDER BY n", parameters=[500]))

    assert len(rows) == 2500
    assert rows[0] == {"user_id": "00500", "n": 500}
    assert rows[0].is_table_row


def test_values_are_pythons() -> None:
    sql = """SELECT '00123' AS user_id, 1.10::DECIMAL(5, 2) AS n, true AS b, NULL AS gone, [1, 2] AS a, {'k': 'v'} AS s,
                    DATE '2026-01-31' AS day, TIMESTAMP_NS '2026-01-31 09:00:00.123456789' AS at ORDER BY 1"""

    assert list(query(sql)) == [
        {
            "user_id": "00123",
            "n": Decimal("1.10"),
            "b": True,
            "gone": None,
            "a": [1, 2],
            "s": {"k": "v"},
            "day": date(2026, 1, 31),
            "at": datetime(2026, 1, 31, 9, 0, 0, 123456),  # noqa: DTZ001
        }
    ]


def test_a_float_of_four_bytes_is_what_was_written() -> None:
    sql = """SELECT 1.1::FLOAT AS a, [1.1::FLOAT] AS b, {'x': 1.1::FLOAT, 'y': 1.1::FLOAT::DOUBLE} AS c,
                    NULL::FLOAT AS d, map {'k': [1.1::FLOAT]} AS e, 1.1::FLOAT::DOUBLE AS f,
                    [1.1, NULL]::FLOAT[2] AS g ORDER BY 1"""
    double = 1.100000023841858

    ((*found,),) = (row.values() for row in query(sql))
    assert found[:6] == [1.1, [1.1], {"x": 1.1, "y": double}, None, {"k": [1.1]}, double]
    assert list(found[6]) == [1.1, None]


def test_a_float_of_four_bytes_in_a_struct_without_names_is_what_was_written() -> None:
    sql = "SELECT row(1.1::FLOAT, 'a') AS v UNION ALL SELECT NULL ORDER BY 1"

    assert list(query(sql)) == [{"v": [1.1, "a"]}, {"v": None}]


def test_dates_in_lists_and_objects_that_python_can_hold_stay_as_they_are() -> None:
    sql = "SELECT [DATE '9999-12-31', NULL] AS a, {'DATE': 'DATE', 'at': TIME '23:59'} AS b ORDER BY 1"

    assert list(query(sql)) == [{"a": [date(9999, 12, 31), None], "b": {"DATE": "DATE", "at": time(23, 59)}}]


def test_rows_are_fetched_as_they_are_read() -> None:
    records = iter(query("SELECT i AS n FROM range(1000000000) t(i)"))

    assert [next(records)["n"] for _ in range(1500)][-1] == 1499
    records.close()  # type: ignore[attr-defined]


def test_a_query_that_is_wrong_is_an_error() -> None:
    with pytest.raises(BluxSourceError, match="CatalogException"):
        list(query("SELECT mail FROM nowhere ORDER BY 1"))
    with pytest.raises(BluxConfigError, match="returns n twice"):
        list(query("SELECT n, n FROM users ORDER BY 1"))


@pytest.mark.parametrize(
    "value",
    [
        "DATE '10000-01-01'",
        "DATE '0044-01-01 (BC)'",
        "TIMESTAMP '10000-01-01'",
        "TIMESTAMPTZ '10000-01-01'",
        "TIME '24:00'",
        "[DATE '10000-01-01']",
        "{'at': [NULL, TIMESTAMP '0044-01-01 (BC)']}",
        "map {'day': DATE '10000-01-01'}",
        "row(DATE '10000-01-01', 1)",
        "map {[1]: 2}",
        "[map {{'x': 1}: 2}]",
        "map {'a': map {row(1, 2): 3}}",
        "map {1::VARIANT: 2}",
        "map {union_value(a := [1]): 2}",
    ],
)
def test_only_the_record_is_rejected_whose_value_python_cannot_hold(value: str) -> None:
    sql = f"SELECT n, CASE n WHEN 1500 THEN {value} END AS v, '10000-01-01' AS text FROM users ORDER BY n"  # noqa: S608

    rows = list(query(sql))
    assert len([row for row in rows if not isinstance(row, BluxRecordError)]) == 2999
    assert str(rows[1500]).startswith("v: holds a value that Python cannot represent")


@pytest.mark.parametrize("value", ["strptime(name, '%Y')", "json_extract(name, '$.a')", "error(name)"])
def test_an_error_that_quotes_the_data_is_not_shown(value: str) -> None:
    sql = f"SELECT n, {value} AS v FROM (SELECT n, '{{' || 'Hong' AS name FROM users) ORDER BY n"  # noqa: S608

    with pytest.raises(BluxSourceError, match="InvalidInputException: its message is not shown") as raised:
        list(query(sql))
    assert "Hong" not in str(raised.value)


@pytest.mark.parametrize("sql", ["DELETE FROM users", "DELETE FROM users RETURNING n", "DROP TABLE users"])
def test_nothing_can_be_changed(sql: str) -> None:
    with pytest.raises(BluxSourceError, match="read-only"):
        list(query(sql))
    assert list(query("SELECT count(*) AS n FROM users ORDER BY 1")) == [{"n": 3000}]


def test_the_advice_for_an_error_in_the_data_is_not_about_the_statement() -> None:
    with pytest.raises(BluxSourceError, match=r"may quote the data\. \(It failed while its rows were read"):
        list(query("SELECT CAST('Hong' || user_id AS INTEGER) AS n FROM users ORDER BY n"))
