"""Queries on a real MariaDB: rows stay on the server until they are read, and an unfinished query is stopped."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from airflow_provider_blux.exceptions import BluxConfigError, BluxRecordError, BluxSourceError
from airflow_provider_blux.sources.cursors import reading
from airflow_provider_blux.sources.sql import SqlSource
from tests.emulator.client import until

pymysql = pytest.importorskip("pymysql")

SERVER: dict[str, Any] = {
    "host": os.environ.get("MYSQL_HOST", "127.0.0.1"),
    "port": int(os.environ.get("MYSQL_TCP_PORT", "3306")),
    "user": os.environ.get("MYSQL_USER", "root"),
    "password": os.environ.get("MYSQL_PWD", ""),
    "database": os.environ.get("MYSQL_DATABASE", "test"),
}
# Of MariaDB's own: whole numbers one after the other, made as they are read.
NUMBERS = "SELECT seq AS i FROM seq_1_to_50000000"


@pytest.fixture(scope="module", autouse=True)
def server() -> Iterator[None]:
    try:
        lock = pymysql.connect(**SERVER, connect_timeout=3)
    except pymysql.err.OperationalError:
        pytest.skip(f"no MariaDB answers at {SERVER['host']}:{SERVER['port']} (MYSQL_HOST, MYSQL_TCP_PORT, MYSQL_USER)")
    with closing(lock), lock.cursor() as cursor:
        cursor.execute("SELECT GET_LOCK('blux_test', 300)")  # against another run with the same names and queries
        yield


def connect_pymysql(**fields: Any) -> Any:
    return pymysql.connect(**SERVER, **fields)


def connect_mysqlclient(**fields: Any) -> Any:
    return pytest.importorskip("MySQLdb").connect(**SERVER, **fields)


def connect_connector(**fields: Any) -> Any:
    return pytest.importorskip("mysql.connector").connect(**SERVER, **fields)


@pytest.fixture(params=[connect_pymysql, connect_mysqlclient, connect_connector])
def connect(request: pytest.FixtureRequest) -> Callable[..., Any]:
    opens: Callable[..., Any] = request.param
    opens().close()
    return opens


def rows_of(connect: Callable[[], Any], sql: str) -> Iterator[Any]:
    with reading(connect) as cursor:
        yield from SqlSource(sql, conn_id="shop")._rows(cursor)


def test_values_are_pythons(connect: Callable[[], Any]) -> None:
    sql = """SELECT '00123' AS user_id, CAST(1.10 AS DECIMAL(5, 2)) AS n, NULL AS gone, DATE '2026-01-31' AS day,
                    TIMESTAMP '2026-01-31 09:00:00.5' AS at, TIME '24:00:00' AS t, '한글' AS name"""

    (row,) = rows_of(connect, sql)
    assert row == {
        "user_id": "00123",
        "n": Decimal("1.10"),
        "gone": None,
        "day": date(2026, 1, 31),
        "at": datetime(2026, 1, 31, 9, 0, 0, 500000),  # noqa: DTZ001
        "t": timedelta(days=1),
        "name": "한글",
    }


def test_the_server_sends_six_digits_of_a_float_as_the_docs_say(connect: Callable[[], Any]) -> None:
    sql = "SELECT CAST(16777216 AS FLOAT) AS six, CAST(CAST(16777216 AS FLOAT) AS DOUBLE) AS whole"

    assert list(rows_of(connect, sql)) == [{"six": 16777200.0, "whole": 16777216.0}]


@pytest.mark.parametrize("charset", ["utf8", "latin1"])
def test_text_arrives_whole_whatever_character_set_the_connection_names(
    connect: Callable[..., Any], charset: str
) -> None:
    # The bytes in hexadecimal, since the statement could not hold the characters either.
    sql = "SELECT CONVERT(x'ED959CEAB880F09F9880' USING utf8mb4) AS name"

    assert list(rows_of(lambda: connect(charset=charset), sql)) == [{"name": "한글😀"}]


@pytest.fixture
def procedures() -> Iterator[None]:
    """Three procedures: with one result, with two, and with an error after the first."""
    with closing(pymysql.connect(**SERVER)) as database, database.cursor() as cursor:
        cursor.execute("CREATE OR REPLACE PROCEDURE blux_test_one() SELECT 1 AS i")
        cursor.execute("CREATE OR REPLACE PROCEDURE blux_test_two() BEGIN SELECT 1 AS i; SELECT 2 AS i; END")
        cursor.execute(
            "CREATE OR REPLACE PROCEDURE blux_test_failed() BEGIN SELECT 1 AS i; SIGNAL SQLSTATE '45000'; END"
        )
        yield
        cursor.execute("DROP PROCEDURE blux_test_one")
        cursor.execute("DROP PROCEDURE blux_test_two")
        cursor.execute("DROP PROCEDURE blux_test_failed")


def test_a_procedure_may_have_one_result_only(procedures: None, connect: Callable[..., Any]) -> None:
    assert list(rows_of(connect, "CALL blux_test_one()")) == [{"i": 1}]
    with pytest.raises(BluxConfigError, match="returns several results"):
        list(rows_of(connect, "CALL blux_test_two()"))


def test_an_error_after_the_rows_of_a_procedure_is_not_lost(procedures: None, connect: Callable[..., Any]) -> None:
    with pytest.raises(Exception, match=r"45000|1644"):
        list(rows_of(connect, "CALL blux_test_failed()"))


@pytest.mark.parametrize("value", ["DATE '0000-00-00'", "DATE '2026-00-15'", "TIMESTAMP '0000-00-00 00:00:00'"])
def test_only_the_record_is_rejected_whose_date_python_cannot_hold(connect: Callable[[], Any], value: str) -> None:
    if connect is connect_connector:
        pytest.skip("gives null, as it says in docs/queries.md")
    sql = f"SELECT seq AS i, CASE seq WHEN 1500 THEN {value} END AS v FROM seq_1_to_2000"  # noqa: S608 - our own

    rows = list(rows_of(connect, sql))
    assert [row["i"] for row in rows if not isinstance(row, BluxRecordError)] == [*range(1, 1500), *range(1501, 2001)]
    assert str(rows[1499]).startswith("v: holds a value that Python cannot represent")


@pytest.mark.parametrize("how_far", ["one row", "into an error"])
def test_a_query_that_is_left_is_stopped_and_not_read_to_its_end(connect: Callable[[], Any], how_far: str) -> None:
    records = rows_of(connect, NUMBERS)

    next(records)
    if how_far == "one row":
        records.close()  # type: ignore[attr-defined]  # to read the rest would take minutes
    else:
        with pytest.raises(KeyError):
            records.throw(KeyError("of the delivery"))  # type: ignore[attr-defined]
    with closing(pymysql.connect(**SERVER)) as other, other.cursor() as cursor:

        def is_stopped() -> bool:
            cursor.execute("SELECT COUNT(*) FROM information_schema.processlist WHERE info = %s", (NUMBERS,))
            return bool(cursor.fetchone() == (0,))

        until(is_stopped)  # the server shows the query for a moment after its error


@pytest.fixture
def table() -> Iterator[str]:
    with closing(pymysql.connect(**SERVER)) as database, database.cursor() as cursor:
        cursor.execute("CREATE OR REPLACE TABLE blux_test_table AS SELECT 1 AS i")
        yield "blux_test_table"
        cursor.execute("DROP TABLE blux_test_table")


@pytest.mark.parametrize("statement", ["DELETE FROM {}", "DROP TABLE {}", "ALTER TABLE {} ADD COLUMN j int"])
def test_a_statement_that_writes_is_refused(connect: Callable[[], Any], table: str, statement: str) -> None:
    with pytest.raises(Exception, match="Cannot execute statement in a READ ONLY transaction") as raised:
        list(rows_of(connect, statement.format(table)))

    assert SqlSource("SELECT 1", conn_id="shop")._is_lasting(raised.value)
    assert list(rows_of(connect, f"SELECT * FROM {table}")) == [{"i": 1}]  # noqa: S608 - our own


def test_a_query_that_the_server_refused_is_not_stopped(connect: Callable[[], Any]) -> None:
    connections: list[Any] = []

    def counted() -> Any:
        connections.append(connect())
        return connections[-1]

    with pytest.raises(Exception, match="nowhere"):
        next(rows_of(counted, "SELECT mail FROM nowhere"))
    assert len(connections) == 1


def test_rows_stay_on_the_server_until_they_are_read(connect: Callable[[], Any]) -> None:
    records = rows_of(connect, NUMBERS)

    assert [next(records)["i"] for _ in range(2500)][-1] == 2500
    records.close()  # type: ignore[attr-defined]


def test_a_query_through_airflows_own_hook(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("airflow.providers.mysql")
    fields = {key: SERVER[key] for key in ("host", "port", "password")}
    connection = {"conn_type": "mysql", "login": SERVER["user"], "schema": SERVER["database"], **fields}
    monkeypatch.setenv("AIRFLOW_CONN_SHOP", json.dumps(connection))

    sql = "SELECT seq AS user_id FROM seq_1_to_3000 WHERE seq > %(least)s ORDER BY 1"
    rows = list(SqlSource(sql, conn_id="shop", parameters={"least": 1000}))
    assert [row["user_id"] for row in rows] == list(range(1001, 3001))
    for sql, kind in (
        ("SELECT mail FROM nowhere ORDER BY 1", "ProgrammingError"),
        ("SELECT mail FROM seq_1_to_9 ORDER BY 1", "OperationalError"),
    ):
        with pytest.raises(BluxSourceError, match=f"failed: {kind}: ") as raised:
            list(SqlSource(sql, conn_id="shop"))
        assert not raised.value.retry_helps
