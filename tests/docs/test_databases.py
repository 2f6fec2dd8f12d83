"""The examples of docs/databases.md, each on a real database: the values that arrive are those on the page."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_blux.emulator import Emulator
from airflow_provider_blux.hooks.blux import BluxHook
from airflow_provider_blux.operators.blux import BluxUpsertUsersOperator
from airflow_provider_blux.sources.cursors import reading
from airflow_provider_blux.sources.sql import SqlSource
from tests import postgres
from tests.docs.readme import Readme
from tests.sources.test_mariadb import SERVER as MARIADB

PAGE = Readme("docs/databases.md")
TABLES, TASKS, USERS = ([block.code for block in PAGE.code(language)] for language in ("sql", "python", "json"))
POSTGRES, MYSQL, DUCKDB = range(3)


def operator(number: int) -> BluxUpsertUsersOperator:
    shown: dict[str, Any] = {}
    exec(f"task = {TASKS[number]}", {"BluxUpsertUsersOperator": BluxUpsertUsersOperator}, shown)  # noqa: S102 - the docs' own text
    task: BluxUpsertUsersOperator = shown["task"]
    return task


def assert_arrived(blux: Emulator, number: int) -> None:
    shown = json.loads(USERS[number])

    assert dict(blux.users()) == {shown["user_id"]: shown}


def test_postgresql(blux_emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("airflow.providers.postgres")
    if reason := postgres.why_not(for_a_database_of_its_own=True):
        pytest.skip(reason)
    with postgres.PostgresDatabase() as database:
        database.execute(TABLES[POSTGRES])
        monkeypatch.setenv(
            "AIRFLOW_CONN_SHOP", json.dumps({**database.connection(), "extra": {"options": "-c timezone=UTC"}})
        )
        operator(POSTGRES).execute({})  # type: ignore[arg-type]

    assert_arrived(blux_emulator, POSTGRES)


@pytest.fixture
def mariadb() -> Iterator[dict[str, Any]]:
    """The connection arguments of an empty database."""
    pymysql = pytest.importorskip("pymysql")
    try:
        server = pymysql.connect(**MARIADB, connect_timeout=3)
    except pymysql.err.OperationalError:
        pytest.skip("no MariaDB answers (see tests/sources/test_mariadb.py)")
    name = f"blux_test_{os.getpid()}_{secrets.token_hex(4)}"
    with closing(server), server.cursor() as cursor:
        cursor.execute(f"CREATE DATABASE {name} CHARACTER SET utf8mb4")
        try:
            yield {**MARIADB, "database": name}
        finally:
            cursor.execute(f"DROP DATABASE {name}")


def test_mariadb(blux_emulator: Emulator, mariadb: dict[str, Any]) -> None:
    # Airflow's own hook needs a driver that has to be compiled: the query is read as the operator would, by PyMySQL.
    import pymysql

    with closing(pymysql.connect(**mariadb)) as connection, connection.cursor() as cursor:
        for statement in filter(str.strip, TABLES[MYSQL].split(";")):
            cursor.execute(statement)
        connection.commit()
    task = operator(MYSQL)
    options = {name: getattr(task, name) for name in ("true_values", "false_values", "json_columns")}
    with reading(lambda: pymysql.connect(**mariadb)) as cursor:
        BluxHook().upsert_users(SqlSource(str(task.sql), conn_id="shop")._rows(cursor), **options)  # type: ignore[arg-type]

    assert_arrived(blux_emulator, MYSQL)


def test_duckdb(blux_emulator: Emulator, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pytest.importorskip("airflow.providers.duckdb")
    duckdb = pytest.importorskip("duckdb")
    with duckdb.connect(str(tmp_path / "shop.duckdb")) as database:
        database.execute(TABLES[DUCKDB])
    monkeypatch.setenv("AIRFLOW_CONN_SHOP", json.dumps({"conn_type": "duckdb", "host": str(tmp_path / "shop.duckdb")}))
    operator(DUCKDB).execute({})  # type: ignore[arg-type]

    assert_arrived(blux_emulator, DUCKDB)
