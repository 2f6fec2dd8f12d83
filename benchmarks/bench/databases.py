"""Tables of users with typed columns in PostgreSQL and MariaDB, where they are there.

The servers are found by the variables of their own clients: PGHOST, PGPORT, PGUSER, PGPASSWORD, PGDATABASE; MYSQL_HOST,
MYSQL_TCP_PORT, MYSQL_USER, MYSQL_PWD, MYSQL_DATABASE.
"""

from __future__ import annotations

import json
import os
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from datetime import date, datetime
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar

from benchmarks.bench.contenders.task import Task
from benchmarks.bench.mariadb_provider import install
from benchmarks.rows import Row, typed_user
from benchmarks.table import say

DATABASES = ("PostgreSQL", "MariaDB")
_COLUMNS = typed_user(0)
_ROWS_A_WRITE = 1000
_WAIT_SECONDS = 3


class Table(ABC):
    """A table of users in one database, its own of this process."""

    title: ClassVar[str]
    conn_type: ClassVar[str]
    #: The fields of the server: the variable that names each, and its default.
    variables: ClassVar[Mapping[str, tuple[str, str]]]
    types: ClassVar[Mapping[type, str]]
    #: How the values of this database are read, as arguments of the operator.
    arguments: ClassVar[Mapping[str, Any]] = {}

    def __init__(self) -> None:
        self.name = f"blux_bench_{os.getpid()}"
        found = {field: os.environ.get(*variable) for field, variable in self.variables.items()}
        self.server: dict[str, Any] = {**found, "port": int(found["port"])}

    @abstractmethod
    def connect(self) -> Any:
        """Return a connection of the driver."""

    @abstractmethod
    def write(self, cursor: Any, rows: Iterator[tuple[Any, ...]]) -> None:
        """Insert the rows, JSON as text."""

    @property
    def conn_id(self) -> str:
        """The Airflow connection."""
        return f"bench_{self.conn_type}"

    def missing(self) -> str | None:
        """Return why the database cannot be read from; ``None`` when it can."""
        try:
            self.connect().close()
        except ImportError as error:
            return f"{error.name} is not installed"
        except Exception as error:  # noqa: BLE001 - each driver has its own
            return f"no {self.title} answers at {self.server['host']}:{self.server['port']} ({type(error).__name__})"
        return None

    @contextmanager
    def filled(self, count: int) -> Iterator[None]:
        """Create the table with so many users, and drop it in the end."""
        say(f"writing {count:,} users into {self.title} ...")
        columns = ", ".join(f"{name} {self.types[type(value)]}" for name, value in _COLUMNS.items())
        os.environ[f"AIRFLOW_CONN_{self.conn_id.upper()}"] = self._airflow_connection()
        with closing(self.connect()) as connection, connection.cursor() as cursor:
            cursor.execute(f"CREATE TABLE {self.name} ({columns}, PRIMARY KEY (user_id))")
            try:
                self.write(cursor, (_cells(typed_user(number)) for number in range(count)))
                connection.commit()
                yield
            finally:
                connection.rollback()
                cursor.execute(f"DROP TABLE IF EXISTS {self.name}")
                connection.commit()

    def task(self, url: str, **more: Any) -> Task:
        """Return the task to deliver the table."""
        sql = f"SELECT {', '.join(_COLUMNS)} FROM {self.name} ORDER BY user_id"  # noqa: S608 - our own names
        return Task(
            url=url,
            what="typed users",
            source={"sql": sql, "sql_conn_id": self.conn_id},
            sample={"sql": f"{sql} LIMIT 1", "sql_conn_id": self.conn_id},
            **{**more, "arguments": {**self.arguments, **more.get("arguments", {})}},
        )

    def _airflow_connection(self) -> str:
        server = dict(self.server)
        names = {"login": server.pop("user"), "schema": server.pop("database")}
        return json.dumps({"conn_type": self.conn_type, **names, **server})


class PostgreSqlTable(Table):
    """A table in PostgreSQL, read through Airflow's own provider."""

    title = "PostgreSQL"
    conn_type = "postgres"
    variables: ClassVar[Mapping[str, tuple[str, str]]] = {
        "host": ("PGHOST", "127.0.0.1"),
        "port": ("PGPORT", "5432"),
        "user": ("PGUSER", "postgres"),
        "password": ("PGPASSWORD", ""),
        "database": ("PGDATABASE", "test"),
    }
    types: ClassVar[Mapping[type, str]] = {
        str: "text",
        bool: "boolean",
        int: "integer",
        Decimal: "numeric(12, 2)",
        date: "date",
        datetime: "timestamptz",
        dict: "jsonb",
    }

    def connect(self) -> Any:
        """Return a connection of psycopg, and make sure that Airflow can have one."""
        import psycopg
        from airflow.providers.postgres.hooks.postgres import PostgresHook  # noqa: F401 - it must be there

        server = dict(self.server)
        return psycopg.connect(dbname=server.pop("database"), connect_timeout=_WAIT_SECONDS, **server)

    def write(self, cursor: Any, rows: Iterator[tuple[Any, ...]]) -> None:
        """Copy the rows."""
        with cursor.copy(f"COPY {self.name} FROM STDIN") as copy:
            for row in rows:
                copy.write_row(row)


class MariaDbTable(Table):
    """A table in MariaDB, read through pymysql."""

    title = "MariaDB"
    conn_type = "mariadb"
    variables: ClassVar[Mapping[str, tuple[str, str]]] = {
        "host": ("MYSQL_HOST", "127.0.0.1"),
        "port": ("MYSQL_TCP_PORT", "3306"),
        "user": ("MYSQL_USER", "root"),
        "password": ("MYSQL_PWD", ""),
        "database": ("MYSQL_DATABASE", "test"),
    }
    types: ClassVar[Mapping[type, str]] = {
        str: "varchar(100)",
        bool: "boolean",
        int: "integer",
        Decimal: "numeric(12, 2)",
        date: "date",
        datetime: "datetime",
        dict: "json",
    }
    # Booleans are numbers there.
    arguments: ClassVar[Mapping[str, Any]] = {"true_values": [1], "false_values": [0]}

    def connect(self) -> Any:
        """Return a connection of the hook's driver."""
        import pymysql

        return pymysql.connect(charset="utf8mb4", connect_timeout=_WAIT_SECONDS, **self.server)

    def write(self, cursor: Any, rows: Iterator[tuple[Any, ...]]) -> None:
        """Insert the rows, many at a time."""
        statement = f"INSERT INTO {self.name} VALUES ({', '.join(['%s'] * len(_COLUMNS))})"  # noqa: S608 - our own
        while some := list(islice(rows, _ROWS_A_WRITE)):
            cursor.executemany(statement, some)


@contextmanager
def filled_tables(
    count: int, folder: Path, only: Collection[str] = DATABASES
) -> Iterator[tuple[list[Table], dict[str, str]]]:
    """Fill a table in each database that answers.

    Gives the tables, and why those of other databases are missing, by their titles.

    :param folder: keeps what makes the hook of MariaDB known to Airflow.
    :param only: the titles of the databases.
    """
    tables: Sequence[Table] = [table for table in (PostgreSqlTable(), MariaDbTable()) if table.title in only]
    missing = {table.title: why for table in tables if (why := table.missing())}
    with ExitStack() as opened:
        there = [table for table in tables if table.title not in missing]
        for table in there:
            opened.enter_context(table.filled(count))
        install(folder)
        yield there, missing


def _cells(row: Row) -> tuple[Any, ...]:
    return tuple(json.dumps(value) if isinstance(value, dict) else value for value in row.values())
