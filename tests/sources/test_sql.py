"""Records from a query, on SQLite through an Airflow connection."""

from __future__ import annotations

import json
import logging
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowNotFoundException

from airflow_provider_blux.exceptions import BluxConfigError, BluxSourceError
from airflow_provider_blux.sources.sql import SqlSource

pytest.importorskip("airflow.providers.sqlite")


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[sqlite3.Connection]:
    path = tmp_path / "shop.db"
    monkeypatch.setenv("AIRFLOW_CONN_SHOP", json.dumps({"conn_type": "sqlite", "host": str(path)}))
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE users (id TEXT UNIQUE, name TEXT, age INTEGER)")
        connection.executemany("INSERT INTO users VALUES (?, ?, ?)", [("a", "Kim", 30), ("b", None, 40)])
        connection.commit()
        yield connection


def query(sql: str, **arguments: object) -> SqlSource:
    return SqlSource(sql, conn_id="shop", **arguments)  # type: ignore[arg-type]


def test_a_row_is_a_record_named_by_its_columns(shop: sqlite3.Connection) -> None:
    assert list(query("SELECT id AS user_id, name, age FROM users ORDER BY id")) == [
        {"user_id": "a", "name": "Kim", "age": 30},
        {"user_id": "b", "name": None, "age": 40},
    ]


def test_a_query_without_rows_is_an_empty_source(shop: sqlite3.Connection) -> None:
    assert list(query("SELECT * FROM users WHERE age > 99")) == []


@pytest.mark.parametrize(
    ("sql", "parameters"),
    [
        ("SELECT id FROM users WHERE age > ?", [35]),
        ("SELECT id FROM users WHERE age > ?", (35,)),
        ("SELECT id FROM users WHERE age > :least", {"least": 35}),
    ],
)
def test_parameters_go_to_the_driver(shop: sqlite3.Connection, sql: str, parameters: object) -> None:
    assert list(query(sql, parameters=parameters)) == [{"id": "b"}]


@pytest.mark.parametrize("sql", [["SELECT 1"], {"query": "SELECT 1"}, 5])
def test_a_query_that_is_no_text_is_refused(shop: sqlite3.Connection, sql: Any) -> None:
    with pytest.raises(BluxConfigError, match=rf"^sql is of type {type(sql).__name__}; it must be one SELECT"):
        SqlSource(sql, conn_id="shop")


@pytest.mark.parametrize("parameters", ["gold", "5", b"5", 5, {"gold"}])
def test_parameters_that_are_one_value_are_refused(shop: sqlite3.Connection, parameters: Any) -> None:
    with pytest.raises(BluxConfigError, match=rf"^sql_parameters is of type {type(parameters).__name__}; it must be a"):
        SqlSource("SELECT ? AS user_id", conn_id="shop", parameters=parameters)


@pytest.mark.parametrize("parameters", [None, [], {}, ()])
def test_without_parameters_a_percent_sign_is_no_placeholder(shop: sqlite3.Connection, parameters: object) -> None:
    assert list(query("SELECT id FROM users WHERE name LIKE 'K%'", parameters=parameters)) == [{"id": "a"}]


def test_rows_are_fetched_as_they_are_read(shop: sqlite3.Connection) -> None:
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n"
    records = iter(query(endless))

    assert [next(records) for _ in range(1500)][-1] == {"i": 1500}
    records.close()  # type: ignore[attr-defined]


def test_every_reading_runs_the_query_again(shop: sqlite3.Connection) -> None:
    source = query("SELECT id FROM users ORDER BY id")

    assert len(list(source)) == 2
    with shop:
        shop.execute("INSERT INTO users VALUES ('c', 'Lee', 50)")
    assert [row["id"] for row in source] == ["a", "b", "c"]


@pytest.mark.parametrize("how_far", ["to the end", "only one row", "into an error"])
def test_the_connection_is_closed_however_far_it_was_read(shop: sqlite3.Connection, how_far: str) -> None:
    records = iter(query("SELECT id FROM nowhere" if how_far == "into an error" else "SELECT id FROM users"))
    if how_far == "into an error":
        with pytest.raises(BluxSourceError):
            next(records)
    elif how_far == "to the end":
        list(records)
    else:
        next(records)
        records.close()  # type: ignore[attr-defined]

    # A connection that still reads keeps others from taking the file for themselves.
    shop.execute("PRAGMA busy_timeout = 0")
    shop.execute("BEGIN EXCLUSIVE")
    shop.rollback()


def test_a_statement_that_returns_no_rows_is_refused(shop: sqlite3.Connection) -> None:
    with pytest.raises(BluxConfigError, match=r"^the query on connection shop returns no rows; sql must be a SELECT"):
        list(query("PRAGMA foreign_keys = ON"))


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT id FROM users; SELECT id FROM users",
        "-- new\nWITH a AS (SELECT 1 AS id) SELECT id FROM a;\n/* old */ (select id from users);",
        "SELECT ';' AS id; VALUES (1)",
        "SET TimeZone = 'UTC'; SELECT 1 AS id; FROM users",
    ],
)
def test_several_queries_are_refused_since_a_driver_would_read_one_of_them(sql: str) -> None:
    with pytest.raises(BluxConfigError, match=r"^sql holds several queries, .* Join them with UNION ALL, or use a "):
        query(sql)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT 'a' AS id;\n-- ; SELECT id\n",
        "SELECT '; SELECT' AS id UNION ALL SELECT id FROM users",
        "WITH a AS (SELECT 1 AS id) SELECT id FROM a /* ; SELECT 2 */;",
    ],
)
def test_a_semicolon_that_ends_no_query_before_another_is_allowed(shop: sqlite3.Connection, sql: str) -> None:
    assert list(query(sql))


@pytest.mark.parametrize("sql", ["DELETE FROM users", "DELETE FROM users RETURNING id", "DROP TABLE users"])
def test_nothing_can_be_changed(shop: sqlite3.Connection, sql: str) -> None:
    with pytest.raises(BluxSourceError, match=r"readonly database\. \(sql must be one statement that only reads\.\)$"):
        list(query(sql))

    assert shop.execute("SELECT count(*) FROM users").fetchone() == (2,)


def test_rows_of_a_query_are_rows_of_a_table(shop: sqlite3.Connection) -> None:
    assert all(row.is_table_row for row in query("SELECT id FROM users"))


@pytest.mark.parametrize(
    ("sql", "is_ordered"),
    [
        ("SELECT id FROM users ORDER BY id", True),
        ("select id from users\n\torder\n by id desc", True),
        ("SELECT id FROM users WHERE name = 'it''s' ORDER BY id -- newest last", True),
        ("SELECT id FROM users", False),
        ("SELECT id FROM users -- ORDER BY id", False),
        ("SELECT id /* order by */ FROM users", False),
        ("SELECT 'order by' AS \"order by\" FROM users", False),
        ("SELECT id FROM (SELECT id FROM users ORDER BY id)", False),
        ("SELECT row_number() OVER (PARTITION BY lower(id) ORDER BY id) AS n FROM users", False),
        ("SELECT id AS reorder, id AS bye FROM users", False),
    ],
)
def test_a_query_in_any_order_is_warned_of_once(
    shop: sqlite3.Connection, caplog: pytest.LogCaptureFixture, sql: str, is_ordered: bool
) -> None:
    source = query(sql)
    with caplog.at_level(logging.WARNING, "airflow_provider_blux"):
        list(source)
        list(source)

    warnings = [record.getMessage() for record in caplog.records]
    assert len(warnings) == (0 if is_ordered else 1)
    assert all(words.startswith("The query on connection shop has no ORDER BY") for words in warnings)


def test_a_value_with_quotes_in_it_is_not_repeated(shop: sqlite3.Connection) -> None:
    with shop:
        shop.execute("INSERT INTO users VALUES ('c', CAST(x'6a6f686e27732068ff' AS TEXT), 1)")

    with pytest.raises(BluxSourceError, match="Could not decode to UTF-8") as raised:
        list(query("SELECT name FROM users ORDER BY id"))
    assert "john" not in str(raised.value)
    assert "s h" not in str(raised.value)


@pytest.mark.parametrize("value", ["kim@example.com", "01058267341", "010-5826-7341", "010.5826.7341", "12345"])
def test_a_value_without_quotes_in_an_error_is_redacted(shop: sqlite3.Connection, value: str) -> None:
    with pytest.raises(BluxSourceError, match=r"OperationalError: no such column: \S*\*\*\*") as raised:
        list(query('SELECT users."%s" FROM users'.replace("%s", value)))
    assert value not in str(raised.value)


def test_columns_of_one_name_are_refused(shop: sqlite3.Connection) -> None:
    with pytest.raises(BluxConfigError, match="returns id, name twice; give each column its own name with AS"):
        list(query("SELECT id, id, name, age, name FROM users"))


@pytest.mark.parametrize("name", ["", " ", "?column?"])
def test_a_column_without_a_name_is_refused(shop: sqlite3.Connection, name: str) -> None:
    with pytest.raises(BluxConfigError, match=r"^the query on connection shop: column 2 has no name; name it with AS"):
        list(query('SELECT id, age AS "%s" FROM users'.replace("%s", name)))


@pytest.mark.parametrize(
    ("sql", "words"),
    [
        ("SELECT id FROM customers", "OperationalError: no such table: customers"),
        ("SELECT mail FROM users", "OperationalError: no such column: mail"),
        ("SELEKT", "OperationalError: near"),
        ("SELECT id FROM users WHERE age > ?", "ProgrammingError: Incorrect number of bindings"),
    ],
)
def test_an_error_of_the_database_is_told_with_its_place(shop: sqlite3.Connection, sql: str, words: str) -> None:
    with pytest.raises(BluxSourceError, match="^the query on connection shop failed: " + re.escape(words)) as raised:
        list(query(sql))
    assert not raised.value.retry_helps


@pytest.mark.parametrize(
    "conn_id",
    [
        # Airflow's hook leaves SQLite's own time limit of five seconds.
        pytest.param("shop", marks=pytest.mark.slow, id="locked"),
        pytest.param("absent", id="not there"),
    ],
)
def test_a_database_that_is_locked_or_not_there_is_tried_again(
    shop: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, conn_id: str
) -> None:
    shop.execute("BEGIN EXCLUSIVE")
    monkeypatch.setenv("AIRFLOW_CONN_ABSENT", json.dumps({"conn_type": "sqlite", "host": f"{tmp_path}/no/shop.db"}))

    with pytest.raises(BluxSourceError, match="failed: OperationalError: ") as raised:
        list(SqlSource("SELECT id FROM users ORDER BY id", conn_id=conn_id))

    assert raised.value.retry_helps


def driver_error(name: str, *words: Any, module: str = "driver", **attributes: Any) -> Exception:
    """Return an error like those of drivers, with the classes of PEP 249."""
    base = type("Error", (Exception,), {})
    return type(name, (base,), {"__module__": module, **attributes})(*words)


@pytest.mark.parametrize(
    ("error", "is_lasting"),
    [
        (driver_error("ProgrammingError", "near x"), True),
        (driver_error("NotSupportedError", "no"), True),
        (driver_error("OperationalError", "gone"), False),
        (driver_error("DataError", "zero"), False),
        (driver_error("DatabaseError", "x", sqlstate="42P01"), True),
        (driver_error("DatabaseError", "x", pgcode="42501"), True),
        (driver_error("InternalError", "x", sqlstate="25006"), True),
        (driver_error("ProgrammingError", "x", sqlstate="57014"), False),
        (driver_error("ProgrammingError", "x", sqlstate="02000"), True),
        (driver_error("ProgrammingError", "x", sqlstate="08001"), False),
        (driver_error("ProgrammingError", "42S02", "[42S02]", module="pyodbc"), True),
        (driver_error("ProgrammingError", "08S01", "[08S01]", module="pyodbc"), False),
        (driver_error("OperationalError", 1054, "Unknown column"), True),
        (driver_error("OperationalError", 1052, "Ambiguous", sqlstate="23000"), True),
        (driver_error("OperationalError", 1045, "Access denied"), False),
        (driver_error("OperationalError", 2013, "Lost connection"), False),
        (IndexError("list index out of range"), True),
        (TypeError("not all arguments converted"), True),
        (UnicodeDecodeError("utf-8", b"x", 0, 1, "x"), False),
        (OSError("broken pipe"), False),
    ],
    ids=repr,
)
def test_what_is_of_the_statement_is_not_tried_again(error: Exception, is_lasting: bool) -> None:
    source = query("SELECT 1")
    source._is_connected, source._is_executed = True, False

    assert source._is_lasting(error) is is_lasting


@pytest.mark.parametrize(
    ("error", "is_of_a_name"),
    [
        (driver_error("ProgrammingError", 1146, "Table 'shop.nowhere' doesn't exist"), True),
        (driver_error("OperationalError", 1054, "Unknown column 'nobody' in 'SELECT'"), True),
        (driver_error("OperationalError", 1142, "SELECT command denied"), True),
        (driver_error("ProgrammingError", "42S02", "[42S02]", module="pyodbc"), True),
        (driver_error("DatabaseError", "x", pgcode="42501"), True),
        (driver_error("ProgrammingError", 1064, "You have an error in your SQL syntax"), False),
        (driver_error("ProgrammingError", "x", sqlstate="42601"), False),
    ],
    ids=repr,
)
def test_a_missing_or_forbidden_name_is_explained(
    shop: sqlite3.Connection, error: Exception, is_of_a_name: bool
) -> None:
    source = query("SELECT 1")
    source._is_connected = True

    said = source._failure(error)
    assert said.endswith("does not exist, or that the login may not use.)") is is_of_a_name
    assert "nowhere" not in said
    assert "nobody" not in said


@pytest.mark.parametrize(
    ("sql", "error", "is_explained"),
    [
        ("SELECT %(since)s", driver_error("ProgrammingError", 1064, "syntax"), True),
        ("SELECT %(since)s", driver_error("OperationalError", 2013, "Lost connection"), False),
        ("SELECT '%(since)s' -- %(since)s", driver_error("ProgrammingError", 1064, "syntax"), False),
    ],
)
def test_only_a_placeholder_without_parameters_is_explained(
    shop: sqlite3.Connection, sql: str, error: Exception, is_explained: bool
) -> None:
    source = query(sql)
    source._is_connected = True

    assert source._failure(error).endswith("but there are no sql_parameters.)") is is_explained


def test_the_full_stop_of_the_database_is_not_doubled(shop: sqlite3.Connection) -> None:
    source = query("SELECT 1")
    source._is_connected = True

    assert "OperationalError: Too many connections. (sql must" in source._failure(
        driver_error("OperationalError", "Too many connections.")
    )


@pytest.mark.parametrize("value", ["'Kim'", "'john doe'", "'john.doe@example.com'", "'010-1234-5678'"])
def test_an_error_of_the_database_does_not_repeat_quoted_values(shop: sqlite3.Connection, value: str) -> None:
    # SQLite's own words contain what stands after the column; the line is of the form that other databases use.
    with pytest.raises(BluxSourceError) as raised:
        list(query(f'SELECT "{value} of nobody".x'))

    assert value.strip("'") not in str(raised.value)
    assert "no such column" in str(raised.value)
    assert raised.value.__cause__ is None


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of the web server that Airflow 2 draws the form with
def test_a_connection_that_is_no_database_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    for conn_type in ("http", "blux"):
        monkeypatch.setenv("AIRFLOW_CONN_WEB", json.dumps({"conn_type": conn_type, "host": "example.com"}))
        with pytest.raises(BluxConfigError, match=r"^Connection web \(sql_conn_id\) (is no database|has no hook)"):
            list(SqlSource("SELECT 1", conn_id="web"))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of the web server that Airflow 2 draws the form with
@pytest.mark.parametrize("conn_type", ["generic", "email"])
def test_a_type_that_airflow_lists_without_a_hook_is_refused(monkeypatch: pytest.MonkeyPatch, conn_type: str) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_WEB", json.dumps({"conn_type": conn_type, "host": "shop.db"}))

    with pytest.raises(BluxConfigError, match=rf"web \(sql_conn_id\) is of type {conn_type}, .* Install the "):
        list(SqlSource("SELECT 1", conn_id="web"))


def test_a_missing_connection_is_airflows_own_error() -> None:
    with pytest.raises(AirflowNotFoundException, match="nowhere"):
        list(SqlSource("SELECT 1", conn_id="nowhere"))


def test_nothing_is_asked_before_the_source_is_read() -> None:
    assert str(SqlSource("SELECT 1", conn_id="nowhere")) == "the query on connection nowhere"
