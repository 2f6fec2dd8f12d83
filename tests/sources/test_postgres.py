"""Queries on a real PostgreSQL, with both of its drivers: rows stay on the server until they are read."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from functools import partial
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from airflow_provider_blux.backfill import split_sql
from airflow_provider_blux.exceptions import BluxConfigError, BluxRecordError, BluxSourceError
from airflow_provider_blux.sources.cursors import reading, reading_cursor
from airflow_provider_blux.sources.sql import SqlSource
from tests.postgres import SERVER, PostgresDatabase, why_not

pytest.importorskip("airflow.providers.postgres")
psycopg2 = pytest.importorskip("psycopg2")

BACKFILL = Path(__file__).parents[2] / "docs" / "backfill.md"


@pytest.fixture(scope="module", autouse=True)
def server() -> Iterator[None]:
    if reason := why_not():
        pytest.skip(reason)
    with closing(psycopg2.connect(**SERVER)) as lock, lock.cursor() as cursor:
        lock.autocommit = True
        cursor.execute("SELECT pg_advisory_lock(hashtext('blux_test'))")  # against another run with the same names
        yield


@pytest.fixture(autouse=True)
def connection(monkeypatch: pytest.MonkeyPatch) -> None:
    fields = {key: SERVER[key] for key in ("host", "port", "password")}
    plain = {"conn_type": "postgres", "login": SERVER["user"], "schema": SERVER["dbname"], **fields}
    # A query that runs away must not take the machine with it.
    bounded = {**plain, "extra": {"options": "-c statement_timeout=20s"}}
    monkeypatch.setenv("AIRFLOW_CONN_SHOP", json.dumps(bounded))
    monkeypatch.setenv("AIRFLOW_CONN_NAMED", json.dumps({**plain, "extra": {"application_name": "blux_is_it_closed"}}))
    monkeypatch.setenv("AIRFLOW_CONN_DICTS", json.dumps({**plain, "extra": {"cursor": "dictcursor"}}))


def query(sql: str, conn_id: str = "shop", **arguments: Any) -> SqlSource:
    return SqlSource(sql, conn_id=conn_id, **arguments)


@pytest.mark.parametrize("conn_id", ["shop", "dicts"])
def test_values_are_pythons_whatever_cursor_the_connection_names(conn_id: str) -> None:
    sql = """SELECT '00123'::text AS user_id, 1.10::numeric AS n, true AS b, null::text AS gone, array[1, 2] AS a,
                    '{"k": [1]}'::jsonb AS j, '2026-01-31T00:00:00Z'::timestamptz AS at ORDER BY 1"""

    (row,) = query(sql, conn_id)
    assert row.pop("at") == datetime(2026, 1, 31, tzinfo=UTC)
    assert row == dict(user_id="00123", n=Decimal("1.10"), b=True, gone=None, a=[1, 2], j={"k": [1]})  # noqa: C408
    assert row.is_table_row


def test_rows_stay_on_the_server_until_they_are_read() -> None:
    # More rows than any memory holds: to read all of them would not come to an end.
    endless = "WITH RECURSIVE n(i) AS (SELECT 1::bigint UNION ALL SELECT i + 1 FROM n) SELECT i FROM n"
    records = iter(query(endless))

    assert len([next(records) for _ in range(2500)]) == 2500
    records.close()  # type: ignore[attr-defined]


@pytest.mark.parametrize("parameters", [{"least": 3}, [3], (3,)])
def test_parameters_go_to_the_driver(parameters: Any) -> None:
    placeholder = "%(least)s" if isinstance(parameters, dict) else "%s"
    sql = f"SELECT i FROM generate_series(1, 5) AS i WHERE i > {placeholder} ORDER BY i;"  # noqa: S608

    assert list(query(sql, parameters=parameters)) == [{"i": 4}, {"i": 5}]


def test_without_parameters_a_percent_sign_is_no_placeholder() -> None:
    assert list(query("SELECT 'a%b' AS p WHERE 'x' LIKE '%x' ORDER BY 1")) == [{"p": "a%b"}]


def test_a_query_without_rows_is_an_empty_source() -> None:
    assert list(query("SELECT i FROM generate_series(1, 0) AS i ORDER BY i")) == []


def test_columns_of_one_name_are_refused() -> None:
    with pytest.raises(BluxConfigError, match="returns i twice"):
        list(query("SELECT 1 AS i, 2 AS i ORDER BY 1"))


@pytest.mark.parametrize(
    ("sql", "words"),
    [
        ("DELETE FROM pg_class", "SyntaxError: syntax error at or near"),
        (
            "WITH gone AS (DELETE FROM pg_description RETURNING objoid) SELECT objoid FROM gone",
            "must not contain data-modifying",
        ),
        ("SELECT mail FROM pg_class ORDER BY 1", 'UndefinedColumn: column "mail" does not exist'),
        ("SELECT 'john'::int ORDER BY 1", "InvalidTextRepresentation: its message is not shown, it may quote the data"),
        ("SELECT nextval('john') ORDER BY 1", "UndefinedTable"),
    ],
)
def test_an_error_of_the_database_is_told_without_a_value(sql: str, words: str) -> None:
    with pytest.raises(BluxSourceError) as raised:
        list(query(sql))

    assert words in str(raised.value)
    assert raised.value.retry_helps is words.startswith("InvalidText")
    assert 'type integer: "john"' not in str(raised.value)


def test_an_error_of_the_database_keeps_what_is_no_data() -> None:
    with pytest.raises(BluxSourceError) as raised:
        list(query("SELECT mail FROM pg_class ORDER BY 1"))

    said = str(raised.value)
    assert f"(postgres at {SERVER['host']}:{SERVER['port']}) failed: UndefinedColumn" in said
    assert "[SQLSTATE 42703]" in said
    assert said.endswith("(sql names a table, column or function that does not exist, or that the login may not use.)")


def test_placeholders_of_another_driver_are_explained() -> None:
    with pytest.raises(BluxSourceError) as raised:
        list(query("SELECT relname FROM pg_class WHERE relname = :name ORDER BY 1", parameters={"name": "x"}))

    assert str(raised.value).endswith(
        "only reads, with placeholders as its driver writes them, such as %(name)s or :name.)"
    )


def test_a_placeholder_without_parameters_is_explained() -> None:
    with pytest.raises(BluxSourceError) as raised:
        list(query("SELECT relname FROM pg_class WHERE relname > %(after)s ORDER BY 1"))

    assert str(raised.value).endswith("(sql has the placeholder %(after)s, but there are no sql_parameters.)")


def test_a_per_cent_sign_beside_parameters_is_explained() -> None:
    sql = "SELECT relname FROM pg_class WHERE relname LIKE '%.kr' AND relname > %(after)s ORDER BY 1"
    with pytest.raises(
        BluxSourceError, match=r"write %% for a % that is not a placeholder, as in LIKE '%%\.kr'"
    ) as raised:
        list(SqlSource(sql, conn_id="shop", parameters={"after": "a"}))
    assert not raised.value.retry_helps


def test_a_server_that_refuses_the_connection_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_DB", json.dumps({"conn_type": "postgres", "host": "127.0.0.1", "port": 1}))

    with pytest.raises(BluxSourceError) as raised:
        list(SqlSource("SELECT 1 AS user_id ORDER BY 1", conn_id="db"))
    assert raised.value.retry_helps
    assert "(postgres at 127.0.0.1:1) failed: OperationalError" in str(raised.value)
    assert str(raised.value).endswith("check its host, port, schema, login and password, and the server.)")


def test_an_error_amid_the_rows_ends_them() -> None:
    records = iter(query("SELECT 10 / (1500 - i) AS n FROM generate_series(1, 2000) AS i"))

    assert len([next(records) for _ in range(1000)]) == 1000
    with pytest.raises(BluxSourceError, match=r"DivisionByZero.*\(It failed while its rows were read: see the log of"):
        list(records)


@pytest.mark.parametrize("how_far", ["to the end", "only one row", "into an error"])
def test_the_connection_is_closed_however_far_it_was_read(how_far: str) -> None:
    records = iter(query("SELECT 1 / (2500 - i) AS n FROM generate_series(1, 3000) AS i", "named"))
    if how_far == "into an error":
        with pytest.raises(BluxSourceError):
            list(records)
    elif how_far == "to the end":
        list(query("SELECT 1 AS n ORDER BY 1", "named"))
    else:
        next(records)
    records.close()  # type: ignore[attr-defined]

    with closing(psycopg2.connect(**SERVER)) as other, other.cursor() as cursor:
        for _ in range(50):  # the server notices a moment later
            cursor.execute("SELECT pg_stat_clear_snapshot()")
            cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'blux_is_it_closed'")
            if (left := cursor.fetchone()[0]) == 0:
                break
            cursor.execute("SELECT pg_sleep(0.1)")
        assert left == 0


def connect_psycopg2(**fields: Any) -> Any:
    return psycopg2.connect(**SERVER, **fields)


def connect_psycopg3(**fields: Any) -> Any:
    return pytest.importorskip("psycopg").connect(**SERVER, **fields)


@pytest.fixture(params=[connect_psycopg2, connect_psycopg3])
def driver_connection(request: pytest.FixtureRequest) -> Iterator[Any]:
    connect: Callable[[], Any] = request.param
    with closing(connect()) as connection:
        yield connection


def test_either_driver_streams_and_only_reads(driver_connection: Any) -> None:
    with closing(reading_cursor(driver_connection)) as cursor:
        cursor.execute("SELECT i, current_setting('transaction_read_only') AS ro FROM generate_series(1, 5000000) AS i")
        assert cursor.fetchmany(2) == [(1, "on"), (2, "on")]
        assert [column[0] for column in cursor.description] == ["i", "ro"]


IMPOSSIBLE = (
    [f"'{sign}infinity'::{kind}" for kind in ("date", "timestamp", "timestamptz") for sign in ("", "-")]
    + [f"'{day}'::{kind}" for kind in ("date", "timestamp", "timestamptz") for day in ("0044-01-01 BC", "10000-01-01")]
    + ["time '24:00'", "timetz '24:00'", "interval '3000000 years'"]
    + ["array[date 'infinity']", "array[time '24:00']", "array[array[timestamptz '10000-01-01']]"]
    + ["('9' || repeat('9', 5000))::json", """('{"a": 9' || repeat('9', 5000) || '}')::jsonb"""]
)


@pytest.mark.parametrize("connect", [connect_psycopg2, connect_psycopg3])
@pytest.mark.parametrize("value", IMPOSSIBLE)
def test_only_the_record_is_rejected_whose_value_python_cannot_hold(value: str, connect: Callable[[], Any]) -> None:
    sql = f"SELECT i, CASE i WHEN 1500 THEN {value} END AS v FROM generate_series(1, 2000) AS i ORDER BY i"  # noqa: S608

    with reading(connect) as cursor:
        rows = list(query(sql)._rows(cursor))
    assert [row["i"] for row in rows if not isinstance(row, BluxRecordError)] == [*range(1, 1500), *range(1501, 2001)]
    assert str(rows[1499]).startswith("v: holds a value that Python cannot represent, such as infinity")


@pytest.mark.parametrize("connect", [connect_psycopg2, connect_psycopg3])
@pytest.mark.parametrize("value", ["""'{"a": 1, "a": 2}'::json""", """array['{"a": {"b": 1, "b": true}}'::json]"""])
def test_a_column_of_json_with_a_key_twice_is_rejected(value: str, connect: Callable[[], Any]) -> None:
    with reading(connect) as cursor:
        (row,) = query(f'SELECT {value} AS v, \'{{"a": 1, "a": 1}}\'::json AS w ORDER BY 1 + 1')._rows(cursor)
    assert str(row).startswith("v: is a map that has a key twice")


@pytest.mark.parametrize("connect", [connect_psycopg2, connect_psycopg3])
def test_values_that_python_can_hold_stay_as_they_are(connect: Callable[[], Any]) -> None:
    with reading(connect) as cursor:
        cursor.execute(
            """SELECT '9999-12-31'::date, '0001-01-01'::timestamp, '23:59:59'::time, '24:00'::interval, null::date,
                      array['2026-01-31'::date, null], '{"a": ["infinity"]}'::jsonb, 'infinity'::text"""
        )
        (row,) = cursor.fetchall()
    assert row == (
        date(9999, 12, 31),
        datetime(1, 1, 1),  # noqa: DTZ001
        time(23, 59, 59),
        timedelta(days=1),
        None,
        [date(2026, 1, 31), None],
        {"a": ["infinity"]},
        "infinity",
    )


@pytest.mark.parametrize("connect", [connect_psycopg2, connect_psycopg3])
@pytest.mark.parametrize("text", ["é", "Ã©"])  # in Latin-1, the bytes of the second are the first in UTF-8
def test_json_is_read_in_the_encoding_of_the_connection(
    connect: Callable[..., Any], text: str, caplog: pytest.LogCaptureFixture
) -> None:
    sql = f"SELECT '{text}'::text AS t, '[\"{text}\"]'::json AS j, array['\"{text}\"'::jsonb] AS a ORDER BY 1"

    with reading(lambda: connect(client_encoding="LATIN1")) as cursor:
        assert list(query(sql)._rows(cursor)) == [{"t": text, "j": [text], "a": [text]}]
    assert not caplog.records


@pytest.mark.parametrize("connect", [connect_psycopg2, connect_psycopg3])
@pytest.mark.parametrize("encoding", ["SQL_ASCII", "EUC_KR", "LATIN1", "UTF8"])
def test_text_and_json_are_read_whatever_the_encoding_of_the_connection(
    connect: Callable[..., Any], encoding: str, caplog: pytest.LogCaptureFixture
) -> None:
    # Written with escapes, since a connection in SQL_ASCII cannot hold the characters.
    sql = r"""SELECT json_build_array(U&'\D55C\AE00') AS j, array[jsonb_build_array(U&'\D55C\AE00')] AS a,
                     U&'\D55C\AE00' AS t ORDER BY 2"""

    with reading(lambda: connect(client_encoding=encoding)) as cursor:
        assert list(query(sql)._rows(cursor)) == [{"j": ["한글"], "a": [["한글"]], "t": "한글"}]
    assert not caplog.records


@pytest.mark.parametrize("driver", ["psycopg2", "psycopg"])
def test_text_of_a_database_that_knows_no_encoding_is_read_in_that_of_the_connection(driver: str) -> None:
    if reason := why_not(for_a_database_of_its_own=True):
        pytest.skip(reason)
    connect = pytest.importorskip(driver).connect
    with PostgresDatabase("ENCODING 'SQL_ASCII' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'") as database:
        fields = {**SERVER, "dbname": database.connection()["schema"], "client_encoding": "EUC_KR"}

        with reading(lambda: connect(**fields)) as cursor:
            assert list(query(r"SELECT E'\xC7\xD1\xB1\xDB' AS t ORDER BY 1")._rows(cursor)) == [{"t": "한글"}]


@pytest.mark.parametrize("connect", [connect_psycopg2, connect_psycopg3])
@pytest.mark.parametrize("style", ["SQL,DMY", "German", "Postgres,MDY", "ISO,YMD"])
def test_dates_are_read_whatever_the_style_of_the_database(connect: Callable[..., Any], style: str) -> None:
    sql = "SELECT DATE '2026-02-03' AS day, TIMESTAMPTZ '2026-02-03 09:00+00' AS at ORDER BY 1"

    with reading(lambda: connect(options=f"-c datestyle={style} -c timezone=UTC")) as cursor:
        expected = {"day": date(2026, 2, 3), "at": datetime(2026, 2, 3, 9, tzinfo=UTC)}
        assert list(query(sql)._rows(cursor)) == [expected]


def plain(value: Any) -> Any:
    """Return values of types that psycopg2 has no class for as the text that it returns."""
    if isinstance(value, list):
        return [plain(item) for item in value]
    return str(value) if isinstance(value, UUID | IPv4Network) else value


@pytest.fixture
def types_of_the_database() -> Iterator[None]:
    """An enum, and domains of numbers and of dates, one of them of another domain."""
    made = "blux_test_few_points, blux_test_points, blux_test_days, blux_test_mood"
    with closing(psycopg2.connect(**SERVER)) as database, database.cursor() as cursor:
        cursor.execute(f"DROP TYPE IF EXISTS {made}")
        cursor.execute("CREATE TYPE blux_test_mood AS ENUM ('sad', 'o,k')")
        cursor.execute("CREATE DOMAIN blux_test_points AS int; CREATE DOMAIN blux_test_days AS date")
        cursor.execute("CREATE DOMAIN blux_test_few_points AS blux_test_points CHECK (value < 10)")
        database.commit()
        yield
        cursor.execute(f"DROP TYPE {made}")
        database.commit()


@pytest.mark.parametrize("connect", [connect_psycopg2, connect_psycopg3])
@pytest.mark.parametrize(
    ("value", "read"),
    [
        ("array['sad', 'o,k', null]::blux_test_mood[]", ["sad", "o,k", None]),
        ("array[array[1], array[2]]::blux_test_points[]", [[1], [2]]),
        ("array[1, 2]::blux_test_few_points[]", [1, 2]),
        ("array['2026-01-31']::blux_test_days[]", [date(2026, 1, 31)]),
        ("array['1.1.0.0/16']::cidr[]", [IPv4Network("1.1.0.0/16")]),
        ("array['<a/>']::xml[]", ["<a/>"]),
        ("array['00000000-0000-0000-0000-00000000000a']::uuid[]", [UUID(int=10)]),
        ("array['{x}']::text[]", ["{x}"]),
        ("'{x}'::text", "{x}"),
    ],
)
def test_an_array_is_a_list_whatever_type_its_items_have(
    types_of_the_database: None, connect: Callable[[], Any], value: str, read: Any
) -> None:
    with reading(connect) as cursor:
        cursor.execute(f"SELECT {value}, %s = ANY(%s)", ("b", ["a", "b"]))
        ((found, is_in),) = cursor.fetchall()
    assert is_in is True
    assert found == (read if connect is connect_psycopg3 else plain(read))


@pytest.fixture
def server_without_array_types() -> Iterator[str]:
    """The schema of a ``pg_type`` that lacks columns."""
    with closing(psycopg2.connect(**SERVER)) as database, database.cursor() as cursor:
        cursor.execute("DROP SCHEMA IF EXISTS blux_test_old CASCADE; CREATE SCHEMA blux_test_old")
        cursor.execute("CREATE TABLE blux_test_old.pg_type (oid oid, typname text)")
        database.commit()
        yield "blux_test_old"
        cursor.execute("DROP SCHEMA blux_test_old CASCADE")
        database.commit()


@pytest.mark.parametrize("driver", ["psycopg2", "psycopg"])
def test_a_server_without_array_types_is_read_nevertheless(server_without_array_types: str, driver: str) -> None:
    options = f"-c search_path={server_without_array_types},pg_catalog"
    connect = partial(pytest.importorskip(driver).connect, **SERVER, options=options)

    with reading(connect) as cursor:
        assert list(query("SELECT array[1] AS a, 'b' AS b ORDER BY 1")._rows(cursor)) == [{"a": [1], "b": "b"}]


@pytest.mark.parametrize("connect", [connect_psycopg2, connect_psycopg3])
def test_a_value_inside_an_array_of_a_domain_is_rejected_as_well(
    types_of_the_database: None, connect: Callable[[], Any]
) -> None:
    with reading(connect) as cursor:
        (row,) = query("SELECT array['infinity']::blux_test_days[] AS v ORDER BY 1")._rows(cursor)
    assert str(row).startswith("v: holds a value that Python cannot represent")


def test_the_parts_that_a_hash_chooses_hold_every_user_once() -> None:
    (statement,) = re.findall(r'sql="(SELECT [^"]*hashtext[^"]*)"', BACKFILL.read_text("utf-8"))
    source = "FROM (SELECT generate_series(1, 500)::text AS user_id) users"
    parts = [
        [row["user_id"] for row in query(statement.replace("FROM users", source), parameters={"part": part})]
        for part in range(16)
    ]

    assert sorted(user_id for part in parts for user_id in part) == sorted(map(str, range(1, 501)))
    assert all(parts)


@pytest.fixture
def visits() -> Iterator[None]:
    """A table with a number, a time and a time without a zone."""
    with closing(psycopg2.connect(**SERVER)) as database, database.cursor() as cursor:
        cursor.execute("DROP TABLE IF EXISTS blux_test_visits")
        cursor.execute(
            """CREATE TABLE blux_test_visits AS
               SELECT n::numeric AS n, timestamptz '2026-03-01T00:00:00Z' + n * interval '7 h' AS at,
                      timestamp '2026-03-01' + n * interval '7 h' AS local_time
               FROM generate_series(1, 1000) n"""
        )
        database.commit()
        yield
        cursor.execute("DROP TABLE blux_test_visits")
        database.commit()


@pytest.mark.parametrize(
    ("key", "sql"),
    [
        ("n", "SELECT n FROM blux_test_visits WHERE n >= %(first)s AND n < %(end)s ORDER BY n"),
        (
            "local_time",
            "SELECT n FROM blux_test_visits WHERE local_time >= %(first)s AND local_time < %(end)s ORDER BY n",
        ),
        ("at", "SELECT n FROM blux_test_visits WHERE at >= %(first)s AND at < %(end)s ORDER BY n"),
    ],
)
def test_a_table_is_cut_by_its_numbers_and_by_its_times(visits: None, key: str, sql: str) -> None:
    ranges = split_sql("shop", "blux_test_visits", key, 7)
    found = [row["n"] for each in ranges for row in query(sql, parameters=each)]

    assert len(ranges) == 7
    assert found == list(range(1, 1001))


def test_a_table_whose_key_has_no_end_is_not_cut(visits: None) -> None:
    with closing(psycopg2.connect(**SERVER)) as database, database.cursor() as cursor:
        cursor.execute("INSERT INTO blux_test_visits VALUES (1001, 'infinity', 'infinity')")
        database.commit()

    with pytest.raises(BluxSourceError, match=r"^at holds a value that Python cannot represent, such as infinity"):
        split_sql("shop", "blux_test_visits", "at", 7)
