"""The PostgreSQL that some tests need: its address, whether it answers, and separate databases in it."""

from __future__ import annotations

import os
import secrets
from contextlib import closing
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

# As libpq's own variables say, else where a development machine has it.
SERVER: dict[str, Any] = {
    "host": os.environ.get("PGHOST", "127.0.0.1"),
    "port": int(os.environ.get("PGPORT", "5432")),
    "user": os.environ.get("PGUSER", "postgres"),
    "password": os.environ.get("PGPASSWORD", ""),
    "dbname": os.environ.get("PGDATABASE", "test"),
}


def why_not(*, for_a_database_of_its_own: bool = False) -> str | None:
    """Return the reason to skip a test; ``None`` if PostgreSQL answers, and allows a new database if one is needed."""
    try:
        import psycopg2
    except ImportError:
        return "psycopg2 is not installed"
    where = f"{SERVER['host']}:{SERVER['port']} (PGHOST, PGPORT, PGUSER, PGDATABASE)"
    try:
        with closing(psycopg2.connect(connect_timeout=3, **SERVER)) as connection, connection.cursor() as cursor:
            cursor.execute("select rolsuper or rolcreatedb from pg_roles where rolname = current_user")
            may_create = cursor.fetchone()[0]
    except psycopg2.OperationalError:
        return f"no PostgreSQL answers at {where}"
    if for_a_database_of_its_own and not may_create:
        return f"the user of the PostgreSQL at {where} may not create a database"
    return None


class PostgresDatabase:
    """A database that exists during a ``with`` block.

    :param options: further words of ``CREATE DATABASE``.
    """

    def __init__(self, options: str = "") -> None:
        self._options = options
        self._name = f"blux_test_{os.getpid()}_{secrets.token_hex(4)}"
        self._server = {**SERVER, "dbname": self._name}

    def __enter__(self) -> Self:
        self._on_the_server(f'CREATE DATABASE "{self._name}" {self._options}')
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # What is connected still is a process of the test that is being ended.
        self._on_the_server(f'DROP DATABASE "{self._name}" WITH (FORCE)')

    @property
    def url(self) -> str:
        """Return the SQLAlchemy URL of the database."""
        user, password = quote(SERVER["user"], safe=""), quote(SERVER["password"], safe="")
        return f"postgresql+psycopg2://{user}:{password}@{SERVER['host']}:{SERVER['port']}/{self._name}"

    def connection(self) -> dict[str, Any]:
        """Return the Airflow connection to the database."""
        fields = {key: SERVER[key] for key in ("host", "port", "password")}
        return {"conn_type": "postgres", "login": SERVER["user"], "schema": self._name, **fields}

    def execute(self, statements: str) -> None:
        """Execute statements, and commit."""
        import psycopg2

        with closing(psycopg2.connect(**self._server)) as connection, connection.cursor() as cursor:
            cursor.execute(statements)
            connection.commit()

    def tables(self) -> list[str]:
        """Return the names of the tables."""
        return [row["tablename"] for row in self.select("select tablename from pg_tables where schemaname = 'public'")]

    def select(self, query: str, *parameters: object) -> list[dict[str, Any]]:
        """Return the rows of a query, JSON as text; ``?`` stands for a parameter."""
        import psycopg2
        from psycopg2.extras import RealDictCursor, register_default_json, register_default_jsonb

        with closing(psycopg2.connect(**self._server)) as connection:
            for register in (register_default_json, register_default_jsonb):
                register(connection, loads=lambda text: text)
            with connection.cursor(cursor_factory=RealDictCursor) as cursor:
                cursor.execute(query.replace("?", "%s"), parameters)
                return [{name: _plain(cell) for name, cell in row.items()} for row in cursor]

    @staticmethod
    def _on_the_server(statement: str) -> None:
        import psycopg2

        with closing(psycopg2.connect(**SERVER)) as connection:
            connection.autocommit = True  # a database is not made or dropped in a transaction
            with connection.cursor() as cursor:
                cursor.execute(statement)


def _plain(cell: Any) -> Any:
    return bytes(cell) if isinstance(cell, memoryview) else cell
